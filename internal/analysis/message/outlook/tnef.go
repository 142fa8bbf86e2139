package outlook

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

// TNEFSignature is what every TNEF stream begins with ([MS-OXTNEF] 2.1.3.1).
const TNEFSignature = "\x78\x9f\x3e\x22"

// Attributes ([MS-OXTNEF] 2.1.3.3); the upper half of their numbers is a type.
const (
	attFrom            = 0x8000
	attSubject         = 0x8004
	attDateSent        = 0x8005
	attDateReceived    = 0x8006
	attMessageClass    = 0x8008
	attBody            = 0x800C
	attAttachData      = 0x800F
	attAttachTitle     = 0x8010
	attAttachRendering = 0x9002
	attTransportName   = 0x9001
	attProperties      = 0x9003
	attRecipients      = 0x9004
	attAttachment      = 0x9005
	attOEMCodepage     = 0x9007
)

// ReadTNEF reads a TNEF stream. The item shares memory with src, which must not
// change afterwards. A wrong checksum is tolerated: it says nothing about what
// the reader saw. The error is ErrFormat.
func ReadTNEF(src []byte, limits *Limits) (*Item, error) {
	it := &Item{}
	t := &tnef{reader: &reader{limits: limits}}
	if !t.stream(it, src) {
		return nil, ErrFormat
	}
	return it, nil
}

// tnef reads one stream with all that is embedded in it.
type tnef struct{ *reader }

// tnefMessage is what the attributes of one stream said so far.
type tnefMessage struct {
	class, subject, body string
	from                 Person
	date                 time.Time
	props                *properties
	charset              string

	file  *File // the attachment whose attributes are being read
	filed bool  // its properties came; they come once
}

// stream reads the attributes of a stream.
func (t *tnef) stream(it *Item, src []byte) bool {
	const header, overhead = 6, 1 + 4 + 4 + 2
	if len(src) < header || string(src[:4]) != TNEFSignature {
		return false
	}
	m := &tnefMessage{props: newProperties("")}
	var recipients []byte
	for src = src[header:]; len(src) >= overhead-2; {
		id := binary.LittleEndian.Uint16(src[1:])
		size := int64(binary.LittleEndian.Uint32(src[5:]))
		data := src[overhead-2:]
		whole := size <= int64(len(data))
		if !whole {
			// Cut off, or a size that is none: what is there counts.
			it.fault(Broken, "attribute")
			size = int64(len(data))
		}
		data = data[:size:size]
		src = src[overhead-2+int(size):]
		src = src[min(2, len(src)):]
		if id == attRecipients {
			recipients = data
			continue
		}
		t.attribute(it, m, id, data)
	}
	t.endFile(it, m)
	m.props.charset = orElse(m.props.eightBit(), m.charset)
	t.fill(it, m.props)
	t.recipients(it, recipients, m.props.charset)
	if it.Class == "" {
		it.Class = m.class
	}
	if it.Subject == "" {
		it.Subject = m.subject
	}
	if it.From == (Person{}) {
		it.From = m.from
	}
	if it.Date.IsZero() {
		it.Date = m.date
	}
	if strings.TrimSpace(it.Text) == "" {
		it.Text = coding.LineEnds(m.body)
	}
	return true
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// attribute takes in one attribute of the message or of the attachment that
// the last attAttachRenddata began.
func (t *tnef) attribute(it *Item, m *tnefMessage, id uint16, data []byte) {
	text := func() string {
		s, _ := coding.Charset(m.charset, data[:min(len(data), maxText)])
		return strings.TrimRight(strings.SplitN(s, "\x00", 2)[0], "\r\n")
	}
	switch id {
	case attOEMCodepage:
		if len(data) >= 4 {
			m.charset = coding.CodePage(int(int32(binary.LittleEndian.Uint32(data))))
		}
	case attMessageClass:
		m.class = text()
	case attSubject:
		m.subject = text()
	case attFrom:
		m.from = parseTRP(data, m.charset)
	case attDateSent:
		m.date = parseDTR(data)
	case attDateReceived:
		if m.date.IsZero() {
			m.date = parseDTR(data)
		}
	case attBody:
		if len(data) > t.limits.TextBytes {
			data = data[:t.limits.TextBytes]
			it.fault(TextCut, "text")
		}
		s, _ := coding.Charset(m.charset, data)
		m.body = strings.ReplaceAll(strings.TrimRight(s, "\x00"), "\x00", "")
	case attProperties:
		if _, ok := readProperties(m.props, data); !ok {
			it.fault(Broken, "properties")
		}
	case attAttachRendering:
		t.endFile(it, m)
		t.beginFile(it, m)
	case attAttachTitle, attTransportName, attAttachData, attAttachment:
		if m.file == nil { // its first attribute is missing
			t.beginFile(it, m)
		}
		if m.file != nil {
			t.fileAttribute(it, m, id, data, text)
		}
	}
}

func (t *tnef) beginFile(it *Item, m *tnefMessage) {
	if t.takeFile(it) {
		m.file, m.filed = &File{}, false
	}
}

func (t *tnef) fileAttribute(it *Item, m *tnefMessage, id uint16, data []byte, text func() string) {
	switch id {
	case attAttachTitle:
		if m.file.Name == "" {
			m.file.Name = text()
		}
	case attTransportName:
		if m.file.Name == "" {
			m.file.Name = text()
		}
	case attAttachData:
		if m.file.Content == nil && m.file.Item == nil {
			m.file.Content = data
		}
	case attAttachment:
		if m.filed {
			return
		}
		m.filed = true
		p := newProperties(orElse(m.props.eightBit(), m.charset))
		if _, ok := readProperties(p, data); !ok {
			it.fault(Broken, "attachment")
		}
		t.fileProperties(it, m, p)
	}
}

// fileProperties takes in the properties of an attachment, which win over its
// attributes.
func (t *tnef) fileProperties(it *Item, m *tnefMessage, p *properties) {
	f := newFile(p)
	if m.file.Name != "" && p.text(pidAttachLongFilename) == "" && p.text(pidAttachFilename) == "" {
		f.Name = m.file.Name
	}
	f.Content, f.Item, f.Target = m.file.Content, m.file.Item, target(p)
	// An object begins with the GUID of its interface ([MS-OXTNEF] 2.1.3.4).
	const guid = 16
	if data := p.bytes(pidAttachData); len(data) > 0 {
		object := p.values[pidAttachData].kind == typeObject
		switch {
		case object && len(data) >= guid+4 && string(data[guid:guid+4]) == TNEFSignature:
			f.Content, f.Item = nil, t.embedded(it, f.Name, data[guid:])
		case object && len(data) >= guid:
			f.Content = data[guid:]
		default:
			f.Content = data
		}
	}
	*m.file = f
}

func (t *tnef) embedded(it *Item, name string, data []byte) *Item {
	if t.limits.Depth <= 0 {
		it.fault(TooDeep, name)
		return nil
	}
	t.limits.Depth--
	defer func() { t.limits.Depth++ }()
	inner := &Item{}
	if !t.stream(inner, data) {
		return nil
	}
	return inner
}

func (t *tnef) endFile(it *Item, m *tnefMessage) {
	if m.file != nil {
		it.Files = append(it.Files, *m.file)
		m.file = nil
	}
}

// recipients reads attRecipTable: a list of properties for each ([MS-OXTNEF]
// 2.1.3.5.1).
func (t *tnef) recipients(it *Item, data []byte, charset string) {
	if len(data) < 4 {
		return
	}
	rows := int64(binary.LittleEndian.Uint32(data))
	data = data[4:]
	if most := int64(t.limits.Recipients); rows > most {
		it.fault(RecipientsCut, "")
		rows = most
	}
	for ; rows > 0 && len(data) > 0; rows-- {
		p := newProperties(charset)
		rest, ok := readProperties(p, data)
		it.addRecipient(p)
		if !ok {
			it.fault(Broken, "recipients")
			return
		}
		data = rest
	}
}

func newProperties(charset string) *properties {
	return &properties{values: make(map[uint16]value), charset: charset}
}

// maxProperties bounds the properties of one object.
const maxProperties = 10_000

// readProperties reads a list of properties ([MS-OXTNEF] 2.1.3.4) and returns
// what follows it. It reports false when the list is broken; what stands before
// the fault was read.
func readProperties(p *properties, b []byte) (rest []byte, ok bool) {
	c := cursor{b: b}
	count := c.uint32()
	for n := uint32(0); n < count && !c.failed; n++ {
		kind, id := c.uint16(), c.uint16()
		if id >= firstNamed {
			set := c.take(16)
			isName := c.uint32()
			if isName == 0 {
				if lid := c.uint32(); len(set) == 16 {
					if p.names == nil {
						p.names = make(map[named]uint16)
					}
					p.names[named{binary.LittleEndian.Uint32(set), lid}] = id
				}
			} else {
				c.padded(c.uint32())
			}
		}
		values := uint32(1)
		variable := variableSize(kind)
		if kind&multiple != 0 || variable {
			values = c.uint32()
		}
		if !variable && fixedSize(kind) == 0 {
			continue
		}
		for v := uint32(0); v < values && !c.failed; v++ {
			var data []byte
			if variable {
				data = c.padded(c.uint32())
			} else {
				data = c.take(fixedSize(kind))
			}
			if v == 0 && kind&multiple == 0 && !c.failed && len(p.values) < maxProperties {
				p.set(id, value{kind: kind, data: data})
			}
		}
	}
	return c.b, !c.failed
}

func variableSize(kind uint16) bool {
	switch kind &^ multiple {
	case typeString8, typeString, typeBinary, typeObject:
		return true
	}
	return false
}

// fixedSize returns the bytes that a value takes, padding included.
func fixedSize(kind uint16) uint32 {
	switch kind &^ multiple {
	case 0x0005, 0x0006, 0x0007, typeInt64, typeTime: // floating numbers, currency, times
		return 8
	case typeGUID:
		return 16
	case 0x0000, 0x0001: // no type, no value
		return 0
	}
	return 4
}

// cursor reads numbers off the front of b. What would go beyond its end fails,
// and so does everything after that.
type cursor struct {
	b      []byte
	failed bool
}

func (c *cursor) take(n uint32) []byte {
	if c.failed || int64(n) > int64(len(c.b)) {
		c.failed = true
		return nil
	}
	taken := c.b[:n:n]
	c.b = c.b[n:]
	return taken
}

// padded takes n bytes and what fills them up to a multiple of four.
func (c *cursor) padded(n uint32) []byte {
	taken := c.take(n)
	if !c.failed {
		c.b = c.b[min(len(c.b), int(-n&3)):]
	}
	return taken
}

func (c *cursor) uint16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// parseTRP reads the structure of attFrom ([MS-OXTNEF] 2.1.3.3.2): a name and
// "SMTP:jane@example.org".
func parseTRP(b []byte, charset string) Person {
	if len(b) < 8 {
		return Person{}
	}
	nameSize, addressSize := int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:]))
	b = b[8:]
	field := func(n int) string {
		n = min(n, len(b))
		text, _ := coding.Charset(charset, b[:n])
		b = b[n:]
		return strings.TrimSpace(strings.SplitN(text, "\x00", 2)[0])
	}
	name, address := field(nameSize), field(addressSize)
	if kind, rest, ok := strings.Cut(address, ":"); ok && isSMTP(kind, rest) {
		address = rest
	}
	return Person{name, address}
}

// parseDTR reads a date ([MS-OXTNEF] 2.1.3.3.1): year, month, day, hour,
// minute, second and day of the week, without a zone: it counts as UTC.
func parseDTR(b []byte) time.Time {
	if len(b) < 12 {
		return time.Time{}
	}
	part := func(i int) int { return int(binary.LittleEndian.Uint16(b[2*i:])) }
	year, month, day := part(0), part(1), part(2)
	if year < 1980 || year > 9000 || month < 1 || month > 12 || day < 1 || day > 31 {
		return time.Time{}
	}
	return time.Date(year, time.Month(month), day, part(3)%24, part(4)%60, part(5)%60, 0, time.UTC)
}
