package mailauth

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	k := keys()
	z := newZone(t,
		record("s._domainkey.sender.example", k.rsa.Public()),
		record("s._domainkey.ed.example", k.ed.Public()),
		record("s._domainkey.evil.example", k.rsa.Public()),
		record("s._domainkey.mail.sender.example", k.rsa.Public()),
		record("s._domainkey.strict.example", k.rsa.Public()),
		record("s._domainkey.mail.strict.example", k.rsa.Public()),
		record("s._domainkey.xn--brse-5qa.example", k.rsa.Public()),
		record("s._domainkey.a.github.io", k.rsa.Public()),
		`s._domainkey.revoked.example. 60 IN TXT "v=DKIM1\; p="`,
		"s._domainkey.broken.example SERVFAIL",
		`sender.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 mx -all"`,
		`sender.example. 60 IN MX 10 mx.sender.example.`,
		`mx.sender.example. 60 IN A 192.0.2.25`,
		`mx.sender.example. 60 IN AAAA 2001:db8::25`,
		`_dmarc.sender.example. 60 IN TXT "v=DMARC1\; p=reject\; sp=quarantine"`,
		`mail.sender.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 -all"`,
		`evil.example. 60 IN TXT "v=spf1 +all"`,
		`strict.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 -all"`,
		`mail.strict.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 -all"`,
		`_dmarc.strict.example. 60 IN TXT "v=DMARC1\; p=none\; adkim=s\; aspf=s"`,
		`_dmarc.two.example. 60 IN TXT "v=DMARC1\; p=none"`,
		`_dmarc.two.example. 60 IN TXT "v=DMARC1\; p=reject"`,
		`two.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 -all"`,
		`helo.sender.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 -all"`,
		"_dmarc.broken.example SERVFAIL",
		`mail.broken.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 -all"`,
		`loop.example. 60 IN TXT "v=spf1 include:loop.example -all"`,
	)
	from := func(from string) string { return strings.Replace(message, "Ann <ann@sender.example>", from, 1) }
	good := sign(t, message, "sender.example", k.rsa, nil)
	ip := netip.MustParseAddr
	ours := func(a string) bool { return strings.EqualFold(a, "Desk@belfry.example") }
	toBob := sign(t, strings.Replace(message, "desk@belfry.example", "bob@public.example", 1), "sender.example", k.rsa, nil)
	noTo := func(o *dkim.SignOptions) { o.HeaderKeys = []string{"From", "Subject"} }
	twice := func(o *dkim.SignOptions) { o.HeaderKeys = []string{"From", "Subject", "Subject"} }
	const resent = "Resent-From: Ann <ann@sender.example>\r\nResent-To: desk@belfry.example\r\n"
	for _, c := range []struct {
		name string
		in   CheckInput
		how  How
		why  Why
		by   string
	}{
		{"nothing", CheckInput{Raw: []byte(message)}, "", WhyNothing, ""},
		{"signed", CheckInput{Raw: []byte(good)}, HowDKIM, "", "sender.example"},
		{"signed with Ed25519", CheckInput{Raw: []byte(sign(t, from("a@ed.example"), "ed.example", k.ed, nil))}, HowDKIM, "", "ed.example"},
		{"signed by a subdomain", CheckInput{Raw: []byte(sign(t, message, "mail.sender.example", k.rsa, nil))}, HowDKIM, "", "mail.sender.example"},
		{"signed, strict", CheckInput{Raw: []byte(sign(t, from("a@strict.example"), "strict.example", k.rsa, nil))}, HowDKIM, "", "strict.example"},
		{"signed by a subdomain, strict", CheckInput{Raw: []byte(sign(t, from("a@strict.example"), "mail.strict.example", k.rsa, nil))}, "", WhyUnaligned, ""},
		{"signed by another", CheckInput{Raw: []byte(sign(t, message, "evil.example", k.rsa, nil))}, "", WhyUnaligned, ""},
		{"neighbours on a public suffix", CheckInput{Raw: []byte(sign(t, from("x@b.github.io"), "a.github.io", k.rsa, nil))}, "", WhyUnaligned, ""},
		{"IDN", CheckInput{Raw: []byte(sign(t, from("x@Börse.example"), "xn--brse-5qa.example", k.rsa, nil))}, HowDKIM, "", "xn--brse-5qa.example"},
		{"wrong key", CheckInput{Raw: []byte(sign(t, message, "sender.example", k.other, nil))}, "", WhyNothing, ""},
		{"revoked key", CheckInput{Raw: []byte(sign(t, from("a@revoked.example"), "revoked.example", k.rsa, nil))}, "", WhyNothing, ""},
		{"no key", CheckInput{Raw: []byte(sign(t, from("a@nokey.example"), "nokey.example", k.rsa, nil))}, "", WhyNothing, ""},
		{"key not to be had", CheckInput{Raw: []byte(sign(t, from("a@broken.example"), "broken.example", k.rsa, nil))}, "", WhyTemporary, ""},
		{"expired", CheckInput{Raw: []byte(sign(t, message, "sender.example", k.rsa, expired))}, "", WhyNothing, ""},
		{"changed body", CheckInput{Raw: []byte(good + "and more\r\n")}, "", WhyNothing, ""},
		{"changed subject", CheckInput{Raw: []byte(strings.Replace(good, "suspicious", "harmless", 1))}, "", WhyNothing, ""},
		{"second Subject above", CheckInput{Raw: []byte("Subject: other\r\n" + good)}, "", WhyNothing, ""},
		{"second Subject above, both signed", CheckInput{Raw: []byte(sign(t, "Subject: other\r\n"+message, "sender.example", k.rsa, twice))}, HowDKIM, "", "sender.example"},
		{"signed, to us", CheckInput{Raw: []byte(good), Ours: ours}, HowDKIM, "", "sender.example"},
		{"signed, to others, and sent here by whoever got it", CheckInput{Raw: []byte(toBob), Ours: ours}, "", WhyElsewhere, ""},
		{"signed, to others, with us written above", CheckInput{Raw: []byte("To: desk@belfry.example\r\n" + toBob), Ours: ours}, "", WhyElsewhere, ""},
		{"signed, to others, with us in a Cc that is not signed", CheckInput{Raw: []byte("Cc: desk@belfry.example\r\n" + toBob), Ours: ours}, "", WhyElsewhere, ""},
		{"signed without its To", CheckInput{Raw: []byte(sign(t, message, "sender.example", k.rsa, noTo)), Ours: ours}, "", WhyElsewhere, ""},
		{"signed, to others, sent by its author", CheckInput{Raw: []byte(toBob), Ours: ours, MailFrom: "a@sender.example", RemoteIP: ip("192.0.2.1")}, HowSPF, "", "sender.example"},
		{"second From above", CheckInput{Raw: []byte("From: evil@evil.example\r\n" + good)}, "", WhyManyFrom, ""},
		{"second From, spelt oddly", CheckInput{Raw: []byte("fRoM : evil@evil.example\r\n" + good)}, "", WhyManyFrom, ""},
		{"two addresses", CheckInput{Raw: []byte(sign(t, from("ann@sender.example, bob@sender.example"), "sender.example", k.rsa, nil))}, "", WhyManyFrom, ""},
		{"no From", CheckInput{Raw: []byte("Subject: x\r\n\r\nx\r\n")}, "", WhyNoFrom, ""},
		{"empty group", CheckInput{Raw: []byte(from("undisclosed:;"))}, "", WhyNoFrom, ""},
		{"unreadable From", CheckInput{Raw: []byte(from("ann at sender"))}, "", WhyNoFrom, ""},
		{"name in an odd charset", CheckInput{Raw: []byte(sign(t, from("=?x-odd?q?=E9?= <ann@sender.example>"), "sender.example", k.rsa, nil))}, HowDKIM, "", "sender.example"},
		{"bare CR in the header", CheckInput{Raw: []byte("X: a\rFrom: evil@evil.example\r\n" + good)}, "", WhyBroken, ""},
		{"NUL in the header", CheckInput{Raw: []byte("X: \x00\r\n" + good)}, "", WhyBroken, ""},
		{"endless header", CheckInput{Raw: []byte(strings.Repeat("X: y\r\n", 2000) + good)}, "", WhyBroken, ""},
		{"an empty file", CheckInput{}, "", WhyNoFrom, ""},
		{"good signature below four bad ones", CheckInput{Raw: []byte(strings.Repeat("DKIM-Signature: v=1; d=evil.example\r\n", 4) + good)}, HowDKIM, "", "sender.example"},
		{"good signature below a thousand", CheckInput{Raw: []byte(strings.Repeat("DKIM-Signature: v=1; d=evil.example\r\n", 900) + good)}, "", WhyNothing, ""},
		{"endless h=", CheckInput{Raw: []byte("DKIM-Signature: v=1; h=" + strings.Repeat("x:", 5000) + "from\r\n" + good)}, "", WhyNothing, ""},

		{"SPF", CheckInput{Raw: []byte(message), MailFrom: "bounce@sender.example", RemoteIP: ip("192.0.2.1")}, HowSPF, "", "sender.example"},
		{"SPF by MX", CheckInput{Raw: []byte(message), MailFrom: "bounce@sender.example", RemoteIP: ip("2001:db8::25")}, HowSPF, "", "sender.example"},
		{"SPF of a subdomain", CheckInput{Raw: []byte(message), MailFrom: "bounce@mail.sender.example", RemoteIP: ip("192.0.2.1")}, HowSPF, "", "mail.sender.example"},
		{"SPF of a subdomain, strict", CheckInput{Raw: []byte(from("a@strict.example")), MailFrom: "a@mail.strict.example", RemoteIP: ip("192.0.2.1")}, "", WhyUnaligned, ""},
		{"SPF of HELO", CheckInput{Raw: []byte(message), Helo: "helo.sender.example", RemoteIP: ip("192.0.2.1")}, HowSPF, "", "helo.sender.example"},
		{"SPF fails", CheckInput{Raw: []byte(message), MailFrom: "bounce@sender.example", RemoteIP: ip("192.0.2.99")}, "", WhyNothing, ""},
		{"SPF of another", CheckInput{Raw: []byte(message), MailFrom: "a@evil.example", RemoteIP: ip("192.0.2.99")}, "", WhyUnaligned, ""},
		{"SPF that loops", CheckInput{Raw: []byte(from("a@loop.example")), MailFrom: "a@loop.example", RemoteIP: ip("192.0.2.1")}, "", WhyNothing, ""},
		{"SPF of our own relay", CheckInput{Raw: []byte(message), MailFrom: "bounce@sender.example", RemoteIP: ip("192.0.2.1"), FromTrustedRelay: true}, "", WhyNothing, ""},
		{"redirected", CheckInput{Raw: []byte(resent + from("phisher@evil.example")), MailFrom: "ann@sender.example", RemoteIP: ip("192.0.2.1")}, HowSPF, "", "sender.example"},
		{"redirected, signed by its author", CheckInput{Raw: []byte(resent + sign(t, from("phisher@evil.example"), "evil.example", k.rsa, nil)), MailFrom: "phisher@evil.example", RemoteIP: ip("192.0.2.99")}, "", WhyUnaligned, ""},
		{"redirected twice, the last one counts", CheckInput{Raw: []byte(resent + strings.Replace(resent, "sender", "evil", 1) + message), MailFrom: "x@evil.example", RemoteIP: ip("192.0.2.99")}, "", WhyUnaligned, ""},
		{"one stray Resent-From", CheckInput{Raw: []byte("Resent-From: x@evil.example\r\n" + good)}, HowDKIM, "", "sender.example"},
		{"two policies count as none", CheckInput{Raw: []byte(from("a@two.example")), MailFrom: "a@two.example", RemoteIP: ip("192.0.2.1")}, HowSPF, "", "two.example"},
		{"policy not to be had", CheckInput{Raw: []byte(from("a@broken.example")), MailFrom: "a@mail.broken.example", RemoteIP: ip("192.0.2.1")}, "", WhyTemporary, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker := &Checker{Resolver: NewResolver(z.addr)}
			got := checker.Check(t.Context(), c.in)
			if got.Proved != (c.how != "") || got.How != c.how || got.Why != c.why || got.By != c.by {
				t.Errorf("%+v", got)
			}
			if _, err := json.Marshal(got); err != nil {
				t.Error(err)
			}
		})
	}
}

// l= lets anybody add to the body: such a signature proves nothing, neither
// with the addition nor without.
func TestPartOfTheBody(t *testing.T) {
	k := keys()
	z := newZone(t, record("s._domainkey.sender.example", k.rsa.Public()))
	signed := sign(t, message, "sender.example", k.rsa, nil)
	signed = strings.Replace(signed, "v=1;", "v=1; l=14;", 1)
	for _, raw := range []string{signed, signed + "<p>and this</p>\r\n"} {
		r := (&Checker{Resolver: NewResolver(z.addr)}).Check(t.Context(), CheckInput{Raw: []byte(raw)})
		if r.Proved || len(r.DKIM) != 1 || !strings.Contains(r.DKIM[0].Reason, "body length") {
			t.Errorf("%+v", r)
		}
	}
}

func TestResultTellsAll(t *testing.T) {
	k := keys()
	z := newZone(t,
		record("s._domainkey.sender.example", k.rsa.Public()),
		`sender.example. 60 IN TXT "v=spf1 ~all"`,
		`_dmarc.sender.example. 60 IN TXT "v=DMARC1\; p=reject\; sp=none"`,
	)
	raw := sign(t, strings.ReplaceAll(message, "ann@sender", "ann@Sub.Sender"), "sender.example", k.rsa, nil)
	raw = sign(t, raw, "list.example", k.other, nil)
	got := (&Checker{Resolver: NewResolver(z.addr)}).Check(t.Context(), CheckInput{
		Raw: []byte(raw), MailFrom: "x@sender.example", RemoteIP: netip.MustParseAddr("192.0.2.1"),
	})
	for i := range got.DKIM {
		if got.DKIM[i].Reason != "" {
			got.DKIM[i].Reason = "…"
		}
	}
	want := Result{
		Proved: true, How: HowDKIM, From: "ann@Sub.Sender.example", Domain: "sub.sender.example", By: "sender.example",
		SPF: SPF{SoftFail, "sender.example", true},
		DKIM: []DKIM{
			{Outcome: PermError, Domain: "list.example", Reason: "…", Here: true},
			{Outcome: Pass, Domain: "sender.example", Aligned: true, Here: true},
		},
		DMARC: DMARC{Pass, "sender.example", "none"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNoNetwork(t *testing.T) {
	if r := NewResolver(""); r != nil {
		t.Errorf("%v", r)
	}
	raw := sign(t, message, "sender.example", keys().rsa, nil)
	got := new(Checker).Check(t.Context(), CheckInput{Raw: []byte(raw)})
	if got.Proved || got.Why != WhyNoNetwork || got.From != "ann@sender.example" {
		t.Errorf("%+v", got)
	}
}

func TestLimits(t *testing.T) {
	var records []string
	spf := "v=spf1"
	for i := range 30 {
		spf += fmt.Sprintf(" include:s%d.sender.example", i)
		records = append(records, fmt.Sprintf(`s%d.sender.example. 60 IN TXT "v=spf1 -all"`, i))
	}
	z := newZone(t, append(records, fmt.Sprintf("sender.example. 60 IN TXT %q %q", spf[:200], spf[200:]+" +all"))...)
	in := CheckInput{Raw: []byte(message), MailFrom: "a@sender.example", RemoteIP: netip.MustParseAddr("192.0.2.1")}
	if r := (&Checker{Resolver: NewResolver(z.addr)}).Check(t.Context(), in); r.Proved || r.SPF.Outcome != PermError || z.asked.Load() > 15 {
		t.Errorf("after %d questions: %+v", z.asked.Load(), r)
	}
	z.asked.Store(0)
	if r := (&Checker{Resolver: NewResolver(z.addr), Lookups: 3}).Check(t.Context(), in); r.Proved || z.asked.Load() > 3 {
		t.Errorf("after %d questions: %+v", z.asked.Load(), r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := (&Checker{Resolver: NewResolver(z.addr)}).Check(ctx, in); r.Proved || r.Why != WhyTemporary {
		t.Errorf("%+v", r)
	}
}

func TestTimeout(t *testing.T) {
	begin := time.Now()
	r := (&Checker{Resolver: &resolver{addr: "127.0.0.1:9", timeout: 20 * time.Millisecond}, Timeout: 50 * time.Millisecond}).
		Check(t.Context(), CheckInput{Raw: []byte(message)})
	if r.Proved || r.Why != WhyTemporary || time.Since(begin) > 2*time.Second {
		t.Errorf("%v: %+v", time.Since(begin), r)
	}
}

// Mails from domains whose DNS never answers must not keep everybody else's
// checks waiting: only a few of them get their whole time, and no large one.
func TestDeadDomainsHoldNobodyUp(t *testing.T) {
	deaf, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	c := &Checker{Resolver: NewResolver(deaf.LocalAddr().String()), Timeout: 3 * time.Second}
	var wg sync.WaitGroup
	var patient atomic.Int64
	check := func(raw string) {
		wg.Go(func() {
			began := time.Now()
			if r := c.Check(t.Context(), CheckInput{Raw: []byte(raw)}); r.Why != WhyTemporary {
				t.Errorf("%+v", r)
			}
			if time.Since(began) > 2*time.Second {
				patient.Add(1)
			}
		})
	}
	check(message + strings.Repeat("x", smallMail))
	wg.Wait()
	if patient.Load() != 0 {
		t.Error("a large mail waited")
	}
	for range 3 * maxSlow {
		check(message)
	}
	wg.Wait()
	if n := patient.Load(); n != maxSlow {
		t.Errorf("%d checks waited, want %d", n, maxSlow)
	}
	if n := c.slow.Load(); n != 0 {
		t.Errorf("%d checks are still counted", n)
	}
}

func TestResolver(t *testing.T) {
	long := strings.Repeat("x", 250)
	z := newZone(t,
		fmt.Sprintf("long.example. 60 IN TXT %q %q %q %q %q %q", long, long, long, long, long, long),
		"host.example. 60 IN A 192.0.2.1", "host.example. 60 IN AAAA 2001:db8::1",
		"host.example. 60 IN MX 5 mx.example.", "1.2.0.192.in-addr.arpa. 60 IN PTR host.example.", "bad.example SERVFAIL",
	)
	r := NewResolver(z.addr)
	if got, err := r.LookupTXT(t.Context(), "long.example"); err != nil || got[0] != strings.Repeat(long, 6) {
		t.Errorf("over TCP: %d records, %v", len(got), err)
	}
	if got, err := r.LookupIPAddr(t.Context(), "host.example"); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := r.LookupMX(t.Context(), "host.example"); err != nil || got[0].Host != "mx.example." || got[0].Pref != 5 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := r.LookupAddr(t.Context(), "192.0.2.1"); err != nil || got[0] != "host.example." {
		t.Errorf("%v, %v", got, err)
	}
	for name, temporary := range map[string]bool{"none.example": false, "bad.example": true, "host.example": false, strings.Repeat("x.", 200): false} {
		_, err := r.LookupTXT(t.Context(), name)
		var e interface{ Temporary() bool }
		if e, _ = err.(interface{ Temporary() bool }); e == nil || e.Temporary() != temporary {
			t.Errorf("%s: %v", name, err)
		}
	}
}
