// Package pdf reads the links out of a PDF file (ISO 32000): the targets of
// URI actions (section 12.6.4.8), and of actions that name a file or a form's
// receiver by URL.
//
// It does not build the document: it looks for the keys in the file as it
// stands and in its object streams (section 7.5.7), so that a broken
// cross-reference table, which readers repair, hides nothing. Encrypted
// documents, and strings that stand apart from their action as indirect
// objects, are not read. The package does no I/O; time and memory are bounded
// by Limits.
package pdf

import (
	"bytes"
	"compress/zlib"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits bound what is read. Zero fields mean the default.
type Limits struct {
	Bytes    int // of the file; default 16 MiB
	Streams  int // object streams opened; default 500
	Inflated int // bytes of all object streams together; default 8 MiB
	Links    int // default 500
	Length   int // bytes of one link; longer ones are skipped; default 8,192
}

func (l Limits) orDefault() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Bytes, 16<<20)
	set(&l.Streams, 500)
	set(&l.Inflated, 8<<20)
	set(&l.Links, 500)
	set(&l.Length, 8192)
	return l
}

// Links returns the distinct targets in a file, in the order in which they
// stand there, those of object streams last.
func Links(file []byte, limits Limits) []string {
	r := reader{limits: limits.orDefault(), seen: make(map[string]bool)}
	file = file[:min(len(file), r.limits.Bytes)]
	r.scan(file)
	r.streams(file)
	return r.links
}

type reader struct {
	limits  Limits
	links   []string
	seen    map[string]bool
	tries   int
	inflate io.ReadCloser
	buf     []byte
}

func (r *reader) full() bool { return len(r.links) >= r.limits.Links }

// scan reads the keys URI, F and UF that have a string.
func (r *reader) scan(b []byte) {
	for i := 0; !r.full(); {
		n := bytes.IndexByte(b[i:], '/')
		if n < 0 {
			return
		}
		i += n + 1
		if i == len(b) || b[i] != 'U' && b[i] != 'F' && b[i] != '#' {
			continue
		}
		key, end := name(b, i)
		if key != "URI" && key != "F" && key != "UF" {
			continue
		}
		for end < len(b) && space(b[end]) && end-i < 64 {
			end++
		}
		if end == len(b) {
			return
		}
		var value []byte
		switch b[end] {
		case '(':
			value, end = literal(b, end+1, r.limits.Length)
		case '<':
			value, end = hexadecimal(b, end+1, r.limits.Length)
		default:
			continue
		}
		i = max(i, end)
		target := text(value)
		if target == "" || key != "URI" && !strings.Contains(target, "://") || r.seen[target] {
			continue
		}
		r.seen[target] = true
		r.links = append(r.links, target)
	}
}

// name reads up to three characters of a name, which may be written "#xx"
// (section 7.3.5). It returns "" for longer ones.
func name(b []byte, i int) (string, int) {
	var buf [4]byte
	n := 0
	for i < len(b) && !space(b[i]) && bytes.IndexByte([]byte("()<>[]{}/%"), b[i]) < 0 {
		if n == 3 {
			return "", i
		}
		c := b[i]
		if c == '#' && i+2 < len(b) {
			hi, lo := digit(b[i+1]), digit(b[i+2])
			if hi < 16 && lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		}
		buf[n] = c
		n++
		i++
	}
	switch string(buf[:n]) { // without allocation
	case "URI":
		return "URI", i
	case "UF":
		return "UF", i
	case "F":
		return "F", i
	}
	return "", i
}

// literal reads a literal string (section 7.3.4.2) after its "(".
func literal(b []byte, i, length int) ([]byte, int) {
	var out []byte
	depth := 1
	for ; i < len(b) && len(out) <= length; i++ {
		c := b[i]
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return out, i + 1
			}
		case '\\':
			if i++; i == len(b) {
				return nil, i
			}
			switch c = b[i]; c {
			case 'n', 'r', 't', 'b', 'f':
				c = "\n\r\t\b\f"[strings.IndexByte("nrtbf", c)]
			case '\r', '\n':
				if c == '\r' && i+1 < len(b) && b[i+1] == '\n' {
					i++
				}
				continue
			case '0', '1', '2', '3', '4', '5', '6', '7':
				v := c - '0'
				for k := 0; k < 2 && i+1 < len(b) && b[i+1]-'0' < 8; k++ {
					i++
					v = v<<3 | (b[i] - '0')
				}
				c = v
			}
		}
		out = append(out, c)
	}
	return nil, i
}

// hexadecimal reads a hexadecimal string (section 7.3.4.3) after its "<".
func hexadecimal(b []byte, i, length int) ([]byte, int) {
	var out []byte
	half, have := byte(0), false
	for ; i < len(b) && len(out) <= length; i++ {
		c := b[i]
		if c == '>' {
			if have {
				out = append(out, half<<4)
			}
			return out, i + 1
		}
		d := digit(c)
		switch {
		case space(c):
		case d > 15:
			return nil, i
		case have:
			out = append(out, half<<4|d)
			have = false
		default:
			half, have = d, true
		}
	}
	return nil, i
}

// text decodes a text string (section 7.9.2): UTF-16 by its mark, else bytes.
func text(b []byte) string {
	if len(b) >= 2 && (b[0] == 0xfe && b[1] == 0xff || b[0] == 0xff && b[1] == 0xfe) {
		little := b[0] == 0xff
		units := make([]uint16, 0, len(b)/2)
		for i := 2; i+1 < len(b); i += 2 {
			hi, lo := b[i], b[i+1]
			if little {
				hi, lo = lo, hi
			}
			units = append(units, uint16(hi)<<8|uint16(lo))
		}
		return strings.TrimSpace(string(utf16.Decode(units)))
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if utf8.Valid(b) {
		return strings.TrimSpace(string(b))
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(b), "\ufffd"))
}

// maxDictionary is how far before "stream" its dictionary is looked for.
const maxDictionary = 1024

// streams inflates the object streams and reads the keys in them.
func (r *reader) streams(b []byte) {
	for i := 0; !r.full() && r.tries < r.limits.Streams && r.limits.Inflated > 0; {
		n := bytes.Index(b[i:], []byte("stream"))
		if n < 0 {
			return
		}
		at := i + n
		i = at + len("stream")
		if bytes.HasSuffix(b[:at], []byte("end")) {
			continue
		}
		dictionary := b[max(0, at-maxDictionary):at]
		if k := bytes.LastIndex(dictionary, []byte("obj")); k >= 0 {
			dictionary = dictionary[k:]
		}
		// A name may be written with "#xx", which no honest writer does here.
		if !bytes.Contains(dictionary, []byte("ObjStm")) && !bytes.Contains(dictionary, []byte("#")) {
			continue
		}
		data := b[i:]
		if len(data) > 0 && data[0] == '\r' {
			data = data[1:]
		}
		if len(data) > 0 && data[0] == '\n' {
			data = data[1:]
		}
		r.tries++
		if bytes.Contains(dictionary, []byte("Fl")) || bytes.IndexByte(dictionary, '#') >= 0 {
			r.scan(r.expand(data))
		}
	}
}

// expand inflates what begins b, as far as it is whole and the limit allows.
func (r *reader) expand(b []byte) []byte {
	src := bytes.NewReader(b)
	if r.inflate == nil {
		z, err := zlib.NewReader(src)
		if err != nil {
			return nil
		}
		r.inflate = z
	} else if err := r.inflate.(zlib.Resetter).Reset(src, nil); err != nil {
		return nil
	}
	if r.buf == nil {
		r.buf = make([]byte, 32<<10)
	}
	n := 0
	for {
		if n == len(r.buf) {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
		got, err := r.inflate.Read(r.buf[n:min(len(r.buf), r.limits.Inflated)])
		n += got
		if err != nil || n >= r.limits.Inflated {
			break
		}
	}
	r.limits.Inflated -= n
	return r.buf[:n]
}

func space(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

// digit returns the value of a hexadecimal digit, or 0xff.
func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}
