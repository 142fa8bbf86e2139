package message

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/markup"
	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
	"github.com/belfry-centre/belfry/internal/analysis/message/file"
)

// attach adds an attachment; inner is the message that it is, if that was read
// already.
func (b *builder) attach(p part, content []byte, inner *Message) {
	if b.attachments++; b.attachments > b.limits.Attachments {
		b.defect(DefectLimitAttachment, strconv.Itoa(b.limits.Attachments))
		return
	}
	name, path, bidi := file.Name(p.name)
	if path {
		b.defect(DefectFileName, name)
	}
	if bidi {
		b.defect(DefectFileNameBidi, name)
	}
	a := Attachment{
		Name:      name,
		Declared:  p.media,
		Size:      int64(len(content)),
		SHA256:    sha256.Sum256(content),
		Content:   content,
		Inline:    p.disposition == "inline",
		ContentID: strings.ToValidUTF8(p.id, "\uFFFD"),
		Message:   inner,
	}
	if inner != nil {
		a.Type = "message/rfc822"
	} else {
		a.Type, a.Macros = file.Sniff(content)
		if a.Type == "application/zip" || a.Macros {
			a.Entries = file.Entries(content)
		}
		if b.isMessage(&a) {
			if b.depth < b.limits.Depth {
				a.Type = "message/rfc822"
				a.Message = b.parse(content, b.depth+1)
			} else {
				b.defect(DefectLimitDepth, name)
			}
		}
		if isOutlook(content) {
			b.attachOutlook(&a)
		}
		if a.Type == "text/plain" && opensAsPage(&a) {
			a.Type = "text/html"
		}
		if a.Type == "text/html" || a.Type == "image/svg+xml" {
			b.readFile(&a, p.charset)
		}
	}
	b.m.Attachments = append(b.m.Attachments, a)
	if len(a.Entries) > 0 {
		b.unpack(&a)
	}
}

// unpack attaches the mails in a zip archive, next to it.
func (b *builder) unpack(a *Attachment) {
	mails := file.Mails(a.Content, b.expanded)
	for i := range mails {
		if !mails[i].Whole {
			b.defect(DefectArchive, mails[i].Name)
			continue
		}
		if b.depth >= b.limits.Depth {
			b.defect(DefectLimitDepth, mails[i].Name)
			return
		}
		b.expanded -= len(mails[i].Content)
		name := mails[i].Name[strings.LastIndexAny(mails[i].Name, `/\`)+1:]
		b.attach(part{media: "application/octet-stream", disposition: "attachment", name: name}, mails[i].Content, nil)
	}
}

// opensAsPage reports whether a text is opened in a browser as HTML whatever it
// begins with, so that words in front of it do not disguise it.
func opensAsPage(a *Attachment) bool {
	if a.Declared == "text/html" || a.Declared == "application/xhtml+xml" {
		return true
	}
	dot := strings.LastIndexByte(a.Name, '.')
	switch strings.ToLower(a.Name[dot+1:]) {
	case "html", "htm", "shtml", "xhtml", "xht", "mht", "mhtml", "hta":
		return true
	}
	return false
}

// readFile reads the markup of an HTML or SVG file.
func (b *builder) readFile(a *Attachment, charset string) {
	page := a.Content[:min(len(a.Content), b.limits.TextBytes)]
	if charset == "" {
		charset = metaCharset(page)
	}
	text, _ := coding.Charset(charset, page)
	a.Markup = markup.Read(text, b.limits.Markup)
}

// isMessage reports whether a file is a message by its declared type, its name
// or, where the type says nothing, its content.
func (b *builder) isMessage(a *Attachment) bool {
	switch {
	case strings.HasPrefix(a.Type, "text/"), a.Type == "message/rfc822", a.Type == "application/octet-stream":
	default:
		return false
	}
	switch a.Declared {
	case "message/rfc822", "message/global", "message/news":
		return true
	case "application/octet-stream", "application/eml", "application/x-eml", "application/vnd.ms-outlook":
		if a.Type == "message/rfc822" {
			return true
		}
	}
	return len(a.Name) > 4 && strings.EqualFold(a.Name[len(a.Name)-4:], ".eml")
}
