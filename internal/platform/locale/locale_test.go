package locale_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-centre/belfry/internal/platform/locale"
)

// files makes a catalogue's files of what each language says.
func files(nl, fr, de, en string) fstest.MapFS {
	return fstest.MapFS{
		"nl.toml": {Data: []byte(nl)}, "fr.toml": {Data: []byte(fr)}, "de.toml": {Data: []byte(de)}, "en.toml": {Data: []byte(en)},
	}
}

func same(text string) fstest.MapFS { return files(text, text, text, text) }

func load(t testing.TB, all ...fstest.MapFS) *locale.Catalogue {
	t.Helper()
	c, err := locale.Load(asFS(all)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestText(t *testing.T) {
	c := load(t, files(
		"[report]\nsent = 'Dank u, {{.Name}}.'\nplain = 'Ja'\n[report.count]\none = 'Eén melding'\nother = '{{.Count}} meldingen van {{.Name}}'",
		"draft = true\n[report]\nsent = 'Merci, {{.Name}}.'\nplain = 'Oui'\n[report.count]\none = '{{.Count}} signalement'\nother = '{{.Count}} signalements de {{.Name}}'",
		"[report]\nsent = 'Danke, {{ .Name }}.'\n[report.plain]\nother = 'Ja'\ndraft = true\nnote = 'kurz'\n[report.count]\none = 'Eine Meldung'\nother = '{{.Count}} Meldungen von {{.Name}}'",
		"[report]\nsent = 'Thank you, {{.Name}}.'\nplain = 'Yes'\n[report.count]\none = 'One report'\nother = '{{.Count}} reports by {{.Name}}'",
	))
	name := map[string]string{"Name": "{{.X}} <b>"}
	for _, x := range []struct{ got, want string }{
		{c.Text("nl", "report.sent", name), "Dank u, {{.X}} <b>."},
		{c.Text("de", "report.sent", name), "Danke, {{.X}} <b>."},
		{c.Text("xx", "report.plain", nil), "Yes"},
		{c.Text("fr", "report.plain", nil), "Oui"},
		{c.Text("de", "report.plain", name), "Ja"},
		{c.Plural("nl", "report.count", 1, name), "Eén melding"},
		{c.Plural("nl", "report.count", 1200, map[string]string{"Name": "Jo"}), "1.200 meldingen van Jo"},
		{c.Plural("nl", "report.count", 0, map[string]string{"Name": "Jo"}), "0 meldingen van Jo"},
		{c.Plural("fr", "report.count", 0, map[string]string{"Name": "Jo"}), "0 signalement"},
		{c.Plural("fr", "report.count", 1_000_000, map[string]string{"Name": "Jo"}), "1\u202f000\u202f000 signalements de Jo"},
		{c.Plural("en", "report.plain", 3, nil), "Yes"},
		{c.Text("en", "report.sent", nil), "⟦report.sent: Name is missing⟧"},
		{c.Text("en", "report.count", name), "⟦report.count: needs a number⟧"},
		{c.Text("en", "no.such", nil), "⟦no.such: no such text⟧"},
		{c.Plural("en", "no.such", 2, nil), "⟦no.such: no such text⟧"},
	} {
		if x.got != x.want {
			t.Errorf("%q, want %q", x.got, x.want)
		}
		if locale.Broken(x.got) != strings.Contains(x.want, "⟦") {
			t.Errorf("Broken(%q) is wrong", x.got)
		}
	}
	if len(name) != 1 {
		t.Error("the parameters were changed")
	}
	if !c.Draft("fr", "report.plain") || !c.Draft("de", "report.plain") || c.Draft("nl", "report.plain") || c.Draft("de", "report.sent") {
		t.Error("drafts are not kept apart")
	}
	if diff := cmp.Diff([]string{"report.plain"}, c.Drafts("de")); diff != "" {
		t.Error(diff)
	}
	names, plural := c.Placeholders("report.count")
	if !plural || !slices.Equal(names, []string{"Name"}) {
		t.Errorf("Placeholders = %v, %v", names, plural)
	}
}

// One error names every fault of every file.
func TestEveryFaultOfACatalogue(t *testing.T) {
	_, err := locale.Load(
		files(
			"a.gone = 'x'\na.name = '{{.Name}}'\na.empty = ''\na.twice = 'x'\n[a.n]\none = '1'\nother = 'n'",
			"a.name = '{{.Nom}}'\na.empty = 'x'\na.twice = 'x'\na.n = 'n'\n[a.bad]\nother = 'x'\nsome = 'y'",
			"a.name = '{{if .Name}}x{{end}}'\na.empty = 'x'\na.twice = 'x'\na.number = 5\n[a.n]\none = '1'\nother = 'n'",
			"a.name = '{{.Name'\na.empty = 'x'\na.twice = 'x'\n[a.n]\ntwo = '1'\nother = 'n'",
		),
		same("a.twice = 'y'"),
		fstest.MapFS{"x.txt": {}},
		files("=", "", "", ""),
	)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"fr lacks a.gone", "en lacks a.gone", "nl lacks a.bad",
		"a.name: placeholders [Name] in nl, [Nom] in fr",
		`de: a.name: "{{if .Name}}x{{end}}" is not a plain placeholder`,
		"en: a.name: template", "nl: a.empty is empty",
		"a.n: plural forms in only one of nl and fr", `en lacks the form "one" of a.n`,
		`a.bad: "some" is not a plural form`, "a.number is neither a text nor a table",
		"a.twice stands in nl.toml (catalogue 1) as well",
		"catalogue 3: no en.toml", "nl.toml: toml",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestFilesInADirectory(t *testing.T) {
	nested := fstest.MapFS{"pages/x.html": {}}
	for name, f := range same("b.c = 'x'") {
		nested["texts/"+name] = f
	}
	if c := load(t, nested); !c.Has("b.c") {
		t.Error("not found")
	}
}

func TestMatch(t *testing.T) {
	c := load(t)
	for accept, want := range map[string]string{
		"":                                     "",
		"nl":                                   "nl",
		"nl-BE,nl;q=0.9,en;q=0.5":              "nl",
		"en;q=0.3, fr-CA;q=0.8":                "fr",
		"de-AT":                                "de",
		"pt-BR, pt;q=0.9, en-GB;q=0.1":         "en",
		"ja":                                   "",
		"*":                                    "",
		"nl;q=0, fr":                           "fr",
		"!!!":                                  "",
		strings.Repeat("nl-BE,", 100):          "",
		"en-US-x-" + strings.Repeat("a-", 200): "",
	} {
		if got := c.Match(accept); got != want {
			t.Errorf("Match(%.40q) = %q, want %q", accept, got, want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	c, err := locale.Load()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"nl-BE,nl;q=0.9", "*;q=1", "de--x", "fr;q=9999999999", "x-y-z,,,;q="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		if got := c.Match(accept); got != "" && !locale.Known(got) {
			t.Errorf("Match(%q) = %q", accept, got)
		}
	})
}

func TestFormats(t *testing.T) {
	c := load(t)
	at := time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC)
	first := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for lang, want := range map[string][]string{
		"nl": {"Nederlands", "21 november 2026", "21 november 2026 om 14.05 uur", "21/11/2026 14:05", "1 maart 2026", "1.234.567", "−999", "1.000", "−0,5", "12,35", "999 B", "1,4 MB", "25 MB", "zojuist", "één minuut geleden", "5 uur geleden", "2 dagen geleden"},
		"fr": {"Français", "21 novembre 2026", "21 novembre 2026 à 14 h 05", "21/11/2026 14:05", "1er mars 2026", "1\u202f234\u202f567", "−999", "1\u202f000", "−0,5", "12,35", "999 o", "1,4 Mo", "25 Mo", "à l’instant", "il y a une minute", "il y a 5 heures", "il y a 2 jours"},
		"de": {"Deutsch", "21. November 2026", "21. November 2026 um 14.05 Uhr", "21.11.2026 14:05", "1. März 2026", "1.234.567", "−999", "1.000", "−0,5", "12,35", "999 B", "1,4 MB", "25 MB", "gerade eben", "vor einer Minute", "vor 5 Stunden", "vor 2 Tagen"},
		"en": {"English", "21 November 2026", "21 November 2026 at 14:05", "21/11/2026 14:05", "1 March 2026", "1,234,567", "−999", "1,000", "−0.5", "12.35", "999 B", "1.4 MB", "25 MB", "just now", "one minute ago", "5 hours ago", "2 days ago"},
	} {
		got := []string{
			c.Name(lang), c.Date(lang, at), c.DateTime(lang, at), c.Short(lang, at), c.Date(lang, first),
			c.Number(lang, 1234567), c.Number(lang, -999), c.Number(lang, 1000), c.Decimal(lang, -0.5, 1), c.Decimal(lang, 12.345678, 2),
			c.Size(lang, 999), c.Size(lang, 1_423_000), c.Size(lang, 25_000_000),
			c.Ago(lang, at, at), c.Ago(lang, at, at.Add(time.Minute)), c.Ago(lang, at, at.Add(5*time.Hour)), c.Ago(lang, at, at.Add(50*time.Hour)),
		}
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], "\u00a0", " ")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", lang, diff)
		}
		if s := c.Ago(lang, at, at.AddDate(0, 2, 0)); s != c.Date(lang, at) {
			t.Errorf("%s: two months ago is %q", lang, s)
		}
		for month := range 12 {
			if s := c.Date(lang, at.AddDate(0, month, 0)); locale.Broken(s) {
				t.Error(s)
			}
		}
		for _, n := range []int64{0, 999_499, 1 << 40, 1 << 62, -5} {
			if s := c.Size(lang, n); s == "" || locale.Broken(s) {
				t.Errorf("%s: Size(%d) = %q", lang, n, s)
			}
		}
	}
}

func BenchmarkText(b *testing.B) {
	c := load(b, same("a.b = 'Hello {{.Name}}'\na.c = 'Hello'"))
	params := map[string]string{"Name": "x"}
	b.Run("placeholder", func(b *testing.B) {
		for b.Loop() {
			c.Text("nl", "a.b", params)
		}
	})
	b.Run("fixed", func(b *testing.B) {
		for b.Loop() {
			c.Text("nl", "a.c", nil)
		}
	})
}

func asFS(all []fstest.MapFS) []fs.FS {
	out := make([]fs.FS, len(all))
	for i := range all {
		out[i] = all[i]
	}
	return out
}
