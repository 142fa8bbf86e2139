package coding

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// Charset turns b, said to be in the named charset, into UTF-8. It
// reports false when the name is unknown or the bytes do not follow it; the
// text is then the best guess. An empty name asks for a guess and is always
// right.
func Charset(name string, b []byte) (string, bool) {
	name = charsetName(name)
	switch name {
	case "utf-16", "utf-16le", "utf-16be", "unicode", "iso-10646-ucs-2":
		return UTF16(name, b)
	case "utf-7", "unicode-1-1-utf-7":
		return decodeUTF7(b)
	case "iso-2022-jp", "iso-2022-kr", "hz-gb-2312", "iso-2022-cn":
		return decodeWith(name, b)
	}
	// What is left agrees with ASCII on ASCII.
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if IsASCII(b) {
		if name == "" && bytes.Contains(b, []byte("\x1b$")) {
			return decodeWith("iso-2022-jp", b)
		}
		return string(b), name == "" || name == "utf-8" || name == "us-ascii" || lookup(name) != nil
	}
	switch name {
	case "":
		return guess(b), true
	case "us-ascii", "ascii":
		return guess(b), false
	case "utf-8", "utf8":
		if utf8.Valid(b) {
			return string(b), true
		}
		return repairUTF8(b), false
	}
	return decodeWith(name, b)
}

// charsetName brings a charset's name into the form that the switch in
// Charset uses.
func charsetName(name string) string {
	name = strings.TrimPrefix(strings.ToLower(strings.Trim(name, " \t\"'")), "charset=")
	if star := strings.IndexByte(name, '*'); star >= 0 { // RFC 2231 section 5: language
		name = name[:star]
	}
	return name
}

// Known reports whether a charset of this name can be decoded.
func Known(name string) bool { return lookup(charsetName(name)) != nil }

func lookup(name string) encoding.Encoding {
	if name == "" || len(name) > 40 {
		return nil
	}
	for _, try := range []string{
		name,
		strings.ReplaceAll(name, "_", "-"),
		"windows-" + strings.TrimPrefix(strings.TrimPrefix(name, "cp"), "-"),
		strings.TrimPrefix(name, "x-"),
	} {
		if enc, err := htmlindex.Get(try); err == nil && enc != encoding.Replacement {
			return enc
		}
		if enc, err := ianaindex.MIME.Encoding(try); err == nil && enc != nil {
			return enc
		}
	}
	return nil
}

// decodeWith decodes with the x/text encoding of this name. All of them
// replace what they cannot read.
func decodeWith(name string, b []byte) (string, bool) {
	enc := lookup(name)
	if enc == nil {
		return guess(b), false
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil || !utf8.Valid(out) {
		return guess(b), false
	}
	return string(out), !bytes.ContainsRune(out, utf8.RuneError)
}

// guess reads bytes of unknown charset: UTF-8 if they are, else Windows-1252,
// which gives every byte a letter.
func guess(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return windows1252(b)
}

func windows1252(b []byte) string {
	var out strings.Builder
	out.Grow(len(b) + len(b)/8)
	for len(b) > 0 {
		n := 0
		for n < len(b) && b[n] < utf8.RuneSelf {
			n++
		}
		out.Write(b[:n])
		if b = b[n:]; len(b) > 0 {
			out.WriteRune(charmap.Windows1252.DecodeByte(b[0]))
			b = b[1:]
		}
	}
	return out.String()
}

// repairUTF8 reads what is called UTF-8 and is not: as Windows-1252 when most
// of its 8-bit bytes make no sense as UTF-8, else with the bad ones replaced.
func repairUTF8(b []byte) string {
	good, bad := 0, 0
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			bad++
		case n > 1:
			good++
		}
		rest = rest[n:]
	}
	if bad > good {
		return windows1252(b)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// UTF16 decodes UTF-16. Without a byte order mark or a name that says
// the order, it is the one that puts more zeros where Latin text has them.
func UTF16(name string, b []byte) (string, bool) {
	little := name == "utf-16le"
	switch {
	case bytes.HasPrefix(b, []byte{0xFF, 0xFE}):
		little, b = true, b[2:]
	case bytes.HasPrefix(b, []byte{0xFE, 0xFF}):
		little, b = false, b[2:]
	case name != "utf-16le" && name != "utf-16be":
		even, odd := 0, 0
		for i, c := range b {
			if c == 0 && i%2 == 0 {
				even++
			} else if c == 0 {
				odd++
			}
		}
		if even == 0 && odd == 0 && utf8.Valid(b) {
			return string(b), false // a transcoder on the way left the label behind
		}
		little = odd > even
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		lo, hi := b[2*i], b[2*i+1]
		if !little {
			lo, hi = hi, lo
		}
		units[i] = uint16(hi)<<8 | uint16(lo)
	}
	return string(utf16.Decode(units)), len(b)%2 == 0
}

// decodeUTF7 decodes UTF-7 (RFC 2152).
func decodeUTF7(b []byte) (string, bool) {
	var out strings.Builder
	ok := true
	for len(b) > 0 {
		plus := bytes.IndexByte(b, '+')
		if plus < 0 {
			plus = len(b)
		}
		out.WriteString(guess(b[:plus]))
		if b = b[min(plus+1, len(b)):]; len(b) == 0 {
			break
		}
		n := 0
		for n < len(b) && base64Value[b[n]] < 64 && b[n] != '-' && b[n] != '_' {
			n++
		}
		if n == 0 && b[0] == '-' {
			out.WriteByte('+')
		}
		units := make([]byte, base64.RawStdEncoding.DecodedLen(n))
		m, err := base64.RawStdEncoding.Decode(units, b[:n])
		text, _ := UTF16("utf-16be", units[:m&^1])
		out.WriteString(text)
		ok = ok && err == nil
		b = b[n:]
		if len(b) > 0 && b[0] == '-' {
			b = b[1:]
		}
	}
	return out.String(), ok
}

func IsASCII(b []byte) bool {
	for len(b) >= 8 {
		if (b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7])&0x80 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c&0x80 != 0 {
			return false
		}
	}
	return true
}

// Words decodes the encoded words of a header value (RFC 2047) and makes
// what is left valid UTF-8 on one line. Tolerated: words inside words or
// quotes, spaces inside words, letters split between words, a missing end,
// missing padding. It reports false when something was broken.
func Words(s string) (string, bool) {
	first := strings.Index(s, "=?")
	if first < 0 {
		return OneLine(s)
	}
	var (
		out     strings.Builder
		pending []byte // bytes of the words before, in charset; not yet decoded
		charset string
		ok      = true
	)
	flush := func() {
		if pending != nil {
			text, good := Charset(charset, pending)
			out.WriteString(text)
			ok = ok && good
			pending = nil
		}
	}
	literal := func(text string) {
		flush()
		text, good := OneLine(text)
		out.WriteString(text)
		ok = ok && good
	}
	ends := true // there may be a "?=" ahead
	for {
		start := strings.Index(s, "=?")
		if start < 0 {
			break
		}
		word, size, good := cutWord(s[start:], &ends)
		if size == 0 {
			literal(s[:start+2])
			s, ok = s[start+2:], false
			continue
		}
		if before := s[:start]; pending == nil || strings.TrimLeft(before, " \t") != "" {
			literal(before)
		}
		if pending != nil && charset != word.charset {
			flush()
		}
		charset = word.charset
		pending = append(pending, word.content...)
		if pending == nil {
			pending = []byte{}
		}
		s, ok = s[start+size:], ok && good
	}
	literal(s)
	text, _ := OneLine(out.String())
	return text, ok
}

type encodedWord struct {
	charset string
	content []byte
}

// cutWord reads the encoded word at the beginning of s, "=?charset?q?text?=",
// and its length; 0 when it is none.
func cutWord(s string, ends *bool) (word encodedWord, size int, ok bool) {
	q1 := strings.IndexByte(s[2:min(len(s), 80)], '?')
	if q1 < 1 || len(s) < 2+q1+3 || s[2+q1+2] != '?' {
		return word, 0, false
	}
	word.charset = charsetName(s[2 : 2+q1])
	kind, from := s[2+q1+1]|0x20, 2+q1+3
	if kind != 'b' && kind != 'q' {
		return word, 0, false
	}
	end := -1
	if *ends {
		end = strings.Index(s[from:], "?=")
		// "=?utf-8?q?=41?=" must not end at the first "?=" that belongs to "?=41".
		if end == 0 && kind == 'q' && len(s) > from+3 && isHex(s[from+2]) && isHex(s[from+3]) {
			if next := strings.Index(s[from+1:], "?="); next >= 0 {
				end = next + 1
			}
		}
	}
	size, ok = from+end+2, true
	if end < 0 {
		*ends = false
		ok = false
		if end = strings.IndexAny(s[from:], " \t"); end < 0 {
			end = len(s) - from
		}
		size = from + end
	}
	text := s[from : from+end]
	if kind == 'b' {
		word.content = decodeBase64([]byte(text), &ok)
	} else {
		word.content = decodeQ(text)
		if !IsASCII([]byte(text)) {
			ok = false
			if utf8.Valid(word.content) {
				word.charset = "utf-8" // written as it is, whatever the label says
			}
		}
	}
	return word, size, ok
}

// decodeQ decodes the Q encoding (RFC 2047 section 4.2).
func decodeQ(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out
}

// OneLine makes s valid UTF-8 (guessing the charset of 8-bit bytes) with
// every control character and line end a space. It reports false when there
// were bytes that are not UTF-8.
func OneLine(s string) (string, bool) {
	clean := true
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s, true
	}
	ok := utf8.ValidString(s)
	if !ok {
		s = guess([]byte(s))
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029':
			return ' '
		}
		return r
	}, s), ok
}
