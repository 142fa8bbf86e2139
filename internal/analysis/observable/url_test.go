package observable

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"HTTP://EXAMPLE.org", "http://example.org/"},
		{"https://example.org:443/a", "https://example.org/a"},
		{"https://example.org:0443/a", "https://example.org/a"},
		{"http://example.org:443/a", "http://example.org:443/a"},
		{"https://example.org./", "https://example.org/"},
		{"https://example.org/%7euser/%2f%zz", "https://example.org/~user/%2F%25zz"},
		{"https://example.org/a b\"<>", "https://example.org/a%20b%22%3C%3E"},
		{"https://example.org/a/./b/../c", "https://example.org/a/c"},
		{"https://example.org/a/%2e%2e/c", "https://example.org/c"},
		{"https://example.org/../..", "https://example.org/"},
		{"https://example.org//a//", "https://example.org//a//"},
		{"https:/\\example.org\\a", "https://example.org/a"},
		{"https:////example.org/a", "https://example.org/a"},
		{"https:example.org", "https://example.org/"},
		{" https://exam\nple.org/\ta ", "https://example.org/a"},
		{"https://bank.example@evil.test/", "https://bank.example@evil.test/"},
		{"https://a@b@evil.test/", "https://a%40b@evil.test/"},
		{"https://Bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"},
		{"https://ｅｘａｍｐｌｅ．ｏｒｇ/", "https://example.org/"},
		{"https://exam\u00adple.org/", "https://example.org/"},
		{"https://ex%61mple.org/", "https://example.org/"},
		{"http://0x7f.1/", "http://127.0.0.1/"},
		{"http://2130706433/", "http://127.0.0.1/"},
		{"http://0300.0250.0.1/", "http://192.168.0.1/"},
		{"http://0xC0A80001/x", "http://192.168.0.1/x"},
		{"http://[2001:DB8:0:0::1]/", "http://[2001:db8::1]/"},
		{"http://[::1]:80/", "http://[::1]/"},
		{"https://example.org/#Frag ment", "https://example.org/#Frag%20ment"},
		{"https://example.org/?#", "https://example.org/"},
		{"https://example.org?a=[1]", "https://example.org/?a=%5B1%5D"},
		{"https://under_score.example/", "https://under_score.example/"},
		{"javascript:alert(1)", "javascript:alert(1)"},
		{"JavaScript: alert(1)", "javascript:alert(1)"},
		{"data:text/html,<b>", "data:text/html,<b>"},
		{"smb://Server.Example/share", "smb://server.example/share"},
		{"https://localhost/", "https://localhost/"},
	} {
		l, ok := ParseURL(tt.in)
		if !ok || l.Value != tt.want {
			t.Errorf("ParseURL(%q) = %q, %v, want %q", tt.in, l.Value, ok, tt.want)
		}
		if again, ok := ParseURL(l.Value); !ok || again.Value != l.Value {
			t.Errorf("ParseURL(%q) again = %q, %v", l.Value, again.Value, ok)
		}
	}
	for _, in := range []string{
		"", "example.org/a", "/a", "https://", "https:///", "http://256.256.256.256/", "http://1.2.3.4.5/", "http://[::1/", "http://[zz]/",
		"http://a..b/", "http://exa mple.org/", "https://example.org:99999/", "https://example.org:x/", "cid:a@b", "a:b", "http://" + strings.Repeat("a", 64) + ".org/",
		"http://" + strings.Repeat("a.", 140) + "org/", "javascript:",
	} {
		if l, ok := ParseURL(in); ok {
			t.Errorf("ParseURL(%q) = %q, want none", in, l.Value)
		}
	}
}

func TestFoldDomain(t *testing.T) {
	for _, tt := range []struct {
		in, ascii, unicode string
		ok                 bool
	}{
		{"Example.ORG.", "example.org", "", true},
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example", "bücher.example", true},
		{"BÜCHER.example", "xn--bcher-kva.example", "bücher.example", true},
		{"straße.example", "xn--strae-oqa.example", "straße.example", true},
		{"xn--zz--.example", "xn--zz--.example", "", true},
		{"a_b.example", "a_b.example", "", true},
		{"", "", "", false},
		{".", "", "", false},
		{".example.org", "", "", false},
		{"a b.example", "", "", false},
		{"a/b", "", "", false},
		{strings.Repeat("ä", 2000), "", "", false},
	} {
		ascii, uni, ok := FoldDomain(tt.in)
		if ascii != tt.ascii || uni != tt.unicode || ok != tt.ok {
			t.Errorf("FoldDomain(%q) = %q, %q, %v, want %q, %q, %v", tt.in, ascii, uni, ok, tt.ascii, tt.unicode, tt.ok)
		}
	}
}

func TestRegistrableDomain(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		private  bool
	}{
		{"www.example.org", "example.org", false},
		{"a.b.example.co.uk", "example.co.uk", false},
		{"co.uk", "", false},
		{"evil.github.io", "evil.github.io", true},
		{"github.io", "", true},
		{"bank.example", "bank.example", false},
		{"localhost", "", false},
		{"192.0.2.1", "", false},
		{"a..b", "", false},
		{"", "", false},
		{".org", "", false},
	} {
		if got, private := RegistrableDomain(tt.in); got != tt.want || private != tt.private {
			t.Errorf("RegistrableDomain(%q) = %q, %v, want %q, %v", tt.in, got, private, tt.want, tt.private)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{"http://a@b:1/%%41/../?#", "https:\\\\0x7f.1", "http://[::ffff:1.2.3.4]/", "data:,%", "mailto:a@b.example?x=%", "ws:ü.example/%C3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, ok := ParseURL(s)
		if !ok {
			return
		}
		again, ok := ParseURL(l.Value)
		if !ok || again.Value != l.Value {
			t.Fatalf("ParseURL(%q) = %q, and of that %q, %v", s, l.Value, again.Value, ok)
		}
		if Refang(Defang(l.Value)) != l.Value {
			t.Fatalf("defanging %q loses", l.Value)
		}
		RegistrableDomain(l.Host)
	})
}

func BenchmarkParseURL(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ParseURL("https://www.Example.org/account/login?session=1234%2F5&next=/home#top")
	}
}
