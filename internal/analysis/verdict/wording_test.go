package verdict_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/rogpeppe/go-internal/txtar"
)

var placeholder = regexp.MustCompile(`\{\{\.(\w+)\}\}`)

// TestWording holds the catalogues against the table: every reason in every
// language, nothing else, with the same placeholders, in short sentences.
func TestWording(t *testing.T) {
	names := make(map[string]string) // placeholders by code, of the first language
	for _, lang := range []string{"nl", "fr", "de", "en"} {
		data, err := verdict.Wording.ReadFile("wording/" + lang + ".toml")
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Draft  bool
			Reason map[string]string
		}
		if _, err := toml.Decode(string(data), &file); err != nil {
			t.Fatalf("%s: %v", lang, err)
		}
		for _, row := range verdict.Table() {
			text, ok := file.Reason[row.Code]
			if !ok {
				t.Errorf("%s lacks %s", lang, row.Code)
				continue
			}
			delete(file.Reason, row.Code)
			set := fmt.Sprint(placeholders(text))
			if first, seen := names[row.Code]; seen && set != first {
				t.Errorf("%s, %s: placeholders %s, elsewhere %s", lang, row.Code, set, first)
			}
			names[row.Code] = set
			for sentence := range strings.SplitSeq(text, ". ") {
				if n := len(strings.Fields(sentence)); n > 24 {
					t.Errorf("%s, %s: a sentence of %d words: %q", lang, row.Code, n, sentence)
				}
			}
		}
		for code := range file.Reason {
			t.Errorf("%s has %s, which is no reason", lang, code)
		}
	}
}

func placeholders(text string) []string {
	set := make(map[string]bool)
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		set[m[1]] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// TestParams holds the parameters that reasons carry against the
// placeholders that their sentences need.
func TestParams(t *testing.T) {
	data, err := verdict.Wording.ReadFile("wording/en.toml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Reason map[string]string }
	if _, err := toml.Decode(string(data), &file); err != nil {
		t.Fatal(err)
	}
	for _, family := range []string{"authentication", "sender", "brand", "link", "markup", "attachment", "words", "learned", "knowledge"} {
		archive, err := txtar.ParseFile("testdata/reasons/" + family + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			for _, r := range examine(string(f.Data), facts).Reasons {
				for _, name := range placeholders(file.Reason[r.Code]) {
					if r.Params[name] == "" {
						t.Errorf("%s: %s needs %s, has %v", f.Name, r.Code, name, r.Params)
					}
				}
			}
		}
	}
}
