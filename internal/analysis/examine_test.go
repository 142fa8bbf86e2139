package analysis

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
)

const attached = `From: Ann <ann@example.org>
To: suspicious@example.net
Subject: Fwd: two mails that I do not trust
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Goedemorgen, ik vertrouw deze twee mails niet en stuur ze daarom naar jullie door. Kunnen jullie ze eens bekijken?
--b
Content-Type: message/rfc822

From: "PayPal" <notice@example.org>
To: ann@example.org
Subject: Your account has been suspended

Dear customer, action required within 24 hours: verify your account at
https://paypal-login.example/secure or you lose access to your money.
--b
Content-Type: message/rfc822

From: Jan <jan@example.com>
To: ann@example.org
Subject: Garden

See you on Saturday in the garden.
--b--
`

func TestExamine(t *testing.T) {
	x := Examine([]byte(attached), Evidence{})
	if len(x.Items) != 2 {
		t.Fatalf("%d items", len(x.Items))
	}
	for i, want := range []verdict.Verdict{verdict.Phishing, verdict.Unclear} {
		item := x.Items[i]
		if item.Original.How != original.Attached || item.Assessment.Verdict != want {
			t.Errorf("item %d: %s, %s", i, item.Original.How, item.Assessment.Verdict)
		}
	}
	if x.Language != "nl" {
		t.Errorf("the reporter writes %q, want nl", x.Language)
	}
	if len(x.Items[0].Observables) == 0 {
		t.Error("no observables")
	}
	if again := Examine([]byte(attached), Evidence{}); !reflect.DeepEqual(x.Items, again.Items) {
		t.Error("a second run differs")
	}
}

func TestExamineBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: ann@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n")
	for range MaxItems + 20 {
		b.WriteString("--b\nContent-Type: message/rfc822\n\nFrom: x@example.com\nSubject: x\n\nHello\n")
	}
	b.WriteString("--b--\n")
	if x := Examine([]byte(b.String()), Evidence{}); len(x.Items) > MaxItems {
		t.Errorf("%d items", len(x.Items))
	}
	for _, raw := range []string{"", "\x00", "\n\n\n", strings.Repeat("a", 1<<20), "From: \"" + strings.Repeat("@", 5000)} {
		if x := Examine([]byte(raw), Evidence{}); len(x.Items) == 0 {
			t.Errorf("no item for %.20q", raw)
		}
	}
}

func FuzzExamine(f *testing.F) {
	f.Add([]byte(attached))
	f.Add([]byte("From: \"W e l c o m e\" <a@b>\nReply-To: x@gmail.com\nSubject: =?utf-8?q?P=D0=B0y?=\n\nhttps://kbc.be@xn--80ak6aa92e.com/ verify your account"))
	f.Add([]byte("Content-Type: text/html\n\n<a href='http://1.2.3.4'>kbc.be</a><input type=password><script>atob()</script><p style='display:none'>x"))
	f.Add([]byte("Content-Type: application/zip; name=\"a.pdf.exe\"\n\nPK\x03\x04"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x := Examine(raw, Evidence{TrustedReceivers: []string{"mx.example.net"}})
		for _, item := range x.Items {
			a := item.Assessment
			if a.Score < 0 || a.Score > 1 || a.Verdict == "" {
				t.Errorf("score %v, verdict %q", a.Score, a.Verdict)
			}
			for _, r := range a.Reasons {
				if len(r.Evidence) > 160 || !utf8.ValidString(r.Evidence) {
					t.Errorf("%s: evidence %q", r.Code, r.Evidence)
				}
				for _, v := range r.Params {
					if len(v) > 160 || !utf8.ValidString(v) {
						t.Errorf("%s: parameter %q", r.Code, v)
					}
				}
				if s := r.Span; s != nil && (s.Start < 0 || s.Start >= s.End) {
					t.Errorf("%s: span %+v", r.Code, *s)
				}
			}
		}
	})
}

// BenchmarkExamine judges generated mails of about 20 kB: text and HTML with
// links, in turn honest and not.
func BenchmarkExamine(b *testing.B) {
	mails := generate(64)
	total := 0
	for _, m := range mails {
		total += len(m)
	}
	b.SetBytes(int64(total / len(mails)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		Examine(mails[i%len(mails)], Evidence{})
		i++
	}
}

// generate writes n different mails, always the same ones.
func generate(n int) [][]byte {
	r := rand.New(rand.NewPCG(7, 11))
	words := strings.Fields("the garden society meets on saturday to plant trees near old canal and every member brings seeds tools bread for lunch please confirm parcel account within hours")
	prose := func(n int) string {
		var s strings.Builder
		for i := range n {
			s.WriteString(words[r.IntN(len(words))])
			if s.WriteByte(' '); i%12 == 11 {
				s.WriteString("\n")
			}
		}
		return s.String()
	}
	mails := make([][]byte, n)
	for i := range mails {
		var m strings.Builder
		fmt.Fprintf(&m, "From: \"Desk %d\" <desk%d@example.org>\nTo: reader@example.net\nSubject: Notice %d\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n", i, i, i)
		fmt.Fprintf(&m, "--b\nContent-Type: text/plain; charset=utf-8\n\n%s\nhttps://www.example.org/%d\n", prose(400), i)
		m.WriteString("--b\nContent-Type: text/html; charset=utf-8\n\n<html><body><table>")
		for j := range 40 {
			fmt.Fprintf(&m, "<tr><td style=\"padding:4px;font-family:Arial\"><a href=\"https://www.example.com/%d/%d\">%s</a><img src=\"https://img.example.com/%d.png\" width=20 height=20></td></tr>\n", i, j, prose(12), j)
		}
		if i%2 == 0 {
			m.WriteString("<p>Dear customer, verify your account: <a href=\"https://paypal-login.example/x\">www.paypal.com</a></p>")
		}
		m.WriteString("</table></body></html>\n--b--\n")
		mails[i] = []byte(m.String())
	}
	return mails
}
