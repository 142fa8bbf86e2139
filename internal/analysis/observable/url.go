package observable

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Location is a URL in canonical form, taken apart. It is what a browser would
// open, not what was written.
type Location struct {
	Value    string     // the whole, canonical
	Scheme   string     // lower-case, without ":"
	User     string     // userinfo as in Value, without "@"
	Host     string     // folded host; IPv6 without brackets; "" for opaque schemes
	Unicode  string     // Host as U-labels, only when that differs
	Port     string     // decimal, "" for the scheme's default
	Path     string     // with its leading "/"; for opaque schemes all after ":"
	Query    string     // without "?"
	Fragment string     // without "#"
	IP       netip.Addr // valid when Host is an IP address
}

// opaque are the schemes without a host that still lead a reader somewhere or
// run something.
var opaque = map[string]bool{"data": true, "javascript": true, "vbscript": true, "mailto": true, "tel": true, "sms": true}

// defaultPort returns the port that a scheme implies, as text. Schemes that
// have one are those that the WHATWG URL standard calls special.
func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	case "ftp":
		return "21"
	}
	return ""
}

// ParseURL reads an absolute URL as a browser does (WHATWG URL standard) and
// gives it its canonical form. It reports false for relative references, for
// hosts that cannot be asked for, and for schemes without a host other than
// data, javascript, vbscript, mailto, tel and sms. Parsing a Value again gives
// the same Value.
func ParseURL(raw string) (Location, bool) {
	raw = trimControl(raw)
	scheme, rest, ok := cutScheme(raw)
	if !ok {
		return Location{}, false
	}
	l := Location{Scheme: scheme}
	if opaque[scheme] {
		l.Path = strings.TrimLeft(rest, " ")
		if scheme != "data" && scheme != "javascript" && scheme != "vbscript" {
			l.Path = escape(l.Path, true)
		}
		l.Value = scheme + ":" + l.Path
		return l, l.Path != ""
	}
	special := defaultPort(scheme) != ""
	if special {
		rest = strings.TrimLeft(rest, `/\`)
	} else if rest, ok = strings.CutPrefix(rest, "//"); !ok {
		return Location{}, false
	}

	end := len(rest)
	for i := 0; i < len(rest); i++ {
		if c := rest[i]; c == '/' || c == '?' || c == '#' || c == '\\' && special {
			end = i
			break
		}
	}
	if !l.readAuthority(rest[:end]) {
		return Location{}, false
	}
	rest = rest[end:]

	rest, fragment, _ := strings.Cut(rest, "#")
	path, query, _ := strings.Cut(rest, "?")
	if special && strings.IndexByte(path, '\\') >= 0 {
		path = strings.ReplaceAll(path, `\`, "/")
	}
	l.Path = removeDots(escape(path, false))
	if l.Path == "" && special {
		l.Path = "/"
	}
	l.Query, l.Fragment = escape(query, true), escape(fragment, true)
	l.Value = l.String()
	return l, true
}

// readAuthority reads userinfo, host and port (RFC 3986, section 3.2).
func (l *Location) readAuthority(s string) bool {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		l.User = strings.ReplaceAll(escape(s[:at], false), "@", "%40")
		s = s[at+1:]
	}
	host, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return false
		}
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || !addr.Is6() {
			return false
		}
		l.IP = addr.WithZone("")
		host, port = l.IP.String(), s[end+1:]
		if port != "" && port[0] != ':' {
			return false
		}
		port = strings.TrimPrefix(port, ":")
		l.Host = host
	} else {
		if colon := strings.LastIndexByte(s, ':'); colon >= 0 {
			host, port = s[:colon], s[colon+1:]
		}
		if strings.IndexByte(host, '%') >= 0 {
			decoded, err := url.PathUnescape(host)
			if err != nil {
				return false
			}
			host = decoded
		}
		var ok bool
		if l.Host, l.Unicode, ok = FoldDomain(host); !ok {
			return false
		}
		if addr, number, ok := parseIPv4(l.Host); number {
			if !ok {
				return false
			}
			l.IP, l.Host, l.Unicode = addr, addr.String(), ""
		}
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || port[0] == '+' {
			return false
		}
		if l.Port = strconv.FormatUint(n, 10); l.Port == defaultPort(l.Scheme) {
			l.Port = ""
		}
	}
	return true
}

// String puts the parts together; it equals Value.
func (l Location) String() string {
	var b strings.Builder
	b.Grow(len(l.Scheme) + len(l.User) + len(l.Host) + len(l.Port) + len(l.Path) + len(l.Query) + len(l.Fragment) + 10)
	b.WriteString(l.Scheme)
	if opaque[l.Scheme] {
		b.WriteByte(':')
		b.WriteString(l.Path)
		return b.String()
	}
	b.WriteString("://")
	if l.User != "" {
		b.WriteString(l.User)
		b.WriteByte('@')
	}
	if l.IP.Is6() {
		b.WriteByte('[')
		b.WriteString(l.Host)
		b.WriteByte(']')
	} else {
		b.WriteString(l.Host)
	}
	if l.Port != "" {
		b.WriteByte(':')
		b.WriteString(l.Port)
	}
	b.WriteString(l.Path)
	if l.Query != "" {
		b.WriteByte('?')
		b.WriteString(l.Query)
	}
	if l.Fragment != "" {
		b.WriteByte('#')
		b.WriteString(l.Fragment)
	}
	return b.String()
}

// trimControl removes control characters and spaces around s, and tabs and
// line ends within, as the WHATWG URL parser does first.
func trimControl(s string) string {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xa0 || r == 0xfeff || r == 0x200b })
	if strings.ContainsAny(s, "\t\r\n") {
		s = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(s)
	}
	return s
}

// cutScheme splits a scheme (RFC 3986, section 3.1) off and lower-cases it.
func cutScheme(s string) (scheme, rest string, ok bool) {
	for i := 0; i < len(s) && i <= 32; i++ {
		c := s[i] | 0x20
		switch {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= s[i] && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.'):
		case i > 1 && s[i] == ':':
			return strings.ToLower(s[:i]), s[i+1:], true
		default:
			return "", "", false
		}
	}
	return "", "", false
}

const upperHex = "0123456789ABCDEF"

// unreserved reports the characters of RFC 3986, section 2.3.
func unreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// plainByte reports the characters that stand for themselves in a path
// (RFC 3986, section 3.3) or, with query set, in a query or fragment too.
func plainByte(c byte, query bool) bool {
	if unreserved(c) {
		return true
	}
	switch c {
	case '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=', ':', '@', '/':
		return true
	}
	return query && c == '?'
}

// escape normalises percent-encoding (RFC 3986, section 6.2.2): what needs no
// escape loses it, what needs one gets it, hexadecimal digits are upper-case.
// Reserved characters stay as they were, since their escape may mean
// something else to the server.
func escape(s string, query bool) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if !plainByte(s[i], query) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if plainByte(c, query) {
			b.WriteByte(c)
			continue
		}
		if c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
			if unreserved(c) {
				b.WriteByte(c)
				continue
			}
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// removeDots resolves "." and ".." segments (RFC 3986, section 5.2.4). Empty
// segments are kept: servers tell them apart.
func removeDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path[1:], "/")
	kept := segments[:0]
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, s)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}
