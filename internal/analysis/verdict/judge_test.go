package verdict_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reason"
)

const (
	phishing = `From: "PayPal" <notice@example.org>
To: reader@example.net
Subject: Your account has been suspended
Content-Type: text/plain; charset=utf-8

Dear customer, action required within 24 hours: verify your account at
https://paypal-login.example/secure or you lose access to your money.
`
	scam = `From: Barrister Adam <office@example.org>
Reply-To: barrister.adam77@gmail.com
To: reader@example.net
Subject: Confidential transaction
Content-Type: text/plain; charset=utf-8

Dear beneficiary, my late client left an inheritance of 9 million dollars and you are
named as next of kin. Get back to me with your full name.
`
	malware = `From: Jan <jan@example.org>
To: reader@example.net
Subject: Unpaid invoice, urgent
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

Please see the attached invoice.
--b
Content-Type: application/octet-stream; name="invoice.pdf.exe"
Content-Disposition: attachment; filename="invoice.pdf.exe"
Content-Transfer-Encoding: base64

TVoAAAAAAAAAAAAAAAAAAAAA
--b--
`
	letter = `From: Jan Peeters <jan@example.org>
To: reader@example.net
Subject: Garden
Content-Type: text/plain; charset=utf-8

See you on Saturday in the garden. Bring the seeds and a spade, I have the rest.
`
	newsletter = `From: KBC <news@mail.kbc.be>
To: reader@example.net
Subject: Our offices close earlier in December
Content-Type: text/plain; charset=utf-8

Our offices close at four o'clock in the last week of December. See
https://www.kbc.be/offices for the hours.
`
	aligned = "Authentication-Results: mx.example.net; dkim=pass header.d=kbc.be\n" +
		"Received: from out.kbc.be by mx.example.net; Mon, 2 Nov 2026 10:00:00 +0100\n"
)

func TestJudge(t *testing.T) {
	tests := []struct {
		name, raw string
		want      verdict.Verdict
	}{
		{"phishing", phishing, verdict.Phishing},
		{"advance fee", scam, verdict.Scam},
		{"program as a document", malware, verdict.Malware},
		{"a letter is not known to be honest", letter, verdict.Unclear},
		{"nothing readable", "From: jan@example.org\n\n", verdict.Unclear},
		{"no message", "\x00\x01\x02", verdict.Unclear},
		{"own domain, verified", aligned + newsletter, verdict.Legitimate},
		{"own domain, not verified", newsletter, verdict.Unclear},
		{"verified by nobody we trust", strings.ReplaceAll(aligned, "mx.example.net;", "mx.example.com;") + newsletter, verdict.Unclear},
		{
			"verified, but full of fraud: for a person",
			aligned + strings.Replace(newsletter, "See\n", "Urgent: your account has been suspended. Dear customer, verify your account, claim your prize: you have won. https://bit.ly/x ", 1), verdict.Unclear,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := examine(test.raw, verdict.Evidence{TrustedReceivers: []string{"mx.example.net"}})
			if a.Verdict != test.want {
				t.Errorf("verdict %s, want %s: score %v, %v", a.Verdict, test.want, a.Score, codes(a))
			}
			if a.Verdict.Malicious() != (a.Score >= model.Default().Fraud) && a.Verdict != verdict.Unclear {
				t.Errorf("verdict %s with score %v", a.Verdict, a.Score)
			}
			if a.Rules == "" || a.Score < 0 || a.Score > 1 {
				t.Errorf("rules %q, score %v", a.Rules, a.Score)
			}
			if !slices.IsSortedFunc(a.Reasons, func(x, y verdict.Reason) int {
				return int(1000 * (max(y.Weight, -y.Weight) - max(x.Weight, -x.Weight)))
			}) {
				t.Errorf("reasons are not sorted: %v", codes(a))
			}
			if again := examine(test.raw, verdict.Evidence{TrustedReceivers: []string{"mx.example.net"}}); !reflect.DeepEqual(a, again) {
				t.Errorf("a second run differs:\n%+v\n%+v", a, again)
			}
		})
	}
}

// TestTwoKinds: one kind of evidence, however strong, is not enough.
func TestTwoKinds(t *testing.T) {
	a := examine("From: Jan <jan@example.org>\nSubject: x\n\nhttp://bank.be@198.51.100.7/a https://docs.google.com/forms/c https://x.weebly.com/d\n"+
		strings.Repeat("Zie je zondag bij oma in de tuin. ", 5), verdict.Evidence{})
	if a.Verdict != verdict.Unclear {
		t.Errorf("one kind of evidence gave %s: %v", a.Verdict, codes(a))
	}
	if len(a.Reasons) < 2 {
		t.Errorf("only %v was found", codes(a))
	}
}

// TestForwardedIsNeverVerified: whoever forwards inline can write any header.
func TestForwardedIsNeverVerified(t *testing.T) {
	m := message.Parse([]byte(aligned+newsletter), message.Limits{})
	for _, how := range []original.How{original.Inline, original.Pasted, original.Pictured} {
		a := verdict.Judge(verdict.Case{
			Original:    original.Original{How: how, Message: m},
			Observables: observable.Extract(m),
		}, verdict.Evidence{
			TrustedReceivers: []string{"mx.example.net"},
			Auth:             &verdict.Checked{Domain: "kbc.be", Aligned: true},
		})
		if a.Verdict != verdict.Unclear || slices.Contains(codes(a), "auth-aligned") {
			t.Errorf("%s: %s, %v", how, a.Verdict, codes(a))
		}
	}
}

// TestAutomatic: legitimate without a person only from a sender on the list
// whose links all lead back to it.
func TestAutomatic(t *testing.T) {
	trusted := verdict.Evidence{
		TrustedReceivers: []string{"mx.example.net"},
		Known: func(_ observable.Type, value string) verdict.Knowledge {
			if value == "news@mail.kbc.be" {
				return reason.KnownTrusted
			}
			return ""
		},
	}
	if a := examine(aligned+newsletter, trusted); a.Verdict != verdict.Legitimate || !a.Automatic {
		t.Errorf("trusted and verified: %s, automatic %v, %v", a.Verdict, a.Automatic, codes(a))
	}
	foreign := strings.Replace(newsletter, "https://www.kbc.be/offices", "https://example.com/offices", 1)
	if a := examine(aligned+foreign, trusted); a.Automatic {
		t.Errorf("with a foreign link: automatic %s, %v", a.Verdict, codes(a))
	}
	if a := examine(aligned+newsletter, verdict.Evidence{TrustedReceivers: trusted.TrustedReceivers}); a.Automatic {
		t.Errorf("not on the list: automatic %s", a.Verdict)
	}
}

// TestCheats scrambles what tells where a mail was collected and not what it
// is. No score may move.
func TestCheats(t *testing.T) {
	for name, raw := range map[string]string{"phishing": phishing, "scam": scam, "malware": malware, "letter": letter, "newsletter": newsletter} {
		want := examine(raw, verdict.Evidence{})
		for trick, change := range map[string]func(string) string{
			"receiver's headers": func(s string) string {
				return "X-MS-Exchange-Organization-SCL: 9\nX-Spam-Flag: YES\nX-Spam-Score: 44\nReceived-SPF: fail\nAuthentication-Results: mx.example.com; dmarc=fail\nReceived: from a by b; Mon, 1 Jan 2001 00:00:00 +0000\n" + s
			},
			"recipient": func(s string) string { return strings.ReplaceAll(s, "reader@example.net", "trap@honeypot.example") },
			"date and ids": func(s string) string {
				return "Date: Tue, 5 Mar 2002 11:22:33 -0500\nMessage-ID: <1@x.onmicrosoft.com>\nX-Mailer: PHPMailer 5.2\nUser-Agent: Mutt\nX-Originating-IP: 198.18.0.1\n" + s
			},
			"boundary": func(s string) string {
				return strings.NewReplacer("boundary=b", "boundary=zz9", "--b\n", "--zz9\n", "--b--", "--zz9--").Replace(s)
			},
			"return path": func(s string) string { return "Return-Path: <bounce-7@bulk.example>\n" + s },
		} {
			if got := examine(change(raw), verdict.Evidence{}); got.Score != want.Score || got.Verdict != want.Verdict {
				t.Errorf("%s, other %s: score %v, was %v (%v, %v)", name, trick, got.Score, want.Score, codes(got), codes(want))
			}
		}
	}
}

// TestHTMLIsNoReason: the same words as HTML score the same.
func TestHTMLIsNoReason(t *testing.T) {
	for name, raw := range map[string]string{"phishing": phishing, "scam": scam, "letter": letter, "newsletter": newsletter} {
		head, body, _ := strings.Cut(raw, "\n\n")
		html := strings.Replace(head, "text/plain", "text/html", 1) + "\n\n<html><body><p>" + body + "</p></body></html>"
		if a, b := examine(raw, verdict.Evidence{}), examine(html, verdict.Evidence{}); a.Score != b.Score {
			t.Errorf("%s: %v as text, %v as HTML (%v, %v)", name, a.Score, b.Score, codes(a), codes(b))
		}
	}
}
