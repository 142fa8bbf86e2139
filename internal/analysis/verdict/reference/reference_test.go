package reference

import (
	"encoding/csv"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestLexiconFiles(t *testing.T) {
	for _, lang := range Languages {
		data, err := lexiconFiles.ReadFile("lexicon/" + lang + ".toml")
		if err != nil {
			t.Fatal(err)
		}
		var file map[Group]struct{ Phrases []string }
		meta, err := toml.Decode(string(data), &file)
		if err != nil {
			t.Fatalf("%s: %v", lang, err)
		}
		if extra := meta.Undecoded(); len(extra) > 0 {
			t.Errorf("%s: unknown keys %v", lang, extra)
		}
		if len(file) != len(Groups()) {
			t.Errorf("%s has %d groups, want %d", lang, len(file), len(Groups()))
		}
		seen := make(map[string]Group)
		for _, group := range Groups() {
			if len(file[group].Phrases) < 5 {
				t.Errorf("%s: group %s has only %d phrases", lang, group, len(file[group].Phrases))
			}
			for _, phrase := range file[group].Phrases {
				folded := strings.Join(folds(phrase), " ")
				if folded == "" {
					t.Errorf("%s: %q has no word", lang, phrase)
				}
				if other, ok := seen[folded]; ok && other != group {
					t.Errorf("%s: %q stands in %s and %s", lang, phrase, other, group)
				}
				seen[folded] = group
			}
		}
	}
}

func folds(text string) []string {
	var words []string
	for from := 0; ; {
		start, end := word(text, from)
		if start < 0 {
			return words
		}
		words, from = append(words, Fold(text[start:end])), end
	}
}

func TestDataFiles(t *testing.T) {
	domain := regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*$`)
	for name, file := range map[string]struct {
		text  string
		width int
	}{"brands": {brandsFile, 5}, "hosts": {hostsFile, 3}, "tlds": {tldsFile, 1}} {
		r := csv.NewReader(strings.NewReader(file.text))
		r.Comment = '#'
		r.FieldsPerRecord = file.width
		if _, err := r.ReadAll(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	ids := make(map[string]bool)
	for _, b := range Brands() {
		if ids[b.ID] {
			t.Errorf("brand %s stands twice", b.ID)
		}
		ids[b.ID] = true
		if len(b.Names) == 0 || b.Kind == "" {
			t.Errorf("brand %s has no name or kind", b.ID)
		}
		for _, d := range b.Domains {
			if !domain.MatchString(d) {
				t.Errorf("brand %s: %q is no domain", b.ID, d)
			}
		}
	}
	if len(ids) < 200 {
		t.Errorf("%d brands", len(ids))
	}
	kinds := map[Kind]bool{Shortener: true, Page: true, Form: true, Storage: true, FreeMail: true, Tenant: true, Redirect: true}
	for host, rows := range hosts() {
		if !domain.MatchString(host) {
			t.Errorf("%q is no host", host)
		}
		for _, row := range rows {
			if !kinds[row.kind] {
				t.Errorf("%s: unknown kind %q", host, row.kind)
			}
			if row.path != "" && row.path[0] != '/' {
				t.Errorf("%s: path %q", host, row.path)
			}
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"Müller": "muller", "ÉTÉ": "ete", "раураl": "paypal", "P\u200bay\u00adPal": "paypal", "X\U000E0139fi": "xfi",
		"𝐏𝐚𝐲": "pay", "Straße": "strasse", "ＡＢＣ": "abc", "": "",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestScan(t *testing.T) {
	text := "Gefeliciteerd! Uw  account is\ngeblokkeerd. Klik hier, of bel bpost."
	want := []struct {
		group Group
		text  string
	}{
		{Reward, "Gefeliciteerd"},
		{Suspension, "account is\ngeblokkeerd"},
		{Click, "Klik hier"},
		{"", "bpost"},
	}
	got := Scan(text)
	if len(got) != len(want) {
		t.Fatalf("got %d matches, want %d: %+v", len(got), len(want), got)
	}
	for i, m := range got {
		if m.Group != want[i].group || text[m.Start:m.End] != want[i].text {
			t.Errorf("match %d: %s %q, want %s %q", i, m.Group, text[m.Start:m.End], want[i].group, want[i].text)
		}
	}
	if got[3].Brand == nil || got[3].Brand.ID != "bpost" {
		t.Errorf("brand %+v", got[3].Brand)
	}
	if got := Scan("zzz the cat sat"); len(got) != 0 {
		t.Errorf("matches in an ordinary sentence: %+v", got)
	}
}

func TestImitates(t *testing.T) {
	tests := []struct {
		host, unicode, registrable string
		brand                      string
		trick                      Trick
	}{
		{"www.paypa1.com", "", "paypa1.com", "paypal", Confusable},
		{"rnicrosoft.com", "", "rnicrosoft.com", "microsoft", Confusable},
		{"xn--pypal-4ve.com", "pаypal.com", "xn--pypal-4ve.com", "paypal", Confusable},
		{"belfuis.be", "", "belfuis.be", "belfius", Typo},
		{"argentta.be", "", "argentta.be", "argenta", Typo},
		{"paypal-login.example", "", "paypal-login.example", "paypal", AddedWord},
		{"securepaypal.com", "", "securepaypal.com", "paypal", AddedWord},
		{"netflix.top", "", "netflix.top", "netflix", Ending},
		{"netflix.example.test", "", "example.test", "netflix", Subdomain},
		{"kbc.be.example.test", "", "example.test", "kbc", Subdomain},
		{"paypal.com", "", "paypal.com", "", NoTrick},
		{"www.paypal.co.nz", "", "paypal.co.nz", "", NoTrick},
		{"example.org", "", "example.org", "", NoTrick},
		{"telenor.example", "", "telenor.example", "", NoTrick},
		{"mail.netflix.com", "", "netflix.com", "", NoTrick},
	}
	for _, test := range tests {
		b, trick := Imitates(test.host, test.unicode, test.registrable)
		id := ""
		if b != nil {
			id = b.ID
		}
		if id != test.brand || trick != test.trick {
			t.Errorf("Imitates(%s) = %s, %s; want %s, %s", test.host, id, trick, test.brand, test.trick)
		}
	}
}

func TestHosts(t *testing.T) {
	tests := []struct {
		kind       Kind
		host, path string
		want       bool
	}{
		{Shortener, "bit.ly", "/x", true},
		{Shortener, "rabbit.ly", "/x", false},
		{Page, "shop.weebly.com", "/", true},
		{Form, "docs.google.com", "/forms/d/1", true},
		{Form, "docs.google.com", "/spreadsheets/d/1", false},
		{Redirect, "www.google.com", "/url", true},
		{FreeMail, "gmail.com", "", true},
		{FreeMail, "notgmail.com", "", false},
	}
	for _, test := range tests {
		if got := Is(test.kind, test.host, test.path); got != test.want {
			t.Errorf("Is(%s, %s, %s) = %v", test.kind, test.host, test.path, got)
		}
	}
	if got := CheapEnding("win.example.top"); got != "" {
		t.Errorf("CheapEnding of a whole host gave %q", got)
	}
	if CheapEnding("example.top") != "top" || CheapEnding("example.be") != "" {
		t.Error("CheapEnding is wrong")
	}
}

func BenchmarkScan(b *testing.B) {
	text := strings.Repeat("We wrote to you last week about the plans for the garden; nobody has answered yet. ", 40)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Scan(text)
	}
}
