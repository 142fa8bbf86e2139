package outlooktest

import (
	"encoding/binary"
	"unicode/utf16"
)

// Node is a stream, or with Children a storage.
type Node struct {
	Name     string
	Content  []byte
	Children []*Node
}

const (
	sector     = 512
	miniSector = 64
	miniCutoff = 4096
	endOfChain = 0xFFFFFFFE
	noStream   = 0xFFFFFFFF
)

// Compound writes a compound file ([MS-CFB]) whose root has these children. It
// is meant for files of up to 7 MB.
func Compound(children ...*Node) []byte {
	w := &compound{}
	root := &Node{Name: "Root Entry", Children: children}
	w.add(root, 5)
	w.entries[0].start, w.entries[0].size = w.chain(w.mini), len(w.mini)
	miniFAT := w.chain(words(w.miniFAT))
	directory := w.chain(w.directory())
	fats := (len(w.body)/sector + 1 + 126) / 127
	first := len(w.body) / sector
	for range fats {
		w.fat = append(w.fat, 0xFFFFFFFD)
	}
	fat := words(w.fat)
	for len(fat)%sector != 0 {
		fat = append(fat, 0xFF)
	}
	header := make([]byte, sector)
	copy(header, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	put := binary.LittleEndian
	put.PutUint16(header[24:], 0x3E)
	put.PutUint16(header[26:], 3)
	put.PutUint16(header[28:], 0xFFFE)
	put.PutUint16(header[30:], 9)
	put.PutUint16(header[32:], 6)
	put.PutUint32(header[44:], uint32(fats))
	put.PutUint32(header[48:], directory)
	put.PutUint32(header[56:], miniCutoff)
	put.PutUint32(header[60:], miniFAT)
	put.PutUint32(header[68:], endOfChain)
	for i := range 109 {
		n := uint32(noStream)
		if i < fats {
			n = uint32(first + i)
		}
		put.PutUint32(header[76+4*i:], n)
	}
	return append(append(header, w.body...), fat[:fats*sector]...)
}

type compound struct {
	body    []byte // the sectors after the header
	fat     []uint32
	mini    []byte
	miniFAT []uint32
	entries []entry
}

type entry struct {
	name               string
	kind               byte
	left, right, child uint32
	start              uint32
	size               int
}

// add writes a node and what is below it, and returns its number.
func (w *compound) add(n *Node, kind byte) uint32 {
	number := uint32(len(w.entries))
	w.entries = append(w.entries, entry{name: n.Name, kind: kind, left: noStream, right: noStream, child: noStream, start: endOfChain})
	if kind == 2 {
		e := &w.entries[number]
		e.size = len(n.Content)
		if e.size >= miniCutoff {
			e.start = w.chain(n.Content)
		} else if e.size > 0 {
			e.start = uint32(len(w.miniFAT))
			w.mini = append(w.mini, n.Content...)
			for len(w.mini)%miniSector != 0 {
				w.mini = append(w.mini, 0)
			}
			for len(w.miniFAT) < len(w.mini)/miniSector {
				w.miniFAT = append(w.miniFAT, uint32(len(w.miniFAT)+1))
			}
			w.miniFAT[len(w.miniFAT)-1] = endOfChain
		}
	}
	last := uint32(noStream)
	for _, c := range n.Children {
		kind := byte(2)
		if c.Children != nil {
			kind = 1
		}
		child := w.add(c, kind)
		if last == noStream {
			w.entries[number].child = child
		} else {
			w.entries[last].right = child
		}
		last = child
	}
	return number
}

// chain writes content into sectors and returns the first.
func (w *compound) chain(content []byte) uint32 {
	if len(content) == 0 {
		return endOfChain
	}
	start := uint32(len(w.fat))
	w.body = append(w.body, content...)
	for len(w.body)%sector != 0 {
		w.body = append(w.body, 0)
	}
	for len(w.fat) < len(w.body)/sector {
		w.fat = append(w.fat, uint32(len(w.fat)+1))
	}
	w.fat[len(w.fat)-1] = endOfChain
	return start
}

func (w *compound) directory() []byte {
	var out []byte
	for _, e := range w.entries {
		b := make([]byte, 128)
		name := append(utf16.Encode([]rune(e.name)), 0)
		for i, u := range name {
			binary.LittleEndian.PutUint16(b[2*i:], u)
		}
		binary.LittleEndian.PutUint16(b[64:], uint16(2*len(name)))
		b[66], b[67] = e.kind, 1
		binary.LittleEndian.PutUint32(b[68:], e.left)
		binary.LittleEndian.PutUint32(b[72:], e.right)
		binary.LittleEndian.PutUint32(b[76:], e.child)
		binary.LittleEndian.PutUint32(b[116:], e.start)
		binary.LittleEndian.PutUint64(b[120:], uint64(e.size))
		out = append(out, b...)
	}
	return out
}

func words(list []uint32) []byte {
	var out []byte
	for _, n := range list {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	return out
}
