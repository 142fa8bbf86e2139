package mailauth

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrustedReceiver(t *testing.T) {
	for _, c := range []struct {
		name, fields string
		notRelay     bool
		elsewhere    bool // the mail is not addressed to us
		why          Why  // "": proved
	}{
		{name: "DMARC, to others, and sent here by whoever got it", elsewhere: true, fields: "Authentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example; dkim=pass header.d=sender.example", why: WhyElsewhere},
		{name: "SPF, to others, sent by its author", elsewhere: true, fields: "Authentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example; spf=pass smtp.mailfrom=ann@sender.example"},
		{name: "DMARC", fields: "Authentication-Results: mx.belfry.example; dmarc=pass (p=NONE) header.from=sender.example"},
		{name: "DKIM", fields: "authentication-results: MX.belfry.example 1; dkim=pass (2048-bit key) header.d=mail.sender.example header.b=\"a/b+c=\""},
		{name: "DKIM, identity only", fields: "Authentication-Results: mx.belfry.example; dkim=pass header.i=@sender.example"},
		{name: "SPF", fields: "Authentication-Results: mx.belfry.example;\r\n spf=pass smtp.mailfrom=\"ann\"@sender.example", why: WhyNoNetwork},
		{name: "SPF, as usual", fields: "Authentication-Results: mx.belfry.example;\r\n spf=pass\r\n\tsmtp.mailfrom=ann@sender.example; dkim=none;"},
		{name: "DMARC failed, DKIM did not", fields: "Authentication-Results: mx.belfry.example; dkim=pass header.d=sender.example; dmarc=fail header.from=sender.example", why: WhyReceiver},
		{name: "another domain", fields: "Authentication-Results: mx.belfry.example; dkim=pass header.d=evil.example; dmarc=pass header.from=evil.example", why: WhyNoNetwork},
		{name: "redirected, SPF", fields: "Authentication-Results: mx.belfry.example; spf=pass smtp.mailfrom=bob@home.example; dmarc=fail header.from=sender.example\r\nResent-From: bob@home.example\r\nResent-To: desk@belfry.example"},
		{name: "redirected, the author's DMARC", fields: "Authentication-Results: mx.belfry.example; dmarc=pass header.from=home.example\r\nResent-From: bob@home.example\r\nResent-To: desk@belfry.example", why: WhyNoNetwork},
		{name: "not from our relay", notRelay: true, fields: "Authentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example", why: WhyNoNetwork},
		{name: "another receiver", fields: "Authentication-Results: mx.evil.example; dmarc=pass header.from=sender.example", why: WhyNoNetwork},
		{name: "below another's", fields: "Authentication-Results: inner.example; none\r\nAuthentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example", why: WhyNoNetwork},
		{name: "forged below a real one", fields: "Authentication-Results: mx.belfry.example; none\r\nAuthentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example", why: WhyNoNetwork},
		{name: "in a comment", fields: "Authentication-Results: mx.belfry.example; spf=fail (x; dmarc=pass header.from=sender.example) smtp.mailfrom=evil.example", why: WhyNoNetwork},
		{name: "in a nested comment", fields: "Authentication-Results: mx.belfry.example; spf=fail (a(b)\\); dmarc=pass header.from=sender.example;) smtp.helo=x", why: WhyNoNetwork},
		{name: "in a quoted string", fields: `Authentication-Results: mx.belfry.example; spf=fail reason="x; dmarc=pass header.from=sender.example"`, why: WhyNoNetwork},
		{name: "open comment", fields: "Authentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example (", why: WhyNoNetwork},
		{name: "open quote", fields: `Authentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example reason="`, why: WhyNoNetwork},
		{name: "property twice", fields: "Authentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example header.from=evil.example", why: WhyNoNetwork},
		{name: "version", fields: "Authentication-Results: mx.belfry.example 2; dmarc=pass header.from=sender.example", why: WhyNoNetwork},
		{name: "no id", fields: "Authentication-Results: ; dmarc=pass header.from=sender.example", why: WhyNoNetwork},
		{name: "too long", fields: "Authentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example; x=y" + strings.Repeat(" a=b", 5000), why: WhyNoNetwork},
		{name: "other field", fields: "X-Authentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example", why: WhyNoNetwork},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := new(Checker).Check(t.Context(), CheckInput{
				Raw:              []byte(c.fields + "\r\n" + message),
				TrustedReceivers: []string{"", "mx.belfry.example"},
				FromTrustedRelay: !c.notRelay,
				Ours:             func(a string) bool { return !c.elsewhere && a == "desk@belfry.example" },
			})
			if got.Proved != (c.why == "") || got.Why != c.why {
				t.Errorf("%+v", got)
			}
			if got.Proved && (got.How != HowReceiver || got.Receiver != "mx.belfry.example") {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestParseResults(t *testing.T) {
	id, claims, ok := parseResults(` mx.example (c(o)m\)ment) 1 ; spf = pass smtp.mailfrom=a@b.example;` +
		`dkim/1=fail reason="bad; (sig)" header.d=x.example;auth=none; none`)
	want := []Claim{
		{"spf", Pass, map[string]string{"smtp.mailfrom": "a@b.example"}},
		{"dkim", Fail, map[string]string{"reason": "bad; (sig)", "header.d": "x.example"}},
		{"auth", None, map[string]string{}},
	}
	if diff := cmp.Diff(want, claims); diff != "" || id != "mx.example" || !ok {
		t.Errorf("%q, %v\n%s", id, ok, diff)
	}
}

func FuzzParseResults(f *testing.F) {
	f.Add(`mx.example 1; spf=pass (x) smtp.mailfrom="a b"@c.example; none`)
	f.Add(`a;b=c;(\`)
	f.Fuzz(func(t *testing.T, value string) {
		id, claims, ok := parseResults(value)
		if ok && id == "" || len(claims) > maxClaims {
			t.Errorf("%q: %q, %d claims", value, id, len(claims))
		}
	})
}

// FuzzCheck looks for panics, and for proof out of nothing.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("Authentication-Results: mx.belfry.example; dmarc=pass header.from=sender.example\r\n" + message))
	f.Add([]byte("From: a@b.example\r\nFrom : x\r\n y\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := CheckInput{Raw: raw, TrustedReceivers: []string{"mx.belfry.example"}, FromTrustedRelay: true}
		if r := new(Checker).Check(t.Context(), in); r.Proved && (r.Domain == "" || r.Receiver == "") {
			t.Errorf("%+v", r)
		}
		in.FromTrustedRelay = false
		if r := new(Checker).Check(t.Context(), in); r.Proved {
			t.Errorf("%+v", r)
		}
	})
}
