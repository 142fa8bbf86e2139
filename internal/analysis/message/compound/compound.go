package compound

import (
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// Signature is what every compound file begins with ([MS-CFB] 2.2).
const Signature = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

// ErrFormat says that there is no compound file, or one of which nothing can be
// read.
var ErrFormat = errors.New("compound: no readable compound file")

const (
	headerSize = 512
	entrySize  = 128
	miniShift  = 6    // mini sectors have 64 bytes
	miniCutoff = 4096 // streams below this size are in the mini stream

	lastSector = 0xFFFFFFFA // greater numbers have meanings ([MS-CFB] 2.1)

	// maxEntries bounds the directory: a mail with 2,000 recipients has 40,000.
	maxEntries = 1 << 17
)

// File is a compound file with its directory read. It is not safe for
// concurrent use.
type File struct {
	src     []byte
	shift   uint   // a sector has 1<<shift bytes
	fat     []int  // offsets of the sectors of the FAT
	miniFAT []byte // the chains of the mini stream
	mini    []byte // the mini stream
	root    *Entry
	budget  int // bytes that Read may still give
	copies  int // bytes that may still be copied to put scattered streams together
	damaged bool
}

// Entry is a storage or a stream.
type Entry struct {
	Name     string
	Storage  bool
	Size     int64 // of a stream, as the directory claims
	Children []*Entry

	start uint32
}

// Child returns the child of this name, or nil.
func (e *Entry) Child(name string) *Entry {
	for _, c := range e.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Open reads the header and the directory of the file in src, which must not
// change afterwards. Streams whose sectors do not follow each other are copied,
// copies bytes in all; further ones end early. The error is ErrFormat.
func Open(src []byte, copies int) (*File, error) {
	if len(src) < headerSize || string(src[:len(Signature)]) != Signature {
		return nil, ErrFormat
	}
	f := &File{src: src, shift: uint(binary.LittleEndian.Uint16(src[30:])), copies: copies}
	if f.shift != 9 && f.shift != 12 {
		return nil, ErrFormat
	}
	f.readFAT()
	// The directory and the mini stream are read besides the budget for streams,
	// and are themselves no larger than the file.
	f.budget = len(src)
	directory, _ := f.chain(binary.LittleEndian.Uint32(src[48:]), min(len(src), maxEntries*entrySize))
	f.budget = len(src)
	f.miniFAT, _ = f.chain(binary.LittleEndian.Uint32(src[60:]), len(src))
	if !f.readDirectory(directory) {
		return nil, ErrFormat
	}
	f.budget = len(src)
	var whole bool
	f.mini, whole = f.chain(f.root.start, int(min(f.root.Size, int64(len(src)))))
	f.damaged = f.damaged || !whole
	f.budget = len(src)
	return f, nil
}

// Damaged reports whether pieces of the file are missing that it cannot be read
// without, so that there may have been more in it.
func (f *File) Damaged() bool { return f.damaged }

// Copies returns how many bytes may still be copied.
func (f *File) Copies() int { return f.copies }

// Root returns the root storage.
func (f *File) Root() *Entry { return f.root }

// Read returns the content of a stream; it may share memory with the file. It
// reports false when there is less than the directory claims.
func (f *File) Read(e *Entry) ([]byte, bool) {
	if e == nil || e.Storage {
		return nil, false
	}
	size := int(min(e.Size, int64(len(f.src))))
	var content []byte
	var ok bool
	if e.Size < miniCutoff {
		content, ok = f.miniChain(e.start, size)
	} else {
		content, ok = f.chain(e.start, size)
	}
	return content, ok && int64(len(content)) == e.Size
}

// sector returns the offset of a sector; false beyond the end of the file.
func (f *File) sector(n uint32) (offset int, ok bool) {
	o := (int64(n) + 1) << f.shift
	return int(o), n <= lastSector && o < int64(len(f.src))
}

// readFAT finds the sectors of the file allocation table: 109 of them in the
// header, the others in a chain of their own ([MS-CFB] 2.5).
func (f *File) readFAT() {
	sectors := len(f.src)>>f.shift + 1
	// No more of them than the file needs.
	most := sectors>>(f.shift-2) + 1
	add := func(list []byte) {
		for ; len(list) >= 4 && len(f.fat) < most; list = list[4:] {
			offset, ok := f.sector(binary.LittleEndian.Uint32(list))
			if !ok {
				if binary.LittleEndian.Uint32(list) > lastSector {
					continue
				}
				offset = -1 // it is missing: the others keep their place
			}
			f.damaged = f.damaged || offset < 0 || offset+1<<f.shift > len(f.src)
			f.fat = append(f.fat, offset)
		}
	}
	add(f.src[76:headerSize])
	next := binary.LittleEndian.Uint32(f.src[68:])
	for range most {
		offset, ok := f.sector(next)
		end := offset + 1<<f.shift
		if !ok || end > len(f.src) || len(f.fat) >= most {
			break
		}
		add(f.src[offset : end-4])
		next = binary.LittleEndian.Uint32(f.src[end-4:])
	}
}

// next returns the sector that follows n in its chain.
func (f *File) next(n uint32) (uint32, bool) {
	perSector := uint32(1) << (f.shift - 2)
	i := int(n / perSector)
	if i >= len(f.fat) || f.fat[i] < 0 {
		return 0, false
	}
	offset := f.fat[i] + 4*int(n%perSector)
	if offset+4 > len(f.src) {
		return 0, false
	}
	return binary.LittleEndian.Uint32(f.src[offset:]), true
}

// chain returns up to size bytes of the chain that begins at a sector, and
// whether it has as many.
func (f *File) chain(start uint32, size int) ([]byte, bool) {
	whole := size <= f.budget
	size = min(size, f.budget)
	var out []byte
	from, to := 0, 0 // a run of sectors that follow each other in the file
	got := 0
	for sector := start; got < size; {
		offset, ok := f.sector(sector)
		if !ok {
			break
		}
		n := min(1<<f.shift, size-got, len(f.src)-offset)
		if offset != to || got == 0 {
			if got > f.copies {
				break
			}
			out = append(out, f.src[from:to]...)
			from = offset
		}
		to = offset + n
		got += n
		if sector, ok = f.next(sector); !ok {
			break
		}
	}
	return f.join(out, f.src[from:to:to], got), whole && got == size
}

// join puts the last run of sectors behind those before it.
func (f *File) join(out, last []byte, got int) []byte {
	f.budget -= got
	if out == nil {
		return last
	}
	f.copies -= got
	return append(out, last...)
}

// miniChain is chain for the mini stream ([MS-CFB] 2.4).
func (f *File) miniChain(start uint32, size int) ([]byte, bool) {
	whole := size <= f.budget
	size = min(size, f.budget)
	var out []byte
	from, to, got := 0, 0, 0
	for sector := start; got < size; {
		offset := int64(sector) << miniShift
		if sector > lastSector || offset >= int64(len(f.mini)) {
			break
		}
		n := min(1<<miniShift, size-got, len(f.mini)-int(offset))
		if int(offset) != to || got == 0 {
			if got > f.copies {
				break
			}
			out = append(out, f.mini[from:to]...)
			from = int(offset)
		}
		to = int(offset) + n
		got += n
		entry := 4 * int64(sector)
		if entry+4 > int64(len(f.miniFAT)) {
			break
		}
		sector = binary.LittleEndian.Uint32(f.miniFAT[entry:])
	}
	return f.join(out, f.mini[from:to:to], got), whole && got == size
}

// node is one entry of the directory as it is stored ([MS-CFB] 2.6.1).
type node struct {
	*Entry
	left, right, child uint32
	taken              bool
}

// readDirectory makes the tree of the directory's entries. Each is taken once,
// so that no entry is its own ancestor.
func (f *File) readDirectory(b []byte) bool {
	nodes := make([]node, 0, min(len(b)/entrySize, maxEntries))
	for ; len(b) >= entrySize && len(nodes) < maxEntries; b = b[entrySize:] {
		kind := b[66]
		if kind != 1 && kind != 2 && kind != 5 {
			nodes = append(nodes, node{})
			continue
		}
		size := int64(binary.LittleEndian.Uint64(b[120:]))
		if f.shift == 9 || size < 0 {
			size &= 0xFFFFFFFF // the upper half is not always cleared
		}
		nodes = append(nodes, node{
			Entry: &Entry{Name: entryName(b), Storage: kind != 2, Size: size, start: binary.LittleEndian.Uint32(b[116:])},
			left:  binary.LittleEndian.Uint32(b[68:]), right: binary.LittleEndian.Uint32(b[72:]), child: binary.LittleEndian.Uint32(b[76:]),
		})
	}
	if len(nodes) == 0 || nodes[0].Entry == nil {
		return false
	}
	nodes[0].taken = true
	f.root = nodes[0].Entry
	f.root.Storage = true
	type task struct {
		parent *Entry
		index  uint32
	}
	tasks := []task{{f.root, nodes[0].child}}
	for len(tasks) > 0 {
		t := tasks[len(tasks)-1]
		tasks = tasks[:len(tasks)-1]
		if int64(t.index) >= int64(len(nodes)) || nodes[t.index].Entry == nil || nodes[t.index].taken {
			continue
		}
		n := &nodes[t.index]
		n.taken = true
		t.parent.Children = append(t.parent.Children, n.Entry)
		tasks = append(tasks, task{t.parent, n.right}, task{t.parent, n.left})
		if n.Storage {
			tasks = append(tasks, task{n.Entry, n.child})
		}
	}
	return true
}

func entryName(b []byte) string {
	size := min(int(binary.LittleEndian.Uint16(b[64:])), 64)
	units := make([]uint16, 0, 32)
	for i := 0; i+1 < size; i += 2 {
		if u := binary.LittleEndian.Uint16(b[i:]); u != 0 {
			units = append(units, u)
		}
	}
	return string(utf16.Decode(units))
}
