package mailauth

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dmarc"
	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

const (
	maxHeader = 128 << 10 // bytes of all fields
	maxFields = 1000
)

// field is a header field, its value unfolded but not decoded.
type field struct{ name, value string }

type header []field

var errHeader = errors.New("mailauth: the header is broken")

// readHeader splits the header into fields exactly as the verifier of DKIM
// does, and refuses what others may split in another way.
func readHeader(raw []byte) (header, error) {
	var h header
	for size := 0; ; {
		line, rest, found := bytes.Cut(raw, []byte("\n"))
		raw = rest
		size += len(line) + 1
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			return h, nil
		}
		if size > maxHeader || bytes.ContainsAny(line, "\r\x00") {
			return nil, errHeader
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(h) == 0 {
				return nil, errHeader
			}
			h[len(h)-1].value += string(line)
		} else {
			name, value, _ := strings.Cut(string(line), ":")
			h = append(h, field{strings.TrimSpace(name), value})
		}
		if len(h) > maxFields {
			return nil, errHeader
		}
		if !found { // no body
			return h, nil
		}
	}
}

// all returns the values of the fields of that name, in their order.
func (h header) all(name string) (values []string) {
	for _, f := range h {
		if strings.EqualFold(f.name, name) {
			values = append(values, f.value)
		}
	}
	return values
}

// redirected reports whether somebody handed the message on as it was (RFC
// 5322, section 3.6.6). A single stray field, as gateways leave, is none.
func (h header) redirected() bool {
	return len(h.all("Resent-From")) > 0 &&
		len(h.all("Resent-To"))+len(h.all("Resent-Date"))+len(h.all("Resent-Message-ID")) > 0
}

// sender returns the one address of who sent the message to us, and its
// domain: that of the one From field, or of who redirected it last, whose
// field stands on top.
func (h header) sender() (address, domain string, why Why) {
	values := h.all("From")
	if h.redirected() {
		values = h.all("Resent-From")[:1]
	}
	switch len(values) {
	case 0:
		return "", "", WhyNoFrom
	case 1:
	default:
		return "", "", WhyManyFrom
	}
	list, err := addresses(values[0])
	if err != nil || len(list) == 0 {
		return "", "", WhyNoFrom
	}
	if len(list) > 1 {
		return "", "", WhyManyFrom
	}
	address = list[0].Address
	_, d, _ := cutLast(address, '@')
	if domain = asciiDomain(d); domain == "" || len(address) > 320 {
		return "", "", WhyNoFrom
	}
	return address, domain, WhyProved
}

// signs reports whether every field of those names is among the signed ones,
// each as often as it stands there (RFC 6376, section 5.4.2).
func (h header) signs(signed []string, names ...string) bool {
	for _, name := range names {
		left := len(h.all(name))
		for _, s := range signed {
			if strings.EqualFold(strings.TrimSpace(s), name) {
				left--
			}
		}
		if left > 0 {
			return false
		}
	}
	return true
}

// names reports whether an address in a field of that name is one of ours.
func (h header) names(name string, ours func(string) bool) bool {
	for _, value := range h.all(name) {
		list, err := addresses(value)
		if err == nil && slices.ContainsFunc(list, func(a *mail.Address) bool { return ours(a.Address) }) {
			return true
		}
	}
	return false
}

// addresses reads a list of addresses. A name in an unknown charset does not
// make its address unreadable.
func addresses(value string) ([]*mail.Address, error) {
	p := mail.AddressParser{WordDecoder: &mime.WordDecoder{
		CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil },
	}}
	return p.ParseList(strings.ToValidUTF8(value, "?"))
}

// cutLast is strings.Cut around the last sep.
func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// asciiDomain returns the domain in lower case and A-labels (RFC 5890), or ""
// when it is none.
func asciiDomain(d string) string {
	d = strings.TrimSuffix(strings.TrimSpace(d), ".")
	if len(d) > 255 {
		return ""
	}
	a, err := idna.Lookup.ToASCII(d)
	if err != nil {
		// Host names with an underscore and the like exist in mail.
		for _, r := range d {
			if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),:;<>@[\]`, r) {
				return ""
			}
		}
		a = d
	}
	return strings.ToLower(a)
}

// organisation returns the organisational domain (RFC 7489, section 3.2): one
// label more than the public suffix. A public suffix is its own.
func organisation(domain string) string {
	if o, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return o
	}
	return domain
}

// aligned reports whether the domain that something passed for stands for the
// one in From (RFC 7489, section 3.1).
func aligned(domain, from string, mode dmarc.AlignmentMode) bool {
	if domain == "" || from == "" {
		return false
	}
	return domain == from || mode == dmarc.AlignmentRelaxed && organisation(domain) == organisation(from)
}
