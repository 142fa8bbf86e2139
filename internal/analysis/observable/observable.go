package observable

// Type says what kind of value an observable is. The enumeration is open:
// later versions add to it.
type Type string

const (
	// URL is an absolute address with scheme and host (or, for schemes
	// without a host such as data: and javascript:, with what follows), in
	// canonical form.
	URL Type = "url"
	// Domain is a host name of at least two labels as lower-case A-labels
	// (RFC 5890), without a trailing dot.
	Domain Type = "domain"
	// Email is an addr-spec (RFC 5322, section 3.4.1): the local part as it
	// was written but in lower case, the domain folded like Domain.
	Email Type = "email"
	// IP is an IPv4 or IPv6 address in the form of RFC 5952, without zone;
	// IPv4-mapped IPv6 addresses are written as IPv4.
	IP Type = "ip"
	// SHA256 is the hash of an attachment's decoded content, 64 lower-case
	// hexadecimal digits.
	SHA256 Type = "sha256"
	// Phone is a phone number that its numbering plan allows, in E.164 form:
	// "+", the country code and the number, at most 15 digits.
	Phone Type = "phone"
	// IBAN is an account number (ISO 13616) whose check digits hold, in
	// electronic form: upper case, without spaces.
	IBAN Type = "iban"
	// Wallet is the address of a crypto-currency wallet whose checksum holds:
	// bitcoin, litecoin, tron, monero, or ethereum and its like in the mixed
	// case of EIP-55. See contact.ParseWallet for the forms.
	Wallet Type = "wallet"
)

// Types returns every type, in the order in which they are documented.
func Types() []Type { return []Type{URL, Domain, Email, IP, SHA256, Phone, IBAN, Wallet} }

// The values of Observable.Where. A value seen at several places is placed at
// the first of them in the order given here.
const (
	InHTML        = "html"        // a link, form, picture or text of the HTML body
	InBody        = "body"        // the plain-text body
	InSubject     = "subject"     // the subject line
	InHeader      = "header"      // another header field; Source names it
	InAttachment  = "attachment"  // an attachment: its hash, or a value in its text
	InUnsubscribe = "unsubscribe" // List-Unsubscribe and its like: the list's own plumbing, not bait
)

// Observable is one value seen in a message, with the first and most telling
// place where it was seen.
type Observable struct {
	Type  Type   `json:"type"`
	Value string `json:"value"`         // canonical, at most Limits.Length bytes
	Raw   string `json:"raw,omitempty"` // as it was written, when that differs; cut to Limits.Length
	Where string `json:"where"`         // one of the In constants

	// Source says more about Where: the header field's name, the HTML
	// element and attribute ("a href"), the attachment's name.
	Source string `json:"source,omitempty"`
	// Text is what a reader of HTML sees on the link. Where one target
	// stands under several texts, the one that itself looks like an address
	// wins: that is the one that can lie.
	Text string `json:"text,omitempty"`
	// Hidden is true when every place that shows the value in HTML is
	// invisible to the reader.
	Hidden bool `json:"hidden,omitempty"`
	// Start and End are byte offsets into the text of Where: Message.Text for
	// InBody, Markup.Text for InHTML, Subject for InSubject. Both are zero
	// where there is no such place.
	Start int `json:"start,omitempty"`
	End   int `json:"end,omitempty"`

	// Host is the folded host of a URL, the domain of an address, or the
	// domain itself; an IP address for URLs that have one as host.
	Host string `json:"host,omitempty"`
	// Unicode is Host as a reader sees it (U-labels), only when it differs.
	Unicode string `json:"unicode,omitempty"`
	// Registrable is the part of Host that somebody registered: one label
	// more than its public suffix. Empty for IP hosts and bare suffixes.
	Registrable string `json:"registrable,omitempty"`
	// Private is true when Registrable stands under a suffix that a company
	// hands out (github.io, web.app), not a registry: anybody may hold it.
	Private bool `json:"private,omitempty"`

	// Via names the rewriter in which the value was found ("safelinks",
	// "proofpoint", …: see data/rewriters.tsv), empty when it stood there itself.
	Via string `json:"via,omitempty"`
	// From is the canonical wrapping URL from which the value was unwrapped.
	From string `json:"from,omitempty"`

	Count int `json:"count"` // how often it was seen in this message, at least 1
}

// Limits bound what Extract does for one message. Zero fields mean the
// default.
type Limits struct {
	Count  int // distinct observables; default 2,000
	Length int // bytes of one value or raw form; longer ones are skipped; default 8,192
	Text   int // bytes of text scanned in each part; default 4 MiB
	Unwrap int // layers of rewriting taken off; default 5
	Depth  int // levels of attached messages read; default 2
}

func (l Limits) orDefault() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Count, 2000)
	set(&l.Length, 8192)
	set(&l.Text, 4<<20)
	set(&l.Unwrap, 5)
	set(&l.Depth, 2)
	return l
}
