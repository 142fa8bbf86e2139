// Package contact finds the values in running text by which a fraudster wants
// to be reached or paid: phone numbers, IBANs and the addresses of
// crypto-currency wallets.
//
// It is conservative. IBANs and wallets are reported only when their checksum
// holds. A phone number must be valid in its numbering plan, and one without a
// country code must look like one or stand next to a word that says so; dates,
// order and enterprise numbers, structured communications and what stands in
// an address of the web are left alone.
//
// Separators may be spaces (no-break ones too), dots, hyphens, slashes and
// brackets, and a dot may be defanged ("[.]"). The package does no I/O; time
// is linear in the length of the text.
package contact

import (
	"strings"
	"unicode/utf8"
)

// Kind says what a value is.
type Kind uint8

const (
	// Phone is a phone number in E.164 form: "+" and at most 15 digits.
	Phone Kind = iota + 1
	// IBAN is an ISO 13616 account number, upper case without spaces.
	IBAN
	// Wallet is the address of a wallet, see ParseWallet.
	Wallet
)

// Found is one value and the bytes of the text in which it stands.
type Found struct {
	Kind       Kind
	Value      string // canonical
	Start, End int
}

// Find calls emit for every value in text, in order, until emit returns false.
// It calls regions at most once for each phone number without a country code, to learn in
// which countries such a number may be dialled (ISO 3166-1, the likeliest
// first); nil means in none.
func Find(text string, regions func() []string, emit func(Found) bool) {
	floor := 0 // what stands before it is read
	for i := 0; i < len(text); {
		if text[i]-'0' > 9 {
			i++
			continue
		}
		start, end := i, i+1
		for start > floor && alnum(text[start-1]) {
			start--
		}
		for end < len(text) && alnum(text[end]) {
			end++
		}
		f, to := at(text, start, i, end, floor, regions)
		if f.Kind != 0 && !emit(f) {
			return
		}
		i = max(to, end)
		floor = i
	}
}

// at reads the word text[start:end], whose first digit is at digit, and what
// goes on after it. It returns where reading goes on.
func at(text string, start, digit, end, floor int, regions func() []string) (Found, int) {
	if digit-start == 2 || start == digit && end-digit == 2 {
		if value, from, to := ibanAt(text, start, digit); to > 0 {
			if value == "" {
				return Found{}, to
			}
			return Found{IBAN, value, from, to}, to
		}
	}
	if n := end - start; n >= minWallet && n <= maxWallet {
		if value, ok := ParseWallet(text[start:end]); ok {
			return Found{Wallet, value, start, end}, end
		}
		return Found{}, end
	}
	if start != digit {
		return Found{}, end
	}
	return phoneAt(text, start, floor, regions)
}

// separator returns the length of what may stand between two digits at
// text[i], and whether it is a space. A line ends the value.
func separator(text string, i int) (n int, space bool) {
	switch c := text[i]; c {
	case ' ':
		return 1, true
	case '.', '-', '/', '(', ')':
		if c == '(' && strings.HasPrefix(text[i:], "(.)") {
			return 3, false
		}
		return 1, false
	case '[':
		if strings.HasPrefix(text[i:], "[.]") {
			return 3, false
		}
		if len(text)-i >= 5 && strings.EqualFold(text[i:i+5], "[dot]") {
			return 5, false
		}
	case 0xc2, 0xe2:
		switch r, n := utf8.DecodeRuneInString(text[i:]); r {
		case '\u00a0', '\u2009', '\u202f', '\u2007':
			return n, true
		case '\u2010', '\u2011', '\u2012', '\u2013':
			return n, false
		}
	}
	return 0, false
}

func isDigit(c byte) bool { return c-'0' <= 9 }

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }

func alnum(c byte) bool { return isDigit(c) || isLetter(c) }
