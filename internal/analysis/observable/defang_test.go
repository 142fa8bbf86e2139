package observable

import (
	"strings"
	"testing"
)

func TestDefang(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"https://www.example.org/login.php", "hxxps://www[.]example[.]org/login[.]php"},
		{"HTTP://EXAMPLE.ORG", "HXXP://EXAMPLE[.]ORG"},
		{"ftp://files.example.org/", "fxp://files[.]example[.]org/"},
		{"smb://files.example.org/", "smb[:]//files[.]example[.]org/"},
		{"https://a.example/?u=https://b.example/", "hxxps://a[.]example/?u=hxxps://b[.]example/"},
		{"user@example.org", "user[@]example[.]org"},
		{"192.0.2.7", "192[.]0[.]2[.]7"},
		{"2001:db8::7", "2001[:]db8[:][:]7"},
		{"http://[2001:db8::7]:8080/", "hxxp://[[]2001:db8::7]:8080/"},
		{"Pay 12.50 or 1.250,00 now. Thanks...", "Pay 12.50 or 1.250,00 now. Thanks..."},
		{"It costs 12.50.", "It costs 12.50."},
		{"Klik hier.Nu", "Klik hier[.]Nu"},
		{"http://1.2/", "hxxp://1[.]2/"},
		{"bücher.example", "bücher[.]example"},
		{"example。org", "example[。]org"},
		{"hxxp://example[.]org", "h[x]xp://example[[].]org"},
		{"(dot) (see below)", "[(]dot) (see below)"},
		{"", ""},
		{"plain words", "plain words"},
	} {
		if got := Defang(tt.in); got != tt.want {
			t.Errorf("Defang(%q) = %q, want %q", tt.in, got, tt.want)
		}
		if back := Refang(Defang(tt.in)); back != tt.in {
			t.Errorf("Refang(Defang(%q)) = %q", tt.in, back)
		}
	}
}

func TestRefangReadsOthers(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"hxxps://example[.]org/a", "https://example.org/a"},
		{"hXXp://example(.)org", "hTTp://example.org"},
		{"hxxp[:]//example[dot]org", "http://example.org"},
		{"hxxps[://]example{.}org", "https://example.org"},
		{"user[at]example[DOT]org", "user@example.org"},
		{"user(at)example(dot)org", "user@example.org"},
		{"see [1] and (a)", "see [1] and (a)"},
		{"fxp://example[.]org", "ftp://example.org"},
	} {
		if got := Refang(tt.in); got != tt.want {
			t.Errorf("Refang(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// nothingLinks fails when a program that makes links of text could find one.
func nothingLinks(t *testing.T, in, out string) {
	t.Helper()
	for _, live := range [...]string{"http://", "https://", "ftp://"} {
		if strings.Contains(strings.ToLower(out), live) {
			t.Errorf("Defang(%q) = %q still has %s", in, out, live)
		}
	}
	for i := range len(out) {
		if out[i] == '@' && !strings.HasPrefix(out[i+1:], "]") {
			t.Errorf("Defang(%q) = %q has a bare @", in, out)
		}
	}
}

func FuzzDefang(f *testing.F) {
	for _, seed := range []string{
		"https://user@example.org:8080/a.b?c=hxxp://d[.]e#f", "http[:]//x", "hxxp[:]//x", "fxp://ftp://", "[[.]]", "([.]){at}",
		"::1", "1.2.3.4", "a.b.", "hhttps://", "hxxps[://]x", "h[x]xp://", "\xff.\xff@", "。", "[。]", "(://)http://", "httphttp://",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := Defang(s)
		if back := Refang(out); back != s {
			t.Fatalf("Refang(Defang(%q)) = %q by way of %q", s, back, out)
		}
		nothingLinks(t, s, out)
	})
}

func BenchmarkDefang(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Defang("https://www.example.org/account/login.php?session=1234&next=https://example.org/")
	}
}
