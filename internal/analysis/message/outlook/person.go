package outlook

import (
	"encoding/binary"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

// oneOff is the provider of the entry ids that hold an address themselves
// ([MS-OXCDATA] 2.2.5.1).
const oneOff = "\x81\x2b\x1f\xa4\xbe\xa3\x10\x19\x9d\x6e\x00\xdd\x01\x0f\x54\x02"

// person reads a person from the properties that hold the name, the kind of the
// address, the address, the SMTP address and the entry id; 0 for none.
func (p *properties) person(name, kind, address, smtp, entry uint16) Person {
	who := Person{Name: p.text(name), Address: p.text(address)}
	if a := p.text(smtp); smtp != 0 && a != "" {
		who.Address = a
		return who
	}
	if isSMTP(p.text(kind), who.Address) {
		return who
	}
	if other := parseEntry(p.bytes(entry), p.charset); other.Address != "" {
		who.Address = other.Address
		if who.Name == "" {
			who.Name = other.Name
		}
	}
	return who
}

// isSMTP reports whether an address is one that mail can be sent to.
func isSMTP(kind, address string) bool {
	return strings.Contains(address, "@") && (kind == "" || strings.EqualFold(kind, "SMTP"))
}

// parseEntry reads a one-off entry id ([MS-OXCDATA] 2.2.5.1); of others the
// person is empty.
func parseEntry(b []byte, charset string) Person {
	const header = 4 + 16 + 2 + 2
	if len(b) < header || string(b[4:20]) != oneOff {
		return Person{}
	}
	wide := binary.LittleEndian.Uint16(b[22:])&0x8000 != 0
	b = b[header:]
	next := func() string {
		var text string
		if wide {
			end := 0
			for end+1 < len(b) && (b[end] != 0 || b[end+1] != 0) {
				end += 2
			}
			text, _ = coding.UTF16("utf-16le", b[:end])
			b = b[min(end+2, len(b)):]
		} else {
			end := 0
			for end < len(b) && b[end] != 0 {
				end++
			}
			text, _ = coding.Charset(charset, b[:end])
			b = b[min(end+1, len(b)):]
		}
		if len(text) > maxText {
			text = ""
		}
		return text
	}
	name, kind, address := next(), next(), next()
	if !isSMTP(kind, address) {
		return Person{}
	}
	return Person{name, address}
}

// parseEntryList reads a FlatEntryList ([MS-OXCDATA] 2.3.3).
func parseEntryList(b []byte, charset string, most int) []Person {
	if len(b) < 8 {
		return nil
	}
	var list []Person
	for b = b[8:]; len(b) >= 4 && len(list) < most; {
		size := int64(binary.LittleEndian.Uint32(b))
		if size > int64(len(b)-4) {
			break
		}
		if who := parseEntry(b[4:4+size], charset); who.Address != "" {
			list = append(list, who)
		}
		b = b[min(int64(len(b)), 4+(size+3)&^3):]
	}
	return list
}
