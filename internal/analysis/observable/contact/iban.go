package contact

import "strings"

// ibanLengths are the lengths of the SWIFT IBAN registry, by country.
const ibanLengths = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 " +
	"EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 " +
	"LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 " +
	"RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 "

// The countries whose account numbers are digits only, and those where four
// letters name the bank and digits follow: where a digit stands for a letter,
// the check digits alone do not see it.
const (
	ibanDigits = "AE AT BA BE CZ DE DK EE ES FI FO GL HR HU IL IS LT ME NO PL PT RS SE SI SK TN XK "
	ibanBanks  = "GB IE NL "
)

const (
	maxIBAN   = 34
	minNumber = 6 // digits after the check digits: fewer look like a word
)

// ibanLength returns how long the IBANs of a country are, or 0.
func ibanLength(a, b byte) int {
	a, b = a&^0x20, b&^0x20
	for i := 0; i < len(ibanLengths); i += 5 {
		if ibanLengths[i] == a && ibanLengths[i+1] == b {
			return int(ibanLengths[i+2]-'0')*10 + int(ibanLengths[i+3]-'0')
		}
	}
	return 0
}

// ParseIBAN reads s, which is nothing but an IBAN, with or without separators,
// and returns it in canonical form.
func ParseIBAN(s string) (string, bool) {
	s = strings.TrimSpace(s)
	for i := range len(s) {
		if isDigit(s[i]) {
			start := i
			for start > 0 && alnum(s[start-1]) {
				start--
			}
			value, from, to := ibanAt(s, start, i)
			return value, value != "" && from == 0 && to == len(s)
		}
	}
	return "", false
}

// ibanAt reads the IBAN whose first check digit is at text[digit]; the word in
// which it stands begins at start. When there is none, to is 0; when there is
// something of its shape that fails the check, value is empty.
func ibanAt(text string, start, digit int) (value string, from, to int) {
	from = start
	if start == digit { // "BE 68 …"
		n := 0
		if start >= 3 && text[start-1] == ' ' {
			n = 1
		} else if start >= 4 && strings.HasPrefix(text[start-2:], "\u00a0") {
			n = 2
		}
		if from = start - n - 2; n == 0 || !upper(text[from]) || !upper(text[from+1]) {
			return "", 0, 0
		}
	}
	if digit+2 > len(text) || !isLetter(text[from]) || !isLetter(text[from+1]) || !isDigit(text[digit+1]) {
		return "", 0, 0
	}
	if from > 0 && (alnum(text[from-1]) || strings.IndexByte("/=&?%#_@", text[from-1]) >= 0) {
		return "", 0, 0
	}
	length := ibanLength(text[from], text[from+1])
	if length == 0 {
		return "", 0, 0
	}
	var buf [maxIBAN]byte
	buf[0], buf[1] = text[from]&^0x20, text[from+1]&^0x20
	n, digits, i := 2, 0, digit
	for n < length && i < len(text) {
		c := text[i]
		if alnum(c) {
			if isLetter(c) {
				c &^= 0x20
			} else if n >= 4 {
				digits++
			}
			buf[n] = c
			n++
			i++
			continue
		}
		w, _ := separator(text, i)
		if w == 0 || c == '(' && w == 1 || c == ')' || c == '/' || i+w == len(text) || !alnum(text[i+w]) {
			break
		}
		i += w
	}
	if n < length || digits < minNumber || i < len(text) && (alnum(text[i]) || text[i] == '_' || text[i] == '=') {
		return "", 0, 0
	}
	if !mod97(buf[:n]) || !regular(string(buf[:2]), buf[4:n]) {
		return "", from, i
	}
	return string(buf[:n]), from, i
}

// regular reports whether letters and digits stand where the country has them.
func regular(country string, account []byte) bool {
	letters := 0
	switch country += " "; {
	case strings.Contains(ibanBanks, country):
		letters = 4
	case !strings.Contains(ibanDigits, country):
		return true
	}
	for i, c := range account {
		if isDigit(c) == (i < letters) {
			return false
		}
	}
	return true
}

func upper(c byte) bool { return c-'A' < 26 }

// mod97 checks an IBAN in electronic form (ISO 7064, MOD 97-10).
func mod97(iban []byte) bool {
	if check := int(iban[2]-'0')*10 + int(iban[3]-'0'); check < 2 || check > 98 {
		return false
	}
	sum := 0
	for k := range iban {
		c := iban[(k+4)%len(iban)]
		if isDigit(c) {
			sum = (sum*10 + int(c-'0')) % 97
		} else {
			sum = (sum*100 + int(c-'A') + 10) % 97
		}
	}
	return sum == 1
}
