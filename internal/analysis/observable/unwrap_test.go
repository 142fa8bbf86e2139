package observable

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestUnwrap(t *testing.T) {
	b64 := base64.RawURLEncoding.EncodeToString([]byte("https://evil.example/a?b=c"))
	mandrillP := base64.RawURLEncoding.EncodeToString([]byte(`{"s":"x","p":"{\"u\":1,\"url\":\"https:\\/\\/evil.example\\/a\"}"}`))
	for _, tt := range []struct{ name, in, want, via string }{
		{"safe links", "https://eur03.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2Fa%3Fb%3Dc%26d&data=05%7C01%7Cx%40example.org&reserved=0", "https://evil.example/a?b=c&d", "safelinks"},
		{"safe links out of HTML", "https://nam02.safelinks.protection.outlook.com/?a=1&amp;url=http%3A%2F%2Fevil.example&amp;data=1", "http://evil.example/", "safelinks"},
		{"safe links in Teams", "https://statics.teams.cdn.office.net/evergreen-assets/safelinks/1/atp-safelinks.html?url=https%3A%2F%2Fevil.example%2F&locale=en", "https://evil.example/", "safelinks"},
		{"proofpoint v1", "https://urldefense.proofpoint.com/v1/url?u=http://evil.example/a&k=oIvRg1%3D", "http://evil.example/a", "proofpoint"},
		{"proofpoint v2", "https://urldefense.proofpoint.com/v2/url?u=https-3A__evil.example_a-2Db-3Fc-3Dd-5Fe&d=DwMF&c=x", "https://evil.example/a-b?c=d_e", "proofpoint"},
		{"proofpoint v3", "https://urldefense.com/v3/__https://evil.example/a?b=c__;!!abc$", "https://evil.example/a?b=c", "proofpoint"},
		{"proofpoint v3, one masked", "https://urldefense.com/v3/__https://evil.example/*frag__;Iw!!abc!tok$", "https://evil.example/#frag", "proofpoint"},
		{"proofpoint v3, a run masked", "https://urldefense.com/v3/__https://evil.example/a**B__;w6nDqMOg!!abc$", "https://evil.example/a%C3%A9%C3%A8%C3%A0", "proofpoint"},
		{"proofpoint v3, slash lost", "https://urldefense.com/v3/__https:/evil.example/a__;!!abc$", "https://evil.example/a", "proofpoint"},
		{"barracuda", "https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fevil.example%2fa&c=E,1,x", "https://evil.example/a", "barracuda"},
		{"google", "https://www.google.be/url?sa=t&q=https://evil.example/a&usg=x", "https://evil.example/a", "google"},
		{"google, two suffix labels", "https://www.google.co.uk/url?url=https%3A%2F%2Fevil.example", "https://evil.example/", "google"},
		{"google amp", "https://www.google.com/amp/s/evil.example/a", "https://evil.example/a", "google"},
		{"google ads", "https://adclick.g.doubleclick.net/pcs/click?xai=A&adurl=https://evil.example/a", "https://evil.example/a", "google"},
		{"google translate", "https://evil--shop-example.translate.goog/a?x=1", "https://evil-shop.example/a", "google"},
		{"not google", "https://google.evil.example/url?x=https://a.example/", "", ""},
		{"mimecast", "https://protect-eu.mimecast.com/redirect?url=https%3A%2F%2Fevil.example%2F", "https://evil.example/", "mimecast"},
		{"cisco", "https://secure-web.cisco.com/1abcDEF/https%3A%2F%2Fevil.example%2Fa%3Fb", "https://evil.example/a?b", "cisco"},
		{"sophos", "https://eu-west-1.protection.sophos.com/?d=evil.example&u=" + b64 + "&i=x", "https://evil.example/a?b=c", "sophos"},
		{"check point", "https://protect.checkpoint.com/v2/___https://evil.example/a___.YzJ1", "https://evil.example/a", "checkpoint"},
		{"bing", "https://www.bing.com/ck/a?!&&p=1&u=a1" + b64 + "&ntb=1", "https://evil.example/a?b=c", "bing"},
		{"yahoo", "https://r.search.yahoo.com/_ylt=A/RV=2/RU=https%3a%2f%2fevil.example%2f/RK=2/RS=x-", "https://evil.example/", "yahoo"},
		{"facebook", "https://l.facebook.com/l.php?u=https%3A%2F%2Fevil.example%2Fa&h=AT", "https://evil.example/a", "facebook"},
		{"amazon ses", "https://abc.r.eu-west-1.awstrack.me/L0/https:%2F%2Fevil.example%2Fa/1/0102-000/x", "https://evil.example/a", "amazonses"},
		{"mandrill", "https://mandrillapp.com/track/click/1/evil.example?p=" + mandrillP, "https://evil.example/a", "mandrill"},
		{"anybody", "https://track.example/c?id=1&redirect=https%3A%2F%2Fevil.example%2Fa", "https://evil.example/a", "redirect"},
		{"anybody, upper case", "https://track.example/c?URL=//evil.example/a", "https://evil.example/a", "redirect"},
		{"anybody, twice encoded", "https://track.example/c?u=https%253A%252F%252Fevil.example%252Fa", "https://evil.example/a", "redirect"},
		{"anybody, base64", "https://track.example/c?r=" + b64, "https://evil.example/a?b=c", "redirect"},
		{"anybody, in the path", "https://track.example/c/https://evil.example/a?b", "https://evil.example/a?b", "redirect"},
		{"no address inside", "https://track.example/c?url=home", "", ""},
		{"own path", "https://track.example/c?next=/home", "", ""},
		{"single label", "https://track.example/c?next=https://intranet/", "", ""},
		{"nothing", "https://example.org/", "", ""},
		{"no URL", "example", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, via, ok := Unwrap(tt.in)
			if got != tt.want || via != tt.via || ok != (tt.want != "") {
				t.Errorf("Unwrap(%q) = %q, %q, %v, want %q, %q", tt.in, got, via, ok, tt.want, tt.via)
			}
		})
	}
}

// TestRewriterFile holds the data to its own description.
func TestRewriterFile(t *testing.T) {
	codings := map[string]bool{}
	for _, c := range strings.Fields("plain base64 host proofpoint2 proofpoint3 checkpoint amp translate bing yahoo segment mandrill") {
		codings[c] = true
	}
	rows := 0
	for line := range strings.Lines(rewriterFile) {
		if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
			rows++
		}
	}
	read := 0
	for host, list := range rewriters() {
		for _, r := range list {
			read++
			if !codings[r.Coding] || !strings.HasPrefix(r.Path, "/") || r.Name == "" || host != strings.ToLower(host) {
				t.Errorf("bad row %+v", r)
			}
		}
	}
	if read != rows {
		t.Errorf("%d of %d rows were read", read, rows)
	}
}

func FuzzUnwrap(f *testing.F) {
	for _, seed := range []string{
		"https://urldefense.com/v3/__https://a.example/**A*__;w6k!!$", "https://urldefense.proofpoint.com/v2/url?u=https-3A__a.example_&d",
		"https://mandrillapp.com/track/click/1/a?p=eyJwIjoie30ifQ", "https://a.example/?url=https://b.example/?url=https://c.example/", "https://x.translate.goog/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		target, via, ok := Unwrap(s)
		if ok != (target != "") || ok != (via != "") && ok {
			t.Fatalf("Unwrap(%q) = %q, %q, %v", s, target, via, ok)
		}
		if ok {
			if l, fine := ParseURL(target); !fine || l.Value != target {
				t.Fatalf("Unwrap(%q) = %q, which is not canonical", s, target)
			}
		}
	})
}

func BenchmarkUnwrap(b *testing.B) {
	for name, u := range map[string]string{
		"safelinks": "https://eur03.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2Fa%3Fb%3Dc%26d&data=05%7C01&reserved=0",
		"nothing":   "https://www.example.org/account/login?session=1234&lang=nl",
	} {
		b.Run(name, func(b *testing.B) {
			l, _ := ParseURL(u)
			b.ReportAllocs()
			for b.Loop() {
				unwrap(l)
			}
		})
	}
}
