package model

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
)

// The measures of a content word.
const (
	minLetters = 4       // shorter words are grammar, or too vague
	maxLetters = 24      // longer ones are no words
	stemLength = 7       // letters by which forms of a word are one
	maxText    = 6 << 10 // bytes of one text that are read
	maxStems   = 150     // different stems of one message: what it says first
)

//go:embed data/stopwords.txt
var stopFile string

// stopWords are left out as stems: the grammar of many languages, which tells
// who writes and not what, and the words of mail itself.
var stopWords = sync.OnceValue(func() map[string]bool {
	m := make(map[string]bool)
	for line := range strings.Lines(stopFile) {
		line, _, _ = strings.Cut(line, "#")
		for w := range strings.FieldsSeq(line) {
			m[string(stem(reference.AppendFold(nil, w)))] = true
		}
	}
	return m
})

// Word is a content word at its place in a text.
type Word struct {
	Stem       string
	Text       int // index of the text
	Start, End int // byte offsets in it
	// Lower says that it stands in lower case.
	Lower bool
}

// Words returns the content words of texts, each stem once, at its first
// place. What tells where a mail comes from and not what it says is passed
// over: addresses and numbers, quoted lines, what stands below a signature's
// or a list's rule, and the words of grammar.
func Words(texts ...string) []Word {
	var (
		found []Word
		seen  = make(map[string]bool, 128)
		stop  = stopWords()
		buf   []byte
	)
	for i, text := range texts {
		if len(text) > maxText {
			text = text[:maxText]
		}
		offset := 0
		for line := range strings.Lines(text) {
			at := offset
			offset += len(line)
			if bare := strings.TrimSpace(line); bare != "" && bare[0] == '>' {
				continue
			} else if below(bare) {
				break
			}
			judged, address := 0, false // up to where a token was looked at, and what it is
			for from := 0; len(found) < maxStems; {
				start, end := reference.Word(line, from)
				if start < 0 {
					break
				}
				if start >= judged {
					judged, address = token(line, start)
				}
				if from = end; address {
					from = max(judged, end)
					continue
				}
				buf = reference.AppendFold(buf[:0], line[start:end])
				if len(buf) < minLetters || len(buf) > maxLetters || !letters(buf) {
					continue
				}
				s := stem(buf)
				if seen[string(s)] || stop[string(s)] {
					continue
				}
				w := Word{Stem: string(s), Text: i, Start: at + start, End: at + end, Lower: line[start] >= 'a' && line[start] <= 'z' || line[start] >= 0x80}
				seen[w.Stem] = true
				found = append(found, w)
			}
		}
	}
	return found
}

// below reports whether a line is the rule under which a signature or a
// mailing list's footer stands.
func below(line string) bool {
	if line == "--" {
		return true
	}
	return len(line) >= 20 && (strings.Trim(line, "_") == "" || strings.Trim(line, "-") == "")
}

// token looks at what stands between white space around a place in a line:
// where it ends, and whether it is an address or a path.
func token(line string, at int) (end int, address bool) {
	from := at
	for from > 0 && !space(line[from-1]) {
		from--
	}
	for end = at; end < len(line) && !space(line[end]); {
		end++
	}
	whole := line[from:end]
	if strings.ContainsAny(whole, "@/\\=_") || strings.Contains(whole, "www.") {
		return end, true
	}
	// A dot between letters is a host or a file.
	i := strings.IndexByte(whole, '.')
	return end, i > 0 && i+2 < len(whole) && whole[i+1] != '.'
}

func space(c byte) bool {
	return c <= ' ' || c == '<' || c == '>' || c == '(' || c == ')' || c == '"' || c == '[' || c == ']'
}

// letters reports whether a folded word is all Latin letters.
func letters(word []byte) bool {
	for _, c := range word {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// stem cuts a folded word to what its forms have in common, crudely: a plural
// ending, and all beyond a length.
func stem(word []byte) []byte {
	if len(word) > stemLength {
		return word[:stemLength]
	}
	if n := len(word); n > minLetters && word[n-1] == 's' && word[n-2] != 's' {
		return word[:n-1]
	}
	return word
}
