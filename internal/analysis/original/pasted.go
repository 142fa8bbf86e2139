package original

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/markup"
	"github.com/belfry-centre/belfry/internal/analysis/message"
)

// SubmissionHeader is the field that marks what was handed in by form or API:
// its text is what the reporter pasted, its attachments are the files.
const SubmissionHeader = "X-Belfry-Submission"

// maxPasted is how long a mail may be that only brings a pasted text, in bytes;
// a text message has a tenth of that.
const maxPasted = 1500

// submission reports whether m is such a container. A mail that somebody sent
// with that field in it has others, too.
func submission(m *message.Message) bool {
	return m.Header.Has(SubmissionHeader) && len(m.From) == 0 && !m.Header.Has("Received")
}

// bareOutlook returns the mail in a container that a program made only because
// the raw store holds no Outlook file as it is: what was handed in is that mail
// itself. By then it has this type and name.
func bareOutlook(m *message.Message) *message.Message {
	if len(m.Attachments) == 0 || strings.TrimSpace(m.Text) != "" {
		return nil
	}
	if a := &m.Attachments[0]; len(m.Attachments) == 1 && a.Declared == "application/vnd.ms-outlook" && a.Name == "message.msg" {
		return a.Message
	}
	return nil
}

// submitted returns the originals in a container: its mails, and its text where
// that is one. carried are the messages attached to it.
func submitted(m *message.Message, carried []*message.Message) []Original {
	var found []Original
	for _, inner := range carried {
		found = innermost(found, inner, []*message.Message{m}, maxDepth)
	}
	intro, text := splitIntro(strings.TrimSpace(m.Text))
	chain := []*message.Message{m}
	switch {
	case len(found) > 0 && !leads(text):
		// With a mail, words that lead nowhere are about it.
		intro = strings.TrimSpace(m.Text)
	case len(found) > 0:
		found = append(found, Original{How: Pasted, Message: note(text, nil), Chain: chain})
	case pictures(m) && !leads(text):
		intro = strings.TrimSpace(m.Text)
		found = append(found, Original{How: Pictured, Message: note("", m.Attachments), Chain: chain})
	case text != "":
		found = append(found, Original{How: Pasted, Message: note(text, m.Attachments), Chain: chain})
	default:
		return nil
	}
	for i := range found {
		if found[i].How == "" {
			found[i].How = Attached
		}
		found[i].Words, found[i].Index = intro, i
	}
	return found
}

// pictures reports whether a message has a picture, and no file besides.
func pictures(m *message.Message) bool {
	for i := range m.Attachments {
		if !strings.HasPrefix(m.Attachments[i].Type, "image/") {
			return false
		}
	}
	return len(m.Attachments) > 0
}

// pasted finds the text that a reporter copied into a mail: an SMS, a chat, the
// address of a page. words are the mail's own. The mail must say so itself, in
// its subject or above the text, or have nothing else in it: a mail of which
// that is not sure is judged as it is.
func pasted(m *message.Message, words string) (original Original, ok bool) {
	if words == "" || len(words) > maxPasted || len(m.Subject) > 200 || m.Header.Has("List-Id") || m.Header.Has("List-Unsubscribe") || !plain(m.Markup) {
		return Original{}, false
	}
	intro, text := splitIntro(words)
	subject := bareSubject(strings.TrimSpace(m.Subject))
	switch {
	case intro != "", chatExport(words):
	case nothingBut(text, isAddress) && (subject == "" || telling(subject, nil)):
	case telling(subject, nil) && names(subject, phrases().chats):
	default:
		return Original{}, false
	}
	if text == "" {
		return Original{}, false
	}
	return Original{How: Pasted, Message: note(text, m.Attachments), Chain: []*message.Message{m}, Words: intro}, true
}

// note makes a message of a text.
func note(text string, files []message.Attachment) *message.Message {
	const header = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	m := message.Parse([]byte(header+text+"\n"), message.Limits{})
	m.Attachments = files
	return m
}

// plain reports whether HTML is what a mail program makes of typed text: every
// link shows where it leads, and nothing is hidden or asked for.
func plain(d *markup.Document) bool {
	if d == nil {
		return true
	}
	if len(d.Forms) > 0 || d.Scripts > 0 || len(d.Hidden) > 0 {
		return false
	}
	bare := func(s string) string {
		s = strings.ToLower(strings.TrimSpace(s))
		for _, prefix := range [...]string{"https://", "http://", "www.", "mailto:", "tel:"} {
			s = strings.TrimPrefix(s, prefix)
		}
		return strings.TrimRight(s, "/")
	}
	for i := range d.Links {
		l := &d.Links[i]
		if l.Clickable() && bare(l.URL) != bare(l.Text) && !strings.HasPrefix(strings.ToLower(l.URL), "tel:") {
			return false
		}
	}
	return true
}

// splitIntro splits the words with which a reporter presents a text from that
// text: the first paragraph or the line that ends in a colon, when it names a
// text message. Without such words intro is empty.
func splitIntro(words string) (intro, text string) {
	end := strings.Index(words, "\n\n")
	if line := strings.IndexByte(words, '\n'); line >= 0 && strings.HasSuffix(strings.TrimSpace(words[:line]), ":") {
		end = line
	}
	if end < 0 {
		// On one line: "Ik kreeg deze sms: …".
		if colon := strings.IndexByte(words, ':'); colon > 0 && colon < 200 && !strings.HasPrefix(words[colon:], "://") {
			end = colon + 1
		} else {
			return "", words
		}
	}
	head := words[:end]
	if len(head) > 400 || leads(head) || !presents(head) {
		return "", words
	}
	return strings.TrimSpace(head), strings.TrimSpace(words[end:])
}

// presents reports whether words present a text message.
func presents(words string) bool {
	words = strings.ReplaceAll(strings.ToLower(words), "’", "'")
	for _, intro := range phrases().intros {
		if at := strings.Index(words, intro); at >= 0 && edge(words, at, at+len(intro)) {
			return true
		}
	}
	return false
}

// edge reports whether words[from:to] begins and ends where words do.
func edge(words string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(words[:from])
	after, _ := utf8.DecodeRuneInString(words[to:])
	return !unicode.IsLetter(before) && !unicode.IsLetter(after)
}

// names reports whether one of these words stands in a subject.
func names(subject string, words []string) bool {
	for _, word := range subjectWords(subject) {
		for _, known := range words {
			if word == known {
				return true
			}
		}
	}
	return false
}

func subjectWords(subject string) []string {
	return strings.FieldsFunc(strings.ToLower(subject), func(r rune) bool { return !unicode.IsLetter(r) && r != '-' })
}

// telling reports whether a subject only says what the reporter suspects: a few
// words, and one of them names a text message, a doubt, or is one of more.
func telling(subject string, more []string) bool {
	list := phrases()
	return len(subjectWords(subject)) <= 5 && !leads(subject) && (names(subject, list.chats) || names(subject, list.doubts) || names(subject, more))
}

// nothingBut reports whether every word of a text is of this kind.
func nothingBut(text string, kind func(string) bool) bool {
	fields := strings.Fields(text)
	for _, field := range fields {
		if !kind(field) {
			return false
		}
	}
	return len(fields) > 0
}

// isAddress reports whether a word is the address of a page, defanged or not.
func isAddress(word string) bool {
	word = strings.ToLower(strings.Trim(word, "<>()[]\"'.,;"))
	if strings.HasPrefix(word, "http") || strings.HasPrefix(word, "hxxp") {
		return strings.Contains(word, ":") // "hxxps[:]//", too
	}
	return strings.HasPrefix(word, "www.") || strings.HasPrefix(word, "www[.]")
}

// chatExport reports whether a text is a conversation as WhatsApp exports it:
// "[3/11/2026, 14:05:06] +32 470 …: Hoi mama", or without the brackets.
func chatExport(text string) bool {
	lines := 0
	for line := range strings.Lines(text) {
		if !chatLine(strings.TrimLeft(line, " \u200e")) {
			continue
		}
		if lines++; lines == 2 {
			return true
		}
	}
	return false
}

func chatLine(line string) bool {
	line = strings.TrimPrefix(line, "[")
	// A date, then a time, each of digits and signs only.
	date, rest, ok := strings.Cut(line, " ")
	date = strings.TrimSuffix(date, ",")
	if !ok || len(date) < 6 || len(date) > 10 || strings.Trim(date, "0123456789./-") != "" {
		return false
	}
	clock, rest, ok := strings.Cut(rest, " ")
	clock = strings.TrimSuffix(clock, "]")
	if !ok || len(clock) < 4 || len(clock) > 8 || strings.Trim(clock, "0123456789:") != "" || !strings.Contains(clock, ":") {
		return false
	}
	name, _, ok := strings.Cut(strings.TrimPrefix(rest, "- "), ": ")
	return ok && len(name) <= 60
}
