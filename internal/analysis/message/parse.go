package message

import (
	"bytes"
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/markup"
	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
	"github.com/belfry-centre/belfry/internal/analysis/message/file"
)

// Parse reads a message. It never fails; what was wrong is in Defects.
// The result shares raw's memory, so raw must not be changed afterwards.
func Parse(raw []byte, limits Limits) *Message {
	p := &parser{limits: limits.withDefaults()}
	p.expanded, p.copied = p.limits.Expanded, 2*p.limits.Expanded
	p.header.limits = &p.limits
	return p.parse(raw, 0)
}

// parser is one call of Parse: its limits and what of them is used up, by the
// message and all inside it.
type parser struct {
	limits             Limits
	header             headerReader
	parts, attachments int
	expanded           int // bytes that decompression may still make
	copied             int // bytes that may still be copied out of scattered .msg files
}

// parse reads a message that stands alone in src, at this depth of messages.
func (p *parser) parse(src []byte, depth int) *Message {
	m := &Message{Raw: src}
	b := &builder{parser: p, m: m, depth: depth}
	if len(src) > p.limits.Bytes {
		src = src[:p.limits.Bytes]
		b.defect(DefectLimitBytes, strconv.Itoa(len(m.Raw)))
	}
	if isOutlook(src) && b.outlookFile(src) {
		return m
	}
	if bytes.IndexByte(src, '\r') >= 0 && bytes.IndexByte(src, '\n') < 0 {
		src = bytes.ReplaceAll(src, []byte{'\r'}, []byte{'\n'})
		b.defect(DefectBareCR, "")
	}
	w := &walker{parser: p, src: src}
	w.message(b)
	return m
}

// part is what a part's header says about its content.
type part struct {
	media, boundary, charset string
	flowed, deleteSpace      bool
	encoding                 string
	disposition              string // "", "inline", "attachment", ...
	name                     string
	id                       string
	described                bool // there is a Content-Type
}

// newPart reads the Content- fields of a header (RFC 2045, 2183).
func newPart(h Header, b *builder) part {
	p := part{media: "text/plain"}
	var typeName string
	for i := len(h) - 1; i >= 0; i-- { // so that the first of two stays
		f := &h[i]
		if len(f.Name) < 9 || !strings.EqualFold(f.Name[:8], "content-") {
			continue
		}
		switch {
		case f.is("Content-Type"):
			p.boundary, p.charset, typeName = "", "", ""
			var ok bool
			p.media, ok = readParams(f.Value, func(name, value string) {
				switch name {
				case "boundary":
					p.boundary = value
				case "charset":
					p.charset = value
				case "name":
					typeName = value
				case "format":
					p.flowed = strings.EqualFold(value, "flowed")
				case "delsp":
					p.deleteSpace = strings.EqualFold(value, "yes")
				}
			})
			if !ok {
				b.defect(DefectParameter, "Content-Type")
			}
			// What is no type says nothing (RFC 2045 section 5.2).
			p.described = strings.Contains(p.media, "/")
			p.media = mediaType(p.media)
		case f.is("Content-Disposition"):
			p.name = ""
			var ok bool
			p.disposition, ok = readParams(f.Value, func(name, value string) {
				if name == "filename" {
					p.name = value
				}
			})
			if !ok {
				b.defect(DefectParameter, "Content-Disposition")
			}
		case f.is("Content-Transfer-Encoding"):
			encoding, _, _ := strings.Cut(strings.ToLower(strings.Trim(f.Value, " \t\"';")), ";")
			p.encoding = strings.TrimSpace(encoding)
		case f.is("Content-ID"):
			p.id = strings.Trim(f.Value, " \t<>")
		}
	}
	if p.name == "" {
		p.name = typeName
	}
	return p
}

// mediaType mends what stands where a media type should.
func mediaType(s string) string {
	s = strings.Trim(s, "\"'")
	switch s {
	case "", "text", "plain", "text/", "plain/text":
		return "text/plain"
	case "html", "html/text":
		return "text/html"
	case "multipart":
		return "multipart/mixed"
	}
	switch {
	case !utf8.ValidString(s) || len(s) > 200:
		return "application/octet-stream"
	case !strings.Contains(s, "/"):
		return "text/plain"
	}
	return s
}

// builder fills one Message.
type builder struct {
	*parser
	m     *Message
	depth int // messages around this one
	text  []string
	html  []string
	sizes struct{ text, html int }

	charset string   // of the first text that names one
	own     *ownPart // a TNEF part: perhaps this message's own text and files
}

// defect records a defect, the first few of each kind.
func (b *builder) defect(code, detail string) {
	count := 0
	for i := range b.m.Defects {
		if b.m.Defects[i].Code == code {
			count++
		}
	}
	if count < b.limits.DefectsOfKind {
		const longest = 100
		if len(detail) > longest {
			detail = detail[:longest]
		}
		detail, _ = coding.OneLine(strings.ToValidUTF8(detail, "\uFFFD"))
		b.m.Defects = append(b.m.Defects, Defect{code, detail})
	}
}

// fields reads the header fields that Message has names for.
func (b *builder) fields() {
	m := b.m
	var counts [10]int
	once := func(i int, name string) bool {
		if counts[i]++; counts[i] == 2 {
			b.defect(DefectDuplicateField, name)
		}
		return counts[i] == 1
	}
	for i := range m.Header {
		f := &m.Header[i]
		switch len(f.Name) {
		case 2:
			if f.is("To") {
				m.To = b.addresses(m.To, f)
			} else if f.is("Cc") {
				m.Cc = b.addresses(m.Cc, f)
			}
		case 4:
			if f.is("From") {
				once(0, "From")
				m.From = b.addresses(m.From, f)
			} else if f.is("Date") && once(1, "Date") {
				var ok bool
				if m.Date, ok = parseDate(f.Value); !ok {
					b.defect(DefectDate, f.Value)
				}
			}
		case 6:
			if f.is("Sender") {
				once(2, "Sender")
				m.Sender = b.addresses(m.Sender, f)
			}
		case 7:
			if f.is("Subject") && once(3, "Subject") {
				m.Subject = strings.TrimSpace(b.decode(f))
			}
		case 8:
			if f.is("Reply-To") {
				once(4, "Reply-To")
				m.ReplyTo = b.addresses(m.ReplyTo, f)
			}
		case 10:
			if f.is("Message-ID") && once(5, "Message-ID") {
				m.MessageID = strings.Trim(b.decode(f), " <>")
			}
		case 11:
			if f.is("Return-Path") && once(6, "Return-Path") {
				m.ReturnPath = strings.Trim(b.decode(f), " <>")
			}
		}
	}
}

func (b *builder) decode(f *Field) string {
	text, ok := coding.Words(b.recode(f.Value))
	if !ok || !utf8.ValidString(f.Value) {
		b.fieldDefect(f)
	}
	return text
}

// recode makes the 8-bit bytes of a field UTF-8, in the charset of the text.
func (b *builder) recode(value string) string {
	if utf8.ValidString(value) || b.charset == "" {
		return value
	}
	if text, ok := coding.Charset(b.charset, []byte(value)); ok {
		return text
	}
	return value
}

// fieldDefect says why a field could not be decoded.
func (b *builder) fieldDefect(f *Field) {
	if strings.Contains(f.Value, "=?") {
		b.defect(DefectEncodedWord, f.Name)
	} else {
		b.defect(DefectHeaderBytes, f.Name)
	}
}

func (b *builder) addresses(list []Address, f *Field) []Address {
	list, bad, cut := appendAddresses(list, b.recode(f.Value), b.limits.Addresses)
	if bad {
		b.defect(DefectAddress, f.Name)
	}
	if cut {
		b.defect(DefectLimitAddresses, f.Name)
	}
	if !utf8.ValidString(f.Value) {
		b.fieldDefect(f)
	}
	return list
}

// parseDate reads a Date field (RFC 5322 section 3.3) and the commonest wrong
// forms of it.
func parseDate(s string) (time.Time, bool) {
	if len(s) > 100 {
		return time.Time{}, false
	}
	if t, err := mail.ParseDate(s); err == nil {
		return t, true
	}
	s, _, _ = strings.Cut(s, "(")
	s = strings.TrimSpace(s)
	for _, layout := range [...]string{
		time.RFC3339, "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", time.ANSIC, time.UnixDate,
		"Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05", "Mon, 2 Jan 2006 15:04:05 -07:00",
		"Mon, 2 Jan 2006 3:04:05 PM -0700", "Mon, Jan 2 2006 15:04:05 -0700", "Mon Jan 2 15:04:05 2006 -0700",
		"Mon, 2 January 2006 15:04:05 -0700", "Monday, 2 January 2006 15:04:05 -0700", "Mon, 2-Jan-2006 15:04:05 -0700",
		"Mon, 02 Jan 2006 15:04:05 UT", "Mon, 02 Jan 06 15:04:05 -0700",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// leaf takes in a part that is no multipart and no readable message in place.
func (b *builder) leaf(p part, body []byte, root bool) {
	if !p.described && p.media == "text/plain" {
		switch media, _ := file.Sniff(body); {
		case media == "text/html":
			p.media = media // undeclared, and everybody shows it as such
		case root && len(b.m.Header) == 0 && !strings.HasPrefix(media, "text/") && media != "message/rfc822":
			p.media = "application/octet-stream" // a file that is no mail
		}
	}
	switch p.media {
	case "message/delivery-status", "message/global-delivery-status", "message/disposition-notification",
		"message/global-disposition-notification", "message/feedback-report", "text/rfc822-headers", "message/global-headers":
		b.notice(p, body)
		return
	case "text/plain", "text/html":
		if b.isBody(p, root) {
			b.bodyText(p, body)
			return
		}
	}
	content, ok := coding.Transfer(p.encoding, body)
	if !ok {
		b.defect(DefectTransfer, p.encoding)
	}
	if root && !p.described && len(content) == 0 {
		return
	}
	b.attach(p, content, nil)
}

// isBody reports whether a text part is shown as the text of the message.
func (b *builder) isBody(p part, root bool) bool {
	if root && p.name == "" {
		return true
	}
	if p.disposition == "attachment" {
		return false
	}
	if p.name == "" || root {
		return true
	}
	// A named part is shown when nothing of its kind was before it.
	if p.media == "text/html" {
		return len(b.html) == 0 && p.disposition == ""
	}
	return len(b.text) == 0 && len(b.html) == 0 && p.disposition == ""
}

// bodyText decodes a text part into the message's text or HTML.
func (b *builder) bodyText(p part, body []byte) {
	used, html := &b.sizes.text, p.media == "text/html"
	if html {
		used = &b.sizes.html
	}
	left := b.limits.TextBytes - *used
	// No encoding makes more than four bytes of one; what cannot be kept is
	// not decoded.
	if len(body)/4 > left {
		body = body[:left*4]
		b.defect(DefectLimitText, p.media)
	}
	content, ok := coding.Transfer(p.encoding, body)
	if !ok {
		b.defect(DefectTransfer, p.encoding)
	}
	if len(content) > left {
		content = content[:left]
		b.defect(DefectLimitText, p.media)
	}
	if !html && !changesBytes(p.encoding) && bytes.Contains(content, []byte("begin ")) {
		content = b.takeUU(content)
	}
	charset := p.charset
	if charset == "" && html {
		charset = metaCharset(content)
	}
	if b.charset == "" {
		b.charset = charset
	}
	text, ok := coding.Charset(charset, content)
	if !ok {
		b.defect(DefectCharset, charset)
	}
	if strings.IndexByte(text, 0) >= 0 {
		b.defect(DefectControl, p.media)
	}
	if html {
		if strings.IndexByte(text, 0) >= 0 {
			text = strings.ReplaceAll(text, "\x00", "")
		}
		b.html = append(b.html, text)
	} else {
		text = coding.LineEnds(text)
		if p.flowed {
			text = coding.Unflow(text, p.deleteSpace)
		}
		b.text = append(b.text, text)
	}
	*used += len(text)
	if *used > b.limits.TextBytes {
		*used = b.limits.TextBytes
	}
}

// takeUU makes attachments of the uuencoded files in a text and takes them
// out of it.
func (b *builder) takeUU(content []byte) []byte {
	var out []byte
	rest := content
	for {
		file, ok := coding.CutUU(rest)
		if !ok {
			break
		}
		out = append(out, rest[:file.Start]...)
		name, _ := coding.OneLine(file.Name)
		b.attach(part{media: "application/octet-stream", disposition: "attachment", name: name}, file.Content, nil)
		rest = rest[file.End:]
	}
	if out == nil {
		return content
	}
	return append(out, rest...)
}

// metaCharset finds the charset that an HTML document names in a meta element
// (WHATWG HTML section 13.2.3.2).
func metaCharset(html []byte) string {
	head := bytes.ToLower(html[:min(len(html), 2048)])
	i := bytes.Index(head, []byte("charset="))
	if i < 0 || !bytes.Contains(head[:i], []byte("<meta")) {
		return ""
	}
	value := bytes.TrimLeft(head[i+len("charset="):], " \"'")
	end := bytes.IndexAny(value, " \"'/>;")
	if end < 0 || end > 40 {
		return ""
	}
	name := string(value[:end])
	if strings.HasPrefix(name, "utf-16") || !coding.Known(name) {
		return "" // it was read as ASCII, so it is not
	}
	return name
}

// notice takes in a part of fields.
func (b *builder) notice(p part, body []byte) {
	content, ok := coding.Transfer(p.encoding, body)
	if !ok {
		b.defect(DefectTransfer, p.encoding)
	}
	n := Notice{Type: strings.Replace(p.media, "message/global-", "message/", 1), Content: content}
	if n.Type == "message/headers" {
		n.Type = "text/rfc822-headers"
	}
	const mostGroups = 200
	for pos := 0; pos < len(content) && len(n.Groups) < mostGroups; {
		h, size, _ := b.header.read(content[pos:], nil)
		if len(h) > 0 {
			n.Groups = append(n.Groups, h)
		}
		if size == 0 {
			_, next := coding.CutLine(content, pos)
			size = next - pos
		}
		pos += size
		if n.Type == "text/rfc822-headers" && len(h) > 0 {
			break
		}
	}
	b.m.Notices = append(b.m.Notices, n)
}

// finish puts the collected texts together and reads the HTML and the header.
// The header comes last because its 8-bit bytes, which no field explains, are
// mostly in the charset of the text.
func (b *builder) finish() {
	m := b.m
	b.fields()
	if b.own != nil {
		b.settle()
	}
	m.Text = strings.Join(b.text, "\n")
	m.HTML = strings.Join(b.html, "\n")
	if m.HTML == "" {
		return
	}
	m.Markup = markup.Read(m.HTML, b.limits.Markup)
	if m.Markup.Truncated {
		b.defect(DefectLimitText, "text/html")
	}
	b.markInline()
}

// markInline marks the attachments that the HTML shows (RFC 2392).
func (b *builder) markInline() {
	shown := map[string]bool{}
	for i := range b.m.Markup.Images {
		src := b.m.Markup.Images[i].Src
		if len(src) > 4 && strings.EqualFold(src[:4], "cid:") {
			shown[src[4:]] = true
		}
	}
	if len(shown) == 0 {
		return
	}
	for i := range b.m.Attachments {
		a := &b.m.Attachments[i]
		a.Inline = a.Inline || a.ContentID != "" && shown[a.ContentID]
	}
}
