package coding

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// base64Value is the value of each base64 letter, both alphabets of RFC 4648;
// 64 is padding and 255 anything else.
var base64Value = func() (table [256]byte) {
	for i := range table {
		table[i] = 255
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(letters) {
		table[letters[i]] = byte(i)
	}
	table['-'], table['_'], table['='] = 62, 63, 64
	return table
}()

// Transfer undoes a Content-Transfer-Encoding (RFC 2045 section 6). It
// reports false when the encoding is unknown or the content does not follow
// it. For the encodings that change nothing the result shares body's memory.
func Transfer(encoding string, body []byte) ([]byte, bool) {
	switch encoding {
	case "", "7bit", "8bit", "binary":
		return body, true
	case "base64":
		ok := true
		return decodeBase64(body, &ok), ok
	case "quoted-printable":
		return decodeQuoted(body)
	case "x-uuencode", "uuencode", "x-uue", "uue":
		if file, ok := CutUU(body); ok {
			return file.Content, true
		}
		return body, false
	}
	return body, false
}

// decodeBase64 decodes what can be decoded, skipping what is not of the
// alphabet and going on after padding. It clears ok when there was any such,
// and gives the content back unchanged when it is plainly no base64.
func decodeBase64(b []byte, ok *bool) []byte {
	out := make([]byte, len(b)/4*3+3)
	if n, err := base64.StdEncoding.Decode(out, b); err == nil {
		return out[:n]
	}
	var (
		n, junk, spaces, padding int
		quantum                  uint32
		held                     uint
	)
	end := func() { // of a run: two letters give a byte, three give two
		switch held {
		case 2:
			out[n] = byte(quantum >> 4)
			n++
		case 3:
			out[n], out[n+1] = byte(quantum>>10), byte(quantum>>2)
			n += 2
		}
		quantum, held = 0, 0
	}
	for _, c := range b {
		switch v := base64Value[c]; {
		case v < 64:
			quantum = quantum<<6 | uint32(v)
			if held++; held == 4 {
				out[n], out[n+1], out[n+2] = byte(quantum>>16), byte(quantum>>8), byte(quantum)
				n += 3
				quantum, held = 0, 0
			}
		case v == 64:
			padding++
			end()
		case c == ' ':
			spaces++
		case c > ' ':
			junk++
		}
	}
	if held == 1 {
		junk++
	}
	end()
	*ok = junk == 0 && padding <= 2
	if junk > 0 && junk+spaces > len(b)/10+2 { // words and their punctuation
		return b
	}
	return out[:n]
}

// decodeQuoted decodes quoted-printable (RFC 2045 section 6.7), leaving alone
// what does not follow it.
func decodeQuoted(b []byte) ([]byte, bool) {
	ok := true
	out := make([]byte, 0, len(b))
	for {
		i := bytes.IndexByte(b, '=')
		if i < 0 {
			return append(out, b...), ok
		}
		out = append(out, b[:i]...)
		b = b[i:]
		switch {
		case len(b) >= 3 && isHex(b[1]) && isHex(b[2]):
			out = append(out, unhex(b[1])<<4|unhex(b[2]))
			b = b[3:]
		case len(b) == 1:
			return out, ok
		default:
			n := 1 // a soft line break, with white space that a relay added
			for n < len(b) && n < 64 && (b[n] == ' ' || b[n] == '\t' || b[n] == '\r') {
				n++
			}
			switch {
			case n < len(b) && b[n] == '\n':
				b = b[n+1:]
			case n == len(b) || b[n-1] == '\r':
				b = b[n:]
			default:
				out = append(out, '=')
				b, ok = b[1:], false
			}
		}
	}
}

// UUFile is a file in uuencoding, and where it stands.
type UUFile struct {
	Name       string
	Content    []byte
	Start, End int
}

// CutUU finds the first complete uuencoded file in b: "begin 644 name", lines,
// "end".
func CutUU(b []byte) (file UUFile, ok bool) {
	stop := bytes.Index(b, []byte("\nend"))
	if stop < 0 {
		return file, false
	}
	for pos := 0; ; {
		i := bytes.Index(b[pos:], []byte("begin "))
		if i < 0 {
			return file, false
		}
		file.Start, pos = pos+i, pos+i+len("begin ")
		if file.Start > 0 && b[file.Start-1] != '\n' {
			continue
		}
		line, next := CutLine(b, pos)
		mode, name, found := strings.Cut(string(line[:min(len(line), 300)]), " ")
		if !found || len(mode) < 3 || len(mode) > 4 || strings.Trim(mode, "01234567") != "" {
			continue
		}
		file.Name = name
		file.Content, file.End, ok = decodeUU(b, next)
		if ok {
			return file, true
		}
		// What was read cannot be the inside of another file, so go on after it.
		pos = max(file.End, next)
	}
}

func decodeUU(b []byte, pos int) (content []byte, end int, ok bool) {
	for pos < len(b) {
		line, next := CutLine(b, pos)
		if bytes.Equal(bytes.TrimRight(line, " "), []byte("end")) {
			return content, next, true
		}
		if len(line) > 0 {
			n := int(line[0]-' ') & 63
			if line[0] < ' ' || line[0] > '`' || len(line) > 100 || (n+2)/3*4 > len(line)+4 {
				return nil, pos, false
			}
			var quad [4]byte
			for i := 1; n > 0; i += 4 {
				for j := range quad {
					quad[j] = 0
					if i+j < len(line) {
						quad[j] = (line[i+j] - ' ') & 63
					}
				}
				triple := [3]byte{quad[0]<<2 | quad[1]>>4, quad[1]<<4 | quad[2]>>2, quad[2]<<6 | quad[3]}
				content = append(content, triple[:min(n, 3)]...)
				n -= 3
			}
		}
		pos = next
	}
	return nil, pos, false
}

// CutLine returns the line that begins at pos without its end, and where the
// next one begins.
func CutLine(b []byte, pos int) (line []byte, next int) {
	line, next = b[pos:], len(b)
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line, next = line[:i], pos+i+1
	}
	for len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return line, next
}

// FieldName returns the offset of the colon after a field name (RFC 5322
// section 3.6.8), with space before it tolerated, or -1.
func FieldName(line []byte) int {
	i := 0
	for i < len(line) && line[i] > ' ' && line[i] < 0x7f && line[i] != ':' {
		i++
	}
	if i == 0 || i > 200 {
		return -1
	}
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	if i < len(line) && line[i] == ':' {
		return i
	}
	return -1
}

// LineEnds makes a decoded text what Message.Text promises: LF line ends, no
// NUL.
func LineEnds(s string) string {
	if strings.IndexByte(s, '\r') < 0 && strings.IndexByte(s, 0) < 0 {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	for {
		i := strings.IndexAny(s, "\r\x00")
		if i < 0 {
			out.WriteString(s)
			return out.String()
		}
		out.WriteString(s[:i])
		if s[i] == '\r' {
			for i+1 < len(s) && s[i+1] == '\r' {
				i++
			}
			if i+1 >= len(s) || s[i+1] != '\n' {
				out.WriteByte('\n')
			}
		}
		s = s[i+1:]
	}
}

// Unflow joins the lines of format=flowed text (RFC 3676): a line that ends in
// a space goes on in the next one of the same quote depth.
func Unflow(s string, deleteSpace bool) string {
	var out strings.Builder
	out.Grow(len(s))
	flowing, depth := false, 0
	for first := true; len(s) > 0; first = false {
		line, rest, _ := strings.Cut(s, "\n")
		s = rest
		quotes := 0
		for quotes < len(line) && line[quotes] == '>' {
			quotes++
		}
		text := strings.TrimPrefix(line[quotes:], " ") // space-stuffing
		signature := text == "-- "
		if !flowing || quotes != depth || signature {
			if !first {
				out.WriteByte('\n')
			}
			out.WriteString(line[:quotes])
			if quotes > 0 {
				out.WriteByte(' ')
			}
		}
		depth = quotes
		flowing = strings.HasSuffix(text, " ") && !signature
		if flowing && deleteSpace {
			text = text[:len(text)-1]
		}
		out.WriteString(text)
	}
	return out.String()
}

func isHex(c byte) bool {
	return c-'0' < 10 || (c|0x20)-'a' < 6
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// AppendPercent appends s with its percent-encoded bytes decoded (RFC 2231
// section 4).
func AppendPercent(out []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return out
}
