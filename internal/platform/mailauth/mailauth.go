package mailauth

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Checker checks messages. The zero value asks nobody: it believes trusted
// receivers only. It is safe for concurrent use.
type Checker struct {
	Resolver   Resolver      // nil: no network, so neither SPF nor DKIM
	Timeout    time.Duration // for one Check; 0 is 10 s
	Lookups    int           // DNS questions in one Check; 0 is 40
	Signatures int           // DKIM signatures looked at, from the top; 0 is 5

	slow atomic.Int64 // checks that take longer than a hurried one
}

// CheckInput is one message and the way it came.
type CheckInput struct {
	RemoteIP netip.Addr // the SMTP client; the zero Addr (a file, a form) has no SPF
	Helo     string     // its own name
	MailFrom string     // the reverse-path; "" is the null sender
	Raw      []byte     // the message as it came

	// Ours tells which addresses are ours. A signature shows who wrote a mail and
	// not who sent it here: whoever has got it can do that again. So it proves
	// the sender only where To or Cc names one of ours. nil asks for none.
	Ours func(address string) bool

	// TrustedReceivers are the authserv-ids (RFC 8601, section 2.5) of the
	// receivers whose Authentication-Results we believe. They must take
	// foreign fields with their own id out (section 5).
	TrustedReceivers []string

	// FromTrustedRelay says that the SMTP client is one of our own relays. SPF
	// is not asked about its address then, for it may send for our own domain
	// what anybody handed it; and only then is an Authentication-Results field
	// believed.
	FromTrustedRelay bool
}

// How says by which means a sender was proved.
type How string

const (
	HowNone     How = ""                 // not proved
	HowDKIM     How = "dkim"             // a valid signature of an aligned domain
	HowSPF      How = "spf"              // the client may send for an aligned domain
	HowReceiver How = "trusted-receiver" // a trusted receiver says so
)

// Outcome is a result as RFC 8601, section 2.7, names them.
type Outcome string

const (
	None      Outcome = "none"      // there was nothing to check, or it was not checked
	Pass      Outcome = "pass"      // good
	Fail      Outcome = "fail"      // wrong
	SoftFail  Outcome = "softfail"  // SPF: probably wrong
	Neutral   Outcome = "neutral"   // no statement
	TempError Outcome = "temperror" // could not be checked now
	PermError Outcome = "permerror" // can never be checked: a broken record or signature
)

// Why says why a sender is not proved.
type Why string

const (
	WhyProved    Why = ""              // it is
	WhyBroken    Why = "broken-header" // readers may understand the header differently, or it is beyond all measure
	WhyNoFrom    Why = "no-from"       // no From field, or none that can be read
	WhyManyFrom  Why = "many-from"     // several From fields, or several addresses in one
	WhyReceiver  Why = "receiver"      // the trusted receiver says that DMARC failed
	WhyElsewhere Why = "elsewhere"     // its author is authentic, but wrote it to others
	WhyNoNetwork Why = "no-network"    // no resolver, and no trusted receiver proved it
	WhyNothing   Why = "nothing"       // neither SPF nor a signature passed
	WhyUnaligned Why = "unaligned"     // something passed, for another domain
	WhyTemporary Why = "temporary"     // the DNS did not answer; a later check may prove it
)

// Result is what a Check found. It is kept as JSON. From, domains and reasons
// are personal data: only Proved, How, Why and outcomes may be logged.
type Result struct {
	Proved     bool    `json:"proved"`
	How        How     `json:"how,omitempty"`
	Why        Why     `json:"why,omitempty"`
	From       string  `json:"from,omitempty"`       // the one address in From, or of who redirected the message
	Redirected bool    `json:"redirected,omitempty"` // the message was handed on as it was; only SPF can prove by whom
	Domain     string  `json:"domain,omitempty"`     // its domain, lower case, in A-labels
	By         string  `json:"by,omitempty"`         // the aligned domain that proved it
	Receiver   string  `json:"receiver,omitempty"`   // the authserv-id that was believed
	SPF        SPF     `json:"spf"`
	DKIM       []DKIM  `json:"dkim,omitempty"`
	DMARC      DMARC   `json:"dmarc"`
	Claims     []Claim `json:"claims,omitempty"` // of the believed receiver
}

// Authentic reports whether the domain in From let this very message go out,
// to whomever.
func (r *Result) Authentic() bool { return r.Proved || r.Why == WhyElsewhere }

// SPF is the result for the reverse-path, or for HELO when that is null.
type SPF struct {
	Outcome Outcome `json:"outcome"`
	Domain  string  `json:"domain,omitempty"`
	Aligned bool    `json:"aligned,omitempty"`
}

// DKIM is the result for one signature.
type DKIM struct {
	Outcome Outcome `json:"outcome"`
	Domain  string  `json:"domain,omitempty"` // d=
	Aligned bool    `json:"aligned,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	Here    bool    `json:"here,omitempty"` // the To or Cc that it signs names an address of ours
}

// DMARC is the published policy of the From domain and whether it is met.
type DMARC struct {
	Outcome Outcome `json:"outcome"`          // none without a record
	Domain  string  `json:"domain,omitempty"` // where the record stands
	Policy  string  `json:"policy,omitempty"` // none, quarantine or reject
}

// Claim is one statement of an Authentication-Results field.
type Claim struct {
	Method  string            `json:"method"`
	Outcome Outcome           `json:"outcome"`
	Props   map[string]string `json:"props,omitempty"` // "header.d": "example.org"
}
