package outlook

import (
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
	"github.com/belfry-centre/belfry/internal/analysis/message/richtext"
)

// fill makes of an item's properties what they say.
func (r *reader) fill(it *Item, p *properties) {
	it.Class = p.text(pidMessageClass)
	it.Subject = p.text(pidSubject)
	if it.Subject == "" {
		it.Subject = p.text(pidNormalizedSubject)
	}
	var whole bool
	if it.Headers, whole = p.long(pidTransportHeaders, r.limits.TextBytes); !whole {
		it.fault(TextCut, "headers")
	}
	it.From = p.person(pidRepresentingName, pidRepresentingKind, pidRepresentingAddress, pidRepresentingSMTP, pidRepresentingEntry)
	sender := p.person(pidSenderName, pidSenderKind, pidSenderAddress, pidSenderSMTP, pidSenderEntry)
	if smtp := p.mailboxOf(sender); smtp != "" {
		if it.From.Address == sender.Address {
			it.From.Address = smtp
		}
		sender.Address = smtp
	}
	switch {
	case it.From == Person{}:
		it.From = sender
	case !strings.EqualFold(sender.Address, it.From.Address):
		it.Sender = sender
	}
	it.ReplyTo = parseEntryList(p.bytes(pidReplyEntries), p.charset, r.limits.Recipients)
	for _, id := range []uint16{pidClientSubmitTime, pidDeliveryTime, pidCreationTime} {
		if it.Date = p.time(id); !it.Date.IsZero() {
			break
		}
	}
	it.MessageID, it.InReplyTo, it.References = p.text(pidMessageID), p.text(pidInReplyTo), p.text(pidReferences)
	r.bodies(it, p)
	it.Details = details(it, p)
}

// mailboxOf returns the SMTP address of who sent the item with an Exchange name
// only, if the item tells elsewhere: it does of who made or last changed it.
func (p *properties) mailboxOf(who Person) string {
	if who.Address == "" || strings.Contains(who.Address, "@") {
		return ""
	}
	for _, at := range [...]struct{ name, smtp uint16 }{{pidCreatorName, pidCreatorSMTP}, {pidModifierName, pidModifierSMTP}} {
		if smtp := p.text(at.smtp); strings.Contains(smtp, "@") && p.text(at.name) == who.Name {
			return smtp
		}
	}
	return ""
}

// bodies reads the text and the HTML. Where there is only rich text, they are
// got out of it.
func (r *reader) bodies(it *Item, p *properties) {
	text, whole := p.long(pidBody, r.limits.TextBytes)
	if !whole {
		it.fault(TextCut, "text")
	}
	it.Text = coding.LineEnds(text)
	it.HTML = r.html(it, p)
	if it.HTML != "" || it.Text != "" && p.number(pidNativeBody) == nativePlain {
		return
	}
	packed := p.bytes(pidRTFCompressed)
	if len(packed) == 0 {
		return
	}
	rtf, ok := richtext.Decompress(packed, r.limits.Expanded)
	r.limits.Expanded -= len(rtf)
	switch {
	case r.limits.Expanded <= 0:
		it.fault(ExpandedCut, "rich text")
	case !ok:
		it.fault(Broken, "rich text")
	}
	content, kind, whole := richtext.Read(rtf, r.limits.TextBytes)
	if !whole {
		it.fault(TextCut, "rich text")
	}
	switch {
	case kind == richtext.HTML:
		it.HTML = content
	case strings.TrimSpace(it.Text) == "" || kind == richtext.Plain && strings.Contains(content, "://") && !strings.Contains(it.Text, "://"):
		// The plain text beside it may lack where the links lead.
		it.Text = strings.Trim(content, "\n") + "\n"
	}
}

const (
	pidNativeBody = 0x1016
	nativePlain   = 1
)

// html reads PidTagHtml, which is in the code page of the item.
func (r *reader) html(it *Item, p *properties) string {
	data := p.bytes(pidHTML)
	if p.values[pidHTML].kind != typeBinary {
		text, whole := p.long(pidHTML, r.limits.TextBytes)
		if !whole {
			it.fault(TextCut, "html")
		}
		return text
	}
	if len(data) > r.limits.TextBytes {
		data = data[:r.limits.TextBytes]
		it.fault(TextCut, "html")
	}
	text, ok := coding.Charset(coding.CodePage(p.number(pidInternetCodepage)), data)
	if !ok {
		it.fault(CharsetUnknown, "html")
	}
	return strings.ReplaceAll(text, "\x00", "")
}

// maxDetails bounds Item.Details.
const maxDetails = 64

// details reads what a contact or an appointment shows besides its text.
func details(it *Item, p *properties) []string {
	var ids []uint16
	lid := func(set uint32, lids ...uint32) {
		for _, l := range lids {
			if id := p.lookup(set, l); id != 0 {
				ids = append(ids, id)
			}
		}
	}
	class := strings.ToUpper(it.Class)
	switch {
	case strings.HasPrefix(class, "IPM.CONTACT"):
		// Name, company, title, telephones, address, pages; three e-mail addresses.
		ids = append(ids, pidDisplayName, 0x3A16, 0x3A17, 0x3A18, 0x3A08, 0x3A1B, 0x3A09, 0x3A2F, 0x3A1C, 0x3A1F, 0x3A24, 0x3A25, 0x3A15, 0x3A51, 0x3A50)
		lid(setAddress, 0x8083, 0x8093, 0x80A3, 0x8062, 0x802B, 0x801A, 0x801B, 0x801C)
	case strings.HasPrefix(class, "IPM.DISTLIST"):
		ids = append(ids, pidDisplayName)
	case strings.HasPrefix(class, "IPM.APPOINTMENT"), strings.HasPrefix(class, "IPM.SCHEDULE"):
		lid(setAppointment, 0x820D, 0x820E, 0x8208, 0x8232)
	case strings.HasPrefix(class, "IPM.TASK"):
		lid(setCommon, 0x8516, 0x8517)
	}
	var all []string
	for _, id := range ids {
		text := p.text(id)
		if at := p.time(id); !at.IsZero() && at.Year() < 4000 {
			text = at.Format(time.RFC3339)
		}
		if text != "" && len(all) < maxDetails && text != it.Subject {
			all = append(all, text)
		}
	}
	return all
}

// newFile makes of an attachment's properties what they say, except its content.
func newFile(p *properties) File {
	f := File{
		Type:      strings.ToLower(p.text(pidAttachMimeTag)),
		ContentID: strings.Trim(p.text(pidAttachContentID), "<> "),
	}
	for _, id := range []uint16{pidAttachLongFilename, pidAttachFilename, pidDisplayName} {
		if f.Name = p.text(id); f.Name != "" {
			break
		}
	}
	const renderedInBody = 4
	f.Inline = p.number(pidAttachmentHidden) != 0 || p.number(pidAttachFlags)&renderedInBody != 0
	return f
}

// How an attachment is there (PidTagAttachMethod, [MS-OXCMSG] 2.2.2.9).
const (
	methodReference = 2 // up to 4, by a path
	methodEmbedded  = 5
	methodOLE       = 6
	methodWeb       = 7
)

// target returns the path or address of an attachment that is not in the item.
func target(p *properties) string {
	switch p.number(pidAttachMethod) {
	case methodReference, methodReference + 1, methodReference + 2, methodWeb:
		if long := p.text(pidAttachLongPathname); long != "" {
			return long
		}
		return p.text(pidAttachPathname)
	}
	return ""
}

// recipient makes of a recipient's properties who it is.
func (p *properties) recipient() Recipient {
	who := p.person(pidDisplayName, pidAddressKind, pidEmailAddress, pidSMTPAddress, pidRecipientEntry)
	if name := p.text(pidRecipientName); who.Name == "" {
		who.Name = name
	}
	// There are flags beside the kind ([MS-OXOMSG] 2.2.3.1).
	return Recipient{who, RecipientKind(p.number(pidRecipientType) & 0xF)}
}

// addRecipient adds a recipient whose properties say who it is.
func (it *Item) addRecipient(p *properties) {
	if who := p.recipient(); who.Kind >= To && who.Kind <= Bcc && who.Person != (Person{}) {
		it.Recipients = append(it.Recipients, who)
	}
}
