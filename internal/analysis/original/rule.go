package original

import (
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/language"
)

// maxRule is the longest line that expandRule takes apart, in bytes.
const maxRule = 4000

// expandRule gives every field a line of its own where a mail program put the
// rule and the whole forward header on one: "----- Doorgestuurd bericht -----
// Van: a <a@example.org>Aan: b <b@example.org>Onderwerp: c".
func expandRule(body string) string {
	head := body[:min(len(body), maxWords)]
	start := 0
	for line := range strings.Lines(head) {
		if rule, fields, ok := cutRule(line); ok {
			return body[:start] + rule + "\n" + splitFields(fields) + body[start+len(line):]
		}
		start += len(line)
	}
	return body
}

// cutRule splits a line into the rule and the fields after it.
func cutRule(line string) (rule, fields string, ok bool) {
	if len(line) > maxRule || !strings.HasPrefix(strings.TrimLeft(line, " \t>\u00a0"), "-----") {
		return "", "", false
	}
	end := strings.LastIndex(line, "-----")
	rest := line[end:]
	fields = strings.TrimLeft(rest, "- \t\u00a0")
	if _, meanings := language.HeaderLine(fields); meanings == nil {
		return "", "", false
	}
	return line[:len(line)-len(fields)], fields, true
}

// splitFields puts a line end before every label after the first, in the
// language of the first.
func splitFields(s string) string {
	_, first := language.HeaderLine(s)
	known := func(text string) bool {
		_, meanings := language.HeaderLine(text)
		for _, m := range meanings {
			for _, f := range first {
				if m.Language == f.Language {
					return true
				}
			}
		}
		return false
	}
	var b strings.Builder
	from := 0
	for colon := 0; ; colon++ {
		next := strings.IndexByte(s[colon:], ':')
		if next < 0 {
			break
		}
		colon += next
		// The longest label that ends here begins furthest to the left, with
		// a capital letter or after what ends a value.
		for i := max(from+1, colon-40); i < colon; i++ {
			if c := s[i]; 'a' <= c && c <= 'z' || c == ' ' || c == '>' || c == '*' || c&0xc0 == 0x80 || !known(s[i:colon+1]) {
				continue
			}
			b.WriteString(s[from:i])
			b.WriteByte('\n')
			from = i
			break
		}
	}
	b.WriteString(bareLabel(s[from:], first))
	return b.String()
}

// bareLabel gives the subject its colon and its line where a program's
// translator forgot them: "Enviado: …, 09:26:50 CETAssunto Your account".
func bareLabel(s string, first []language.Label) string {
	for i := 1; i < len(s); i++ {
		before := s[i-1]
		if s[i] < 'A' || 'a' <= s[i] && s[i] <= 'z' || !('A' <= before && before <= 'Z' || '0' <= before && before <= '9') {
			continue
		}
		word, rest, ok := strings.Cut(s[i:], " ")
		if !ok || len(word) > 40 {
			continue
		}
		_, meanings := language.HeaderLine(word + ":")
		for _, m := range meanings {
			for _, f := range first {
				if m.Field == language.Subject && m.Language == f.Language {
					return s[:i] + "\n" + word + ": " + rest
				}
			}
		}
	}
	return s
}

// attribution reports whether a line introduces a quotation: an address, a
// date, a verb of writing, and a colon at the end.
func attribution(line string) bool {
	line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
	if len(line) < 16 || len(line) > 300 || line[len(line)-1] != ':' || !strings.Contains(line, "@") || !strings.ContainsAny(line, "0123456789") {
		return false
	}
	line = strings.ToLower(line)
	for _, verb := range phrases().verbs {
		if strings.Contains(line, verb) {
			return true
		}
	}
	return false
}
