package corpus

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed words/*.txt
var files embed.FS

// language is what one of the lists holds.
type language struct {
	code     string
	subjects []string
	remarks  []string // what reporters say
	calls    []string // texts of links
	words    []string
}

// languages reads the lists. They are part of the program, so that one which
// cannot be read is a mistake in it: see the test.
func languages() ([]language, error) {
	var all []language
	for _, code := range []string{"nl", "fr", "de", "en"} {
		text, err := files.ReadFile("words/" + code + ".txt")
		if err != nil {
			return nil, err
		}
		l := language{code: code}
		into := (*[]string)(nil)
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			switch line {
			case "# subjects":
				into = &l.subjects
			case "# words of the reporter":
				into = &l.remarks
			case "# calls":
				into = &l.calls
			case "# words":
				into = nil
			default:
				if into == nil {
					l.words = append(l.words, strings.Fields(line)...)
				} else {
					*into = append(*into, line)
				}
			}
		}
		if len(l.subjects) == 0 || len(l.remarks) == 0 || len(l.calls) == 0 || len(l.words) < 200 {
			return nil, fmt.Errorf("corpus: the list of %s is not whole", code)
		}
		all = append(all, l)
	}
	return all, nil
}
