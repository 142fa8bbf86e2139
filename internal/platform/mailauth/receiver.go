package mailauth

import (
	"cmp"
	"strings"

	"github.com/emersion/go-msgauth/dmarc"
)

const (
	maxResults = 16 << 10 // bytes of an Authentication-Results field
	maxClaims  = 50       // in one
)

// askReceiver believes the topmost Authentication-Results field when it is a
// trusted receiver's. All others may be forged: the receiver puts its own on
// top (RFC 8601, sections 4.1 and 5).
func (r *Result) askReceiver(h header, in CheckInput) {
	for _, f := range h {
		if !strings.EqualFold(f.name, "Authentication-Results") {
			continue
		}
		id, claims, ok := parseResults(f.value)
		if !ok {
			return
		}
		for _, t := range in.TrustedReceivers {
			if t != "" && strings.EqualFold(t, id) {
				r.Receiver, r.Claims = t, claims
				r.believe(in.Ours == nil || h.names("To", in.Ours) || h.names("Cc", in.Ours))
				return
			}
		}
		return
	}
}

// believe draws the conclusion from a trusted receiver's claims about a mail
// that is addressed to us or not. Only SPF tells who sent it there.
func (r *Result) believe(here bool) {
	by, sent := "", false
	for _, c := range r.Claims {
		switch {
		case r.Redirected && c.Method != "spf":
			// All else speaks of the author, not of who redirected the message.
		case c.Method == "dmarc" && c.Outcome == Fail:
			r.Proved, r.How, r.By, r.Why = false, HowNone, "", WhyReceiver
			r.DMARC.Outcome = Fail
			return
		case c.Outcome != Pass:
		case c.Method == "dmarc" && asciiDomain(c.Props["header.from"]) == r.Domain:
			by = cmp.Or(by, r.Domain)
			r.DMARC.Outcome = Pass
		case c.Method == "dkim":
			if d := domainOf(c.Props["header.d"], c.Props["header.i"]); aligned(d, r.Domain, dmarc.AlignmentRelaxed) {
				by = cmp.Or(by, d)
			}
		case c.Method == "spf":
			if d := domainOf(c.Props["smtp.mailfrom"], c.Props["smtp.helo"]); aligned(d, r.Domain, dmarc.AlignmentRelaxed) {
				by, sent = cmp.Or(by, d), true
			}
		}
	}
	switch {
	case by == "":
	case !here && !sent:
		r.Why = WhyElsewhere
	default:
		r.Proved, r.How, r.By, r.Why = true, HowReceiver, by, WhyProved
	}
}

// domainOf returns the domain of the first value that is there, be it an
// address, @domain or a domain.
func domainOf(values ...string) string {
	for _, v := range values {
		if v == "" {
			continue
		}
		if _, d, ok := cutLast(v, '@'); ok {
			return asciiDomain(d)
		}
		return asciiDomain(v)
	}
	return ""
}

// parseResults reads an Authentication-Results field (RFC 8601, section 2.2).
// Comments are skipped and quoted strings kept together, for both hold what
// strangers wrote. A field that breaks the grammar is not ok.
func parseResults(value string) (id string, claims []Claim, ok bool) {
	if len(value) > maxResults {
		return "", nil, false
	}
	l := lexer{s: value}
	id, ok = l.value()
	if !ok || id == "" {
		return "", nil, false
	}
	if !l.at(';') && !l.done() {
		if version, ok := l.value(); !ok || version != "1" {
			return "", nil, false
		}
	}
	for !l.done() {
		if !l.skip(';') {
			return "", nil, false
		}
		if l.done() { // a ; at the end is common
			break
		}
		c, ok := l.claim()
		if !ok || len(claims) >= maxClaims {
			return "", nil, false
		}
		if c.Method != "none" {
			claims = append(claims, c)
		}
	}
	return id, claims, l.err == nil
}

// lexer walks over a field's value. err stays once it is set.
type lexer struct {
	s   string
	i   int
	err error
}

// blank skips white space and comments, which nest.
func (l *lexer) blank() {
	depth := 0
	for ; l.i < len(l.s); l.i++ {
		switch c := l.s[l.i]; {
		case c == '(':
			depth++
		case c == ')':
			if depth == 0 {
				l.err = errHeader
				return
			}
			depth--
		case c == '\\' && depth > 0:
			l.i++
		case c == ' ' || c == '\t' || depth > 0:
		default:
			return
		}
	}
	if depth > 0 || l.i > len(l.s) {
		l.err, l.i = errHeader, len(l.s)
	}
}

func (l *lexer) done() bool {
	l.blank()
	return l.err != nil || l.i >= len(l.s)
}

func (l *lexer) at(c byte) bool {
	l.blank()
	return l.err == nil && l.i < len(l.s) && l.s[l.i] == c
}

func (l *lexer) skip(c byte) bool {
	if l.at(c) {
		l.i++
		return true
	}
	return false
}

// value reads a quoted string, or what stands up to a blank, a comment or ;.
func (l *lexer) value() (string, bool) {
	if !l.skip('"') {
		return l.until(" \t;()\"")
	}
	var b strings.Builder
	for ; l.i < len(l.s); l.i++ {
		switch c := l.s[l.i]; {
		case c == '"':
			l.i++
			return b.String(), true
		case c == '\\' && l.i+1 < len(l.s):
			l.i++
			b.WriteByte(l.s[l.i])
		default:
			b.WriteByte(c)
		}
	}
	l.err = errHeader
	return "", false
}

// until reads what stands up to one of the bytes in stop. Nothing is an
// error.
func (l *lexer) until(stop string) (string, bool) {
	l.blank()
	n := strings.IndexAny(l.s[min(l.i, len(l.s)):], stop)
	if n < 0 {
		n = len(l.s) - l.i
	}
	if l.err != nil || n <= 0 {
		l.err = errHeader
		return "", false
	}
	v := l.s[l.i : l.i+n]
	l.i += n
	return v, true
}

// pair reads key=value.
func (l *lexer) pair() (key, value string, ok bool) {
	if key, ok = l.until(" \t;()\"="); !ok || !l.skip('=') {
		return key, "", false
	}
	value, ok = l.value()
	return strings.ToLower(key), value, ok
}

// claim reads method[/version]=result and its properties, or "none".
func (l *lexer) claim() (Claim, bool) {
	before := *l
	method, result, ok := l.pair()
	if !ok {
		*l = before
		word, ok := l.value()
		return Claim{Method: "none"}, ok && strings.EqualFold(word, "none") && (l.at(';') || l.done())
	}
	method, _, _ = strings.Cut(method, "/")
	c := Claim{Method: method, Outcome: Outcome(strings.ToLower(result)), Props: make(map[string]string)}
	for !l.at(';') && !l.done() {
		key, value, ok := l.pair()
		if !ok {
			return c, false
		}
		if _, twice := c.Props[key]; twice {
			return c, false // which one would be meant?
		}
		c.Props[key] = value
	}
	return c, l.err == nil
}
