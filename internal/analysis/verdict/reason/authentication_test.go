package reason

import (
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/message"
)

func TestReceived(t *testing.T) {
	const (
		own   = "Authentication-Results: mx.example.net; dkim=pass header.d=example.org\n"
		wrong = "Authentication-Results: mx.example.net; dkim=fail header.d=example.org\n"
		hop   = "Received: from out.example.org by mx.example.net; Mon, 2 Nov 2026 10:00:00 +0100\n"
		step  = "Received: by 2002:a05::1 with SMTP id x; Mon, 2 Nov 2026 10:00:01 +0100\n"
		rest  = "From: Jan <jan@mail.example.org>\nSubject: x\n\nHello\n"
	)
	tests := []struct {
		name, raw     string
		trusted       []string
		none, aligned bool
	}{
		{name: "on top", raw: own + hop + rest, aligned: true},
		{name: "below the takeover, as large providers write it", raw: step + hop + own + rest, aligned: true},
		{name: "below the next hop: the sender's", raw: hop + hop + own + rest, none: true},
		{name: "the topmost wins over a forged one below", raw: wrong + hop + own + rest},
		{name: "two fields of the receiver", raw: "Authentication-Results: mx.example.net; spf=none\n" + own + hop + rest, aligned: true},
		{name: "another receiver's", raw: own + hop + rest, trusted: []string{"mx.example.com"}, none: true},
		{name: "with a version", raw: "Authentication-Results: mx.example.net 1; dkim=pass header.d=example.org\n" + hop + rest, aligned: true},
		{name: "capitals", raw: "authentication-results: MX.Example.NET; dkim=pass header.d=EXAMPLE.org\n" + hop + rest, aligned: true},
		{name: "a pass of somebody else", raw: "Authentication-Results: mx.example.net; dkim=pass header.d=example.com; spf=pass smtp.mailfrom=x@example.com\n" + hop + rest},
		{name: "SPF aligned", raw: "Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=bounce@out.example.org\n" + hop + rest, aligned: true},
		{name: "DMARC", raw: "Authentication-Results: mx.example.net; dmarc=pass header.from=example.org\n" + hop + rest, aligned: true},
		{name: "DMARC of another domain", raw: "Authentication-Results: mx.example.net; dmarc=pass header.from=example.com\n" + hop + rest},
		{name: "two authors", raw: own + hop + "From: a@example.org, b@example.com\n\nHello\n"},
		{name: "unreadable", raw: "Authentication-Results: mx.example.net 2;;;=\n" + hop + rest, none: true},
		{name: "a public suffix aligns with nothing", raw: "Authentication-Results: mx.example.net; dkim=pass header.d=github.io\n" + hop + "From: a@evil.github.io\n\nHello\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			trusted := test.trusted
			if trusted == nil {
				trusted = []string{"mx.example.net"}
			}
			got := Received(message.Parse([]byte(test.raw), message.Limits{}), trusted)
			if (got == nil) != test.none {
				t.Fatalf("got %+v", got)
			}
			if got != nil && got.Aligned != test.aligned {
				t.Errorf("aligned %v: %+v", got.Aligned, got)
			}
		})
	}
	if got := Received(message.Parse([]byte(own+hop+rest), message.Limits{}), nil); got != nil {
		t.Errorf("believed without a trusted receiver: %+v", got)
	}
}

func TestDisguised(t *testing.T) {
	for in, want := range map[string]string{
		"Mein Kon\u200bto": "Kon\u200bto", "P\u0430yPal": "P\u0430yPal", "W e l c o m e": "W e l c o", "𝐏𝐚𝐲": "𝐏𝐚𝐲",
		"Müller": "", "Привет": "", "a b c": "", "": "", "Ελλάδα": "", "100 µg": "",
	} {
		start, end := disguised(in)
		if got := in[start:end]; got != want {
			t.Errorf("disguised(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAuthor(t *testing.T) {
	m := message.Parse([]byte("From: Message of SHOP, <info@example.org>\n\nHello\n"), message.Limits{})
	if a := author(m.From); a.Address != "info@example.org" || a.Name == "" {
		t.Errorf("author of a name with a comma: %+v", a)
	}
	if a := author(nil); a != (message.Address{}) {
		t.Errorf("author of nothing: %+v", a)
	}
}

func TestCut(t *testing.T) {
	long := ""
	for range 100 {
		long += "größer "
	}
	for _, in := range []string{"", "a\nb\t c", long, "\xff\xfe", "ü"} {
		got := cut(in)
		if len(got) > MaxEvidence {
			t.Errorf("cut gave %d bytes", len(got))
		}
	}
	if got := cut("a\nb\t c"); got != "a b c" {
		t.Errorf("cut = %q", got)
	}
}
