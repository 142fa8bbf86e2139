package forward

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"html"
	"mime"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/message"
)

// Client is a mail program, by its manner of forwarding.
type Client int

// The mail programs.
const (
	Outlook Client = iota // a rule, the fields in bold, no separator words
	Gmail                 // a separator of dashes, the address after the name
	Apple                 // a line that begins, the whole quoted
	clients
)

// Style is a program in a language.
type Style struct {
	Client   Client
	Language string // nl, fr, de or en
}

// StyleOf chooses a style by a name, always the same for the same name and
// evenly over many.
func StyleOf(name string) Style {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	n := int(h.Sum32() >> 4)
	return Style{Client(n % int(clients)), languages[n/int(clients)%len(languages)]}
}

var languages = [...]string{"nl", "fr", "de", "en"}

// speech is what a program and a reporter say in one language.
type speech struct {
	from, sent, date, to, subject string
	prefix                        [clients]string
	gmail, apple                  string
	words                         string
}

var speeches = map[string]speech{
	"nl": {"Van", "Verzonden", "Datum", "Aan", "Onderwerp", [...]string{"FW: ", "Fwd: ", "Doorst: "}, "Doorgestuurd bericht", "Begin doorgestuurd bericht:", "Ik kreeg dit vandaag. Is dit echt?"},
	"fr": {"De", "Envoyé", "Date", "À", "Objet", [...]string{"TR: ", "Fwd: ", "Tr : "}, "Message transféré", "Début du message réexpédié :", "J'ai reçu ceci aujourd'hui. Est-ce vrai ?"},
	"de": {"Von", "Gesendet", "Datum", "An", "Betreff", [...]string{"WG: ", "Fwd: ", "WG: "}, "Weitergeleitete Nachricht", "Anfang der weitergeleiteten Nachricht:", "Das habe ich heute bekommen. Ist das echt?"},
	"en": {"From", "Sent", "Date", "To", "Subject", [...]string{"FW: ", "Fwd: ", "Fwd: "}, "Forwarded message", "Begin forwarded message:", "I got this today. Is it real?"},
}

// The reporter, and the mailbox to which every rendered mail goes.
const (
	reporter = "Lotte Maes <lotte.maes@example.com>"
	desk     = "suspicious@centre.example.com"
	shownTo  = "Lotte Maes <lotte.maes@example.com>"
)

// field is one line that the program shows of the header.
type field struct{ label, value string }

// Render writes m as forwarded in a style. The rendering is the same every
// time. What programs keep is kept: the text, the HTML with its links, the
// files; Reply-To, authentication and all other fields are gone.
func Render(m *message.Message, style Style) []byte {
	s, ok := speeches[style.Language]
	if !ok {
		s = speeches["en"]
	}
	fields := shown(m, style, s)
	text := plain(m, style, s, fields)
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nMIME-Version: 1.0\r\n", reporter, desk, mime.QEncoding.Encode("utf-8", s.prefix[style.Client]+oneLine(m.Subject)))
	const mixed, alternative = "belfry-mixed-6f1c", "belfry-alternative-6f1c"
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\r\n\r\n--%s\r\n", mixed, mixed)
	if m.HTML == "" {
		part(&b, "text/plain; charset=utf-8", "", []byte(text))
	} else {
		fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=%q\r\n\r\n--%s\r\n", alternative, alternative)
		part(&b, "text/plain; charset=utf-8", "", []byte(text))
		fmt.Fprintf(&b, "--%s\r\n", alternative)
		part(&b, "text/html; charset=utf-8", "", []byte(page(m, style, s, fields)))
		fmt.Fprintf(&b, "--%s--\r\n", alternative)
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		if a.Message != nil {
			continue // programs differ: some drop a mail inside a mail
		}
		fmt.Fprintf(&b, "--%s\r\n", mixed)
		kind := a.Declared
		if kind == "" || !strings.Contains(kind, "/") {
			kind = "application/octet-stream"
		}
		extra := "Content-Disposition: attachment"
		if a.Inline {
			extra = "Content-Disposition: inline"
		}
		if a.Name != "" {
			extra = mime.FormatMediaType(strings.TrimPrefix(extra, "Content-Disposition: "), map[string]string{"filename": oneLine(a.Name)})
			extra = "Content-Disposition: " + extra
		}
		if a.ContentID != "" {
			extra += "\r\nContent-ID: <" + oneLine(a.ContentID) + ">"
		}
		part(&b, kind, extra, a.Content)
	}
	fmt.Fprintf(&b, "--%s--\r\n", mixed)
	return b.Bytes()
}

// shown are the fields in the order of the program.
func shown(m *message.Message, style Style, s speech) []field {
	from := ""
	if len(m.From) > 0 {
		from = mailbox(m.From[0], style.Client)
	}
	when := m.Date
	if when.IsZero() {
		when = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	}
	date, subject := when.Format("2 January 2006 15:04"), oneLine(m.Subject)
	switch style.Client {
	case Gmail:
		return []field{{s.from, from}, {"Date", date}, {"Subject", subject}, {"To", shownTo}}
	case Apple:
		return []field{{s.from, from}, {s.subject, subject}, {s.date, date}, {s.to, shownTo}}
	}
	return []field{{s.from, from}, {s.sent, date}, {s.to, shownTo}, {s.subject, subject}}
}

func mailbox(a message.Address, c Client) string {
	name, address := oneLine(a.Name), oneLine(a.Address)
	switch {
	case name == "" && c == Gmail:
		return "<" + address + ">"
	case name == "":
		return address
	case address == "":
		return name
	case c == Apple && strings.ContainsAny(name, ",<>@"):
		return "\"" + strings.ReplaceAll(name, "\"", "") + "\" <" + address + ">"
	}
	return name + " <" + address + ">"
}

// plain is the text part.
func plain(m *message.Message, style Style, s speech, fields []field) string {
	var b strings.Builder
	body := m.Body()
	write := func(quote string) {
		for _, f := range fields {
			b.WriteString(quote + f.label + ": " + f.value + "\n")
		}
		b.WriteString(quote + "\n")
		if quote == "" {
			b.WriteString(body)
			return
		}
		for line := range strings.Lines(body) {
			b.WriteString(quote + strings.TrimRight(line, "\r\n") + "\n")
		}
	}
	b.WriteString(s.words + "\n\n")
	switch style.Client {
	case Gmail:
		b.WriteString("---------- " + s.gmail + " ---------\n")
		write("")
	case Apple:
		b.WriteString(s.apple + "\n\n")
		write("> ")
	default:
		b.WriteString("________________________________\n")
		write("")
	}
	return b.String()
}

// page is the HTML part: the original's own HTML below the fields.
func page(m *message.Message, style Style, s speech, fields []field) string {
	var b strings.Builder
	b.WriteString("<html><body><p>" + html.EscapeString(s.words) + "</p>\n")
	line := func(f field) string {
		return "<b>" + html.EscapeString(f.label) + ":</b> " + html.EscapeString(f.value) + "<br>\n"
	}
	end := ""
	switch style.Client {
	case Gmail:
		b.WriteString(`<div class="gmail_quote"><div dir="ltr" class="gmail_attr">---------- ` + html.EscapeString(s.gmail) + " ---------<br>\n")
		for _, f := range fields {
			b.WriteString(html.EscapeString(f.label) + ": " + html.EscapeString(f.value) + "<br>\n")
		}
		end = "</div>"
		b.WriteString("</div><br>\n")
	case Apple:
		b.WriteString(`<div><br><blockquote type="cite"><div>` + html.EscapeString(s.apple) + "</div><br>\n")
		for _, f := range fields {
			b.WriteString("<div>" + strings.TrimSuffix(line(f), "<br>\n") + "</div>\n")
		}
		end = "</blockquote></div>"
		b.WriteString("<br>\n")
	default:
		b.WriteString(`<hr tabindex="-1"><div id="divRplyFwdMsg" dir="ltr">` + "\n")
		for _, f := range fields {
			b.WriteString(line(f))
		}
		b.WriteString("</div>\n")
	}
	b.WriteString("<div>" + m.HTML + "</div>" + end + "</body></html>\n")
	return b.String()
}

// part writes one MIME part in base64 (RFC 2045 section 6.8).
func part(b *bytes.Buffer, kind, extra string, content []byte) {
	b.WriteString("Content-Type: " + oneLine(kind) + "\r\nContent-Transfer-Encoding: base64\r\n")
	if extra != "" {
		b.WriteString(extra + "\r\n")
	}
	b.WriteString("\r\n")
	text := base64.StdEncoding.EncodeToString(content)
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
}

// oneLine takes line ends out of foreign text that goes into a header.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
