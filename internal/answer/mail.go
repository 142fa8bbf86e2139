package answer

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/mail"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/mailout"
)

// Header is the header field that every answer carries, so that it is known
// when it comes back. Its value is the centre's mail domain.
const Header = analysis.OwnHeader

//go:embed pages/mail.html
var pages embed.FS

// layout is the HTML of a mail: no style, no picture, and one link, our own.
var layout = template.Must(template.ParseFS(pages, "pages/mail.html"))

// letter is a Content on its way to one reporter.
type letter struct {
	Content
	Greeting string
	Follow   string // the sentence before the link
	URL      string // the follow page; empty when there is none
	Centre   string
	Footer   []string // why the reporter gets it
}

// mail writes the answer's mail. The same row and subject always give the same
// one.
func (c *Capability) mail(r row, s Subject) (mailout.Mail, error) {
	w := c.writer(r.language)
	content := r.content
	if r.decision.Mail == Acknowledgement {
		content = told{Kind: Acknowledgement} // whatever the page says
	}
	l := letter{Content: w.compose(content), Greeting: w.say("greeting", nil), Centre: c.centre.Name}
	// The page quotes the message. Who is not proved may be somebody whose
	// address a stranger has used, to show him those words under our name.
	if s.Proved && c.ours(s.FollowURL) {
		l.URL, l.Follow = s.FollowURL, w.say("follow", nil)
		if !s.FollowExpires.IsZero() {
			l.Follow = w.say("follow_until", map[string]string{"Date": c.text.Date(w.lang, s.FollowExpires.UTC())})
		}
	}
	l.Footer = []string{w.say("footer.why", map[string]string{"Centre": c.centre.Name}), w.say("footer.automatic", nil)}
	if l.Kind == Acknowledgement {
		l.Footer = append(l.Footer, w.say("footer.not_you", nil))
	}
	subject := l.Title
	if about := title(s.Title, maxTitle); about != "" && s.Proved && l.Kind != Acknowledgement {
		subject = w.say("subject", map[string]string{"Title": l.Title, "About": w.quoted(about)})
	}
	var html bytes.Buffer
	if err := layout.Execute(&html, l); err != nil {
		return mailout.Mail{}, fmt.Errorf("laying out the HTML: %w", err)
	}
	text := l.text()
	if locale.Broken(text) || locale.Broken(subject) {
		return mailout.Mail{}, fmt.Errorf("a text is missing in %q", w.lang)
	}
	references := append(s.References[:len(s.References):len(s.References)], s.MessageID)
	if !s.Proved {
		references = nil // or a stranger could place our mail in any thread
	}
	return mailout.Mail{
		From: c.from, To: []mail.Address{{Address: s.Address}},
		Subject: subject, Date: r.createdAt, MessageID: r.messageID,
		InReplyTo: s.MessageID, References: references,
		Text: text, HTML: html.String(), Language: w.lang,
		// No Precedence: it is in no standard, and some servers take "bulk"
		// for advertising. Auto-Submitted says the same (RFC 3834, section 5).
		Headers: []mailout.Header{
			{Name: "Auto-Submitted", Value: "auto-replied"},
			{Name: "X-Auto-Response-Suppress", Value: "All"},
			{Name: Header, Value: c.centre.Domain},
		},
	}, nil
}

// ours reports whether the link leads to the centre's own site and is made of
// nothing but what our links are made of.
func (c *Capability) ours(url string) bool {
	path, found := strings.CutPrefix(url, c.centre.BaseURL+"/")
	return found && c.centre.BaseURL != "" && len(url) < 500 && !strings.ContainsFunc(path, func(r rune) bool {
		return r > '~' || !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/-_.~?=&%", r))
	})
}

// text lays the letter out in lines of at most 72 characters.
func (l letter) text() string {
	var b strings.Builder
	wrap(&b, "", "", l.Greeting)
	b.WriteByte('\n')
	l.plain(&b)
	if l.URL != "" {
		wrap(&b, "", "", l.Follow)
		b.WriteString(l.URL + "\n\n")
	}
	wrap(&b, "", "", l.Centre)
	b.WriteString("\n-- \n")
	for _, p := range l.Footer {
		wrap(&b, "", "", p)
	}
	return b.String()
}

// Plain lays the content out as text, in lines of at most 72 characters: what
// the mail says, without greeting, link and footer.
func (c Content) Plain() string {
	var b strings.Builder
	c.plain(&b)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (c Content) plain(b *strings.Builder) {
	paragraphs := func(all ...string) {
		for _, p := range all {
			if p != "" {
				wrap(b, "", "", p)
				b.WriteByte('\n')
			}
		}
	}
	paragraphs(c.Intro...)
	for _, s := range c.Sections {
		if s.Heading != "" {
			heading(b, s.Heading)
		}
		paragraphs(s.About)
		paragraphs(s.Text...)
		for _, p := range s.Points {
			wrap(b, "- ", "  ", p.Text)
			if p.Words != "" {
				wrap(b, "  ", "  ", p.Words)
			}
		}
		for n, step := range s.Steps {
			mark := strconv.Itoa(n+1) + ". "
			wrap(b, mark, strings.Repeat(" ", len(mark)), step)
		}
		if len(s.Points)+len(s.Steps) > 0 {
			b.WriteByte('\n')
		}
	}
	paragraphs(c.Closing...)
}

// heading underlines.
func heading(b *strings.Builder, s string) {
	wrap(b, "", "", s)
	b.WriteString(strings.Repeat("-", min(utf8.RuneCountInString(s), width)) + "\n")
}

const width = 72

// wrap writes s as lines; first stands before the first one, then before the
// others. A word that is longer than a line stays whole, and so do words with a
// space that does not break between them.
func wrap(b *strings.Builder, first, then, s string) {
	line, column := first, 0
	for n, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }) {
		size := utf8.RuneCountInString(word)
		switch {
		case n == 0:
			b.WriteString(line + word)
			column = len(line) + size
		case column+1+size > width:
			b.WriteString("\n" + then + word)
			column = len(then) + size
		default:
			b.WriteString(" " + word)
			column += 1 + size
		}
	}
	b.WriteByte('\n')
}
