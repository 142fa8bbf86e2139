package message

import (
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
	"github.com/belfry-centre/belfry/internal/analysis/message/compound"
	"github.com/belfry-centre/belfry/internal/analysis/message/file"
	"github.com/belfry-centre/belfry/internal/analysis/message/outlook"
)

const (
	typeOutlook = "application/vnd.ms-outlook"
	typeTNEF    = "application/ms-tnef"
)

// isOutlook reports whether content may be a .msg file or TNEF.
func isOutlook(content []byte) bool {
	return len(content) > 8 && (content[0] == compound.Signature[0] && string(content[:8]) == compound.Signature ||
		content[0] == outlook.TNEFSignature[0] && string(content[:4]) == outlook.TNEFSignature)
}

// readOutlook reads a .msg file or TNEF; nil when nothing of it can be read.
func (b *builder) readOutlook(content []byte) *outlook.Item {
	limits := outlook.Limits{
		Depth:      b.limits.Depth - b.depth,
		Files:      max(0, b.limits.Attachments-b.attachments),
		Recipients: 3 * b.limits.Addresses,
		TextBytes:  b.limits.TextBytes,
		Expanded:   b.expanded,
		Copied:     b.copied,
	}
	read := outlook.ReadMSG
	if content[0] == outlook.TNEFSignature[0] {
		read = outlook.ReadTNEF
	}
	it, err := read(content, &limits)
	b.expanded, b.copied = limits.Expanded, limits.Copied
	if err != nil {
		return nil
	}
	return it
}

// outlookFile reads a message that is a .msg file or TNEF. It reports false when
// it is none.
func (b *builder) outlookFile(content []byte) bool {
	it := b.readOutlook(content)
	if it == nil {
		return false
	}
	b.item(it)
	return true
}

// attachOutlook reads an attachment that may be a .msg file or TNEF.
func (b *builder) attachOutlook(a *Attachment) {
	if a.Type != typeOutlook && a.Type != typeTNEF {
		return // an Office document
	}
	if b.depth >= b.limits.Depth {
		b.defect(DefectLimitDepth, a.Name)
		return
	}
	it := b.readOutlook(a.Content)
	if it == nil {
		b.defect(DefectOutlook, a.Name)
		return
	}
	if a.Type == typeTNEF && b.own == nil {
		// Whether it is the text and the files of this message, or a message that
		// is attached to it, shows once the subject is known.
		b.own = &ownPart{item: it, index: len(b.m.Attachments)}
		return
	}
	a.Message = b.embed(it, a.Content)
}

// embed makes a message of an item inside this message.
func (b *builder) embed(it *outlook.Item, raw []byte) *Message {
	inner := &builder{parser: b.parser, m: &Message{Raw: raw}, depth: b.depth + 1}
	inner.item(it)
	return inner.m
}

// ownPart is a TNEF part of which it is not yet known whose message it is.
type ownPart struct {
	item  *outlook.Item
	index int // in Message.Attachments
}

// settle decides about a TNEF part. Exchange sends it with a message to carry
// that message's own rich text and files ([MS-OXTNEF] 1.3): it has the same
// subject, and none of its own in the form that only adds to the message.
// Anything else was attached.
func (b *builder) settle() {
	own := b.own
	b.own = nil
	if own.index >= len(b.m.Attachments) {
		return
	}
	if len(b.m.Header) == 0 || !strings.HasPrefix(strings.ToUpper(own.item.Class), "IPM") && own.item.Class != "" ||
		own.item.Subject != "" && !strings.EqualFold(strings.TrimSpace(own.item.Subject), b.m.Subject) {
		a := &b.m.Attachments[own.index]
		a.Message = b.embed(own.item, a.Content)
		return
	}
	it := own.item
	b.faults(it)
	if len(b.text) == 0 && len(b.html) == 0 {
		b.text = append(b.text, it.Text)
	}
	if it.HTML != "" && len(b.html) == 0 {
		b.html = append(b.html, it.HTML)
	}
	b.files(it)
}

// item makes the message of an Outlook item.
func (b *builder) item(it *outlook.Item) {
	m := b.m
	b.faults(it)
	// Exchange's own first line is no field.
	headers := strings.TrimPrefix(strings.TrimLeft(it.Headers, " \r\n"), "Microsoft Mail Internet Headers Version 2.0\r\n")
	if headers != "" {
		w := &walker{parser: b.parser, src: []byte(headers)}
		m.Header = w.readHeader(b)
	}
	b.complete(it)
	if it.Text != "" || len(it.Details) > 0 {
		b.text = append(b.text, strings.Join(append([]string{it.Text}, it.Details...), "\n"))
	}
	if it.HTML != "" {
		b.html = append(b.html, it.HTML)
	}
	if signed := signedPart(it); signed != nil {
		// Outlook keeps a signed message whole, as its only attachment.
		w := &walker{parser: b.parser, src: signed}
		b.text, b.html = nil, nil
		w.part(b, false)
	} else {
		b.files(it)
	}
	b.finish()
	b.people(it)
}

// signedPart returns the content of a clear-signed message ([MS-OXOSMIME]
// 2.1.3), or nil.
func signedPart(it *outlook.Item) []byte {
	if !strings.HasSuffix(strings.ToUpper(it.Class), ".SMIME.MULTIPARTSIGNED") || len(it.Files) != 1 {
		return nil
	}
	content := it.Files[0].Content
	const field = "content-type:"
	if len(content) < len(field) || !strings.EqualFold(string(content[:len(field)]), field) {
		return nil
	}
	return content
}

// files attaches the files of an item.
func (b *builder) files(it *outlook.Item) {
	for i := range it.Files {
		f := &it.Files[i]
		p := part{media: f.Type, name: f.Name, id: f.ContentID, disposition: "attachment"}
		if f.Inline {
			p.disposition = "inline"
		}
		if p.media = mediaType(p.media); f.Type == "" {
			p.media = "application/octet-stream"
		}
		content := f.Content
		switch {
		case f.Item != nil:
			b.attachItem(p, f.Item)
			continue
		case f.Target != "" && len(content) == 0:
			// A file in the cloud: what there is of it is where it lies.
			p.media, content = "text/uri-list", []byte(strings.ToValidUTF8(f.Target, "\uFFFD"))
		}
		b.attach(p, content, nil)
	}
}

// attachItem attaches an item that is embedded in another.
func (b *builder) attachItem(p part, it *outlook.Item) {
	if b.attachments++; b.attachments > b.limits.Attachments {
		b.defect(DefectLimitAttachment, "")
		return
	}
	name, _, _ := file.Name(p.name)
	b.m.Attachments = append(b.m.Attachments, Attachment{
		Name: name, Declared: typeOutlook, Type: typeOutlook, ContentID: p.id, Inline: p.disposition == "inline",
		Message: b.embed(it, nil),
	})
}

// faults takes over what was wrong with an item.
func (b *builder) faults(it *outlook.Item) {
	for _, f := range it.Faults {
		code := DefectOutlook
		switch f.Kind {
		case outlook.TextCut:
			code = DefectLimitText
		case outlook.ExpandedCut:
			code = DefectLimitExpanded
		case outlook.FilesCut:
			code = DefectLimitAttachment
		case outlook.RecipientsCut:
			code = DefectLimitAddresses
		case outlook.TooDeep:
			code = DefectLimitDepth
		case outlook.CharsetUnknown:
			code = DefectCharset
		}
		b.defect(code, f.Detail)
	}
}

// complete adds to the header the fields that the item would have been sent
// with and that are not there, apart from those with people in them.
func (b *builder) complete(it *outlook.Item) {
	b.addField("Subject", it.Subject)
	if !it.Date.IsZero() {
		b.addField("Date", it.Date.Format(time.RFC1123Z))
	}
	b.addField("Message-ID", it.MessageID)
	b.addField("In-Reply-To", it.InReplyTo)
	b.addField("References", it.References)
}

// people is complete for the fields with people. They come last and are not
// read from the header, because an Exchange name can hold anything.
func (b *builder) people(it *outlook.Item) {
	m := b.m
	var to, cc []outlook.Person
	for _, r := range it.Recipients {
		switch r.Kind {
		case outlook.To:
			to = append(to, r.Person)
		case outlook.Cc:
			cc = append(cc, r.Person)
		}
	}
	for _, f := range [...]struct {
		name string
		list *[]Address
		who  []outlook.Person
	}{
		{"From", &m.From, []outlook.Person{it.From}},
		{"Sender", &m.Sender, []outlook.Person{it.Sender}},
		{"Reply-To", &m.ReplyTo, it.ReplyTo},
		{"To", &m.To, to},
		{"Cc", &m.Cc, cc},
	} {
		if m.Header.Has(f.name) {
			continue
		}
		var text []string
		size := 0
		for _, who := range f.who {
			if who == (outlook.Person{}) {
				continue
			}
			one := written(who)
			if size += len(one) + 2; len(*f.list) >= b.limits.Addresses || size > b.limits.LineBytes {
				b.defect(DefectLimitAddresses, f.name)
				break
			}
			text = append(text, one)
			*f.list = append(*f.list, Address{Name: oneLine(who.Name), Address: oneLine(who.Address)})
		}
		b.addField(f.name, strings.Join(text, ", "))
	}
}

func oneLine(s string) string {
	s, _ = coding.OneLine(s)
	return strings.TrimSpace(s)
}

// addField adds a field that is not there yet.
func (b *builder) addField(name, value string) {
	h := &b.m.Header
	value, _ = coding.OneLine(value)
	if value = strings.TrimSpace(value); value != "" && !h.Has(name) && len(*h) < b.limits.Headers {
		*h = append(*h, Field{name, value[:min(len(value), b.limits.LineBytes)]})
	}
}

// written writes a person as a header has it (RFC 5322 section 3.4). What would
// end the name or the address is taken out of it.
func written(who outlook.Person) string {
	if who == (outlook.Person{}) {
		return ""
	}
	name := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(who.Name)
	address := strings.Map(func(r rune) rune {
		if r == '<' || r == '>' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, who.Address)
	switch {
	case address == "":
		return `"` + name + `"`
	case name == "" || who.Name == who.Address:
		return "<" + address + ">"
	}
	return `"` + name + `" <` + address + ">"
}
