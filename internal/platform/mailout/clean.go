package mailout

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hidden reports whether a rune has no place in text that a person reads:
// controls, bidirectional controls (which make a text read other than it is),
// invisible characters, and line separators other than LF.
func hidden(r rune) bool {
	switch {
	case unicode.IsControl(r), // C0, DEL, C1
		r >= 0x200b && r <= 0x200f,   // zero width, LRM, RLM
		r >= 0x2028 && r <= 0x202e,   // line and paragraph separator, LRE to RLO
		r >= 0x2060 && r <= 0x206f,   // word joiner, isolates
		r >= 0xe0000 && r <= 0xe007f, // tags
		r == 0x061c, r == 0xfeff:     // ALM, byte order mark
		return true
	}
	return false
}

// cleanLine makes a foreign string one line of at most limit characters.
func cleanLine(s string, limit int) string {
	var b strings.Builder
	n, blank := 0, false
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		if unicode.IsSpace(r) {
			blank = b.Len() > 0
			continue
		}
		if hidden(r) {
			continue
		}
		if blank {
			b.WriteByte(' ')
			n++
			blank = false
		}
		if n >= limit {
			break
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSuffix(b.String(), " ")
}

// cleanBody takes out what has no place in a text; line ends become LF.
func cleanBody(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && hidden(r) {
			return -1
		}
		return r
	}, s)
}

// address writes name and address as RFC 5322, section 3.4, does.
func address(a mail.Address) (string, error) {
	if err := checkAddress(a.Address); err != nil {
		return "", err
	}
	name := cleanLine(a.Name, maxName)
	if name == "" {
		return "<" + a.Address + ">", nil
	}
	if plain(name) && len(name) <= 60 {
		name = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	} else {
		name = encodedWords(name, len("Reply-To: "))
	}
	return name + "\r\n <" + a.Address + ">", nil
}

// checkAddress reports why an address cannot go into a header field or an
// SMTP command. It does not quote it.
func checkAddress(a string) error {
	at := strings.LastIndexByte(a, '@')
	switch {
	case at <= 0 || at == len(a)-1 || at > 64 || len(a) > 320 || !utf8.ValidString(a):
		return errors.New("it is no address")
	case strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || hidden(r) || strings.ContainsRune(`<>(),;:\"`, r) }):
		return errors.New("it holds characters that an address here cannot have")
	case strings.Contains(a[:at], "@"):
		return errors.New("it has several @")
	}
	return nil
}

// messageID returns id in angle brackets when it is one: printable ASCII
// with one @ between.
func messageID(id string) (string, bool) {
	id = strings.TrimSpace(id)
	if strings.HasPrefix(id, "<") && strings.HasSuffix(id, ">") {
		id = id[1 : len(id)-1]
	}
	left, right, ok := strings.Cut(id, "@")
	if !ok || left == "" || right == "" || len(id) > maxMessageID {
		return "", false
	}
	if strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' }) {
		return "", false
	}
	return "<" + id + ">", true
}

// plain reports whether s can stand in a header field as it is: ASCII that no
// reader takes for an encoded word.
func plain(s string) bool {
	return !strings.Contains(s, "=?") && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f })
}

// unstructured cleans, encodes and folds the value of a field (RFC 5322,
// section 2.2.3; RFC 2047).
func unstructured(name, value string, limit int) string {
	value = cleanLine(value, limit)
	if !plain(value) {
		return encodedWords(value, len(name)+2)
	}
	var b strings.Builder
	column := len(name) + 2
	for i, word := range strings.Split(value, " ") {
		if len(word) > 76 { // no place to fold
			return encodedWords(value, len(name)+2)
		}
		switch {
		case i == 0:
		case column+1+len(word) > 78:
			b.WriteString("\r\n ")
			column = 1
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// encodedWords writes s in words of RFC 2047, section 4.2, with the few
// characters that are safe in a phrase, folded after each word. column is
// where it begins.
func encodedWords(s string, column int) string {
	const begin, end, hex = "=?utf-8?q?", "?=", "0123456789ABCDEF"
	var b strings.Builder
	b.WriteString(begin)
	column += len(begin)
	for _, r := range s {
		var c [3 * utf8.UTFMax]byte
		code := c[:0]
		switch {
		case r == ' ':
			code = append(code, '_')
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("!*+-/", r)):
			code = append(code, byte(r))
		default:
			for _, o := range []byte(string(r)) {
				code = append(code, '=', hex[o>>4], hex[o&15])
			}
		}
		if column+len(code)+len(end) > 76 {
			b.WriteString(end + "\r\n " + begin)
			column = 1 + len(begin)
		}
		b.Write(code)
		column += len(code)
	}
	b.WriteString(end)
	return b.String()
}
