package observable

import (
	_ "embed"
	"net/netip"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// found is one value that stands in running text.
type found struct {
	kind       Type   // URL, Email or IP
	raw        string // absolute URL, addr-spec or address; not yet canonical
	start, end int    // bytes of the text
}

// scanner finds addresses in running text the way mail programs make links of
// them, a little more eagerly where a person would type what they read.
type scanner struct {
	text   string
	length int // longest value
	emit   func(found) bool
	done   bool
}

// scanText calls emit for every URL, e-mail address and IP address in text,
// in order, until emit returns false. Time is linear in len(text).
func scanText(text string, length int, emit func(found) bool) {
	s := scanner{text: text, length: length, emit: emit}
	for i := 0; i < len(text) && !s.done; {
		if text[i] == '<' {
			if end := s.wrapped(i); end > 0 {
				i = end
				continue
			}
		}
		if n := delimiter(text, i); n > 0 {
			i += n
			continue
		}
		start, marks := i, 0
		for i < len(text) {
			c := text[i]
			if c == '.' || c == '@' || c == ':' {
				marks++
			} else if n := delimiter(text, i); n > 0 {
				break
			} else if c == '[' || c == '(' {
				marks++
			}
			i++
		}
		if marks > 0 && i-start > 3 {
			s.token(start, i)
		}
	}
}

// delimiter returns the length of the character at text[i] when it ends every
// kind of address: white space, control characters, angle brackets, quotes.
func delimiter(text string, i int) int {
	c := text[i]
	if c < utf8.RuneSelf {
		if c <= ' ' || c == '<' || c == '>' || c == '"' || c == '`' || c == 0x7f {
			return 1
		}
		return 0
	}
	if c != 0xc2 && c != 0xe2 && c != 0xe3 && c != 0xef {
		return 0
	}
	r, n := utf8.DecodeRuneInString(text[i:])
	switch r {
	case '«', '»', '‹', '›', '“', '”', '„', '‟', '‘', '’', '‚', '、', '。', '「', '」', '，', '（', '）', '【', '】', '…', '：', utf8.RuneError:
		return n
	}
	if unicode.IsSpace(r) || unicode.IsControl(r) {
		return n
	}
	return 0
}

// wrapped reads <URL> at text[i], where line ends and the spaces around them
// do not belong to the URL (RFC 3986, appendix C). It returns the index after
// ">", or 0 when there is no URL or it stands on one line.
func (s *scanner) wrapped(i int) int {
	rest := s.text[i+1:]
	if !hasFold(rest, "http") && !hasFold(rest, "www.") {
		return 0
	}
	rest = rest[:min(len(rest), s.length)]
	end := strings.IndexByte(rest, '>')
	if end < 0 {
		return 0
	}
	inner := rest[:end]
	if strings.IndexByte(inner, '\n') < 0 || strings.ContainsAny(inner, "<\"") {
		return 0
	}
	var b strings.Builder
	for line := range strings.SplitSeq(inner, "\n") {
		if line = strings.Trim(line, " \t\r"); line == "" || strings.ContainsAny(line, " \t") {
			return 0
		}
		b.WriteString(line)
	}
	raw := b.String()
	if hasFold(raw, "www.") {
		raw = "http://" + raw
	}
	s.put(URL, raw, i+1, i+1+end)
	return i + 1 + end + 1
}

func (s *scanner) put(kind Type, raw string, start, end int) {
	if !s.done && len(raw) <= s.length {
		s.done = !s.emit(found{kind, raw, start, end})
	}
}

// token reads one run of text without white space. What is written defanged
// is read as what it stands for, and its span is the whole token.
func (s *scanner) token(start, end int) {
	t := s.text[start:end]
	if len(t) <= s.length && mayBeDefanged(t) {
		if armed := Refang(t); armed != t {
			inner := scanner{text: armed, length: s.length, emit: func(f found) bool {
				s.put(f.kind, f.raw, start, end)
				return !s.done
			}}
			inner.pieces(0, len(armed))
			return
		}
	}
	s.pieces(start, end)
}

func mayBeDefanged(t string) bool {
	return strings.Contains(t, "xp") || strings.Contains(t, "XP") || strings.ContainsAny(t, "[({")
}

// pieces takes a token apart into URLs and what stands between them.
func (s *scanner) pieces(start, end int) {
	for start < end && !s.done {
		i := strings.Index(s.text[start:end], "://")
		if i < 0 {
			break
		}
		i += start
		scheme := schemeBefore(s.text[start:i])
		if scheme == 0 {
			s.loose(start, i)
			start = i + 3
			continue
		}
		from := i - scheme
		if from > start {
			s.loose(start, from)
		}
		quote := byte(0)
		if from > 0 && s.text[from-1] == '\'' {
			quote = '\''
		}
		to := urlEnd(s.text, from, end, quote)
		if to > i+3 {
			s.put(URL, s.text[from:to], from, to)
		}
		start = max(to, i+3)
	}
	if start < end {
		s.loose(start, end)
	}
}

// schemeBefore returns the length of the web scheme that ends s, or 0.
func schemeBefore(s string) int {
	for _, scheme := range [...]string{"https", "http", "ftp"} {
		if n := len(scheme); len(s) >= n && strings.EqualFold(s[len(s)-n:], scheme) {
			return n
		}
	}
	return 0
}

// urlEnd returns where the URL that begins at text[from:] ends, at most at end:
// before a closing bracket that it did not open or the quote that opened it,
// and before the punctuation of the sentence around it.
func urlEnd(text string, from, end int, quote byte) int {
	var round, square, curly int
	i := from
loop:
	for ; i < end; i++ {
		switch c := text[i]; c {
		case '(':
			round++
		case '[':
			square++
		case '{':
			curly++
		case ')':
			if round--; round < 0 {
				break loop
			}
		case ']':
			if square--; square < 0 {
				break loop
			}
		case '}':
			if curly--; curly < 0 {
				break loop
			}
		case quote:
			if quote != 0 {
				break loop
			}
		}
	}
	for i > from && strings.IndexByte(".,;:!?'*~([{", text[i-1]) >= 0 {
		i--
	}
	return i
}

// loose reads text without a scheme: mailto:, e-mail addresses, host names and
// IP addresses.
func (s *scanner) loose(start, end int) {
	t := s.text[start:end]
	if strings.IndexByte(t, '@') >= 0 {
		if s.addresses(start, end) {
			return
		}
	}
	if strings.Count(t, ":") >= 2 {
		v6 := strings.Trim(t, "[](){}.,;'")
		if len(v6) >= 6 {
			if addr, err := netip.ParseAddr(v6); err == nil && addr.Is6() && !addr.IsUnspecified() {
				at := start + strings.Index(t, v6)
				s.put(IP, v6, at, at+len(v6))
				return
			}
		}
	}
	for i := start; i < end && !s.done; {
		if !hostByte(s.text[i]) {
			i++
			continue
		}
		run := i
		dots := 0
		for i < end && hostByte(s.text[i]) {
			if s.text[i] == '.' {
				dots++
			}
			i++
		}
		if dots == 0 || run > start && strings.IndexByte(`/\@=%&#?`, s.text[run-1]) >= 0 {
			continue
		}
		if to := s.host(run, i, end); to > i {
			i = to
		}
	}
}

// host reads text[start:end], which has only characters of host names, with
// what may follow it up to limit. It returns where it stopped reading.
func (s *scanner) host(start, end, limit int) int {
	for start < end && strings.IndexByte(".-_", s.text[start]) >= 0 {
		start++
	}
	host := s.text[start:end]
	trimmed := strings.TrimRight(host, ".-_")
	last := trimmed[1+strings.LastIndexByte(trimmed, '.'):]
	if len(last) == len(trimmed) || len(trimmed) > 4*maxHost {
		return end
	}
	path := len(trimmed) == len(host) && end < limit && pathFollows(s.text[end:limit])
	if isDigit(last[0]) {
		addr, err := netip.ParseAddr(trimmed)
		if err != nil || start > 0 && (s.text[start-1] == 'v' || s.text[start-1] == 'V') {
			return end
		}
		if path && !cidr(s.text[end:limit]) {
			to := urlEnd(s.text, start, limit, 0)
			s.put(URL, "http://"+s.text[start:to], start, to)
			return to
		}
		s.put(IP, addr.String(), start, start+len(trimmed))
		return end
	}
	ascii, _, ok := FoldDomain(trimmed)
	if !ok {
		return end
	}
	suffix, _, icann := suffixOf(ascii)
	if !icann && !reservedTLD(ascii) || len(ascii) <= len(suffix)+1 {
		return end
	}
	if !path {
		if !strings.HasPrefix(ascii, "www.") && !wellKnown(ascii, trimmed) {
			return end
		}
		s.put(URL, "http://"+trimmed+"/", start, start+len(trimmed))
		return end
	}
	if to := urlEnd(s.text, start, limit, 0); to >= end {
		s.put(URL, "http://"+s.text[start:to], start, to)
		return to
	}
	return end
}

// pathFollows reports whether s goes on with a path, query, fragment or port.
func pathFollows(s string) bool {
	switch s[0] {
	case '/':
		return true
	case '?', '#':
		return len(s) > 1 && (isDigit(s[1]) || 'a' <= s[1]|0x20 && s[1]|0x20 <= 'z')
	case ':':
		return len(s) > 1 && isDigit(s[1])
	}
	return false
}

// cidr reports whether s is a prefix length ("/24") and nothing else.
func cidr(s string) bool {
	s = strings.TrimRight(s, ".,;:!?)]}")
	return len(s) >= 2 && len(s) <= 4 && s[0] == '/' && allDigits(s[1:])
}

// addresses puts every e-mail address in text[start:end] and reports whether
// there was one.
func (s *scanner) addresses(start, end int) bool {
	any := false
	for i := start; i < end && !s.done; i++ {
		if s.text[i] != '@' {
			continue
		}
		from, to := i, i+1
		for from > start && localByte(s.text[from-1]) && i-from < 64 {
			from--
		}
		if hasFold(s.text[from:i], "mailto:") {
			from += len("mailto:")
		}
		for from < i && strings.IndexByte(".'*~-", s.text[from]) >= 0 {
			from++
		}
		for to < end && hostByte(s.text[to]) {
			to++
		}
		host := strings.TrimRight(s.text[i+1:to], ".-_")
		if from == i || len(host) < 4 || strings.IndexByte(host, '.') < 0 {
			continue
		}
		ascii, _, ok := FoldDomain(host)
		if !ok {
			continue
		}
		if _, managed, _ := suffixOf(ascii); !managed && !reservedTLD(ascii) {
			continue
		}
		stop := i + 1 + len(host)
		s.put(Email, s.text[from:stop], from, stop)
		any, start, i = true, stop, stop-1
	}
	return any
}

// hostByte reports what a host name may be made of before it is folded.
func hostByte(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_' || c >= utf8.RuneSelf
}

// localByte reports atext and "." (RFC 5322, section 3.2.3; RFC 6531).
func localByte(c byte) bool {
	return hostByte(c) || strings.IndexByte("!#$%&'*+/=?^`{|}~", c) >= 0 && c != '/' && c != '=' && c != '|'
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// reservedTLD reports the names of RFC 2606 that are kept for examples and
// tests, so that a demonstration is read like the world.
func reservedTLD(host string) bool {
	return strings.HasSuffix(host, ".example") || strings.HasSuffix(host, ".test") || strings.HasSuffix(host, ".invalid")
}

//go:embed data/tlds.txt
var tldFile string

var tlds = sync.OnceValue(func() map[string]bool {
	set := make(map[string]bool, 300)
	for line := range strings.Lines(tldFile) {
		line, _, _ = strings.Cut(line, "#")
		for name := range strings.FieldsSeq(line) {
			set[name] = true
		}
	}
	return set
})

// wellKnown reports whether a bare host, without www. and without a path, is
// taken for one: its top-level domain is in data/tlds.txt, its registered
// label has two characters or more, and it does not look like two sentences
// that lack a space ("end.De").
func wellKnown(ascii, written string) bool {
	dot := strings.LastIndexByte(ascii, '.')
	if !tlds()[ascii[dot+1:]] && !reservedTLD(ascii) {
		return false
	}
	label := ascii[1+strings.LastIndexByte(ascii[:dot], '.') : dot]
	last := written[1+strings.LastIndexByte(written, '.'):]
	r, _ := utf8.DecodeRuneInString(last)
	shouted := last == strings.ToUpper(last) && written == strings.ToUpper(written)
	return len(label) >= 2 && (!unicode.IsUpper(r) || shouted)
}
