package outlooktest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"
	"unicode/utf16"
)

// Props are properties by their tag: the id, and the type in the lower half. A
// value is a string (0x001E, 0x001F), bytes (0x0102), an int (0x0003), a bool
// (0x000B) or a time (0x0040).
type Props map[uint32]any

// Item is what is written: a message with its recipients and attachments.
type Item struct {
	Props      Props
	Recipients []Props
	Files      []File
	// Named are the ids, from 0x8000 on in their order, of properties that have a
	// number in a property set instead.
	Named []Name
}

// Name is a property set, by the first part of its GUID, and a number in it.
type Name struct{ Set, ID uint32 }

// File is an attachment; with Item an embedded message.
type File struct {
	Props Props
	Item  *Item
}

// MSG writes a .msg file ([MS-OXMSG]).
func MSG(it *Item) []byte {
	guids := make([]byte, 0, 16)
	entries := make([]byte, 0, 8)
	for i, n := range it.Named {
		guid := make([]byte, 16)
		binary.LittleEndian.PutUint32(guid, n.Set)
		guids = append(guids, guid...)
		entries = binary.LittleEndian.AppendUint32(entries, n.ID)
		entries = binary.LittleEndian.AppendUint32(entries, uint32(i)<<16|uint32(i+3)<<1)
	}
	names := &Node{Name: "__nameid_version1.0", Children: []*Node{
		{Name: "__substg1.0_00020102", Content: guids},
		{Name: "__substg1.0_00030102", Content: entries},
		{Name: "__substg1.0_00040102"},
	}}
	return Compound(append(storage(it, 32), names)...)
}

func storage(it *Item, header int) []*Node {
	nodes := streams(it.Props, header)
	for i, r := range it.Recipients {
		nodes = append(nodes, &Node{Name: fmt.Sprintf("__recip_version1.0_#%08X", i), Children: streams(r, 8)})
	}
	for i, f := range it.Files {
		children := streams(f.Props, 8)
		if f.Item != nil {
			children = append(children, &Node{Name: "__substg1.0_3701000D", Children: storage(f.Item, 24)})
		}
		nodes = append(nodes, &Node{Name: fmt.Sprintf("__attach_version1.0_#%08X", i), Children: children})
	}
	return nodes
}

func streams(props Props, header int) []*Node {
	list := make([]byte, header)
	var nodes []*Node
	for _, tag := range slices.Sorted(maps.Keys(props)) {
		content := Bytes(tag, props[tag])
		switch uint16(tag) {
		case 0x001E, 0x001F, 0x0102, 0x000D:
			nodes = append(nodes, &Node{Name: fmt.Sprintf("__substg1.0_%08X", tag), Content: content})
		default:
			list = binary.LittleEndian.AppendUint32(list, tag)
			list = append(list, 0, 0, 0, 0)
			list = append(append(list, content...), make([]byte, 8-len(content))...)
		}
	}
	return append(nodes, &Node{Name: "__properties_version1.0", Content: list})
}

// Bytes writes a property's value.
func Bytes(tag uint32, value any) []byte {
	switch v := value.(type) {
	case string:
		if uint16(tag) == 0x001F {
			return Wide(v)
		}
		return []byte(v)
	case []byte:
		return v
	case int:
		return binary.LittleEndian.AppendUint32(nil, uint32(v))
	case bool:
		if v {
			return []byte{1, 0}
		}
		return []byte{0, 0}
	case time.Time:
		return binary.LittleEndian.AppendUint64(nil, uint64(v.UnixMicro()*10+116444736000000000))
	}
	panic("a value of no known type")
}

// Wide writes a string in UTF-16.
func Wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// TNEF writes a TNEF stream ([MS-OXTNEF]).
func TNEF(it *Item) []byte {
	out := []byte("\x78\x9f\x3e\x22\x01\x00")
	out = Attribute(out, 1, 0x00089006, []byte{0, 0, 1, 0})
	out = Attribute(out, 1, 0x00069007, []byte{0xE4, 4, 0, 0, 0, 0, 0, 0}) // 1252
	if len(it.Props) > 0 {
		out = Attribute(out, 1, 0x00069003, it.list(it.Props))
	}
	if len(it.Recipients) > 0 {
		rows := binary.LittleEndian.AppendUint32(nil, uint32(len(it.Recipients)))
		for _, r := range it.Recipients {
			rows = append(rows, it.list(r)...)
		}
		out = Attribute(out, 1, 0x00069004, rows)
	}
	for _, f := range it.Files {
		out = Attribute(out, 2, 0x00069002, make([]byte, 14))
		props := Props{}
		for tag, value := range f.Props {
			if tag == 0x37010102 && f.Item == nil {
				out = Attribute(out, 2, 0x0006800F, value.([]byte))
				continue
			}
			props[tag] = value
		}
		if f.Item != nil {
			props[0x3701000D] = append(make([]byte, 16), TNEF(f.Item)...)
		}
		out = Attribute(out, 2, 0x00069005, it.list(props))
	}
	return out
}

// Attribute appends an attribute to a TNEF stream.
func Attribute(out []byte, level byte, id uint32, data []byte) []byte {
	out = append(out, level)
	out = binary.LittleEndian.AppendUint32(out, id)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(data)))
	out = append(out, data...)
	var sum uint16
	for _, c := range data {
		sum += uint16(c)
	}
	return binary.LittleEndian.AppendUint16(out, sum)
}

// list writes properties as TNEF has them.
func (it *Item) list(props Props) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(props)))
	for _, tag := range slices.Sorted(maps.Keys(props)) {
		value := props[tag]
		out = binary.LittleEndian.AppendUint16(out, uint16(tag))
		out = binary.LittleEndian.AppendUint16(out, uint16(tag>>16))
		if id := tag >> 16; id >= 0x8000 {
			name := it.Named[id-0x8000]
			guid := make([]byte, 16)
			binary.LittleEndian.PutUint32(guid, name.Set)
			out = append(out, guid...)
			out = binary.LittleEndian.AppendUint32(out, 0)
			out = binary.LittleEndian.AppendUint32(out, name.ID)
		}
		content := Bytes(tag, value)
		switch uint16(tag) {
		case 0x001E, 0x001F, 0x0102, 0x000D:
			out = binary.LittleEndian.AppendUint32(out, 1)
			out = binary.LittleEndian.AppendUint32(out, uint32(len(content)))
		}
		out = append(out, content...)
		for len(content)%4 != 0 {
			out, content = append(out, 0), append(content, 0)
		}
	}
	return out
}

// Compress writes rich text in the compressed form ([MS-OXRTFCP]), without any
// compression in it.
func Compress(rtf string) []byte {
	var data []byte
	at := 207
	for i := 0; i < len(rtf); i += 8 {
		piece := rtf[i:min(i+8, len(rtf))]
		control := byte(0)
		if len(piece) < 8 {
			control = 1 << len(piece) // the end mark
		}
		data = append(append(data, control), piece...)
		at = (at + len(piece)) % 4096
	}
	if len(rtf)%8 == 0 {
		data = append(data, 1)
	}
	data = binary.BigEndian.AppendUint16(data, uint16(at<<4))
	return Packed(data, len(rtf))
}

// Packed puts the header before compressed data.
func Packed(data []byte, size int) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(data)+12))
	out = binary.LittleEndian.AppendUint32(out, uint32(size))
	out = append(out, "LZFu"...)
	out = binary.LittleEndian.AppendUint32(out, ^crc32.Update(0xFFFFFFFF, crc32.IEEETable, data))
	return append(out, data...)
}

// Bomb writes compressed rich text that grows to n bytes, each reference in it
// as long as can be.
func Bomb(n int) []byte {
	const window, longest = 4096, 17
	var data []byte
	for at, made := 207, 0; made < n; {
		data = append(data, 0xFF)
		for range 8 {
			from := (at + window/2) % window
			data = binary.BigEndian.AppendUint16(data, uint16(from<<4|15))
			at, made = (at+longest)%window, made+longest
		}
	}
	return Packed(data, 1<<31-1)
}
