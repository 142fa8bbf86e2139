package original

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/language"
)

//go:embed data/phrases.tsv
var phraseFile string

// phraseList is data/phrases.tsv, read.
type phraseList struct {
	separators []string
	phones     []string
	prefixes   map[string]bool
	verbs      []string
	behalf     []string
	intros     []string
	chats      []string
	doubts     []string
	topics     []string
}

var phrases = sync.OnceValue(func() *phraseList {
	list := &phraseList{prefixes: make(map[string]bool, 32)}
	for line := range strings.Lines(phraseFile) {
		kind, phrase, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "\t")
		switch kind {
		case "separator":
			list.separators = append(list.separators, phrase)
		case "phone":
			list.phones = append(list.phones, phrase)
		case "verb":
			list.verbs = append(list.verbs, phrase)
		case "behalf":
			list.behalf = append(list.behalf, " "+phrase+" ")
		case "intro":
			list.intros = append(list.intros, phrase)
		case "chat":
			list.chats = append(list.chats, phrase)
		case "doubt":
			list.doubts = append(list.doubts, phrase)
		case "topic":
			list.topics = append(list.topics, phrase)
		case "prefix":
			list.prefixes[phrase] = true
		}
	}
	return list
})

// maxWords is how many bytes of a body are searched for the reporter's words.
const maxWords = 64 << 10

// ownWords returns what a person wrote above the forwarded or quoted part of a
// body, without signature, and the forward header below which that part
// stands ("" when there is none). Lines end in LF.
func ownWords(body string) (words, forward string) {
	if len(body) > maxWords {
		body = body[:maxWords]
		for !utf8.ValidString(body[max(0, len(body)-utf8.UTFMax):]) && len(body) > maxWords-utf8.UTFMax {
			body = body[:len(body)-1]
		}
	}
	lines := strings.Split(expandRule(body), "\n")
	var kept []string
	for i := 0; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], " \t\r")
		if n := headerBlock(lines[i:]); n > 0 {
			forward = strings.Join(lines[i:min(i+n, len(lines))], "\n")
			break
		}
		if separator(line) || attribution(line) {
			// What follows says in which language the program speaks.
			forward = strings.Join(lines[i:min(i+10, len(lines))], "\n")
			break
		}
		if line == "--" || line == "-- " || lines[i] == "-- " {
			// A signature ends at the forwarded part, which may stand below it.
			for i+1 < len(lines) && headerBlock(lines[i+1:]) == 0 && !separator(lines[i+1]) {
				i++
			}
			continue
		}
		if strings.HasPrefix(strings.TrimSpace(line), ">") || mobileSignature(line) {
			continue
		}
		kept = append(kept, line)
	}
	// Rules, and "On … X wrote:" above a quotation, are the program's, not the
	// reporter's.
	for len(kept) > 0 {
		last := strings.TrimSpace(kept[len(kept)-1])
		rule := strings.HasPrefix(last, "-----") && strings.HasSuffix(last, "-----")
		if !rule && strings.Trim(last, "_-=* ") != "" && !(strings.HasSuffix(last, ":") && strings.ContainsAny(last, "0123456789") && len(kept) < len(lines)) {
			break
		}
		kept = kept[:len(kept)-1]
	}
	return strings.TrimSpace(strings.Join(kept, "\n")), forward
}

// headerBlock returns how many lines of a forward header begin at lines[0]: a
// From line and at least one other field, of which one is Subject, To or Date,
// in one language or in English. It is 0 when there is none.
func headerBlock(lines []string) int {
	_, first := language.HeaderLine(lines[0])
	if first == nil {
		return 0
	}
	// For each language, which fields were seen.
	type seen struct{ from, other bool }
	langs := make(map[string]seen, 4)
	end, gap := 0, 0
	for i := 0; i < len(lines) && i < 16; i++ {
		_, meanings := language.HeaderLine(lines[i])
		if meanings == nil {
			blank := strings.TrimSpace(strings.Trim(lines[i], "> \t\r")) == ""
			if blank && end == 1 {
				continue // some programs set the fields apart by empty lines
			}
			if blank {
				break
			}
			if gap++; gap > 2 {
				break
			}
			continue // a folded list of recipients
		}
		gap = 0
		end = i + 1
		for _, m := range meanings {
			s := langs[m.Language]
			if m.Field == language.From {
				s.from = true
			} else if m.Field != language.Cc && m.Field != language.ReplyTo {
				s.other = true
			}
			langs[m.Language] = s
		}
	}
	for _, s := range langs {
		// Some programs translate the first label only.
		if s.from && (s.other || langs["en"].other) {
			return end
		}
	}
	return 0
}

// separator reports whether a line is such a rule: the words with dashes,
// underscores or a colon around, and nothing else but a few characters.
func separator(line string) bool {
	line = strings.TrimSpace(strings.TrimLeft(line, "> \t"))
	if len(line) < 12 || len(line) > 160 {
		return false
	}
	bare := strings.Trim(line, "-_=*—– \t\u00a0")
	if len(bare) == len(line) && !strings.HasSuffix(line, ":") {
		return false
	}
	bare = strings.ToLower(strings.TrimSpace(strings.TrimSuffix(bare, ":")))
	for _, s := range phrases().separators {
		if strings.HasPrefix(bare, s) && len(bare) <= len(s)+24 {
			return true
		}
	}
	return false
}

func mobileSignature(line string) bool {
	line = strings.ToLower(strings.TrimSpace(line))
	if len(line) > 120 {
		return false
	}
	for _, p := range phrases().phones {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return false
}
