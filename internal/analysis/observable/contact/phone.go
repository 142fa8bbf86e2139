package contact

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

const (
	minPhone = 7  // digits without the country code
	maxPhone = 17 // digits as written: 00 and 15, E.164
)

// Regions returns the countries in which a writer of the language is likeliest
// to write a phone number without its country code.
func Regions(lang string) []string {
	switch lang {
	case "nl":
		return []string{"BE", "NL"}
	case "fr":
		return []string{"BE", "FR"}
	case "de":
		return []string{"BE", "DE", "AT"}
	case "en":
		return []string{"US", "GB"}
	case "es":
		return []string{"ES"}
	case "it":
		return []string{"IT"}
	case "pl":
		return []string{"PL"}
	case "pt":
		return []string{"PT"}
	case "":
		return []string{"BE"}
	}
	return nil
}

// ParsePhone reads s, which is nothing but a phone number (the value of a tel:
// or sms: link), and returns it in E.164 form. Numbers without a country code
// are looked for in the regions, in their order.
func ParsePhone(s string, regions []string) (string, bool) {
	s, _, _ = strings.Cut(s, ";") // parameters, RFC 3966
	var buf [maxPhone]byte
	n, plus := 0, false
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case isDigit(c):
			if n == len(buf) {
				return "", false
			}
			buf[n] = c
			n++
			i++
		case c == '+' && n == 0 && !plus:
			plus = true
			i++
		default:
			w, _ := separator(s, i)
			if w == 0 {
				return "", false
			}
			i += w
		}
	}
	digits := string(buf[:n])
	if rest, ok := strings.CutPrefix(digits, "00"); ok && !plus {
		plus, digits = true, rest
	}
	if plus {
		return e164("+"+digits, "ZZ")
	}
	for _, region := range regions {
		if value, ok := e164(digits, region); ok {
			return value, true
		}
	}
	return "", false
}

// e164 asks the numbering plan. It calls other people's code with nothing but
// digits, and survives it.
func e164(s, region string) (value string, ok bool) {
	if len(s) < minPhone {
		return "", false
	}
	defer func() {
		if recover() != nil {
			value, ok = "", false
		}
	}()
	if code, national := plain(s, region); code != 0 {
		number := &phonenumbers.PhoneNumber{CountryCode: &code, NationalNumber: &national}
		if s[0] != '+' && !phonenumbers.IsValidNumberForRegion(number, region) || s[0] == '+' && !phonenumbers.IsValidNumber(number) {
			return "", false
		}
		return "+" + strconv.Itoa(int(code)) + strconv.FormatUint(national, 10), true
	}
	number, err := phonenumbers.Parse(s, region)
	if err != nil || number.GetExtension() != "" {
		return "", false
	}
	if s[0] == '+' && !phonenumbers.IsValidNumber(number) || s[0] != '+' && !phonenumbers.IsValidNumberForRegion(number, region) {
		return "", false
	}
	return phonenumbers.Format(number, phonenumbers.E164), true
}

// simple are plans that are dialled abroad as at home but for one trunk zero;
// the zero stands in brackets or by mistake after the country code. Their
// numbers need none of the library's parsing, which costs more than the check.
var simple = [...]struct {
	region, code string
	trunk        bool
}{
	{"BE", "32", true},
	{"NL", "31", true},
	{"FR", "33", true},
	{"DE", "49", true},
	{"GB", "44", true},
	{"AT", "43", true},
	{"CH", "41", true},
	{"ES", "34", false},
	{"PL", "48", false},
	{"US", "1", false},
}

// plain takes a number of a simple plan apart; code is 0 for others.
func plain(s, region string) (code int32, national uint64) {
	for _, p := range simple {
		rest := s
		if s[0] == '+' {
			var ok bool
			if rest, ok = strings.CutPrefix(s[1:], p.code); !ok {
				continue
			}
		} else if p.region != region {
			continue
		} else if p.trunk && rest[0] != '0' {
			return 0, 0
		}
		if p.trunk {
			rest = strings.TrimPrefix(rest, "0")
		}
		if len(rest) < 5 || len(rest) > 14 || rest[0] == '0' || p.region == "US" && (len(rest) != 10 || rest[0] == '1') {
			return 0, 0
		}
		n, err := strconv.ParseUint(rest, 10, 64)
		c, _ := strconv.Atoi(p.code)
		if err != nil {
			return 0, 0
		}
		return int32(c), n
	}
	return 0, 0
}

// candidate is a run of digits and separators.
type candidate struct {
	buf    [maxPhone]byte
	n      int
	groups [maxPhone]uint8 // digits in each group
	parts  int
	end    int
	over   bool // more digits than a phone number has
	slash  bool
	dot    bool
	cut    candidateCut // where a second number may begin
}

type candidateCut struct{ n, parts, end int }

func (c *candidate) digits() string { return string(c.buf[:c.n]) }

// shape writes the lengths of the groups, as "4-2-2-2".
func (c *candidate) shape(lengths ...uint8) bool {
	return c.parts == len(lengths) && string(c.groups[:c.parts]) == string(lengths)
}

// readCandidate reads digits and separators from text[i], a digit.
func readCandidate(text string, i int) (c candidate) {
	c.parts, c.end = 1, i
	for i < len(text) {
		if isDigit(text[i]) {
			if c.n == len(c.buf) {
				c.over = true
			} else {
				c.buf[c.n] = text[i]
				c.n++
				c.groups[c.parts-1]++
			}
			i++
			c.end = i
			continue
		}
		from, spaces, others := i, 0, 0
		for i < len(text) && i-from < 12 {
			w, space := separator(text, i)
			if w == 0 {
				break
			}
			if space {
				spaces++
			} else {
				others++
				c.slash = c.slash || text[i] == '/'
				c.dot = c.dot || text[i] == '.'
			}
			i += w
		}
		if i == from || i == len(text) || !isDigit(text[i]) || spaces > 2 || others > 2 || spaces == 2 && others == 0 {
			break
		}
		if c.cut.n == 0 && c.n >= minPhone && (spaces == 2 || text[i] == '0' && spaces > 0) {
			c.cut = candidateCut{c.n, c.parts, c.end}
		}
		if c.parts < len(c.groups) {
			c.parts++
		}
	}
	return c
}

// phoneAt reads the phone number that begins with the digit text[i] or with
// the sign or bracket before it. It returns where reading goes on.
func phoneAt(text string, i, floor int, regions func() []string) (Found, int) {
	start, plus := i, false
	for start > floor && i-start < 4 {
		b := text[start-1]
		if b == '+' && !plus {
			plus = true
		} else if b == ']' && !plus && strings.HasSuffix(text[floor:start], "[+]") {
			plus = true
			start -= 2
		} else if b != '(' {
			break
		}
		start--
	}
	if b := text[i]; !plus && b != '0' && b != '1' && (i+3 >= len(text) || !isDigit(text[i+1]) || !isDigit(text[i+2]) || isDigit(text[i+3])) {
		return Found{}, skip(text, i)
	}
	c := readCandidate(text, i)
	international := plus || strings.HasPrefix(c.digits(), "00")
	if start < i && text[start] == '(' && strings.IndexByte(text[i:c.end], ')') < 0 {
		for start < i && text[start] == '(' {
			start++
		}
	}
	if c.n < minPhone || !international && (c.over || c.n > 13) && c.cut.n == 0 {
		return Found{}, c.end
	}
	if !international && text[i] != '0' && !american(&c, text, start, i) {
		return Found{}, c.end
	}
	if !before(text, start) {
		return Found{}, c.end
	}
	if f, ok := c.accept(text, start, international, plus, regions); ok {
		return f, c.end
	}
	if c.cut.n > 0 {
		end := c.end
		c.n, c.parts, c.end, c.over = c.cut.n, c.cut.parts, c.cut.end, false
		if f, ok := c.accept(text, start, international, plus, regions); ok {
			return f, c.end
		}
		c.end = end
	}
	return Found{}, c.end
}

// skip returns where the run of digits and single separators at text[i] ends.
func skip(text string, i int) int {
	for i < len(text) {
		if isDigit(text[i]) {
			i++
			continue
		}
		w, _ := separator(text, i)
		if w == 0 || i+w >= len(text) || !isDigit(text[i+w]) {
			break
		}
		i += w
	}
	return i
}

// accept decides about a candidate.
func (c *candidate) accept(text string, start int, international, plus bool, regions func() []string) (Found, bool) {
	if c.over || !after(text, c.end) || c.isDate() || c.shape(3, 4, 5) {
		return Found{}, false
	}
	digits := c.digits()
	switch {
	case plus:
		digits = "+" + digits
		if value, ok := e164(digits, "ZZ"); ok {
			return Found{Phone, value, start, c.end}, true
		}
		return Found{}, false
	case international:
		if !cued(text, start) && c.parts < 2 {
			return Found{}, false
		}
		if value, ok := e164("+"+digits[2:], "ZZ"); ok {
			return Found{Phone, value, start, c.end}, true
		}
		return Found{}, false
	}
	if c.groups[0] == 1 && digits[0] == '0' && (c.dot || c.groups[1] != 3 || digits[1] < '8') {
		return Found{}, false // decimals and columns of figures; "0 800 …" is a number
	}
	if !cued(text, start) && (c.n < 9 || c.parts < 2 || denied(text, start) || enterprise(c)) {
		return Found{}, false
	}
	for _, region := range regions() {
		if (region == "US") == (digits[0] == '0') {
			continue
		}
		if value, ok := e164(digits, region); ok {
			return Found{Phone, value, start, c.end}, true
		}
	}
	return Found{}, false
}

// american reports whether the candidate is grouped as a North American number.
func american(c *candidate, text string, start, i int) bool {
	if c.slash {
		return false
	}
	return c.shape(3, 3, 4) && (text[i+3] != ' ' || start < i) || c.shape(1, 3, 3, 4) && text[i] == '1'
}

// before reports whether a phone number may begin at text[i].
func before(text string, i int) bool {
	if i == 0 {
		return true
	}
	b := text[i-1]
	if alnum(b) || strings.IndexByte("/=@#%&_-$\\+?~^", b) >= 0 {
		return false
	}
	if (b == '.' || b == ',' || b == ':') && i > 1 && isDigit(text[i-2]) {
		return false
	}
	if strings.HasSuffix(text[:i], "***") {
		return false
	}
	if i >= 2 && text[i-1] == ' ' {
		i--
	}
	switch r, _ := utf8.DecodeLastRuneInString(text[:i]); r {
	case '€', '£', '$', '№', 'º', '#':
		return false
	}
	return true
}

// after reports whether a phone number may end at text[i].
func after(text string, i int) bool {
	if i >= len(text) {
		return true
	}
	b := text[i]
	if alnum(b) || strings.IndexByte("%@$_=+&#", b) >= 0 || strings.HasPrefix(text[i:], "***") {
		return false
	}
	if i+1 < len(text) && strings.IndexByte(".,:/-", b) >= 0 && alnum(text[i+1]) {
		return false
	}
	rest := strings.TrimLeft(text[i:min(len(text), i+4)], " ")
	return !strings.HasPrefix(rest, "€")
}

// isDate reports 31.12.2026, 2026-12-31 and their like, with what follows.
func (c *candidate) isDate() bool {
	g, d := c.groups[:c.parts], c.buf[:c.n]
	if len(g) < 3 {
		return false
	}
	two := func(i int) int { return int(d[i]-'0')*10 + int(d[i+1]-'0') }
	switch {
	case g[0] == 2 && g[1] == 2 && g[2] == 4:
		a, b, century := two(0), two(2), two(4)
		return (century == 19 || century == 20) && a >= 1 && b >= 1 && min(a, b) <= 12 && max(a, b) <= 31
	case g[0] == 4 && g[1] == 2 && g[2] == 2 && len(g) < 5:
		century, b, day := two(0), two(4), two(6)
		return (century == 19 || century == 20) && b >= 1 && b <= 12 && day >= 1 && day <= 31
	case g[0] == 2 && g[1] == 2 && g[2] == 2 && len(g) == 5 && g[3] == 3 && g[4] == 2:
		return true // a Belgian national number
	}
	return false
}

// enterprise reports whether the candidate is the number of a Belgian
// enterprise, 0123.456.749: its last two digits are 97 less the rest modulo 97.
func enterprise(c *candidate) bool {
	if c.n != 10 || !c.shape(4, 3, 3) && c.parts != 1 {
		return false
	}
	sum := 0
	for _, b := range c.buf[:8] {
		sum = (sum*10 + int(b-'0')) % 97
	}
	return 97-sum == int(c.buf[8]-'0')*10+int(c.buf[9]-'0')
}

// lookBack is how many bytes before a number are read for words about it.
const lookBack = 28

// cues say that a phone number follows, denials that another number does.
var (
	cues = []string{
		"tel", "phone", "fon", "gsm", "mobi", "call", "bel ", "bellen", "appel", "whatsapp", "sms", "anruf", "handy", "ruf",
		"fax", "dial", "hotline", "helpline", "contact", "kontakt", "text ", "num\u00e9ro vert", "bereikba", "joindre", "\u260e", "\U0001f4de", "\U0001f4f1", "\u2706",
	}
	denials = []string{
		"order", "bestel", "commande", "ref", "factuur", "facture", "invoice", "rechnung", "klant", "client", "kund", "customer", "account",
		"rekening", "compte", "konto", "dossier", "ticket", "case", "track", "pakket", "colis", "zending", "iban", "bic", "btw", "tva", "vat", "kbo", "bce",
		"rpr", "rpm", "siret", "siren", "rcs", "hrb", "ust", "steuer", "ondernemingsn", "entreprise", "nummer", "number", "num\u00e9ro", "nr", "n\u00b0", "id", "kvk",
		"code", "polis", "contract", "mededeling", "communication", "kaart", "card", "carte", "serial", "serie", "isbn", "be ",
	}
)

// cued reports whether the last telling word before text[i] announces a phone
// number.
func cued(text string, i int) bool {
	cue, denial := words(text, i)
	return cue >= 0 && cue >= denial-8
}

// denied reports whether a word before text[i] announces another number.
func denied(text string, i int) bool {
	cue, denial := words(text, i)
	return denial > cue
}

func words(text string, i int) (cue, denial int) {
	from := max(0, i-lookBack)
	for from < i && !utf8.RuneStart(text[from]) {
		from++
	}
	s := strings.ToLower(text[from:i])
	last := func(list []string) int {
		at := -1
		for _, w := range list {
			at = max(at, lastWord(s, w))
		}
		return at
	}
	return last(cues), last(denials)
}

// lastWord returns where w last begins a word of s, or -1.
func lastWord(s, w string) int {
	for end := len(s); ; {
		i := strings.LastIndex(s[:end], w)
		if i <= 0 || !isLetter(s[i-1]) {
			return i
		}
		end = i
	}
}
