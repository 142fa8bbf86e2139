package mailauth

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"blitiri.com.ar/go/spf"
	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-msgauth/dmarc"
)

// Check tells whether the sender is proved. It never fails: what could not be
// found out stands in the result.
func (c *Checker) Check(ctx context.Context, in CheckInput) Result {
	r := Result{SPF: SPF{Outcome: None}, DMARC: DMARC{Outcome: None}}
	h, err := readHeader(in.Raw)
	if err != nil {
		r.Why = WhyBroken
		return r
	}
	if r.From, r.Domain, r.Why = h.sender(); r.Why != "" {
		return r
	}
	r.Redirected = h.redirected()
	if in.FromTrustedRelay {
		r.askReceiver(h, in)
		if r.Authentic() || r.Why == WhyReceiver {
			return r
		}
	}
	if c.Resolver == nil {
		r.Why = WhyNoNetwork
		return r
	}

	ctx, cancel := context.WithTimeout(ctx, orDefault(c.Timeout, 10*time.Second))
	defer cancel()
	defer c.hurry(len(in.Raw), cancel)()
	dns := &budget{Resolver: c.Resolver}
	dns.left.Store(int64(orDefault(c.Lookups, 40)))

	policy := lookupPolicy(ctx, dns, r.Domain)
	r.DMARC = policy.DMARC
	if !in.FromTrustedRelay && in.RemoteIP.IsValid() {
		r.SPF = checkSPF(ctx, dns, in)
		r.SPF.Aligned = aligned(r.SPF.Domain, r.Domain, policy.spf)
	}
	r.DKIM = checkDKIM(ctx, dns, h, in, orDefault(c.Signatures, 5))
	for i := range r.DKIM {
		// The signatures are the author's, not of who redirected the message.
		r.DKIM[i].Aligned = !r.Redirected && aligned(r.DKIM[i].Domain, r.Domain, policy.dkim)
	}
	r.decide(policy.unknown)
	return r
}

func orDefault[T int | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

// Whoever sends much mail from domains whose DNS never answers could keep all
// who wait for a check waiting. So only a few checks at a time get their whole
// time, of small mails, as what is checked is held in memory.
const (
	hurried   = 500 * time.Millisecond // what every check gets
	maxSlow   = 4                      // checks that get more
	smallMail = 1 << 20                // bytes
)

// hurry cancels a check that takes longer than it may, unless done is called
// before.
func (c *Checker) hurry(size int, cancel context.CancelFunc) (done func()) {
	var mu sync.Mutex
	over, slow := false, false
	t := time.AfterFunc(hurried, func() {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		if slow = true; c.slow.Add(1) > maxSlow || size > smallMail {
			cancel()
		}
	})
	return func() {
		t.Stop()
		mu.Lock()
		defer mu.Unlock()
		if over = true; slow {
			c.slow.Add(-1)
		}
	}
}

// decide draws the conclusion from SPF and DKIM.
func (r *Result) decide(policyUnknown bool) {
	passed, authentic, temporary := false, false, policyUnknown
	for _, s := range r.DKIM {
		authentic = authentic || s.Outcome == Pass && s.Aligned
		switch {
		case s.Outcome == Pass && s.Aligned && s.Here && !r.Proved:
			r.Proved, r.How, r.By = true, HowDKIM, s.Domain
		case s.Outcome == Pass:
			passed = true
		case s.Outcome == TempError && s.Aligned:
			temporary = true
		}
	}
	switch {
	case r.SPF.Outcome == Pass && r.SPF.Aligned && !r.Proved:
		r.Proved, r.How, r.By = true, HowSPF, r.SPF.Domain
	case r.SPF.Outcome == Pass:
		passed = true
	case r.SPF.Outcome == TempError && r.SPF.Aligned:
		temporary = true
	}
	switch {
	case r.Proved:
		r.Why = WhyProved
	case authentic:
		r.Why = WhyElsewhere
	case temporary:
		r.Why = WhyTemporary
	case passed:
		r.Why = WhyUnaligned
	default:
		r.Why = WhyNothing
	}
	if r.DMARC.Policy == "" {
		return
	}
	switch {
	case r.Authentic():
		r.DMARC.Outcome = Pass
	case temporary:
		r.DMARC.Outcome = TempError
	default:
		r.DMARC.Outcome = Fail
	}
}

// checkSPF asks whether the client may send for the reverse-path's domain,
// or, when that is null, for the one in HELO (RFC 7208, section 2.4).
func checkSPF(ctx context.Context, dns spf.DNSResolver, in CheckInput) SPF {
	domain := in.Helo
	if in.MailFrom != "" {
		_, domain, _ = cutLast(in.MailFrom, '@')
	}
	s := SPF{Outcome: None, Domain: asciiDomain(domain)}
	if s.Domain == "" || strings.HasPrefix(s.Domain, "[") || !strings.Contains(s.Domain, ".") {
		s.Domain = ""
		return s
	}
	result, _ := spf.CheckHostWithSender(net.IP(in.RemoteIP.AsSlice()), in.Helo, in.MailFrom,
		spf.WithResolver(dns), spf.WithContext(ctx))
	switch result {
	case spf.Pass:
		s.Outcome = Pass
	case spf.Fail:
		s.Outcome = Fail
	case spf.SoftFail:
		s.Outcome = SoftFail
	case spf.Neutral:
		s.Outcome = Neutral
	case spf.TempError:
		s.Outcome = TempError
	case spf.PermError:
		s.Outcome = PermError
	}
	return s
}

// maxSignature is the length of a DKIM-Signature field, in bytes. What a
// verifier does grows with the number of names in it times the number of
// fields in the header.
const maxSignature = 4 << 10

// checkDKIM verifies the first signatures, at most most of them. go-msgauth
// refuses what does not sign From, what signs a part of the body only (l=),
// SHA-1, RSA keys below 1,024 bits, and what has expired. A second From or
// Subject that is not signed could have been put above the signed one.
func checkDKIM(ctx context.Context, dns Resolver, h header, in CheckInput, most int) []DKIM {
	n := 0
	for _, f := range h {
		if strings.EqualFold(f.name, "DKIM-Signature") {
			n++
			if len(f.value) > maxSignature {
				return []DKIM{{Outcome: PermError, Reason: "a signature is too long"}}
			}
		}
	}
	if n == 0 {
		return nil
	}
	verified, err := dkim.VerifyWithOptions(bytes.NewReader(in.Raw), &dkim.VerifyOptions{
		MaxVerifications: most,
		LookupTXT:        func(name string) ([]string, error) { return dns.LookupTXT(ctx, name) },
	})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return []DKIM{{Outcome: PermError, Reason: short(err.Error())}}
	}
	out := make([]DKIM, 0, len(verified))
	for _, v := range verified {
		d := DKIM{Outcome: Pass, Domain: asciiDomain(v.Domain)}
		if v.Err != nil {
			d.Reason = short(strings.TrimPrefix(v.Err.Error(), "dkim: "))
			switch {
			case dkim.IsTempFail(v.Err):
				d.Outcome = TempError
			case dkim.IsPermFail(v.Err):
				d.Outcome = PermError
			default:
				d.Outcome = Fail
			}
		}
		if d.Outcome == Pass && !h.signs(v.HeaderKeys, "From", "Subject") {
			d.Outcome, d.Reason = Fail, "a From or Subject is not signed"
		}
		d.Here = in.Ours == nil ||
			h.signs(v.HeaderKeys, "To") && h.names("To", in.Ours) || h.signs(v.HeaderKeys, "Cc") && h.names("Cc", in.Ours)
		out = append(out, d)
	}
	return out
}

func short(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), 200)], "")
}

// policy is what a domain publishes, and how strictly domains must match.
type policy struct {
	DMARC
	spf, dkim dmarc.AlignmentMode
	unknown   bool // the DNS did not answer
}

// lookupPolicy finds the DMARC record of the domain, or else of its
// organisational domain (RFC 7489, section 6.6.3). While it is not known, only the very
// same domain is aligned.
func lookupPolicy(ctx context.Context, dns Resolver, domain string) policy {
	relaxed := policy{DMARC: DMARC{Outcome: None}, spf: dmarc.AlignmentRelaxed, dkim: dmarc.AlignmentRelaxed}
	names := []string{domain}
	if o := organisation(domain); o != domain {
		names = append(names, o)
	}
	for _, name := range names {
		txts, err := dns.LookupTXT(ctx, "_dmarc."+name)
		if e, ok := errors.AsType[*net.DNSError](err); err != nil && (!ok || !e.IsNotFound) {
			return policy{DMARC: DMARC{Outcome: TempError}, spf: dmarc.AlignmentStrict, dkim: dmarc.AlignmentStrict, unknown: true}
		}
		var records []string
		for _, t := range txts {
			if v, _, _ := strings.Cut(t, ";"); strings.ReplaceAll(strings.TrimSpace(v), " ", "") == "v=DMARC1" {
				records = append(records, t)
			}
		}
		if len(records) == 0 {
			continue
		}
		if len(records) > 1 {
			return relaxed // as if there were none
		}
		rec, err := dmarc.Parse(records[0])
		if err != nil {
			p := relaxed
			p.DMARC = DMARC{Outcome: PermError, Domain: name}
			return p
		}
		p := policy{DMARC: DMARC{Outcome: None, Domain: name, Policy: string(rec.Policy)}, spf: rec.SPFAlignment, dkim: rec.DKIMAlignment}
		if name != domain && rec.SubdomainPolicy != "" {
			p.Policy = string(rec.SubdomainPolicy)
		}
		return p
	}
	return relaxed
}
