package observable

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Defang writes s so that no mail program or chat makes a link of anything in
// it: "https://www.example.org/a.php" becomes "hxxps://www[.]example[.]org/a[.]php",
// "user@example.org" becomes "user[@]example[.]org", other schemes become
// "foo[:]//". It works on single values and on running text, where dots that
// end a sentence or stand in a decimal number are left alone.
//
// Nothing is lost: Refang(Defang(s)) == s for every s. To that end, brackets
// and letters of s that Refang would take for its own marks are marked too
// ("[" becomes "[[]").
func Defang(s string) string {
	if !strings.ContainsAny(s, ".:@[({xX\u3002\uff0e\uff61") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/8 + 8)
	v6 := looksV6(s)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '[':
			b.WriteString("[[]")
		case '(', '{':
			if _, n := foreignMark(s[i:]); n > 0 {
				b.WriteByte('[')
				b.WriteByte(c)
				b.WriteByte(']')
			} else {
				b.WriteByte(c)
			}
		case '@':
			b.WriteString("[@]")
		case '.':
			if dotLinks(s, i) {
				b.WriteString("[.]")
			} else {
				b.WriteByte(c)
			}
		case ':':
			if v6 || strings.HasPrefix(s[i:], "://") && !coveredScheme(s[:i]) {
				b.WriteString("[:]")
			} else {
				b.WriteByte(c)
			}
		case 'h', 'H', 'f', 'F':
			if n := schemeAt(s[i:], 't'); n > 0 {
				swap(&b, s[i:i+n], 't', 'x')
				i += n - 1
			} else if n := schemeAt(s[i:], 'x'); n > 0 {
				// Already written so: mark it, or Refang would arm it.
				b.WriteByte(c)
				b.WriteByte('[')
				b.WriteByte(s[i+1])
				b.WriteByte(']')
				b.WriteString(s[i+2 : i+n])
				i += n - 1
			} else {
				b.WriteByte(c)
			}
		default:
			// Ideographic and full-width full stops are dots to a browser.
			if c >= utf8.RuneSelf {
				if r, n := utf8.DecodeRuneInString(s[i:]); r == '\u3002' || r == '\uff0e' || r == '\uff61' {
					b.WriteByte('[')
					b.WriteString(s[i : i+n])
					b.WriteByte(']')
					i += n - 1
					continue
				}
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Refang undoes Defang, and reads what other people's tools and fingers write
// as well: (.) {.} [dot] (dot) [at] (at) [@] [:] [://] hxxp. Text without
// such marks is returned as it is.
func Refang(s string) string {
	if !strings.ContainsAny(s, "[({xX") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '[', '(', '{':
			if c == '[' {
				if n := ownMark(s[i:]); n > 0 {
					b.WriteString(s[i+1 : i+n-1])
					i += n - 1
					continue
				}
			}
			if plain, n := foreignMark(s[i:]); n > 0 {
				b.WriteString(plain)
				i += n - 1
				continue
			}
			b.WriteByte(c)
		case 'h', 'H', 'f', 'F':
			if n := schemeAt(s[i:], 'x'); n > 0 {
				swap(&b, s[i:i+n], 'x', 't')
				i += n - 1
				continue
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// schemeAt returns the length of "http", "https" or "ftp" at the start of s, in
// any case, when "://" follows; else 0. With t == 'x' it finds hxxp, hxxps and
// fxp, before "[:]//" and "[://]" too.
func schemeAt(s string, t byte) int {
	n := 0
	switch {
	case len(s) > 4 && s[0]|0x20 == 'h' && s[1]|0x20 == t && s[2]|0x20 == t && s[3]|0x20 == 'p':
		if n = 4; s[4]|0x20 == 's' {
			n = 5
		}
	case len(s) > 3 && s[0]|0x20 == 'f' && s[1]|0x20 == t && s[2]|0x20 == 'p':
		n = 3
	default:
		return 0
	}
	rest := s[n:]
	if strings.HasPrefix(rest, "://") {
		return n
	}
	if t == 'x' && (strings.HasPrefix(rest, "[:]//") || strings.HasPrefix(rest, "[://]")) {
		return n
	}
	return 0
}

// swap writes s with letter from replaced by to, each in its own case.
func swap(b *strings.Builder, s string, from, to byte) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case from:
			b.WriteByte(to)
		case from &^ 0x20:
			b.WriteByte(to &^ 0x20)
		default:
			b.WriteByte(c)
		}
	}
}

// coveredScheme reports whether the text before "://" ends in a scheme that
// Defang disarms by its letters (or that already is).
func coveredScheme(before string) bool {
	for _, n := range [...]int{3, 4, 5} {
		if len(before) < n {
			break
		}
		tail := before[len(before)-n:] + "://"
		if schemeAt(tail, 't') == n || schemeAt(tail, 'x') == n {
			return true
		}
	}
	return false
}

// ownMark returns the length of a mark that Defang writes at the start of s: a
// single character in square brackets.
func ownMark(s string) int {
	for _, mark := range [...]string{"[.]", "[@]", "[:]", "[[]", "[(]", "[{]", "[x]", "[X]", "[\u3002]", "[\uff0e]", "[\uff61]"} {
		if strings.HasPrefix(s, mark) {
			return len(mark)
		}
	}
	return 0
}

// foreignMark reads a mark of other people's making at the start of s, which
// begins with a bracket: what it stands for, and its length.
func foreignMark(s string) (plain string, n int) {
	var end byte
	switch s[0] {
	case '[':
		end = ']'
	case '(':
		end = ')'
	case '{':
		end = '}'
	default:
		return "", 0
	}
	i := strings.IndexByte(s[:min(len(s), 6)], end)
	if i < 0 {
		return "", 0
	}
	switch inner := s[1:i]; {
	case inner == "." || inner == "@":
		return inner, i + 1
	case strings.EqualFold(inner, "dot"):
		return ".", i + 1
	case strings.EqualFold(inner, "at"):
		return "@", i + 1
	case inner == "://":
		return "://", i + 1
	}
	return "", 0
}

// maxNumber is how far a number goes on either side of a dot.
const maxNumber = 24

// dotLinks reports whether the dot at s[i] could be part of a name: something
// other than space stands on both sides, and it is no decimal number.
func dotLinks(s string, i int) bool {
	if i+1 >= len(s) || i == 0 {
		return i+1 < len(s) && wordAt(s[i+1:])
	}
	if !wordAt(s[i+1:]) {
		return false
	}
	start, end, dots := i, i, 0
	for start > 0 && (isDigit(s[start-1]) || s[start-1] == '.' || s[start-1] == ',') {
		if start--; i-start > maxNumber {
			return true
		}
	}
	for end < len(s) && (isDigit(s[end]) || s[end] == '.' || s[end] == ',') {
		if s[end] == '.' {
			dots++
		}
		if end++; end-i > maxNumber {
			return true
		}
	}
	for j := start; j < i; j++ {
		if s[j] == '.' {
			dots++
		}
	}
	number := isDigit(s[i-1]) && isDigit(s[i+1]) && dots < 3 &&
		(start == 0 || boundary(s[:start], false)) && (end == len(s) || boundary(s[end:], true))
	return !number
}

// wordAt reports whether s begins with a character that a host name may have,
// or with the mark of one.
func wordAt(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_')
}

// boundary reports whether a number may end here: space, bracket or sign at
// the end of s (or at its start).
func boundary(s string, atStart bool) bool {
	var r rune
	if atStart {
		r, _ = utf8.DecodeRuneInString(s)
	} else {
		r, _ = utf8.DecodeLastRuneInString(s)
	}
	return !unicode.IsLetter(r) && !strings.ContainsRune("/@:-_%?=&#", r)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// looksV6 reports whether s is nothing but an IPv6 address, in which a colon is
// what could be linked.
func looksV6(s string) bool {
	if len(s) > 45 || strings.Count(s, ":") < 2 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isHex(s[i]) && s[i] != ':' && s[i] != '.' {
			return false
		}
	}
	return true
}
