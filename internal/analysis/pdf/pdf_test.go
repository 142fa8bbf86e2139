package pdf

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func deflated(s string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

func objects(s string) string {
	data := deflated(s)
	return fmt.Sprintf("1 0 obj <</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>\nstream\r\n%s\nendstream endobj\n", len(data), data)
}

func TestLinks(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		want []string
	}{
		"plain":     {"<</S/URI/URI(https://a.example/x)>> <</S /URI /URI\n(https://b.example/)>>", []string{"https://a.example/x", "https://b.example/"}},
		"twice":     {"/URI(https://a.example/)/URI(https://a.example/)", []string{"https://a.example/"}},
		"escapes":   {`/URI(https://a.example/\(x\)\057(y)\\z\` + "\n1)", []string{`https://a.example/(x)/(y)\z1`}},
		"hex":       {"/URI<68747470733A2F2F612E\n6578616D706C652F>", []string{"https://a.example/"}},
		"utf-16":    {"/URI(\xfe\xff\x00h\x00t\x00t\x00p\x00:\x00/\x00/\x00a\x00.\x00b\x00e)", []string{"http://a.be"}},
		"name":      {"/#55R#49 (https://a.example/)", []string{"https://a.example/"}},
		"form":      {"/S/SubmitForm/F(https://a.example/p) /F(file.pdf) /F<</FS/URL/F(https://b.example/)>>", []string{"https://a.example/p", "https://b.example/"}},
		"mail":      {"/URI(mailto:a@b.example)/URI(tel:+3225123456)", []string{"mailto:a@b.example", "tel:+3225123456"}},
		"objects":   {"/URI(https://a.example/)" + objects("4 0 <</S/URI/URI(https://b.example/)>>") + objects("/URI(https://c.example/)"), []string{"https://a.example/", "https://b.example/", "https://c.example/"}},
		"cut":       {objects("/URI(https://a.example/) " + strings.Repeat("words and more words ", 40))[:110], []string{"https://a.example/"}},
		"disguised": {strings.Replace(objects("/URI(https://a.example/)"), "ObjStm", "Ob#6aStm", 1), []string{"https://a.example/"}},
		"nothing":   {"%PDF-1.7 /URI 4 0 R /URI /URIS(https://a.example/) /URI( /URI<zz> stream", nil},
		"page":      {strings.Replace(objects("/URI(https://a.example/)"), "/Type/ObjStm", "", 1), nil},
		"empty":     {"", nil},
	} {
		if diff := cmp.Diff(tt.want, Links([]byte(tt.in), Limits{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLimits(t *testing.T) {
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "/URI(https://h%d.example/)", i)
	}
	if got := len(Links([]byte(many.String()), Limits{Links: 7})); got != 7 {
		t.Errorf("%d links", got)
	}
	if got := Links([]byte("/URI(https://a.example/"+strings.Repeat("a", 100)+")"), Limits{Length: 50}); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if got := Links([]byte(objects(strings.Repeat(" ", 1000)+"/URI(https://a.example/)")), Limits{Inflated: 500}); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if got := Links([]byte(objects("a")+objects("/URI(https://a.example/)")), Limits{Streams: 1}); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// What was made to hurt stays within seconds; the test's own limit is the
// package's.
func TestHostile(t *testing.T) {
	bomb := objects(strings.Repeat("\x00", 64<<20))
	for name, in := range map[string]string{
		"bomb":    bomb + bomb + bomb,
		"open":    strings.Repeat("/URI(", 2<<20),
		"hex":     strings.Repeat("/URI<41", 1<<20),
		"slash":   strings.Repeat("/", 8<<20),
		"streams": strings.Repeat("ObjStm/Fl stream\nx\x9c", 200_000),
		"nested":  "/URI(" + strings.Repeat("(", 8<<20),
		"spaces":  strings.Repeat("/URI"+strings.Repeat(" ", 100), 80_000),
	} {
		t.Run(name, func(*testing.T) { Links([]byte(in), Limits{}) })
	}
}

func FuzzLinks(f *testing.F) {
	for _, seed := range []string{"/URI(a\\)b)", "/URI<6>", "/U#52I(x)", objects("/URI(https://a.example/)"), "ObjStm Fl stream\n\x78\x9c", "/URI(\xff\xfeh"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := Limits{Links: 5, Length: 100, Inflated: 1 << 16}
		links := Links(b, limits)
		if len(links) > limits.Links {
			t.Fatal("too many")
		}
		seen := map[string]bool{}
		for _, l := range links {
			if l == "" || len(l) > 4*limits.Length || seen[l] {
				t.Fatalf("bad link %q", l)
			}
			seen[l] = true
		}
	})
}

func BenchmarkLinks(b *testing.B) {
	file := []byte(strings.Repeat(objects(strings.Repeat("4 0 <</S/URI/URI(https://b.example/)>>", 50)), 10) + strings.Repeat("\x01\x02picture\x03", 30_000))
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		Links(file, Limits{})
	}
}
