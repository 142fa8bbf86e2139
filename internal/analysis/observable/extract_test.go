package observable

import (
	"fmt"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/google/go-cmp/cmp"
)

const sample = "From: \"Bank Example\" <Alert@Bank-Login.example>\r\n" +
	"Reply-To: <other@reply.example>\r\n" +
	"Return-Path: <bounce@send.example>\r\n" +
	"To: victim@home.example\r\n" +
	"Subject: see www.bank-login.example now\r\n" +
	"X-Originating-IP: [192.0.2.9]\r\n" +
	"DKIM-Signature: v=1; a=rsa-sha256; d=Mailer.example; s=x; b=\r\n" +
	"List-Unsubscribe: <https://list.example/u?1>, <mailto:leave@list.example>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" +
	"<p>Dear victim@home.example, <a href=\"https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2Flogin&amp;data=1\">https://www.bank.example/</a>\r\n" +
	"<a href=\"HTTPS://EVIL.example:443/login\">Click</a> or write to help@evil.example</p>\r\n" +
	"<a href=\"http://0x7f000001/x\">here</a> <a href=\"cid:1\">x</a> <a href=\"#top\">y</a> <a href=\"javascript:run()\">z</a>\r\n" +
	"--b\r\nContent-Type: text/html; name=bill.html\r\nContent-Disposition: attachment; filename=bill.html\r\n\r\n" +
	"<form action=\"https://collect.example/p\"></form>\r\n--b--\r\n"

func TestExtract(t *testing.T) {
	var got []string
	for _, o := range Extract(message.Parse([]byte(sample), message.Limits{})) {
		if o.Type == SHA256 {
			if len(o.Value) != 64 || o.Source != "bill.html" {
				t.Errorf("bad hash %+v", o)
			}
			continue
		}
		line := fmt.Sprintf("%s %s %s", o.Where, o.Type, o.Value)
		if o.Text != "" {
			line += " text=" + o.Text
		}
		if o.Via != "" {
			line += " via=" + o.Via
		}
		if o.Count > 1 {
			line += fmt.Sprintf(" x%d", o.Count)
		}
		got = append(got, line)
	}
	want := []string{
		"html url https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2Flogin&data=1 text=https://www.bank.example/",
		"html domain eur01.safelinks.protection.outlook.com",
		"html url https://evil.example/login text=Click x2",
		"html domain evil.example x3",
		"html url http://127.0.0.1/x text=here",
		"html ip 127.0.0.1",
		"html url javascript:run() text=z",
		"html email help@evil.example",
		"subject url http://www.bank-login.example/",
		"subject domain www.bank-login.example",
		"header email alert@bank-login.example text=Bank Example",
		"header domain bank-login.example",
		"header email other@reply.example",
		"header domain reply.example",
		"header email bounce@send.example",
		"header domain send.example",
		"header ip 192.0.2.9",
		"header domain mailer.example",
		"attachment url https://collect.example/p",
		"attachment domain collect.example",
		"unsubscribe url https://list.example/u?1",
		"unsubscribe domain list.example x2",
		"unsubscribe email leave@list.example",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExtractUnwraps(t *testing.T) {
	inner := "https://evil.example/a"
	nested := inner
	for range 4 {
		nested = "https://track.example/?url=" + strings.NewReplacer("%", "%25", ":", "%3A", "/", "%2F", "?", "%3F", "=", "%3D").Replace(nested)
	}
	all := ExtractText("see "+nested, Limits{})
	var chain []string
	from := ""
	for _, o := range all {
		if o.Type != URL {
			continue
		}
		if o.From != from || (from == "") != (o.Via == "") {
			t.Errorf("%s is from %q via %q, want from %q", o.Value, o.From, o.Via, from)
		}
		from = o.Value
		chain = append(chain, o.Value)
	}
	if len(chain) != 5 || chain[4] != inner {
		t.Errorf("chain %q", chain)
	}
	if got := len(ExtractText(nested, Limits{Unwrap: 1})); got != 3 {
		t.Errorf("with one layer: %d observables, want two URLs and their domain", got)
	}
	only := ExtractText("https://protect-eu.mimecast.com/s/AbC?domain=evil.example", Limits{})
	if last := only[len(only)-1]; last.Type != Domain || last.Value != "evil.example" || last.Via != "mimecast" {
		t.Errorf("got %+v", only)
	}
}

func TestExtractFields(t *testing.T) {
	all := ExtractText("https://Bücher.github.io/ and http://shop.example.co.uk/", Limits{})
	if o := all[0]; o.Host != "xn--bcher-kva.github.io" || o.Unicode != "bücher.github.io" || o.Registrable != o.Host || !o.Private || o.Raw != "https://Bücher.github.io/" {
		t.Errorf("got %+v", o)
	}
	if o := all[2]; o.Registrable != "example.co.uk" || o.Private || o.Unicode != "" || o.Raw != "" {
		t.Errorf("got %+v", o)
	}
}

func TestExtractLimits(t *testing.T) {
	var b strings.Builder
	for i := range 500 {
		fmt.Fprintf(&b, "https://h%d.example/ ", i)
	}
	if got := len(ExtractText(b.String(), Limits{Count: 50})); got != 50 {
		t.Errorf("%d observables, want 50", got)
	}
	if got := ExtractText("https://a.example/"+strings.Repeat("a", 200), Limits{Length: 100}); len(got) != 0 {
		t.Errorf("got %d, want none", len(got))
	}
	if got := ExtractText(strings.Repeat(" ", 100)+"https://a.example/", Limits{Text: 100}); len(got) != 0 {
		t.Errorf("got %d, want none", len(got))
	}
	if Extract(nil) != nil {
		t.Error("nil message")
	}
}

func TestExtractAttachedMessage(t *testing.T) {
	raw := "From: a@send.example\r\nTo: v@home.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee file\r\n" +
		"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: in@inner.example\r\nSubject: x\r\n\r\nhttps://deep.example/\r\n--b--\r\n"
	found := map[string]string{}
	for _, o := range Extract(message.Parse([]byte(raw), message.Limits{})) {
		found[o.Value] = o.Where
	}
	if found["https://deep.example/"] != InAttachment || found["in@inner.example"] != InAttachment || found["a@send.example"] != InHeader {
		t.Errorf("got %v", found)
	}
	if _, ok := found["v@home.example"]; ok {
		t.Error("the recipient is listed")
	}
}

func TestExtractIsDeterministic(t *testing.T) {
	m := message.Parse([]byte(sample), message.Limits{})
	first := Extract(m)
	for range 5 {
		if diff := cmp.Diff(first, Extract(m)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("From: a@b.example\nContent-Type: text/html\n\n<a href='//x.example/?u=http://y.example'>w</a>"))
	f.Add([]byte("Subject: hxxp://a[.]example\n\nhttp://[::1]/ 1.2.3.4/x a@b.be"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := message.Parse(raw, message.Limits{})
		limits := Limits{Count: 100, Length: 300}
		seen := map[key]bool{}
		all := ExtractWithin(m, limits)
		if len(all) > limits.Count {
			t.Fatalf("%d observables", len(all))
		}
		for _, o := range all {
			k := key{o.Type, o.Value}
			if seen[k] || o.Value == "" || len(o.Value) > limits.Length || o.Count < 1 || (o.Via == "") != (o.From == "") {
				t.Fatalf("bad observable %+v", o)
			}
			seen[k] = true
			if Refang(Defang(o.Value)) != o.Value {
				t.Fatalf("defanging %q loses", o.Value)
			}
			text := map[string]string{InBody: m.Text, InSubject: m.Subject}
			if m.Markup != nil {
				text[InHTML] = m.Markup.Text
			}
			if o.Start < 0 || o.End < o.Start || o.End > len(text[o.Where]) {
				t.Fatalf("bad span %+v", o)
			}
		}
	})
}

func BenchmarkExtract(b *testing.B) {
	var html strings.Builder
	for i := range 40 {
		fmt.Fprintf(&html, "<p>Some words to read here, and <a href=\"https://www.shop%d.example/account/item?id=%d&amp;lang=nl\">more words</a> about it.</p>\n", i%20, i)
	}
	raw := "From: a@send.example\r\nContent-Type: text/html\r\n\r\n" + html.String()
	m := message.Parse([]byte(raw), message.Limits{})
	n := len(Extract(m))
	b.ReportAllocs()
	for b.Loop() {
		Extract(m)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/observable")
}
