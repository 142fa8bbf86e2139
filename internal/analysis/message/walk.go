package message

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

// walker goes once over one buffer, from delimiter to delimiter. However deep
// the multiparts, every byte is looked at for delimiters once, because those
// of all open multiparts are sought together: an outer one ends the inner
// ones, too (RFC 2046 section 5.1.2).
type walker struct {
	*parser
	src    []byte
	pos    int
	bounds []string // of the open multiparts, outermost first
}

// delimiter is a line that separates parts, or the end of the buffer.
type delimiter struct {
	start, end int // of the line; what follows begins at end
	content    int // the part before it ends here: its line end belongs to the delimiter
	level      int // index in walker.bounds; -1 at the end of the buffer
	closing    bool
}

// next finds the next delimiter at or after pos, which is at the beginning of
// a line, and moves pos behind it.
func (w *walker) next() delimiter {
	from := w.pos
	for len(w.bounds) > 0 {
		start := from
		if from != w.pos || !bytes.HasPrefix(w.src[from:], []byte("--")) {
			i := bytes.Index(w.src[from:], []byte("\n--"))
			if i < 0 {
				break
			}
			start = from + i + 1
		}
		line, next := coding.CutLine(w.src, start)
		if level, closing := w.match(line); level >= 0 {
			d := delimiter{start: start, end: next, content: start, level: level, closing: closing}
			if d.content > w.pos && w.src[d.content-1] == '\n' {
				d.content--
				for d.content > w.pos && w.src[d.content-1] == '\r' {
					d.content--
				}
			}
			w.pos = next
			return d
		}
		from = max(start+2, next-1)
	}
	w.pos = len(w.src)
	return delimiter{start: w.pos, end: w.pos, content: w.pos, level: -1}
}

// match reports which open multipart's delimiter a line is.
func (w *walker) match(line []byte) (level int, closing bool) {
	if len(line) < 2 || line[0] != '-' || line[1] != '-' {
		return -1, false
	}
	line = line[2:]
	for i := len(w.bounds) - 1; i >= 0; i-- {
		b := w.bounds[i]
		if len(line) < len(b) || string(line[:len(b)]) != b {
			continue
		}
		rest := line[len(b):]
		if len(rest) >= 2 && rest[0] == '-' && rest[1] == '-' {
			return i, true
		}
		if len(bytes.TrimLeft(rest, " \t")) == 0 {
			return i, false
		}
	}
	return -1, false
}

func (w *walker) isBoundary(line []byte) bool {
	level, _ := w.match(line)
	return level >= 0
}

// message reads a message from pos to the delimiter that ends it.
func (w *walker) message(b *builder) delimiter {
	start := w.pos
	w.skipJunk(b)
	begin := w.pos
	h := w.readHeader(b)
	if !anyKnown(h) {
		// No header at all: a text that somebody pasted or a file that is no mail.
		h = nil
		w.pos = start
		b.defect(DefectNoHeader, "")
	} else if begin > start {
		b.defect(DefectLeadingJunk, "")
	}
	b.m.Header = h
	d := w.entity(b, newPart(h, b), true)
	b.finish()
	return d
}

func anyKnown(h Header) bool {
	for i := range h {
		if isKnown(h[i].Name) {
			return true
		}
	}
	return false
}

// skipJunk moves pos to the first header field when something stands before
// it: an mbox From_ line, empty lines, the remains of a copy from a web page.
func (w *walker) skipJunk(b *builder) {
	const (
		mostLines = 20
		mostBytes = 4 << 10
	)
	if bytes.HasPrefix(w.src[w.pos:], []byte("\xef\xbb\xbf")) {
		w.pos += 3
	}
	pos := w.pos
	for lines := 0; lines < mostLines && pos < len(w.src) && pos-w.pos < mostBytes; lines++ {
		line, next := coding.CutLine(w.src, pos)
		if w.isBoundary(line) {
			return
		}
		if colon := coding.FieldName(line); colon > 0 && isKnown(string(line[:min(colon, 40)])) || colon > 0 && lines == 0 {
			w.pos = pos
			return
		}
		pos = next
	}
}

// readHeader reads the header at pos and moves pos to the body.
func (w *walker) readHeader(b *builder) Header {
	h, size, faults := w.header.read(w.src[w.pos:], w.isBoundary)
	w.pos += size
	for _, f := range [...]struct {
		is   bool
		code string
	}{
		{faults.junk, DefectHeaderLine},
		{faults.noBlank, DefectHeaderEnd},
		{faults.control, DefectControl},
		{faults.limit, DefectLimitHeader},
	} {
		if f.is {
			b.defect(f.code, "")
		}
	}
	return h
}

// entity reads what follows a header: a multipart, a message or a leaf.
func (w *walker) entity(b *builder, p part, root bool) delimiter {
	if w.parts++; w.parts > w.limits.Parts {
		b.defect(DefectLimitParts, strconv.Itoa(w.limits.Parts))
		// Nothing more is of use, so nothing more is looked at.
		w.bounds = w.bounds[:0]
		return w.next()
	}
	switch {
	case strings.HasPrefix(p.media, "multipart/"):
		if len(w.bounds) < w.limits.Multiparts {
			return w.multipart(b, p, root)
		}
		b.defect(DefectLimitDepth, p.media)
	case p.media == "message/rfc822" || p.media == "message/global" || p.media == "message/news":
		if b.depth >= w.limits.Depth {
			b.defect(DefectLimitDepth, p.media)
			break
		}
		if !changesBytes(p.encoding) {
			return w.attachedMessage(b, p)
		}
	}
	start := w.pos
	d := w.next()
	b.leaf(p, w.src[start:d.content], root)
	return d
}

// changesBytes reports whether content in this encoding must be decoded.
func changesBytes(encoding string) bool {
	switch encoding {
	case "base64", "quoted-printable", "x-uuencode", "uuencode", "x-uue", "uue":
		return true
	}
	return false
}

// attachedMessage reads a message inside the message in place.
func (w *walker) attachedMessage(b *builder, p part) delimiter {
	start := w.pos
	inner := &builder{parser: w.parser, m: &Message{}, depth: b.depth + 1}
	d := w.message(inner)
	content := w.src[start:max(start, d.content)]
	inner.m.Raw = content
	b.attach(p, content, inner.m)
	return d
}

// multipart reads the parts of a multipart (RFC 2046 section 5.1) up to the
// delimiter of an outer one that ends it.
func (w *walker) multipart(b *builder, p part, root bool) delimiter {
	start, level := w.pos, len(w.bounds)
	var d delimiter
	found := false
	if p.boundary != "" {
		w.bounds = append(w.bounds, p.boundary)
		if d = w.next(); d.level == level {
			found = true
		}
	} else {
		d = w.next()
	}
	if !found {
		// Without its own delimiter in it: is there one that it forgot to name?
		b.defect(DefectBoundaryMissing, p.media)
		w.bounds = w.bounds[:level]
		inside := w.src[start:d.content]
		if boundary := findBoundary(inside); boundary != "" {
			w.bounds = append(w.bounds, boundary)
			w.pos = start
			d = w.next()
		} else {
			if changesBytes(p.encoding) {
				// A gateway encoded the multipart as a whole.
				if decoded, _ := coding.Transfer(p.encoding, inside); len(decoded) < len(inside) && p.boundary != "" {
					inner := &walker{parser: w.parser, src: decoded}
					p.encoding = ""
					inner.multipart(b, p, root)
					return d
				}
			}
			w.bare(b, inside)
			return d
		}
	} else if d.closing && len(bytes.TrimSpace(w.src[start:d.content])) > 0 {
		// Closed without a part: what stands there was meant to be one.
		b.defect(DefectBoundaryMissing, p.media)
		w.bare(b, w.src[start:d.content])
	}
	for d.level == level && !d.closing {
		if w.parts >= w.limits.Parts {
			b.defect(DefectLimitParts, strconv.Itoa(w.limits.Parts))
			w.bounds = w.bounds[:0]
			return w.next()
		}
		d = w.part(b, p.media == "multipart/digest")
		if len(w.bounds) <= level { // the limit of parts ended everything
			return d
		}
	}
	if d.level == level { // closed: the epilogue belongs to nobody
		w.bounds = w.bounds[:level]
		return w.next()
	}
	b.defect(DefectBoundaryOpen, p.media)
	w.bounds = w.bounds[:min(level, len(w.bounds))]
	return d
}

// bare reads what stands in a multipart without delimiters as its only part.
func (w *walker) bare(b *builder, inside []byte) {
	inner := &walker{parser: w.parser, src: bytes.TrimLeft(inside, "\r\n")}
	inner.part(b, false)
}

// part reads one part: its header and its content.
func (w *walker) part(b *builder, digest bool) delimiter {
	start := w.pos
	h := w.readHeader(b)
	if len(h) > 0 && !anyKnown(h) {
		w.pos, h = start, nil // a text whose first line has a colon
	}
	p := newPart(h, b)
	if digest && !p.described {
		p.media = "message/rfc822"
	}
	return w.entity(b, p, false)
}

// findBoundary guesses the boundary of a multipart: the first line of the form
// --something that a Content- field follows.
func findBoundary(body []byte) string {
	for pos := 0; pos < len(body); {
		if !bytes.HasPrefix(body[pos:], []byte("--")) {
			i := bytes.Index(body[pos:], []byte("\n--"))
			if i < 0 {
				return ""
			}
			pos += i + 1
		}
		line, next := coding.CutLine(body, pos)
		after, _ := coding.CutLine(body, next)
		if name := bytes.TrimRight(line[2:], " \t"); len(name) > 0 && len(name) <= 200 &&
			len(after) > 8 && strings.EqualFold(string(after[:8]), "content-") && coding.FieldName(after) > 0 {
			return string(name)
		}
		pos = max(pos+2, next-1)
		if pos < len(body) && body[pos] == '\n' {
			continue
		}
		if next >= len(body) {
			return ""
		}
	}
	return ""
}
