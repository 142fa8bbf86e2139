package answer

import (
	"bytes"
	"fmt"
	"net/mail"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/mailout"
)

// TestNoOracle: an outsider never sees a score, weight or code.
func TestNoOracle(t *testing.T) {
	h := writing(t, Options{Contacts: contacts})
	s := full()
	s.Items[0].Reasons[0].Weight = 1.2345
	m := h.write(t, s, History{}, "en")
	for _, secret := range []string{"1.2345", "link-text-differs", "words-", "weight", "score", "secret"} {
		if strings.Contains(m.Text+m.HTML+m.Subject, secret) {
			t.Errorf("the answer tells %q", secret)
		}
	}
	// Over a limit, the mail and the page are the same for any two messages.
	other := full()
	other.Items = []Item{{Verdict: verdict.Legitimate, Decided: true, Title: "x"}}
	over := History{Alike: 99}
	if a, b := h.write(t, s, over, "en"), h.write(t, other, over, "en"); a.Text != b.Text || a.Subject != b.Subject || a.HTML != b.HTML {
		t.Error("an acknowledgement tells two messages apart")
	}
	if a, b := h.pick(s, Acknowledgement), h.pick(other, Acknowledgement); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Error("the page of an acknowledgement tells two messages apart")
	}
}

// TestUnprovedGetsNoForeignWord: not one word of the report's may stand in
// what a forged sender is sent.
func TestUnprovedGetsNoForeignWord(t *testing.T) {
	h := writing(t, Options{})
	s := full()
	s.Proved, s.Title = false, "ZZFOREIGN"
	i := &s.Items[0]
	i.Title, i.Brand, i.Sender = "ZZFOREIGN", "ZZFOREIGN", "zzforeign@evil.example"
	for n := range i.Reasons {
		i.Reasons[n].Evidence, i.Reasons[n].Params = "ZZFOREIGN", map[string]string{"Shown": "ZZFOREIGN", "Target": "ZZFOREIGN"}
	}
	m := h.write(t, s, History{}, "en")
	if strings.Contains(strings.ToUpper(m.Subject+m.Text+m.HTML), "ZZFOREIGN") {
		t.Errorf("foreign words in\n%s\n%s", m.Subject, m.Text)
	}
	s.Proved = true
	if m = h.write(t, s, History{}, "en"); strings.Count(m.Text, "ZZFOREIGN") < 4 {
		t.Errorf("the test proves nothing:\n%s", m.Text)
	}
}

const hostile = "x\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script><img src=https://evil.example/p.gif>" +
	"<a href=\"javascript:x\">y</a>\u202egnp.exe\x00 ” and “ https://evil.example/?q={{.Centre}} +32 470 12 34 56"

// TestHostile puts the same hostile words everywhere a stranger can.
func TestHostile(t *testing.T) {
	h := writing(t, Options{})
	s := full()
	s.Title, s.MessageID = hostile, "<a@b>\r\nBcc: victim@example.org"
	s.References = []string{hostile, "<ok@public.example>", "<a b@c>"}
	s.FollowURL = "https://belfry.centre.example/follow/x\"><script>"
	i := &s.Items[0]
	i.Title, i.Brand, i.Sender = hostile, hostile, hostile
	for n := range i.Reasons {
		i.Reasons[n].Evidence, i.Reasons[n].Params = hostile, map[string]string{"Shown": hostile, "Target": hostile}
	}
	s.Items = append(s.Items, *i)
	letter := h.write(t, s, History{}, "en")
	msg, err := mailout.Compose(letter)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(bytes.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{
		"From": true, "To": true, "Subject": true, "Date": true, "Message-Id": true, "References": true, "Auto-Submitted": true,
		"X-Auto-Response-Suppress": true, "X-Belfry-Answer": true, "Content-Language": true, "Mime-Version": true, "Content-Type": true,
	}
	for name, values := range m.Header {
		if !allowed[name] || len(values) != 1 {
			t.Errorf("header %s: %q", name, values)
		}
	}
	if got := m.Header.Get("References"); got != "<ok@public.example>" {
		t.Errorf("References: %q", got)
	}
	text, page := alternatives(t, m)
	for _, part := range []string{text, page} {
		for _, bad := range []string{"https://evil", "evil.example", "example.org", "javascript:x", "\u202e", "\x00", "+32 470 12 34 56"} {
			if strings.Contains(part, bad) {
				t.Errorf("%q stands in\n%s", bad, part)
			}
		}
	}
	z := html.NewTokenizer(strings.NewReader(page))
	for z.Next() != html.ErrorToken {
		token := z.Token()
		switch token.Data {
		case "script", "img", "a", "form", "iframe", "style", "link", "object", "svg":
			if token.Type != html.TextToken {
				t.Errorf("the HTML holds <%s>", token.Data)
			}
		}
		for _, a := range token.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "href" {
				t.Errorf("the HTML holds %s=%q", a.Key, a.Val)
			}
		}
	}
	// The closing quotation mark of our own is the only one.
	for line := range strings.Lines(text) {
		if strings.Count(line, "”") > 1 {
			t.Errorf("foreign words end our quotation: %q", line)
		}
	}
}
