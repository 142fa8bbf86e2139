package message

import (
	"bytes"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

// Header is the fields of a message in their order (RFC 5322 section 2.2).
type Header []Field

// Field is one header field.
type Field struct {
	Name  string // as written
	Value string // unfolded, trimmed, otherwise as written: neither decoded nor valid UTF-8
}

func (f *Field) is(name string) bool {
	return len(f.Name) == len(name) && strings.EqualFold(f.Name, name)
}

// Raw returns the first field's value as written, or "".
func (h Header) Raw(name string) string {
	for i := range h {
		if h[i].is(name) {
			return h[i].Value
		}
	}
	return ""
}

// Has reports whether there is such a field.
func (h Header) Has(name string) bool {
	for i := range h {
		if h[i].is(name) {
			return true
		}
	}
	return false
}

// All returns every such field's value as written, topmost first.
func (h Header) All(name string) []string {
	var all []string
	for i := range h {
		if h[i].is(name) {
			all = append(all, h[i].Value)
		}
	}
	return all
}

// Get returns the first field's value with encoded words decoded (RFC 2047)
// and 8-bit bytes made UTF-8, or "".
func (h Header) Get(name string) string {
	text, _ := coding.Words(h.Raw(name))
	return text
}

// Addresses returns the mailboxes of every field of this name (Resent-From,
// Delivered-To, ...), at most 1,000.
func (h Header) Addresses(name string) []Address {
	var all []Address
	for i := range h {
		if h[i].is(name) {
			all, _, _ = appendAddresses(all, h[i].Value, 1000)
		}
	}
	return all
}

// Value reads the first field of this name as a value with parameters, such
// as Content-Type (RFC 2045 section 5.1), Content-Disposition (RFC 2183) or
// Auto-Submitted (RFC 3834): "multipart/report" and {"report-type":
// "delivery-status"}. The value and the parameters' names are lower case.
func (h Header) Value(name string) (value string, params map[string]string) {
	params = map[string]string{}
	value, _ = readParams(h.Raw(name), func(name, value string) { params[name] = value })
	return value, params
}

// headerReader reads headers, within limits. Its buffers are used again for
// the next one, so that a header costs two allocations.
type headerReader struct {
	limits *Limits
	fields []span // reused from one header to the next
	buf    []byte // the fields, unfolded, one after the other; reused
}

// span is one field in headerReader.buf.
type span struct{ start, colon, end int }

// headerFaults says what was wrong with a header: lines that are no fields,
// control characters, too much of anything, no empty line at its end.
type headerFaults struct {
	junk, control, limit, noBlank bool
}

// read reads the header at the beginning of src and returns it and the
// body's offset. isBoundary, if not nil, ends the header at such a line.
func (r *headerReader) read(src []byte, isBoundary func(line []byte) bool) (h Header, body int, faults headerFaults) {
	r.fields, r.buf = r.fields[:0], r.buf[:0]
	taken := 0
	skipping := false // the continuation lines of something left out
	pos := 0
	for pos < len(src) {
		line, next := coding.CutLine(src, pos)
		if len(line) == 0 {
			pos = next
			break
		}
		if line[0] == '-' && isBoundary != nil && isBoundary(line) {
			break
		}
		if taken += len(line); taken > r.limits.HeaderBytes {
			faults.limit, skipping = true, true
			pos = next
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(r.fields) > 0 && !skipping {
				f := &r.fields[len(r.fields)-1]
				if f.end-f.colon+len(line) > r.limits.LineBytes {
					faults.limit, skipping = true, true
				} else {
					r.buf = append(append(r.buf, ' '), bytes.TrimLeft(line, " \t")...)
					f.end = len(r.buf)
				}
			}
			pos = next
			continue
		}
		colon := coding.FieldName(line)
		if colon < 0 {
			if !isJunk(src, line, next) {
				faults.noBlank = len(r.fields) > 0
				break
			}
			faults.junk, skipping = true, true
			pos = next
			continue
		}
		pos = next
		if skipping = len(r.fields) >= r.limits.Headers; skipping {
			faults.limit = true
			continue
		}
		if len(line) > r.limits.LineBytes {
			line, faults.limit = line[:r.limits.LineBytes], true
		}
		start := len(r.buf)
		r.buf = append(r.buf, line...)
		r.fields = append(r.fields, span{start, start + min(colon, len(line)-1), len(r.buf)})
	}
	if len(r.fields) == 0 {
		return nil, pos, faults
	}
	if bytes.IndexByte(r.buf, 0) >= 0 || bytes.IndexByte(r.buf, '\r') >= 0 {
		faults.control = true
		for i, c := range r.buf {
			if c == 0 || c == '\r' {
				r.buf[i] = ' '
			}
		}
	}
	text := string(r.buf) // one allocation for all fields
	h = make(Header, len(r.fields))
	for i, f := range r.fields {
		h[i].Name = strings.TrimRight(text[f.start:f.colon], " \t")
		h[i].Value = strings.Trim(text[f.colon+1:f.end], " \t")
	}
	return h, pos, faults
}

// isJunk reports whether a line that is no field stands inside the header,
// rather than being the first one of a body that came without an empty line.
func isJunk(src, line []byte, next int) bool {
	if bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From ")) || line[0] == ':' {
		return true
	}
	after, _ := coding.CutLine(src, next)
	switch {
	case bytes.HasPrefix(line, []byte("--")):
		return false // a delimiter without the empty line before it
	case next >= len(src):
		return false
	case len(after) == 0:
		return bytes.IndexByte(line, ':') > 0 && !bytes.Contains(line, []byte("://"))
	case after[0] == ' ' || after[0] == '\t':
		return true
	}
	colon := coding.FieldName(after)
	return colon > 0 && isKnown(string(after[:min(colon, 40)]))
}

// isKnown reports whether a message has such a field, rather than a text
// having such a beginning of a line.
func isKnown(name string) bool {
	var buf [40]byte
	if len(name) > len(buf) {
		return false
	}
	for i := range len(name) {
		buf[i] = name[i]
		if c := name[i]; 'A' <= c && c <= 'Z' {
			buf[i] = c | 0x20
		}
	}
	lower := strings.TrimRight(string(buf[:len(name)]), " \t")
	switch lower {
	case "from", "to", "cc", "bcc", "subject", "date", "message-id", "mime-version", "sender", "reply-to",
		"received", "return-path", "delivered-to", "in-reply-to", "references", "authentication-results",
		"dkim-signature", "domainkey-signature", "received-spf", "auto-submitted", "precedence", "importance", "priority",
		"user-agent", "organization", "errors-to", "envelope-to", "thread-topic", "thread-index", "feedback-id",
		"status", "newsgroups", "path", "lines", "comments", "keywords", "disposition-notification-to",
		"reporting-mta", "feedback-type", "apparently-to", "delivery-date", "accept-language":
		return true
	}
	for _, prefix := range []string{"x-", "content-", "resent-", "list-", "arc-"} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	return false
}

// readParams reads "value; name=value; ..." (RFC 2045 section 5.1) with the
// extensions of RFC 2231, calling emit for every parameter with its lower-case
// name and decoded value; of two with one name the first counts. It tolerates
// missing semicolons and quotes, spaces in unquoted values, encoded words and
// 8-bit characters, and reports false when something was broken.
func readParams(s string, emit func(name, value string)) (value string, ok bool) {
	const most = 200 // parameters; longer names than these segments give do not exist
	end := strings.IndexAny(s, "; \t")
	if end < 0 {
		return strings.ToLower(s), true
	}
	value, s, ok = strings.ToLower(s[:end]), s[end:], true
	var segments []segment
	var seen []string
	for range most {
		s = strings.TrimLeft(s, "; \t")
		if s == "" {
			break
		}
		if s[0] == '(' { // a comment
			close := strings.IndexByte(s, ')')
			if close < 0 {
				return value, false
			}
			s = s[close+1:]
			continue
		}
		stop := strings.IndexAny(s, "=;")
		if stop < 0 {
			break
		}
		if s[stop] == ';' {
			s, ok = s[stop:], false
			continue
		}
		name := strings.ToLower(strings.TrimSpace(s[:stop]))
		var val string
		var good bool
		val, s, good = cutParam(s[stop+1:])
		ok = ok && good
		if star := strings.IndexByte(name, '*'); star > 0 {
			segments = append(segments, newSegment(name, star, val))
			continue
		}
		if contains(seen, name) {
			ok = false
			continue
		}
		seen = append(seen, name)
		if !hasSegment(segments, name) {
			decoded, good := coding.Words(val)
			ok = ok && good
			// RFC 2231 wins over a plain one that comes first, too.
			if !strings.Contains(s, name+"*") {
				emit(name, decoded)
			} else {
				segments = append(segments, segment{name: name, plain: true, value: decoded})
			}
		}
	}
	if len(segments) > 0 {
		ok = joinSegments(segments, emit) && ok
	}
	return value, ok
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

// cutParam reads one parameter value and returns what follows it.
func cutParam(s string) (value, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	if s != "" && s[0] == '"' {
		var out strings.Builder
		for i := 1; i < len(s); i++ {
			switch c := s[i]; {
			case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
				i++
				out.WriteByte(s[i])
			case c == '"':
				return out.String(), s[i+1:], true
			default:
				out.WriteByte(c)
			}
		}
		s = s[1:] // the closing quote is missing
		ok = false
	} else {
		ok = true
	}
	end := strings.IndexByte(s, ';')
	if end < 0 {
		end = len(s)
	}
	value, rest = s[:end], s[end:]
	if space := strings.IndexAny(value, " \t"); space >= 0 {
		// "boundary=a charset=b" lacks a semicolon; "name=my file" lacks quotes.
		if strings.Contains(value[space:], "=") && !strings.Contains(value, "=?") {
			return value[:space], s[space:], false
		}
		value, ok = strings.TrimSpace(value), false
	}
	return value, rest, ok
}

// segment is one piece of a parameter in RFC 2231's form: name*1*=value.
type segment struct {
	name    string
	order   int
	encoded bool // percent-encoded
	plain   bool // not of this form at all: stands in when the others fail
	value   string
}

func newSegment(name string, star int, value string) segment {
	seg := segment{name: name[:star], value: value}
	rest := name[star+1:]
	rest, seg.encoded = strings.CutSuffix(rest, "*")
	if rest == "" {
		seg.encoded = true // name*=
	}
	for _, c := range []byte(rest) {
		if c < '0' || c > '9' || seg.order > 1000 {
			break
		}
		seg.order = seg.order*10 + int(c-'0')
	}
	return seg
}

func hasSegment(segments []segment, name string) bool {
	for i := range segments {
		if segments[i].name == name {
			return true
		}
	}
	return false
}

// joinSegments puts continued parameters together (RFC 2231 section 3 and 4).
func joinSegments(segments []segment, emit func(name, value string)) (ok bool) {
	ok = true
	for i := range segments {
		name := segments[i].name
		if hasSegment(segments[:i], name) {
			continue
		}
		var raw []byte
		var fallback, charset string
		count := 0
		for order, found := 0, true; found; order++ {
			found = false
			for j := range segments {
				seg := &segments[j]
				switch {
				case seg.name != name:
				case seg.plain:
					fallback = seg.value
				case seg.order == order && !found:
					found = true
					count++
					val := seg.value
					if seg.encoded && order == 0 {
						if cs, rest, cut := strings.Cut(val, "'"); cut {
							charset = cs
							if _, text, cut := strings.Cut(rest, "'"); cut {
								rest = text
							}
							val = rest
						}
					}
					if seg.encoded {
						raw = coding.AppendPercent(raw, val)
					} else {
						raw = append(raw, val...)
					}
				}
			}
		}
		if count == 0 {
			emit(name, fallback)
			ok = fallback != "" && ok
			continue
		}
		text, good := coding.Charset(charset, raw)
		if charset == "" && strings.Contains(text, "=?") {
			text, good = coding.Words(text)
		}
		emit(name, text)
		ok = ok && good
	}
	return ok
}
