package observable

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func textValues(text string) []string {
	var got []string
	scanText(text, 8192, func(f found) bool {
		got = append(got, string(f.kind)+" "+f.raw)
		return true
	})
	return got
}

func TestScanText(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"Go to https://example.org/a.", []string{"url https://example.org/a"}},
		{"(see https://example.org/a_(b))", []string{"url https://example.org/a_(b)"}},
		{"[https://a.example/]<https://b.example/>", []string{"url https://a.example/", "url https://b.example/"}},
		{"[words](https://a.example/x)", []string{"url https://a.example/x"}},
		{"(https://a.example/)[https://b.example/]", []string{"url https://a.example/", "url https://b.example/"}},
		{"'https://a.example/x' and \"https://b.example/y\"", []string{"url https://a.example/x", "url https://b.example/y"}},
		{"*https://a.example/x*, **", []string{"url https://a.example/x"}},
		{"“https://a.example/x”…", []string{"url https://a.example/x"}},
		{"<https://a.example/very\r\n  -long/path>", []string{"url https://a.example/very-long/path"}},
		{"<https://a.example/x and more\nwords>", []string{"url https://a.example/x"}},
		{"hxxps://evil[.]example/x", []string{"url https://evil.example/x"}},
		{"mail user[at]evil[dot]example", []string{"email user@evil.example"}},
		{"www.example.org", []string{"url http://www.example.org/"}},
		{"WWW.EXAMPLE.ORG/x.", []string{"url http://WWW.EXAMPLE.ORG/x"}},
		{"example.co.uk/login?x=1, then", []string{"url http://example.co.uk/login?x=1"}},
		{"zahlung.rs/ab12", []string{"url http://zahlung.rs/ab12"}},
		{"naar mijn-pakket.be gaan", []string{"url http://mijn-pakket.be/"}},
		{"example.com:8080", []string{"url http://example.com:8080"}},
		{"end.De next. e.g. z.B. i.v.m. 3.5 readme.md invoice.pdf setup.py a.m.", nil},
		{"1.2.3.4 and v1.2.3.4 and 10.0.0.0/8 and 1.2.3.4/login 01.02.2026 1.2.3", []string{"ip 1.2.3.4", "ip 10.0.0.0", "url http://1.2.3.4/login"}},
		{"at 12:30:45 from [2001:db8::1]", []string{"ip 2001:db8::1"}},
		{"<user@example.org>, b.c+d@sub.example.org;e@f", []string{"email user@example.org", "email b.c+d@sub.example.org"}},
		{"mailto:user@example.org", []string{"email user@example.org"}},
		{"x@example.org,https://example.org/", []string{"email x@example.org", "url https://example.org/"}},
		{"cid:image001.png@01D7ABC.12345", nil},
		{"https://user@example.org/x@y", []string{"url https://user@example.org/x@y"}},
		{"Link:https://example.org/", []string{"url https://example.org/"}},
		{"foo://example.org/", []string{"url http://example.org/"}},
		{"bücher.de/x", []string{"url http://bücher.de/x"}},
		{"https:// :// http://", nil},
		{"tab\thttps://example.org/\u00a0b", []string{"url https://example.org/"}},
	} {
		if diff := cmp.Diff(tt.want, textValues(tt.in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestScanTextSpans(t *testing.T) {
	text := "Pay at https://example.org/a, (user@example.org) or hxxp://b[.]example!"
	var got []string
	scanText(text, 100, func(f found) bool {
		got = append(got, text[f.start:f.end])
		return true
	})
	want := []string{"https://example.org/a", "user@example.org", "hxxp://b[.]example!"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestScanTextIsLinear(t *testing.T) {
	for name, text := range map[string]string{
		"at":       strings.Repeat("a@", 500_000),
		"scheme":   strings.Repeat("http://", 200_000),
		"dots":     strings.Repeat("a.", 500_000),
		"angle":    strings.Repeat("<http://a\n", 100_000),
		"brackets": strings.Repeat("[.](", 250_000),
		"colons":   strings.Repeat("1:", 500_000),
		"foreign":  strings.Repeat("://", 300_000),
		"digits":   strings.Repeat("1.1.1.1", 150_000),
	} {
		t.Run(name, func(t *testing.T) {
			scanText(text, 8192, func(found) bool { return true })
			Defang(text)
		})
	}
}

func FuzzScanText(f *testing.F) {
	for _, seed := range []string{"<http://a\n b>", "(a)[b]{c}://", "a@b.example", "1.2.3.4/", "xn--a.be/", "[::1]", "h\xffttp://"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		last := 0
		scanText(s, 512, func(f found) bool {
			if f.start < 0 || f.end > len(s) || f.start >= f.end || len(f.raw) > 512 {
				t.Fatalf("bad span %+v in %q", f, s)
			}
			if f.start < last {
				t.Fatalf("%+v in %q comes out of order", f, s)
			}
			last = f.start
			return true
		})
	})
}
