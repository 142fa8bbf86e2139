package analysis

import (
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/message"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		name, header string
		want         Class
	}{
		{"a person", "Subject: look at this", Personal},
		{"a person's client says no", "Auto-Submitted: no", Personal},
		{"a person's message in a thread", "X-Auto-Response-Suppress: All", Personal},
		{"delivery status", `Content-Type: multipart/report; report-type=delivery-status; boundary=b`, Bounce},
		{"disposition notification", `Content-Type: multipart/report; report-type=disposition-notification; boundary=b`, Bounce},
		{"feedback report", `Content-Type: multipart/report; report-type=feedback-report; boundary=b`, Personal},
		{"empty return path", "Return-Path: <>", Bounce},
		{"old mailer", "From: Mail Delivery System <MAILER-DAEMON@mx.example.org>", Bounce},
		{"failed recipients", "X-Failed-Recipients: x@example.org", Bounce},
		{"auto-replied", "Auto-Submitted: auto-replied", AutoReply},
		{"auto-generated with a comment", "Auto-Submitted: auto-generated (cron)", AutoReply},
		{"vacation", "X-Autoreply: yes", AutoReply},
		{"precedence", "Precedence: auto_reply", AutoReply},
		{"list", "List-Id: Garden <garden.example.org>", List},
		{"bulk", "Precedence: bulk", List},
		{"bait that says it is a list's, redirected", "Resent-From: a@example.org\nResent-To: d@example.org\nList-Unsubscribe: <http://x.example/>\nPrecedence: bulk", Personal},
		{"bait that says it is a machine's, redirected", "Resent-From: a@example.org\nResent-To: d@example.org\nAuto-Submitted: auto-generated", Personal},
		{"a list that redirects", "Resent-From: list@example.org\nList-Id: Garden <garden.example.org>\nResent-Date: Mon, 2 Nov 2026 10:00:00 +0100", List},
		{"our own answer, redirected by a rule", "Resent-From: a@example.org\nResent-To: d@example.org\n" + OwnHeader + ": 1", Own},
		{"our own answer", OwnHeader + ": 1\nAuto-Submitted: auto-replied", Own},
		{"going round", strings.TrimSuffix(strings.Repeat("Received: from a by b; Mon, 2 Nov 2026 10:00:00 +0100\n", maxHops+1), "\n"), Loop},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := message.Parse([]byte(test.header+"\nTo: desk@example.net\n\nHello\n"), message.Limits{})
			if got := Classify(m); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if Classify(m).Answerable() != (test.want == Personal) {
				t.Error("answerable is wrong")
			}
		})
	}
}

// TestClassIsOfTheOuterMail: a forwarded newsletter does not make its
// reporter a list.
func TestClassIsOfTheOuterMail(t *testing.T) {
	raw := `From: Ann <ann@example.org>
To: suspicious@example.net
Subject: is this real?
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

Please have a look.
--b
Content-Type: message/rfc822

From: news@example.com
List-Id: <news.example.com>
Auto-Submitted: auto-generated
Subject: News

Hello
--b--
`
	if x := Examine([]byte(raw), Evidence{}); x.Class != Personal {
		t.Errorf("class %q", x.Class)
	}
}
