package outlook

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/message/compound"
)

// The names that [MS-OXMSG] 2.2 gives to what is in a .msg file.
const (
	streamPrefix    = "__substg1.0_"
	attachPrefix    = "__attach_version1.0_#"
	recipientPrefix = "__recip_version1.0_#"
	namesStorage    = "__nameid_version1.0"
	propertiesName  = "__properties_version1.0"
)

// ReadMSG reads a .msg file. The item shares memory with src, which must not
// change afterwards. The error is ErrFormat.
func ReadMSG(src []byte, limits *Limits) (*Item, error) {
	f, err := compound.Open(src, limits.Copied)
	if err != nil {
		return nil, ErrFormat
	}
	defer func() { limits.Copied = max(0, f.Copies()) }()
	m := &msg{reader: &reader{limits: limits}, file: f}
	it := &Item{}
	if f.Damaged() {
		it.fault(Broken, "file")
	}
	m.names = m.readNames(f.Root().Child(namesStorage))
	if !m.item(it, f.Root(), 32) {
		return nil, ErrFormat
	}
	return it, nil
}

// msg reads one .msg file with all that is embedded in it.
type msg struct {
	*reader
	file  *compound.File
	names map[named]uint16 // of the file; the embedded items use them, too
}

// item reads the item in a storage. header is the size of what stands before
// the properties of its kind ([MS-OXMSG] 2.4.1). It reports false when there is
// no item in it.
func (m *msg) item(it *Item, storage *compound.Entry, header int) bool {
	p, found := m.properties(it, storage, header)
	if !found {
		return false
	}
	p.charset = p.eightBit()
	m.fill(it, p)
	var files, people []*compound.Entry
	for _, child := range storage.Children {
		switch {
		case !child.Storage:
		case strings.HasPrefix(child.Name, attachPrefix):
			files = append(files, child)
		case strings.HasPrefix(child.Name, recipientPrefix):
			people = append(people, child)
		}
	}
	// Their names end in their number, in hexadecimal digits of one width.
	byName := func(a, b *compound.Entry) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(files, byName)
	slices.SortStableFunc(people, byName)
	if len(people) > m.limits.Recipients {
		it.fault(RecipientsCut, "")
		people = people[:m.limits.Recipients]
	}
	for _, entry := range people {
		rp, _ := m.properties(it, entry, 8)
		rp.charset = p.charset
		it.addRecipient(rp)
	}
	for _, entry := range files {
		if !m.takeFile(it) {
			break
		}
		ap, _ := m.properties(it, entry, 8)
		ap.charset = p.charset
		m.attachment(it, entry, ap)
	}
	return true
}

// attachment reads an attachment's content.
func (m *msg) attachment(it *Item, storage *compound.Entry, p *properties) {
	f := newFile(p)
	object := storage.Child(streamPrefix + "3701000D")
	switch method := p.number(pidAttachMethod); {
	case object != nil && object.Storage && method != methodOLE:
		if m.limits.Depth <= 0 {
			it.fault(TooDeep, f.Name)
			break
		}
		m.limits.Depth--
		inner := &Item{}
		if m.item(inner, object, 24) {
			f.Item = inner
		} else {
			it.fault(Broken, f.Name)
		}
		m.limits.Depth++
	case object != nil && object.Storage:
		f.Content = m.picture(object)
	default:
		f.Content, f.Target = p.bytes(pidAttachData), target(p)
	}
	it.Files = append(it.Files, f)
}

// picture returns what stands for an OLE object: its largest stream, which is a
// picture of it or the file that it wraps.
func (m *msg) picture(object *compound.Entry) []byte {
	var largest *compound.Entry
	for _, child := range object.Children {
		if !child.Storage && (largest == nil || child.Size > largest.Size) {
			largest = child
		}
	}
	if largest == nil {
		return nil
	}
	content, _ := m.file.Read(largest)
	return content
}

// properties reads the properties in a storage: the short ones stand in one
// stream, the others in a stream each. It reports false when there are none.
func (m *msg) properties(it *Item, storage *compound.Entry, header int) (p *properties, found bool) {
	p = &properties{values: make(map[uint16]value, len(storage.Children)+16), names: m.names}
	for _, child := range storage.Children {
		tag, ok := strings.CutPrefix(child.Name, streamPrefix)
		if child.Storage || !ok || len(tag) != 8 {
			continue // a longer tag is one value of a multiple property
		}
		n, err := strconv.ParseUint(tag, 16, 32)
		if err != nil {
			continue
		}
		found = true
		p.set(uint16(n>>16), value{kind: uint16(n), load: func() []byte {
			content, whole := m.file.Read(child)
			if !whole {
				it.fault(Broken, child.Name)
			}
			return content
		}})
	}
	list, _ := m.file.Read(storage.Child(propertiesName))
	if len(list) < header {
		return p, found
	}
	for list = list[header:]; len(list) >= 16; list = list[16:] {
		kind, id := binary.LittleEndian.Uint16(list), binary.LittleEndian.Uint16(list[2:])
		switch kind {
		case typeInt16, typeInt32, typeBool, typeInt64, typeTime:
			p.set(id, value{kind: kind, data: list[8:16]})
			found = true
		}
	}
	return p, found
}

// readNames reads which ids the named properties have in this file ([MS-OXMSG]
// 2.2.3).
func (m *msg) readNames(storage *compound.Entry) map[named]uint16 {
	if storage == nil {
		return nil
	}
	entries, _ := m.file.Read(storage.Child(streamPrefix + "00030102"))
	guids, _ := m.file.Read(storage.Child(streamPrefix + "00020102"))
	names := make(map[named]uint16, len(entries)/8)
	for n := 0; len(entries) >= 8 && n < 0x8000-2; n, entries = n+1, entries[8:] {
		lid, info := binary.LittleEndian.Uint32(entries), binary.LittleEndian.Uint32(entries[4:])
		index, isName := int(info&0xFFFF)>>1, info&1 != 0
		if isName || index < 3 || 16*(index-3)+4 > len(guids) {
			continue
		}
		set := binary.LittleEndian.Uint32(guids[16*(index-3):])
		names[named{set, lid}] = firstNamed + uint16(info>>16)
	}
	return names
}
