package reason

import (
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/emersion/go-msgauth/authres"
)

// Checked is what a receiver found when it checked a message's sender.
type Checked struct {
	// By names who checked: an authserv-id, or "self".
	By string
	// Domain is the From domain that was checked, lower case.
	Domain string
	// SPF, DKIM and DMARC are the results in the words of RFC 8601 section
	// 2.7 ("pass", "fail", "none", ...); empty where the receiver says nothing.
	SPF, DKIM, DMARC string
	// Aligned says that SPF or DKIM passed for the organisation of the From
	// domain (RFC 7489 section 3.1), or that DMARC passed.
	Aligned bool
}

// maxResults bounds how many Authentication-Results fields are read.
const maxResults = 20

// check returns what is believed about the sender of the case's message: the
// caller's own check where the message came straight to us, otherwise the
// results of a trusted receiver; nil where there is neither.
func check(c *Case, f *Facts) *Checked {
	if f.Auth != nil && (c.Original.How == original.Itself || c.Original.How == original.Redirected) {
		return f.Auth
	}
	if c.Original.How == original.Inline || c.Original.How == original.Pasted || c.Original.How == original.Pictured {
		return nil // such a header is the reporter's text, not a receiver's
	}
	return Received(c.Original.Message, f.TrustedReceivers)
}

// Received reads the Authentication-Results (RFC 8601) that a trusted receiver
// put on top of m, or returns nil.
//
// Only fields that can be the receiver's own count. A receiver writes above
// what it got: every field above the Received line by which it took the
// message over is its own, and of those below only the topmost can be, as
// large mailbox providers write it there and remove all others that carry
// their name (section 5). Below the next Received line everything may have
// been written by the sender.
func Received(m *message.Message, trusted []string) *Checked {
	if m == nil || len(trusted) == 0 {
		return nil
	}
	domain := ""
	if len(m.From) == 1 {
		domain = m.From[0].Domain()
	}
	var found *Checked
	taken, fields := 0, 0
	for _, field := range m.Header {
		if strings.EqualFold(field.Name, "Received") {
			// A line without "from" is a step inside the receiver.
			if len(field.Value) >= 5 && strings.EqualFold(field.Value[:5], "from ") {
				taken++
			}
			if taken > 1 || taken > 0 && found != nil {
				break
			}
			continue
		}
		if !strings.EqualFold(field.Name, "Authentication-Results") {
			continue
		}
		if fields++; fields > maxResults {
			break
		}
		identifier, results, err := authres.Parse(field.Value)
		if err != nil || !believed(identifier, trusted) {
			continue
		}
		if found == nil {
			found = &Checked{By: strings.ToLower(identifier), Domain: domain}
		} else if !strings.EqualFold(found.By, identifier) {
			continue
		}
		found.add(results)
		if taken > 0 {
			break
		}
	}
	return found
}

// believed reports whether identifier is one of the trusted authserv-ids; a
// version number may follow it (RFC 8601 section 2.2).
func believed(identifier string, trusted []string) bool {
	identifier, _, _ = strings.Cut(strings.TrimSpace(identifier), " ")
	for _, t := range trusted {
		if strings.EqualFold(t, identifier) {
			return true
		}
	}
	return false
}

// add takes in the results of one field.
func (c *Checked) add(results []authres.Result) {
	for _, result := range results {
		switch r := result.(type) {
		case *authres.SPFResult:
			better(&c.SPF, string(r.Value))
			if r.Value == authres.ResultPass && aligned(c.Domain, domainOf(r.From)) {
				c.Aligned = true
			}
		case *authres.DKIMResult:
			better(&c.DKIM, string(r.Value))
			signer := r.Domain
			if signer == "" {
				signer = domainOf(r.Identifier)
			}
			if r.Value == authres.ResultPass && aligned(c.Domain, signer) {
				c.Aligned = true
			}
		case *authres.DMARCResult:
			better(&c.DMARC, string(r.Value))
			if r.Value == authres.ResultPass && aligned(c.Domain, domainOf(r.From)) {
				c.Aligned = true
			}
		}
	}
}

// better keeps the result that says most: a pass stands over all others.
func better(kept *string, value string) {
	if *kept == "" || value == string(authres.ResultPass) {
		*kept = strings.ToLower(value)
	}
}

// aligned reports whether two domains belong to one organisation (relaxed
// alignment, RFC 7489 section 3.1).
func aligned(a, b string) bool {
	fa, _, okA := observable.FoldDomain(strings.ToLower(a))
	fb, _, okB := observable.FoldDomain(strings.ToLower(b))
	if !okA || !okB {
		return false
	}
	ra, _ := observable.RegistrableDomain(fa)
	rb, _ := observable.RegistrableDomain(fb)
	return ra != "" && ra == rb
}

// domainOf returns what follows the last @, or all of it.
func domainOf(address string) string {
	return strings.Trim(address[strings.LastIndexByte(address, '@')+1:], "<> ")
}

// authentication reports what the check of the sender says.
func (x *exam) authentication() {
	a := x.checked
	if a == nil {
		return
	}
	switch {
	case a.Aligned:
		x.add(Reason{Code: "auth-aligned", Params: params("Domain", a.Domain)})
	case a.DMARC == "fail" || a.DKIM == "fail" && failing(a.SPF) || a.DKIM != "pass" && failing(a.SPF):
		x.add(Reason{Code: "auth-failed", Params: params("Domain", a.Domain), Evidence: x.fromText(), Span: x.fromSpan()})
	}
}

func failing(spf string) bool { return spf == "fail" || spf == "hardfail" || spf == "softfail" }
