package language

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// Field is a header field as mail programs name it above a forwarded message.
type Field string

// The fields that a forward header has, in the order of data/labels.tsv.
const (
	From    Field = "from"
	Date    Field = "date"
	To      Field = "to"
	Cc      Field = "cc"
	Subject Field = "subject"
	ReplyTo Field = "reply-to"
)

var fields = [...]Field{From, Date, To, Cc, Subject, ReplyTo}

// Label is one meaning of a word before a colon.
type Label struct {
	Field    Field
	Language string
}

var labels = sync.OnceValue(func() map[string][]Label {
	content, err := data.ReadFile("data/labels.tsv")
	if err != nil {
		panic(err)
	}
	byText := make(map[string][]Label, 300)
	for line := range strings.Lines(string(content)) {
		column := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if strings.HasPrefix(line, "#") || len(column) != 1+len(fields) {
			continue
		}
		for i, field := range fields {
			for text := range strings.SplitSeq(column[1+i], "|") {
				text = strings.ToLower(text)
				byText[text] = append(byText[text], Label{field, column[0]})
			}
		}
	}
	return byText
})

// maxLabel is the longest label in bytes, with what may decorate it.
const maxLabel = 64

// HeaderLine reads a line such as "Van: Jan <jan@example.org>" or "*De :* …"
// as mail programs write it above a forwarded message. meanings lists what
// the label can be: the same word is another field in another language. It is
// empty when the line is no such line.
func HeaderLine(line string) (value string, meanings []Label) {
	line = strings.TrimLeft(line, " \t*_|>\u00a0\u200e\u200f\ufeff")
	colon := strings.IndexByte(line, ':')
	skip := 1
	if wide := strings.Index(line, "："); wide >= 0 && (colon < 0 || wide < colon) {
		colon, skip = wide, len("：")
	}
	if colon <= 0 || colon > maxLabel {
		return "", nil
	}
	label := strings.Trim(line[:colon], " \t*_\u00a0\u202f")
	if !utf8.ValidString(label) {
		return "", nil
	}
	meanings = labels()[strings.ToLower(label)]
	if meanings == nil {
		return "", nil
	}
	return strings.Trim(line[colon+skip:], " \t*_\r\u00a0\u200e"), meanings
}

// FromForwardHeader tells the language of a mail program by the labels that it
// puts above a forwarded message ("Van:", "De :", "Von:", "From:"), found
// anywhere in text: a From line with another field within six lines. It
// answers "" when there is no such header, or when several languages would
// have written it.
func FromForwardHeader(text string) string {
	if len(text) > maxBytes {
		text = text[:maxBytes]
	}
	votes := map[string]int{}
	named := map[string]bool{} // languages that have the From label seen
	since, block := 0, false   // lines since the last label; whether a From stands above
	for line := range strings.Lines(text) {
		_, meanings := HeaderLine(strings.TrimRight(line, "\n"))
		if meanings == nil {
			if since++; since > 6 && block {
				if lang := winner(votes, named); lang != "" {
					return lang
				}
				clear(votes)
				clear(named)
				block = false
			}
			continue
		}
		since = 0
		for i, m := range meanings {
			if m.Field == From {
				block, named[m.Language] = true, true
			}
			// One line is one vote for a language.
			if i == 0 || meanings[i-1].Language != m.Language {
				votes[m.Language]++
			}
		}
	}
	if !block {
		return ""
	}
	return winner(votes, named)
}

// winner returns the language with the most votes among those whose From label
// was seen, with at least two, when it is alone. English votes count for every
// language: some programs translate only the first label.
func winner(votes map[string]int, named map[string]bool) string {
	best, most, tie := "", 0, false
	for lang := range named {
		n := votes[lang]
		if lang != "en" {
			n += votes["en"]
		}
		switch {
		case n > most:
			best, most, tie = lang, n, false
		case n == most:
			tie = true
		}
	}
	if tie || most < 2 {
		return ""
	}
	return best
}
