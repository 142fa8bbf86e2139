package message

import (
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

// appendAddresses reads an address list (RFC 5322 section 3.4) as mail
// programs do and appends to list until it holds most. Groups are dissolved,
// routes dropped. It reports whether something was no address, and whether
// some were left out.
func appendAddresses(list []Address, s string, most int) (_ []Address, bad, cut bool) {
	r := addressReader{s: s, quotes: true, comments: true}
	for {
		box, more := r.mailbox()
		if !box.empty() {
			if len(list) >= most {
				return list, bad, true
			}
			addr, ok := box.address()
			list = append(list, addr)
			bad = bad || !ok
		}
		if !more {
			return list, bad, false
		}
	}
}

// mailbox is the pieces of one mailbox, not yet decoded.
type mailbox struct {
	phrase  string // all that is neither in angle brackets nor a comment, quotes taken off
	angle   string
	comment string
	hasAddr bool // angle was there
	at      bool // an @ or an encoded word stands in the phrase
	quoted  bool // a quoted local part stands in the phrase
	odd     bool // it broke the grammar
}

func (b *mailbox) empty() bool { return b.phrase == "" && b.angle == "" && !b.hasAddr }

// addressReader cuts an address list into mailboxes.
type addressReader struct {
	s                string
	pos              int
	quotes, comments bool // one may still be closed ahead, so that none is sought twice
	carry            string
}

// mailbox reads up to the next separator and reports whether there is more.
func (r *addressReader) mailbox() (box mailbox, more bool) {
	var phrase strings.Builder
	phrase.WriteString(r.carry)
	carried := r.carry != ""
	r.carry = ""
	done := func() mailbox {
		box.phrase = strings.TrimSpace(phrase.String())
		return box
	}
	for r.pos < len(r.s) {
		c := r.s[r.pos]
		r.pos++
		switch c {
		case '"':
			text, ok := r.quotedString()
			if !ok {
				box.odd = true // a lone quote
				continue
			}
			box.at = box.at || strings.Contains(text, "@")
			// In an addr-spec the quotes belong to the local part.
			if r.pos < len(r.s) && r.s[r.pos] == '@' {
				phrase.WriteString(`"` + text + `"`)
				box.quoted = true
			} else {
				phrase.WriteString(text)
			}
		case '(':
			if text, ok := r.comment(); ok {
				if box.comment == "" {
					box.comment = text
				}
				phrase.WriteByte(' ')
			} else {
				phrase.WriteByte('(')
			}
		case '<':
			if box.hasAddr { // a second one: the last is where it would go
				box.odd = true
				phrase.WriteString(" " + box.angle)
			}
			var ok bool
			box.angle, ok = r.angle()
			box.odd = box.odd || !ok
			box.hasAddr = true
		case '>':
			box.odd = true
		case ':':
			if !box.hasAddr && !box.at {
				phrase.Reset() // the name of a group
				carried = false
			} else {
				phrase.WriteByte(':')
			}
		case ',', ';':
			text := phrase.String()
			if c == ',' && !carried && !box.hasAddr && !box.at && strings.TrimSpace(text) != "" && r.nameAhead() {
				// "Doe, Jane <jane@example.org>" without its quotes.
				r.carry = strings.TrimSpace(text) + ","
				return mailbox{}, true
			}
			return done(), true
		default:
			// Copy the run up to the next special character at once.
			end := strings.IndexAny(r.s[r.pos:], `"(<>:,;`)
			if end < 0 {
				end = len(r.s) - r.pos
			}
			run := r.s[r.pos-1 : r.pos+end]
			phrase.WriteString(run)
			box.at = box.at || strings.Contains(run, "@") || strings.Contains(run, "=?")
			r.pos += end
		}
	}
	return done(), false
}

// nameAhead reports whether the next mailbox has its address in angle brackets,
// so that what came before the comma may be part of its name.
func (r *addressReader) nameAhead() bool {
	rest := r.s[r.pos:min(len(r.s), r.pos+200)]
	i := strings.IndexAny(rest, `"<@,;:`)
	return i >= 0 && rest[i] == '<'
}

// quotedString reads on after an opening quote.
func (r *addressReader) quotedString() (string, bool) {
	if !r.quotes {
		return "", false
	}
	var out strings.Builder
	for i := r.pos; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case c == '\\' && i+1 < len(r.s):
			i++
			out.WriteByte(r.s[i])
		case c == '"':
			r.pos = i + 1
			return out.String(), true
		default:
			out.WriteByte(c)
		}
	}
	r.quotes = false
	return "", false
}

// comment reads on after an opening parenthesis.
func (r *addressReader) comment() (string, bool) {
	if !r.comments {
		return "", false
	}
	depth := 1
	for i := r.pos; i < len(r.s); i++ {
		switch r.s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				text := r.s[r.pos:i]
				r.pos = i + 1
				return strings.TrimSpace(text), true
			}
		}
	}
	r.comments = false
	return "", false
}

// angle reads on after an opening angle bracket.
func (r *addressReader) angle() (string, bool) {
	rest := r.s[r.pos:]
	end := strings.IndexAny(rest, ">,;")
	ok := end >= 0 && rest[end] == '>'
	switch {
	case end < 0:
		end = len(rest)
		r.pos = len(r.s)
	case rest[end] == '>':
		r.pos += end + 1
	case rest[0] == '@' || rest[0] == '"':
		// A route, or a quoted local part, may hold a comma.
		if close := strings.IndexByte(rest[:min(len(rest), 1000)], '>'); close >= 0 {
			end, ok = close, true
			r.pos += close + 1
			break
		}
		r.pos += end
	default:
		r.pos += end
	}
	addr := strings.Trim(rest[:end], " \t<")
	if strings.HasPrefix(addr, "@") { // <@relay.example:jane@example.org>
		if colon := strings.IndexByte(addr, ':'); colon >= 0 {
			addr = addr[colon+1:]
		}
	}
	return addr, ok
}

// address decodes a mailbox. It reports false when it is not a good one.
func (b *mailbox) address() (Address, bool) {
	ok := !b.odd
	if b.hasAddr {
		name := b.phrase
		if name == "" {
			name = b.comment
		}
		addr := Address{Name: decodeName(name), Address: cleanAddress(b.angle)}
		if !strings.Contains(addr.Address, "@") {
			ok = false
			// "jane@example.org" <Jane>, the wrong way round.
			if strings.Contains(addr.Name, "@") && !strings.ContainsAny(addr.Name, " \t<>") {
				addr.Name, addr.Address = addr.Address, addr.Name
			}
		}
		return addr, ok
	}
	text := b.phrase
	if !strings.Contains(text, "@") {
		if decoded := decodeName(text); decoded != text {
			// All of it in one encoded word, the address too.
			if open := strings.LastIndexByte(decoded, '<'); open >= 0 && strings.Contains(decoded[open:], "@") {
				addr := strings.Trim(decoded[open:], "<> \t")
				return Address{Name: strings.Trim(decoded[:open], "\" \t"), Address: cleanAddress(addr)}, false
			}
			text = decoded
		}
	}
	if b.quoted {
		if at := strings.Index(text, `"@`); at > 0 {
			start, end := strings.LastIndexByte(text[:at], '"'), len(text)
			if space := strings.IndexAny(text[at:], " \t"); space >= 0 {
				end = at + space
			}
			if start >= 0 {
				return Address{Name: decodeName(text[:start]), Address: cleanAddress(text[start:end])}, ok && start == 0
			}
		}
	}
	switch {
	case !strings.Contains(text, "@"):
		if strings.ContainsAny(text, " \t") || text == "" {
			return Address{Name: text}, false
		}
		return Address{Name: decodeName(b.comment), Address: cleanAddress(text)}, ok
	case !strings.ContainsAny(text, " \t"):
		return Address{Name: decodeName(b.comment), Address: cleanAddress(text)}, ok
	}
	// Words around an address without brackets, or spaces around its @.
	fields := strings.Fields(text)
	for i, field := range fields {
		at := strings.IndexByte(field, '@')
		if at < 0 {
			continue
		}
		from, to := i, i+1
		if at == 0 && from > 0 {
			from--
		}
		if at == len(field)-1 && to < len(fields) {
			to++
		}
		name := strings.Join(append(append([]string{}, fields[:from]...), fields[to:]...), " ")
		if name == "" {
			name = b.comment
		}
		return Address{Name: decodeName(name), Address: cleanAddress(strings.Join(fields[from:to], ""))}, name == b.comment && ok
	}
	return Address{Name: decodeName(text)}, false
}

func decodeName(s string) string {
	text, _ := coding.Words(s)
	return strings.TrimSpace(text)
}

// cleanAddress makes an addr-spec valid UTF-8 without space, which has no
// meaning there (RFC 5322 section 4.4), and without mailto:.
func cleanAddress(s string) string {
	s, _ = coding.Words(s)
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	if strings.HasPrefix(s, `"`) { // a quoted local part keeps its spaces
		return strings.TrimSpace(s)
	}
	if strings.ContainsAny(s, " \t\u00a0") {
		s = strings.Join(strings.Fields(s), "")
	}
	return strings.Trim(s, "'<>.")
}
