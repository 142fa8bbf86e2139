package original

import (
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/language"
	"github.com/belfry-centre/belfry/internal/analysis/markup"
	"github.com/belfry-centre/belfry/internal/analysis/message"
)

// maxInlineWords is how much a reporter writes above a forward at most, in
// bytes. With more than that above it, a header in the text is a quotation.
const maxInlineWords = 2000

// header is a forward header read from text.
type header struct {
	value map[language.Field]string
	lang  string
	quote bool // every line begins with ">"
	lines int  // how many it takes
}

// inline builds the message that m forwards in its text, below a header such as
// "Van: … Verzonden: … Onderwerp: …". What the mail program dropped is not
// there: of the header only what it showed, of the body the text, and of the
// HTML the links and forms below the header. It returns nil when there is no
// such header, or when m is a reply or a bait of its own that quotes one.
func inline(m *message.Message) *message.Message {
	if replySubject(m.Subject) {
		return nil
	}
	body := expandRule(clip(m.Body()))
	h, above, below, ok := splitForward(body)
	if !ok && (m.Subject == "" || forwardSubject(m.Subject)) {
		h, above, below, ok = splitAttributed(body)
		h.value[language.Subject] = bareSubject(m.Subject)
	}
	if !ok || len(strings.TrimSpace(above)) > maxInlineWords || strings.TrimSpace(below) == "" && len(m.Attachments) == 0 {
		return nil
	}
	if !forwardSubject(m.Subject) && (otherSubject(m.Subject, h.value[language.Subject]) || baitAbove(m, above)) {
		return nil
	}
	var b strings.Builder
	b.Grow(len(below) + 512)
	field := func(name string, f language.Field, clean func(string) string) {
		value := strings.Join(strings.Fields(h.value[f]), " ")
		if clean != nil {
			value = clean(value)
		}
		if value != "" {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	field("From", language.From, mailbox)
	field("Reply-To", language.ReplyTo, mailbox)
	field("To", language.To, mailbox)
	field("Cc", language.Cc, mailbox)
	field("Subject", language.Subject, nil)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	b.WriteString(below)
	inner := message.Parse([]byte(b.String()), message.Limits{})
	inner.Attachments = m.Attachments
	if m.Markup != nil {
		inner.Markup = markupBelow(m.Markup)
	}
	return inner
}

// otherSubject reports whether a mail has a subject of its own that has nothing
// to do with the one in its text, nor says what a reporter would. Then what it
// quotes is another conversation: padding that was taken from somewhere.
func otherSubject(own, quoted string) bool {
	own, quoted = strings.ToLower(strings.TrimSpace(own)), strings.ToLower(strings.TrimSpace(bareSubject(quoted)))
	return own != "" && quoted != "" && !strings.Contains(own, quoted) && !strings.Contains(quoted, own) && !telling(own, phrases().topics)
}

// baitAbove reports whether m leads somewhere or has much to say before its
// forward header, or shows the header in plain text only. Then the header is padding below the
// bait, as hijacked and invented threads have it, and m speaks for itself.
func baitAbove(m *message.Message, above string) bool {
	words, _ := ownWords(above)
	if leads(words) || len(words) > maxCover/2 {
		return true
	}
	if m.Markup == nil {
		return false
	}
	_, shown, _, ok := splitForward(clip(m.Markup.Text))
	if !ok {
		return true
	}
	for i := range m.Markup.Links {
		if l := &m.Markup.Links[i]; l.Start < len(shown) && l.Clickable() && leads(l.URL) {
			return true
		}
	}
	return false
}

// leads reports whether there is a web address in text.
func leads(text string) bool {
	return strings.Contains(text, "://") || strings.Contains(text, "www.")
}

// clip cuts a body to what is searched.
func clip(body string) string {
	if len(body) > maxBody {
		return strings.ToValidUTF8(body[:maxBody], "")
	}
	return body
}

// maxBody is how many bytes of a forwarded text are kept.
const maxBody = 1 << 20

// splitForward splits a body at its first forward header: what stands above
// it, the header, and what it forwards with one level of quotation taken off.
func splitForward(body string) (h header, above, below string, ok bool) {
	start, scanned := 0, 0
	for start < len(body) && scanned < maxWords {
		end := strings.IndexByte(body[start:], '\n')
		line := body[start:]
		if end >= 0 {
			line = body[start : start+end]
		}
		if _, meanings := language.HeaderLine(line); meanings != nil {
			if n := headerBlock(firstLines(body[start:], 16)); n > 0 {
				lines := firstLines(body[start:], n)
				h = readHeader(lines)
				rest := body[start:]
				for range n {
					_, rest, _ = strings.Cut(rest, "\n")
				}
				if h.quote || allQuoted(rest) {
					rest = unquote(rest)
				}
				return h, body[:start], strings.Trim(rest, "\r\n \t\u00a0"), true
			}
		}
		if end < 0 {
			break
		}
		start += end + 1
		scanned = start
	}
	return header{}, "", "", false
}

// firstLines returns up to n lines of s.
func firstLines(s string, n int) []string {
	lines := strings.SplitN(s, "\n", n+1)
	return lines[:min(n, len(lines))]
}

// readHeader reads the fields of the lines that headerBlock found. The
// language is the one that explains most labels.
func readHeader(lines []string) header {
	h := header{value: make(map[language.Field]string, 6), quote: true, lines: len(lines)}
	votes := make(map[string]int, 8)
	for _, line := range lines {
		_, meanings := language.HeaderLine(line)
		for _, m := range meanings {
			if votes[m.Language]++; votes[m.Language] > votes[h.lang] || h.lang == "" {
				h.lang = m.Language
			}
		}
	}
	last := language.Field("")
	for _, line := range lines {
		trimmed := strings.TrimSpace(line)
		if trimmed != "" && trimmed[0] != '>' {
			h.quote = false
		}
		value, meanings := language.HeaderLine(line)
		if meanings == nil {
			// The rest of a long list, or the value below its label.
			if more := strings.Trim(trimmed, "> \t"); last != "" && more != "" {
				h.value[last] = strings.TrimSpace(h.value[last] + " " + more)
			}
			continue
		}
		field := meanings[0].Field
		for _, m := range meanings {
			if m.Language == h.lang {
				field = m.Field
			}
		}
		last = field
		if h.value[field] == "" {
			h.value[field] = value
		}
	}
	return h
}

// mailbox takes out of an address what mail programs add when they show it:
// "[mailto:a@example.org]", "<a@example.org<mailto:a@example.org>>".
// Of "a on behalf of b" it keeps a, who sent it.
func mailbox(value string) string {
	for _, phrase := range phrases().behalf {
		if before, _, ok := strings.Cut(value, phrase); ok && strings.Contains(before, "@") {
			value = before
		}
	}
	if i := strings.Index(value, "<mailto:"); i >= 0 {
		if strings.Contains(value[:i], "<") || strings.Count(value, "<") > 1 {
			for i >= 0 {
				end := strings.IndexByte(value[i:], '>')
				if end < 0 {
					break
				}
				value = value[:i] + value[i+end+1:]
				i = strings.Index(value, "<mailto:")
			}
		} else {
			value = strings.ReplaceAll(value, "<mailto:", "<")
		}
	}
	if strings.Contains(value, "[mailto:") {
		value = strings.NewReplacer("[mailto:", "<", "]", ">").Replace(value)
	} else if open := strings.LastIndexByte(value, '['); open >= 0 && strings.HasSuffix(value, "]") && strings.Contains(value[open:], "@") && !strings.Contains(value, "<") {
		value = value[:open] + "<" + value[open+1:len(value)-1] + ">"
	}
	return strings.ReplaceAll(value, ";", ",")
}

// splitAttributed splits a body at a line such as "On 2 March An <an@…> wrote:",
// which says less than a header: who, and when.
func splitAttributed(body string) (h header, above, below string, ok bool) {
	h.value = make(map[language.Field]string, 2)
	start := 0
	for line := range strings.Lines(body[:min(len(body), maxWords)]) {
		if attribution(line) {
			h.value[language.From] = attributed(line)
			rest := body[start+len(line):]
			if allQuoted(rest) {
				rest = unquote(rest)
			}
			return h, body[:start], strings.Trim(rest, "\r\n \t\u00a0"), true
		}
		start += len(line)
	}
	return h, "", "", false
}

// attributed takes the address, and the name in quotes before it, out of such
// a line.
func attributed(line string) string {
	at := strings.LastIndexByte(line, '@')
	isEnd := func(r rune) bool { return strings.ContainsRune(" <>()[]\"“”„,;:\t", r) }
	start := 1 + strings.LastIndexFunc(line[:at], isEnd)
	address := line[start:]
	if end := strings.IndexFunc(address, isEnd); end >= 0 {
		address = address[:end]
	}
	before := strings.TrimRight(line[:start], " <([")
	if closing := strings.TrimRight(before, "\"”“"); closing != before {
		if open := strings.LastIndexAny(closing, "\"“„”"); open >= 0 {
			return "\"" + strings.Trim(closing[open:], "\"“„”") + "\" <" + address + ">"
		}
	}
	return "<" + address + ">"
}

// allQuoted reports whether every line that is not empty begins with ">".
func allQuoted(body string) bool {
	any := false
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '>' {
			return false
		}
		any = any || line != ""
	}
	return any
}

// bareSubject takes the prefixes of forwards off a subject.
func bareSubject(subject string) string {
	for range 4 {
		_, rest, ok := strings.Cut(subject, ":")
		if !ok || !forwardSubject(subject) {
			break
		}
		subject = strings.TrimSpace(rest)
	}
	return subject
}

// unquote takes one level of ">" off every line.
func unquote(body string) string {
	var b strings.Builder
	b.Grow(len(body))
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " "), ">"); ok {
			line = strings.TrimPrefix(rest, " ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// markupBelow returns what stands in a document below its forward header, or
// the whole document when the header is only in the plain text.
func markupBelow(d *markup.Document) *markup.Document {
	_, above, below, ok := splitForward(clip(d.Text))
	if !ok {
		return d
	}
	from := len(above)
	if i := strings.Index(d.Text[from:], firstLine(below)); below != "" && i >= 0 {
		from += i
	}
	inner := *d
	inner.Text = d.Text[from:]
	inner.Links, inner.Hidden = nil, nil
	for _, l := range d.Links {
		if l.End >= from && l.Start >= from {
			l.Start, l.End = l.Start-from, l.End-from
			inner.Links = append(inner.Links, l)
		}
	}
	for _, s := range d.Hidden {
		if s.At >= from {
			s.At -= from
			inner.Hidden = append(inner.Hidden, s)
		}
	}
	return &inner
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// replySubject reports whether a subject is a reply's and not a forward's.
func replySubject(subject string) bool {
	prefix, _, ok := strings.Cut(subject, ":")
	if !ok || forwardSubject(subject) {
		return false
	}
	switch strings.ToLower(strings.TrimSpace(prefix)) {
	case "re", "aw", "antw", "sv", "odp", "vs", "ynt", "ré", "ha":
		return true
	}
	return false
}
