package observable

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
)

// rewriter is one row of data/rewriters.tsv: a service that wraps addresses,
// and where in its own URL the wrapped one stands.
type rewriter struct {
	Name   string   // what Observable.Via says
	Host   string   // with all names under it; "*" is any host
	Path   string   // prefix of the path
	Params []string // query parameters in order of preference; nil: it stands in the path
	Coding string
}

//go:embed data/rewriters.tsv
var rewriterFile string

var rewriters = sync.OnceValue(func() map[string][]rewriter {
	byHost := make(map[string][]rewriter, 100)
	for line := range strings.Lines(rewriterFile) {
		line = strings.TrimRight(line, "\r\n")
		column := strings.Split(line, "\t")
		if strings.HasPrefix(line, "#") || len(column) != 5 {
			continue
		}
		r := rewriter{Name: column[0], Host: column[1], Path: column[2], Coding: column[4]}
		if column[3] != "path" {
			r.Params = strings.Split(column[3], ",")
		}
		byHost[r.Host] = append(byHost[r.Host], r)
	}
	return byHost
})

// Unwrap takes one layer of rewriting off a URL: what a gateway (Safe Links,
// Proofpoint, …) or a click tracker wrapped around the address that the mail
// leads to. target is canonical; via names the rewriter as data/rewriters.tsv
// does. It reports false when nothing readable is wrapped inside: many
// trackers keep the target on their own server.
func Unwrap(rawURL string) (target, via string, ok bool) {
	l, ok := ParseURL(rawURL)
	if !ok {
		return "", "", false
	}
	inner, _, via := unwrap(l)
	return inner.Value, via, inner.Value != ""
}

// unwrap takes one layer off. Where only the host of the target can be read,
// target is the zero Location and host is set.
func unwrap(l Location) (target Location, host, via string) {
	if l.Host == "" || l.Path == "/" && l.Query == "" && !strings.HasSuffix(l.Host, ".goog") {
		return Location{}, "", ""
	}
	table := rewriters()
	for name := l.Host; ; {
		for i := range table[name] {
			if target, host := table[name][i].read(l); target.Value != "" || host != "" {
				return target, host, table[name][i].Name
			}
		}
		dot := strings.IndexByte(name, '.')
		if dot < 0 {
			break
		}
		name = name[dot+1:]
	}
	for _, any := range [...]string{"google.", "yandex."} {
		if !strings.Contains(l.Host, any) {
			continue
		}
		if domain, _ := RegistrableDomain(l.Host); strings.HasPrefix(domain, any) {
			for _, r := range table[any+"*"] {
				if target, host := r.read(l); target.Value != "" || host != "" {
					return target, host, r.Name
				}
			}
		}
	}
	for i := range table["*"] {
		if target, _ := table["*"][i].read(l); target.Value != "" {
			return target, "", table["*"][i].Name
		}
	}
	return Location{}, "", ""
}

// read takes the target out of l, or returns nothing.
func (r *rewriter) read(l Location) (target Location, host string) {
	if !strings.HasPrefix(l.Path, r.Path) {
		return Location{}, ""
	}
	if r.Params == nil {
		return r.readPath(l), ""
	}
	if l.Query == "" {
		return Location{}, ""
	}
	for _, name := range r.Params {
		value, ok := queryValue(l.Query, name)
		if !ok || value == "" {
			continue
		}
		switch r.Coding {
		case "host":
			if ascii, _, ok := FoldDomain(unescape(value)); ok && strings.Contains(ascii, ".") {
				return Location{}, ascii
			}
			continue
		case "proofpoint2":
			value = strings.NewReplacer("-", "%", "_", "/").Replace(value)
		case "bing":
			value = decodeBase64(strings.TrimPrefix(value, "a1"))
		case "mandrill":
			value = mandrill(value)
		case "base64":
			if decoded := decodeBase64(unescape(value)); decoded != "" {
				value = decoded
			}
		}
		if target, ok := webURL(value); ok {
			return target, ""
		}
	}
	return Location{}, ""
}

// readPath takes the target out of what follows the prefix in the path.
func (r *rewriter) readPath(l Location) Location {
	rest := l.Path[len(r.Path):]
	var value string
	switch r.Coding {
	case "proofpoint3":
		value = proofpoint3(afterAuthority(l))
	case "checkpoint":
		// /v2/___https://example.org/___.token, or /v2/r01/___…
		if _, tail, ok := strings.Cut(afterAuthority(l), "___"); ok {
			value, _, _ = strings.Cut(tail, "___")
		}
	case "amp":
		// /amp/s/example.org/path is https, /amp/example.org/path is http.
		if tail, ok := strings.CutPrefix(rest, "s/"); ok {
			value = "https://" + tail
		} else if rest != "" {
			value = "http://" + rest
		}
		if l.Query != "" && value != "" {
			value += "?" + l.Query
		}
	case "translate":
		// example-org.translate.goog: dots are hyphens, hyphens are doubled.
		label := strings.TrimSuffix(l.Host, ".translate.goog")
		if label != l.Host && !strings.Contains(label, ".") {
			label = strings.NewReplacer("--", "-", "-", ".").Replace(label)
			value = l.Scheme + "://" + label + l.Path
		}
	case "yahoo":
		// …/RU=https%3a%2f%2fexample.org%2f/RK=…
		if _, tail, ok := strings.Cut(rest, "RU="); ok {
			value, _, _ = strings.Cut(tail, "/")
		}
	case "segment":
		value, _, _ = strings.Cut(rest, "/")
	default:
		at := webIn(rest)
		if at < 0 {
			return Location{}
		}
		value = rest[at:]
		if l.Query != "" {
			value += "?" + l.Query
		}
		if l.Fragment != "" {
			value += "#" + l.Fragment
		}
	}
	target, _ := webURL(value)
	return target
}

// afterAuthority returns path, query and fragment as they stood.
func afterAuthority(l Location) string {
	s := l.Path
	if l.Query != "" {
		s += "?" + l.Query
	}
	if l.Fragment != "" {
		s += "#" + l.Fragment
	}
	return s
}

// webIn returns where in a path an absolute web address begins, plain or
// percent-encoded, at the start or after a slash; -1 without one.
func webIn(path string) int {
	for i := 0; ; {
		j := strings.Index(path[i:], "http")
		if j < 0 {
			return -1
		}
		i += j
		rest := strings.TrimPrefix(path[i+4:], "s")
		if (i == 0 || path[i-1] == '/') && (strings.HasPrefix(rest, ":/") || strings.HasPrefix(rest, "%3A%2F") || strings.HasPrefix(rest, ":%2F")) {
			return i
		}
		i += 4
	}
}

// queryValue returns the raw value of the first parameter of this name, in any
// case. "amp;" before a name is what is left of HTML.
func queryValue(query, name string) (string, bool) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		pair = strings.TrimPrefix(pair, "amp;")
		if len(pair) > len(name) && pair[len(name)] == '=' && strings.EqualFold(pair[:len(name)], name) {
			return pair[len(name)+1:], true
		}
	}
	return "", false
}

// webURL reads value, percent-encoded once or twice, as an absolute web
// address of a host with a dot, or an IP address.
func webURL(value string) (Location, bool) {
	if len(value) < len("ftp://a.b") {
		return Location{}, false
	}
	for range 3 {
		if schemeAt(value, 't') > 0 || hasFold(value, "http:/") || hasFold(value, "https:/") {
			break
		}
		if strings.HasPrefix(value, "//") {
			value = "https:" + value
			break
		}
		decoded := unescape(value)
		if decoded == value {
			return Location{}, false
		}
		value = decoded
	}
	// A value that is encoded as a whole has no unescaped delimiters.
	if l, ok := ParseURL(value); ok && defaultPort(l.Scheme) != "" && (l.IP.IsValid() || strings.Contains(l.Host, ".")) {
		return l, true
	}
	return Location{}, false
}

// unescape undoes percent-encoding; what is no escape stays.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	if decoded, err := url.PathUnescape(s); err == nil {
		return decoded
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// decodeBase64 reads either alphabet, padded or not, when the result is a web
// address; else it returns "".
func decodeBase64(s string) string {
	s = strings.TrimRight(s, "=")
	if len(s) < 12 || !strings.HasPrefix(s, "aHR0c") && !strings.HasPrefix(s, "SFRUU") {
		return ""
	}
	if strings.ContainsAny(s, "+/ ") {
		s = strings.NewReplacer("+", "-", "/", "_", " ", "-").Replace(s)
	}
	decoded, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(decoded)
}

// mandrill reads Mandrill's parameter p: base64 of JSON, whose member p is
// JSON again, whose member url is the target.
func mandrill(value string) string {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(unescape(value), "="))
	if err != nil {
		return ""
	}
	var outer struct{ P string }
	var inner struct{ URL string }
	if json.Unmarshal(raw, &outer) != nil || json.Unmarshal([]byte(outer.P), &inner) != nil {
		return ""
	}
	return inner.URL
}

// proofpoint3 decodes "/v3/__URL__;CODES!!token$": "*" in URL stands for the
// next character of CODES (base64url of UTF-8), "**" and a letter for as many
// as the letter counts, from A for 2.
func proofpoint3(path string) string {
	_, rest, ok := strings.Cut(path, "__")
	if !ok {
		return ""
	}
	masked, codes, ok := strings.Cut(rest, "__;")
	if !ok {
		return ""
	}
	codes, _, _ = strings.Cut(codes, "!")
	decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(codes, "="))
	if err != nil {
		return ""
	}
	hidden := []rune(string(decoded))
	take := func(n int) string {
		n = min(n, len(hidden))
		s := string(hidden[:n])
		hidden = hidden[n:]
		return s
	}
	const counts = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b strings.Builder
	for i := 0; i < len(masked); i++ {
		if masked[i] != '*' {
			b.WriteByte(masked[i])
			continue
		}
		if i+2 < len(masked) && masked[i+1] == '*' {
			if n := strings.IndexByte(counts, masked[i+2]); n >= 0 {
				b.WriteString(take(n + 2))
				i += 2
				continue
			}
		}
		b.WriteString(take(1))
	}
	return b.String()
}
