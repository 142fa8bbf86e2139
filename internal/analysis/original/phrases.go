package original

import (
	_ "embed"
	"strings"
	"sync"
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
		case "prefix":
			list.prefixes[phrase] = true
		}
	}
	return list
})
