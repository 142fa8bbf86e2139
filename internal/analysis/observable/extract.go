package observable

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/markup"
	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/pdf"
)

// Extract lists the observables of one message under the default limits, in
// the order in which their places come (see Observable.Where) and each value
// once. The recipients' own addresses are left out: they are the victim's, not
// the sender's.
func Extract(m *message.Message) []Observable { return ExtractWithin(m, Limits{}) }

// ExtractWithin is Extract under other limits.
func ExtractWithin(m *message.Message, limits Limits) []Observable {
	if m == nil {
		return nil
	}
	c := collector{limits: limits.orDefault(), index: make(map[key]int, 32)}
	c.recipients(m)
	c.letter = m.Body
	c.message(m, c.limits.Depth)
	slices.SortStableFunc(c.all, func(a, b Observable) int { return rank(a.Where) - rank(b.Where) })
	return c.all
}

// ExtractText lists the observables of a text that is not a mail: a pasted
// SMS, a chat, what was read from a picture. Where is InBody.
func ExtractText(text string, limits Limits) []Observable {
	c := collector{limits: limits.orDefault(), index: make(map[key]int, 8)}
	c.letter = func() string { return text }
	c.text(text, Observable{Where: InBody}, true)
	return c.all
}

type key struct {
	kind  Type
	value string
}

// collector gathers observables, each value once.
type collector struct {
	limits Limits
	all    []Observable
	index  map[key]int
	victim map[string]bool // folded addresses of the recipients
	letter func() string   // the text whose language says where a phone number is dialled
	dialed []string        // see regions; nil until asked for
	pdfs   int             // PDF files read
}

// rank orders the places in which a value may stand.
func rank(where string) int {
	switch where {
	case InHTML:
		return 0
	case InBody:
		return 1
	case InSubject:
		return 2
	case InHeader:
		return 3
	case InAttachment:
		return 4
	}
	return 5
}

func (c *collector) full() bool { return len(c.all) >= c.limits.Count }

// add counts o, and keeps it when it is new. It reports whether it was.
func (c *collector) add(o Observable) bool {
	if o.Value == "" || len(o.Value) > c.limits.Length {
		return false
	}
	if o.Raw == o.Value {
		o.Raw = ""
	}
	k := key{o.Type, o.Value}
	if i, ok := c.index[k]; ok {
		seen := &c.all[i]
		seen.Count++
		seen.Hidden = seen.Hidden && o.Hidden
		better := rank(o.Where) < rank(seen.Where) || o.Where == seen.Where && seen.Via != "" && o.Via == ""
		telling := o.Where == seen.Where && o.Text != "" && (seen.Text == "" || looksLikeAddress(o.Text) && !looksLikeAddress(seen.Text))
		if better || telling {
			o.Count, o.Hidden = seen.Count, seen.Hidden
			*seen = o
		}
		return false
	}
	if c.full() {
		return false
	}
	o.Count = 1
	c.index[k] = len(c.all)
	c.all = append(c.all, o)
	return true
}

// looksLikeAddress reports whether the text on a link claims a place itself.
func looksLikeAddress(text string) bool {
	text = strings.TrimSpace(text)
	return len(text) > 3 && !strings.ContainsAny(text, " \n") && (strings.Contains(text, ".") || strings.Contains(text, "://"))
}

// recipients remembers whose mail it is.
func (c *collector) recipients(m *message.Message) {
	c.victim = make(map[string]bool, 4)
	note := func(address string) {
		if value, _, _ := foldEmail(address); value != "" && len(c.victim) < 1000 {
			c.victim[value] = true
		}
	}
	for _, list := range [...][]message.Address{m.To, m.Cc} {
		for _, a := range list {
			note(a.Address)
		}
	}
	for _, name := range [...]string{"Delivered-To", "X-Original-To", "Envelope-To", "X-Forwarded-To"} {
		note(strings.Trim(m.Header.Raw(name), "<> "))
	}
}

// message adds everything in m.
func (c *collector) message(m *message.Message, depth int) {
	if m.Markup != nil {
		c.markup(m.Markup, Observable{Where: InHTML})
	}
	c.text(m.Text, Observable{Where: InBody}, true)
	c.text(m.Subject, Observable{Where: InSubject, Source: "Subject"}, true)
	c.header(m)
	for i := range m.Attachments {
		c.attachment(&m.Attachments[i], depth)
	}
}

// markup adds the links of an HTML document, and the addresses in its visible
// text that are not themselves the text of a link.
func (c *collector) markup(d *markup.Document, at Observable) {
	for i := range d.Links {
		if c.full() {
			return
		}
		l := &d.Links[i]
		o := at
		if at.Where == InHTML {
			o.Source, o.Start, o.End = l.Element+" "+l.Attr, l.Start, l.End
		}
		o.Text, o.Hidden = l.Text, l.Hidden
		if len(o.Text) > c.limits.Length {
			o.Text = o.Text[:c.limits.Length]
		}
		c.url(l.URL, o)
	}
	// Links come in document order; anchors do not nest.
	next := 0
	c.scan(d.Text, at, at.Where == InHTML, func(f found) bool {
		for next < len(d.Links) && d.Links[next].End <= f.start {
			next++
		}
		return f.kind == URL && next < len(d.Links) && d.Links[next].Start < f.end && f.start < d.Links[next].End
	})
}

// text adds the addresses in running text.
func (c *collector) text(text string, at Observable, spans bool) { c.scan(text, at, spans, nil) }

func (c *collector) scan(text string, at Observable, spans bool, skip func(found) bool) {
	if len(text) > c.limits.Text {
		text = text[:c.limits.Text]
	}
	scanText(text, c.limits.Length, func(f found) bool {
		if skip != nil && skip(f) {
			return true
		}
		o := at
		if spans {
			o.Start, o.End = f.start, f.end
		}
		switch f.kind {
		case Email:
			c.email(f.raw, o)
		case IP:
			c.ip(f.raw, o)
		default:
			c.url(f.raw, o)
		}
		return !c.full()
	})
	c.contacts(text, at, spans)
}

// url adds a URL, what is wrapped in it, and their hosts.
func (c *collector) url(raw string, o Observable) {
	if len(raw) > 2*c.limits.Length {
		return
	}
	if hasFold(raw, "www.") {
		raw = "http://" + raw
	} else if strings.HasPrefix(raw, "//") {
		raw = "https:" + raw
	}
	l, ok := ParseURL(raw)
	if !ok {
		c.pay(raw, o)
		return
	}
	o.Raw = raw
	for layer := 0; ; layer++ {
		switch l.Scheme {
		case "mailto":
			c.mailto(l.Path, o)
			return
		case "tel", "sms":
			c.dial(l.Path, o)
			return
		case "cid", "mid", "about":
			return
		}
		o.Type, o.Value = URL, l.Value
		c.place(&o, l)
		isNew := c.add(o)
		c.host(l, o)
		if l.Host == "wa.me" {
			c.chat(l, o)
		}
		if !isNew || layer == c.limits.Unwrap {
			return
		}
		target, host, via := unwrap(l)
		o.Via, o.From, o.Raw = via, l.Value, ""
		if host != "" {
			c.domain(host, o)
		}
		if target.Value == "" || target.Value == l.Value {
			return
		}
		l = target
	}
}

// place sets the host fields of o.
func (c *collector) place(o *Observable, l Location) {
	o.Host, o.Unicode, o.Registrable, o.Private = l.Host, l.Unicode, "", false
	if !l.IP.IsValid() {
		o.Registrable, o.Private = RegistrableDomain(l.Host)
	}
}

// host adds the host of a URL in its own right.
func (c *collector) host(l Location, o Observable) {
	o.Text = ""
	if l.IP.IsValid() {
		o.Raw = ""
		o.Type, o.Value, o.Host, o.Unicode, o.Registrable, o.Private = IP, foldIP(l.IP), foldIP(l.IP), "", "", false
		c.add(o)
		return
	}
	if strings.IndexByte(l.Host, '.') > 0 {
		o.Type, o.Value, o.Raw = Domain, l.Host, ""
		c.add(o)
	}
}

// domain adds a host name that was found alone.
func (c *collector) domain(raw string, o Observable) {
	ascii, uni, ok := FoldDomain(raw)
	if !ok || strings.IndexByte(ascii, '.') < 0 {
		return
	}
	o.Type, o.Value, o.Raw = Domain, ascii, raw
	o.Host, o.Unicode = ascii, uni
	o.Registrable, o.Private = RegistrableDomain(ascii)
	c.add(o)
}

// email adds an address and its domain, unless it is a recipient's.
func (c *collector) email(raw string, o Observable) {
	value, host, uni := foldEmail(raw)
	if value == "" || c.victim[value] {
		return
	}
	o.Type, o.Value, o.Raw = Email, value, raw
	o.Host, o.Unicode = host, uni
	o.Registrable, o.Private = RegistrableDomain(host)
	c.add(o)
	o.Type, o.Value, o.Raw, o.Text = Domain, host, "", ""
	c.add(o)
}

// foldEmail gives an addr-spec its canonical form. Everything is lower case:
// RFC 5321, section 2.4, lets a server tell local parts apart by case, but
// none that matters does.
func foldEmail(raw string) (value, host, unicode string) {
	at := strings.LastIndexByte(raw, '@')
	if at <= 0 || at > 256 || strings.ContainsAny(raw[:at], " \t\r\n<>@,;:()") {
		return "", "", ""
	}
	host, unicode, ok := FoldDomain(strings.TrimSpace(raw[at+1:]))
	if !ok || strings.IndexByte(host, '.') < 0 {
		return "", "", ""
	}
	return strings.ToLower(strings.Trim(raw[:at], `"`)) + "@" + host, host, unicode
}

func (c *collector) ip(raw string, o Observable) {
	addr, err := netip.ParseAddr(raw)
	if err != nil || !addr.IsValid() {
		return
	}
	o.Type, o.Value, o.Raw = IP, foldIP(addr), raw
	o.Host = o.Value
	c.add(o)
}

// header adds what the sender's header fields name. Received fields are left
// to those who know which of them can be trusted.
func (c *collector) header(m *message.Message) {
	senders := [...]struct {
		source string
		list   []message.Address
	}{{"From", m.From}, {"Sender", m.Sender}, {"Reply-To", m.ReplyTo}}
	for _, s := range senders {
		for _, a := range s.list {
			c.email(a.Address, Observable{Where: InHeader, Source: s.source, Text: a.Name})
		}
	}
	c.email(m.ReturnPath, Observable{Where: InHeader, Source: "Return-Path"})
	for i := range m.Header {
		if c.full() {
			return
		}
		name, value := m.Header[i].Name, m.Header[i].Value
		switch {
		case len(name) < 9:
		case strings.EqualFold(name, "DKIM-Signature"):
			c.domain(tagValue(value, "d"), Observable{Where: InHeader, Source: "DKIM-Signature"})
		case strings.EqualFold(name, "X-Originating-IP"):
			c.ip(strings.Trim(value, " []"), Observable{Where: InHeader, Source: name})
		case strings.EqualFold(name, "Disposition-Notification-To"), strings.EqualFold(name, "Errors-To"):
			c.text(value, Observable{Where: InHeader, Source: name}, false)
		case strings.EqualFold(name, "List-Unsubscribe"), strings.EqualFold(name, "List-Archive"),
			strings.EqualFold(name, "List-Help"), strings.EqualFold(name, "List-Post"), strings.EqualFold(name, "List-Owner"):
			for one := range strings.SplitSeq(value, "<") {
				if address, _, ok := strings.Cut(one, ">"); ok {
					c.url(address, Observable{Where: InUnsubscribe, Source: name})
				}
			}
		}
	}
}

// tagValue reads one tag of a DKIM tag list (RFC 6376, section 3.2).
func tagValue(list, tag string) string {
	for one := range strings.SplitSeq(list, ";") {
		if name, value, ok := strings.Cut(one, "="); ok && strings.TrimSpace(name) == tag {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// maxFile is how much of an attached text file is read for addresses.
const maxFile = 512 << 10

// attachment adds the hash of a file, the addresses in it when it is text or
// HTML, and what is in an attached message.
func (c *collector) attachment(a *message.Attachment, depth int) {
	at := Observable{Where: InAttachment, Source: a.Name}
	if a.Size > 0 {
		o := at
		o.Type, o.Value = SHA256, hex.EncodeToString(a.SHA256[:])
		c.add(o)
	}
	if a.Message != nil {
		if depth > 0 {
			c.inner(a.Message, at, depth-1)
		}
		return
	}
	if a.Type == "application/pdf" {
		c.pdf(a.Content, at)
		return
	}
	if len(a.Content) == 0 || len(a.Content) > maxFile {
		return
	}
	switch a.Type {
	case "text/html", "application/xhtml+xml", "image/svg+xml":
		c.markup(markup.Read(string(a.Content), markup.Limits{}), at)
	case "text/plain", "text/calendar", "text/x-url", "application/x-mswinurl", "application/xml", "text/xml":
		c.text(string(a.Content), at, false)
	}
}

// maxPDF is how many PDF files of one message are read, and maxInflated how
// much of the object streams of each.
const (
	maxPDF      = 10
	maxInflated = 2 << 20
)

// pdf adds the links in a PDF file.
func (c *collector) pdf(content []byte, at Observable) {
	if c.pdfs++; c.pdfs > maxPDF {
		return
	}
	for _, target := range pdf.Links(content, pdf.Limits{Inflated: maxInflated, Length: c.limits.Length}) {
		if c.full() {
			return
		}
		c.url(target, at)
	}
}

// inner adds what stands in an attached message, all placed at the attachment.
func (c *collector) inner(m *message.Message, at Observable, depth int) {
	inner := collector{limits: c.limits, index: make(map[key]int, 16), victim: c.victim, letter: m.Body, pdfs: c.pdfs}
	inner.message(m, depth)
	c.pdfs = inner.pdfs
	for _, o := range inner.all {
		if o.Where != InUnsubscribe {
			o.Where = InAttachment
		}
		o.Source, o.Start, o.End = at.Source, 0, 0
		c.add(o)
	}
}
