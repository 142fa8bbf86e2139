package mailout

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// Mail is a message to compose. From, To, MessageID and Text are required.
type Mail struct {
	From       mail.Address
	To         []mail.Address
	ReplyTo    mail.Address // the zero value leaves it out
	Subject    string       // at most 250 characters are kept
	Date       time.Time    // zero is now
	MessageID  string       // with or without angle brackets
	InReplyTo  string       // same; what is no message id is left out
	References []string     // same; the last twenty are kept
	Text       string
	HTML       string   // "" composes text/plain only
	Language   string   // Content-Language (RFC 3282), e.g. "nl"
	Headers    []Header // e.g. Auto-Submitted: auto-replied (RFC 3834)
}

// Header is one more header field.
type Header struct{ Name, Value string }

const (
	maxSubject    = 250 // characters
	maxName       = 100
	maxValue      = 900
	maxReferences = 20
	maxMessageID  = 250 // bytes
)

// Compose writes the message: text and HTML as multipart/alternative (RFC
// 2046, section 5.1.4), in UTF-8 and quoted-printable, so all of it is ASCII
// in lines of at most 78 bytes, but for long message ids. The same Mail with
// a Date gives the same bytes. It fails when an address or the MessageID is
// none, or when a header field has a name that Compose writes itself.
func Compose(m Mail) ([]byte, error) {
	var b bytes.Buffer
	if err := composeHeader(&b, m); err != nil {
		return nil, err
	}
	text := cleanBody(m.Text)
	if m.HTML == "" {
		part(&b, "plain", text)
		return b.Bytes(), nil
	}
	html := cleanBody(m.HTML)
	// "=_" never stands in quoted-printable text (RFC 2045, section 6.7).
	sum := sha256.Sum256([]byte(m.MessageID + "\x00" + text + "\x00" + html))
	boundary := fmt.Sprintf("=_%x", sum[:16])
	fmt.Fprintf(&b, "Content-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n\r\n", boundary)
	fmt.Fprintf(&b, "--%s\r\n", boundary)
	part(&b, "plain", text)
	fmt.Fprintf(&b, "\r\n--%s\r\n", boundary)
	part(&b, "html", html)
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes(), nil
}

// composeHeader writes all fields but the ones of the content.
func composeHeader(b *bytes.Buffer, m Mail) error {
	from, err := address(m.From)
	if err != nil {
		return fmt.Errorf("mailout: From: %w", err)
	}
	if len(m.To) == 0 {
		return errors.New("mailout: To: there is no address")
	}
	to := make([]string, len(m.To))
	for i, a := range m.To {
		if to[i], err = address(a); err != nil {
			return fmt.Errorf("mailout: To: %w", err)
		}
	}
	id, ok := messageID(m.MessageID)
	if !ok {
		return errors.New("mailout: Message-ID: it is none (RFC 5322, section 3.6.4)")
	}
	date := m.Date
	if date.IsZero() {
		date = time.Now()
	}
	fmt.Fprintf(b, "From: %s\r\n", from)
	fmt.Fprintf(b, "To: %s\r\n", strings.Join(to, ",\r\n "))
	if m.ReplyTo != (mail.Address{}) {
		reply, err := address(m.ReplyTo)
		if err != nil {
			return fmt.Errorf("mailout: Reply-To: %w", err)
		}
		fmt.Fprintf(b, "Reply-To: %s\r\n", reply)
	}
	fmt.Fprintf(b, "Subject: %s\r\n", unstructured("Subject", m.Subject, maxSubject))
	fmt.Fprintf(b, "Date: %s\r\n", date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	fmt.Fprintf(b, "Message-ID: %s\r\n", id)
	if id, ok := messageID(m.InReplyTo); ok {
		fmt.Fprintf(b, "In-Reply-To: %s\r\n", id)
	}
	var refs []string
	for _, r := range m.References {
		if id, ok := messageID(r); ok {
			refs = append(refs, id)
		}
	}
	if len(refs) > 0 {
		fmt.Fprintf(b, "References: %s\r\n", strings.Join(refs[max(0, len(refs)-maxReferences):], "\r\n "))
	}
	for _, h := range m.Headers {
		if err := fieldName(h.Name); err != nil {
			return err
		}
		fmt.Fprintf(b, "%s: %s\r\n", h.Name, unstructured(h.Name, h.Value, maxValue))
	}
	if m.Language != "" {
		fmt.Fprintf(b, "Content-Language: %s\r\n", unstructured("Content-Language", m.Language, 40))
	}
	b.WriteString("MIME-Version: 1.0\r\n")
	return nil
}

// part writes a body part with its fields.
func part(b *bytes.Buffer, subtype, content string) {
	fmt.Fprintf(b, "Content-Type: text/%s; charset=utf-8\r\n", subtype)
	b.WriteString("Content-Transfer-Encoding: quoted-printable\r\n\r\n")
	w := quotedprintable.NewWriter(b) // a bytes.Buffer takes everything
	w.Write([]byte(content))
	w.Close()
	if !strings.HasSuffix(content, "\n") {
		b.WriteString("\r\n")
	}
}

// fieldName checks the name of one more header field: RFC 5322, section
// 2.2, and none that Compose or the signature writes.
func fieldName(name string) error {
	if name == "" || len(name) > 60 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
		return errors.New("mailout: a header field has a name that is none")
	}
	switch strings.ToLower(name) {
	case "from", "to", "reply-to", "subject", "date", "message-id", "in-reply-to", "references",
		"mime-version", "content-type", "content-transfer-encoding", "content-language",
		"cc", "bcc", "sender", "return-path", "received", "dkim-signature":
		return fmt.Errorf("mailout: the header field %s is not for the caller", name)
	}
	return nil
}
