package observable

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// maxHost is the longest host name in octets (RFC 1035, section 2.3.4), without
// the trailing dot.
const maxHost = 253

// lookup maps a host as browsers do (UTS 46, non-transitional) but forgives
// what registries refuse and servers serve: underscores, leading hyphens.
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// FoldDomain gives host its canonical form: lower-case A-labels without a
// trailing dot, and the U-label form where that differs (else it is empty). It
// reports false for what cannot be a host name: empty labels, over 253 octets,
// spaces and delimiters, or labels that IDNA refuses.
func FoldDomain(host string) (ascii, unicode string, ok bool) {
	if len(host) > 4*maxHost {
		return "", "", false
	}
	plain, puny := scanHost(host)
	if plain {
		ascii = host
	} else {
		var err error
		if ascii, err = lookup.ToASCII(host); err != nil {
			// A label that calls itself xn-- but does not decode is still
			// the name that DNS is asked for.
			if !isASCII(host) {
				return "", "", false
			}
			ascii = strings.ToLower(host)
		}
		puny = strings.Contains(ascii, "xn--")
	}
	ascii = strings.TrimSuffix(ascii, ".")
	if !validHost(ascii) {
		return "", "", false
	}
	if puny {
		if u, err := idna.Punycode.ToUnicode(ascii); err == nil && u != ascii && utf8.ValidString(u) {
			unicode = u
		}
	}
	return ascii, unicode, true
}

// scanHost reports whether host is lower-case ASCII without A-labels, and so
// already folded.
func scanHost(host string) (plain, puny bool) {
	for i := 0; i < len(host); i++ {
		c := host[i]
		if c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false, false
		}
		if c == '-' && i >= 3 && host[i-1] == '-' && host[i-2] == 'n' && host[i-3] == 'x' {
			return false, true
		}
	}
	return true, false
}

// validHost checks the lengths of RFC 1035 and that only letters, digits,
// hyphens and underscores are there.
func validHost(host string) bool {
	if host == "" || len(host) > maxHost {
		return false
	}
	label := 0
	for i := 0; i < len(host); i++ {
		switch c := host[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			if label++; label > 63 {
				return false
			}
		default:
			return false
		}
	}
	return label > 0
}

// RegistrableDomain returns the part of a folded host that somebody
// registered: one label more than its public suffix. The list is that of
// publicsuffix.org, both its sections; private is true when the suffix is
// handed out by a company (github.io) and not by a registry. Without such a
// part (the host is itself a suffix, an IP address, or has one label) domain
// is empty.
func RegistrableDomain(host string) (domain string, private bool) {
	host = strings.TrimSuffix(host, ".")
	if host == "" || host[0] == '.' || strings.Contains(host, "..") || !strings.Contains(host, ".") {
		return "", false
	}
	if last := host[len(host)-1]; '0' <= last && last <= '9' {
		if _, err := netip.ParseAddr(host); err == nil {
			return "", false
		}
	}
	suffix, managed, icann := suffixOf(host)
	if len(host) <= len(suffix) {
		return "", managed && !icann
	}
	i := len(host) - len(suffix) - 1
	if host[i] != '.' {
		return "", false
	}
	return host[1+strings.LastIndexByte(host[:i], '.'):], managed && !icann
}

// suffixOf returns the public suffix of a folded host, whether the list names
// it (rather than the default rule "*"), and whether it is in the list's ICANN
// section.
func suffixOf(host string) (suffix string, managed, icann bool) {
	suffix, icann = publicsuffix.PublicSuffix(host)
	return suffix, icann || strings.Contains(suffix, "."), icann
}

// isASCII reports whether s has no byte over 0x7F.
func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldIP writes an address in the form of RFC 5952, IPv4-mapped ones as IPv4,
// without zone.
func foldIP(addr netip.Addr) string { return addr.Unmap().WithZone("").String() }

// parseIPv4 reads host as the WHATWG URL standard does ("IPv4 parser"): up to
// four parts, each decimal, octal (leading 0) or hexadecimal (leading 0x), the
// last of which fills the remaining bytes. isNumber is true when host must be
// an IPv4 address by that standard (its last label is a number), though it may
// not be a valid one.
func parseIPv4(host string) (addr netip.Addr, isNumber, ok bool) {
	host = strings.TrimSuffix(host, ".")
	last := host[1+strings.LastIndexByte(host, '.'):]
	if last == "" {
		return netip.Addr{}, false, false
	}
	if c := last[0]; c < '0' || c > '9' {
		return netip.Addr{}, false, false
	}
	if _, valid := parsePart(last); !valid && !allDigits(last) {
		return netip.Addr{}, false, false
	}
	var value uint64
	parts := 0
	for rest, more := host, true; more; parts++ {
		var part string
		part, rest, more = strings.Cut(rest, ".")
		n, valid := parsePart(part)
		if !valid || parts == 4 {
			return netip.Addr{}, true, false
		}
		if more {
			if n > 255 {
				return netip.Addr{}, true, false
			}
			value |= n << (8 * (3 - parts))
			continue
		}
		if n >= 1<<(8*(4-parts)) {
			return netip.Addr{}, true, false
		}
		value |= n
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true, true
}

// parsePart reads one number of an IPv4 host, at most 32 bits.
func parsePart(s string) (uint64, bool) {
	if s == "" || len(s) > 24 {
		return 0, false
	}
	base := 10
	switch {
	case len(s) >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'):
		if s, base = s[2:], 16; s == "" {
			return 0, true
		}
	case len(s) >= 2 && s[0] == '0':
		s, base = s[1:], 8
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil && n <= 1<<32-1 && s[0] != '+' && s[0] != '-'
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
