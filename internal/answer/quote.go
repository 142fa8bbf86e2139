package answer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
)

// The lengths to which foreign words are cut, in characters.
const (
	maxWords = 120 // a quoted excerpt
	maxParam = 60  // a parameter within one of our sentences
	maxTitle = 60  // a subject within our subject
)

// quote makes foreign words fit to stand in an answer: on one line, of visible
// characters, at most limit of them, with no end of our own quotation marks in
// it, and with nothing in it that a mail program or a thumb could follow. Long
// numbers lose their middle: they are telephone numbers to be called, or
// accounts and cards that need not stand in another mail.
func quote(s string, limit int) string { return disarm(mask(visible(s, limit))) }

// brandName is quote for a name from a list of our own, which keeps its dot
// ("example.com"). What does not look like a name is quoted like everything.
func brandName(s string) string {
	s = visible(s, maxParam)
	if strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" .&+'-!", r)
	}) {
		return disarm(mask(s))
	}
	return s
}

// visible is the first step of quote: the words on one line, of visible
// characters, and not too long.
func visible(s string, limit int) string {
	if len(s) > 16*limit { // no more is read than could be shown
		s = s[:16*limit]
	}
	s = strings.ToValidUTF8(s, "")
	var b strings.Builder
	count, marks, space := 0, 0, false
	for _, r := range s {
		if unicode.IsSpace(r) || r == '\u2800' || r == '\u3164' || r == '\u115f' || r == '\u1160' { // also the blank letters
			space = b.Len() > 0
			continue
		}
		if r = bare(r); r < 0 {
			continue
		}
		if unicode.Is(unicode.M, r) {
			if marks++; marks > 2 || b.Len() == 0 || space {
				continue
			}
			b.WriteRune(r)
			continue
		}
		marks = 0
		if count >= limit {
			b.WriteRune('…')
			break
		}
		if space {
			b.WriteByte(' ')
			count++
			space = false
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}

// bare returns the rune as it may stand in an answer, or -1: no controls, no
// marks of direction, nothing invisible, private or unassigned, and no
// quotation mark but the apostrophe.
func bare(r rune) rune {
	switch {
	case r == utf8.RuneError:
		return -1
	case strings.ContainsRune("\"“”„‟«»‹›〝〞〟＂「」『』", r):
		return '\''
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Variation_Selector):
		return -1
	case unicode.IsSpace(r), unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S):
		return r
	}
	return -1
}

// mask replaces the middle of each long number with dots: of eight digits or
// more, also with spaces or signs between them.
func mask(s string) string {
	runes := []rune(s)
	for i := 0; i < len(runes); i++ {
		if !unicode.IsDigit(runes[i]) {
			continue
		}
		digits, end := 0, i
		for j := i; j < len(runes); j++ {
			if unicode.IsDigit(runes[j]) {
				digits, end = digits+1, j
			} else if !strings.ContainsRune(" .-/()–\u00a0", runes[j]) || j-end > 2 {
				break
			}
		}
		if digits >= 8 {
			seen := 0
			for j := i; j <= end; j++ {
				if unicode.IsDigit(runes[j]) {
					if seen++; seen > 3 && seen < digits-1 {
						runes[j] = '•'
					}
				}
			}
		}
		i = end
	}
	return string(runes)
}

// disarm is observable.Defang, and breaks up what else programs make links of:
// network paths, and schemes that need no slashes.
func disarm(s string) string {
	s = observable.Defang(s)
	s = strings.ReplaceAll(s, `\\`, `[\]\`)
	for _, scheme := range []string{"mailto", "tel", "sms", "callto", "skype", "whatsapp", "javascript", "data", "news", "geo", "magnet", "bitcoin"} {
		for from := 0; ; {
			i := foldIndex(s[from:], scheme+":")
			if i < 0 {
				break
			}
			i += from + len(scheme)
			s = s[:i] + "[:]" + s[i+1:]
			from = i + 3
		}
	}
	return s
}

// foldIndex finds the ASCII string sub in s, whatever the letters' case.
func foldIndex(s, sub string) int {
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}

// title returns a subject without the marks of replies and forwards before it,
// quoted.
func title(subject string, limit int) string {
	subject = strings.TrimSpace(strings.ToValidUTF8(subject[:min(len(subject), 16*limit)], ""))
	for range 10 {
		mark, rest, found := strings.Cut(subject, ":")
		if !found || !isReplyMark(strings.TrimSpace(mark)) {
			break
		}
		subject = strings.TrimSpace(rest)
	}
	return quote(subject, limit)
}

// isReplyMark knows the prefixes of the four languages' mail programs, also
// with a count: "Re[2]".
func isReplyMark(mark string) bool {
	if i := strings.IndexAny(mark, "[("); i > 0 {
		mark = strings.TrimSpace(mark[:i])
	}
	switch strings.ToLower(mark) {
	case "re", "fw", "fwd", "aw", "antw", "antwort", "wg", "tr", "rép", "réf", "ré", "rv", "betr", "doorst":
		return true
	}
	return false
}
