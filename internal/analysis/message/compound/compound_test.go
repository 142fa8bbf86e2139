package compound_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/message/compound"
	"github.com/belfry-centre/belfry/internal/analysis/message/outlook/outlooktest"
)

func sample() []byte {
	return outlooktest.Compound(
		&outlooktest.Node{Name: "small", Content: []byte("hello")},
		&outlooktest.Node{Name: "empty"},
		&outlooktest.Node{Name: "large", Content: bytes.Repeat([]byte("0123456789abcdef"), 1000)},
		&outlooktest.Node{Name: "dir", Children: []*outlooktest.Node{
			{Name: "é", Content: bytes.Repeat([]byte("x"), 200)},
			{Name: "deeper", Children: []*outlooktest.Node{{Name: "end", Content: []byte("!")}}},
		}},
	)
}

func TestOpen(t *testing.T) {
	f, err := compound.Open(sample(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"small": "hello", "empty": "", "large": string(bytes.Repeat([]byte("0123456789abcdef"), 1000)),
		"dir/é": string(bytes.Repeat([]byte("x"), 200)), "dir/deeper/end": "!",
	} {
		e := f.Root()
		for name := range bytes.SplitSeq([]byte(path), []byte("/")) {
			if e = e.Child(string(name)); e == nil {
				t.Fatalf("no %s", path)
			}
		}
		if got, whole := f.Read(e); string(got) != want || !whole {
			t.Errorf("%s: %d bytes, %v", path, len(got), whole)
		}
	}
	if _, whole := f.Read(f.Root().Child("dir")); whole {
		t.Error("a storage was read")
	}
	if f.Root().Child("none") != nil {
		t.Error("there is what was not written")
	}
}

func TestOpenBroken(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty": nil, "text": []byte("Subject: x\n"), "signature alone": []byte(compound.Signature),
		"header alone": sample()[:512], "sector size": func() []byte { b := sample(); b[30] = 30; return b }(),
	} {
		if _, err := compound.Open(b, 1<<20); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// TestCutOff reads what is left of a file that lost its end: the FAT stands
// there, so all streams longer than a sector are gone, and nothing hangs.
func TestCutOff(t *testing.T) {
	b := sample()
	for n := range len(b) {
		readAll(b[:n])
	}
}

// readAll reads every stream that there is.
func readAll(b []byte) (total int) {
	f, err := compound.Open(b, 1<<20)
	if err != nil {
		return 0
	}
	var walk func(e *compound.Entry)
	walk = func(e *compound.Entry) {
		content, _ := f.Read(e)
		total += len(content)
		for _, c := range e.Children {
			walk(c)
		}
	}
	walk(f.Root())
	return total
}

// TestLoops makes chains and the directory bite their own tails. However often
// a file says it, no more comes out than it has.
func TestLoops(t *testing.T) {
	const sector = 512
	var files []*outlooktest.Node
	for i := range 2000 {
		files = append(files, &outlooktest.Node{Name: fmt.Sprint(i), Content: []byte("x")})
	}
	files = append(files, &outlooktest.Node{Name: "large", Content: bytes.Repeat([]byte("y"), 1<<20)})
	b := outlooktest.Compound(files...)
	directory := int(binary.LittleEndian.Uint32(b[48:])+1) * sector
	large := 0
	for at := directory; at+128 <= len(b); at += 128 {
		if b[at] == 'l' {
			large = int(binary.LittleEndian.Uint32(b[at+116:]))
		}
	}
	shared := bytes.Clone(b)
	for at := directory + 128; at < directory+2000*128; at += 128 {
		binary.LittleEndian.PutUint32(shared[at+116:], uint32(large))
		binary.LittleEndian.PutUint64(shared[at+120:], 1<<20)
	}
	tree := bytes.Clone(b)
	for at := directory; at < directory+2000*128; at += 128 {
		tree[at+66] = 1 + tree[at+66]%5/5 // storages
		for _, link := range []int{68, 72, 76} {
			binary.LittleEndian.PutUint32(tree[at+link:], uint32(at/128%2000))
		}
	}
	fat := bytes.Clone(b)
	first := int(binary.LittleEndian.Uint32(b[76:])+1) * sector
	for at := first; at+4 <= len(fat); at += 4 {
		binary.LittleEndian.PutUint32(fat[at:], uint32(large))
	}
	huge := bytes.Clone(b)
	for at := directory; at < directory+2000*128; at += 128 {
		binary.LittleEndian.PutUint64(huge[at+120:], 1<<62)
	}
	difat := bytes.Clone(b)
	binary.LittleEndian.PutUint32(difat[68:], 0)
	binary.LittleEndian.PutUint32(difat[72:], 0xFFFFFFFF)
	for name, b := range map[string][]byte{"shared": shared, "tree": tree, "fat": fat, "huge": huge, "difat": difat} {
		start := time.Now()
		if got := readAll(b); got > 2*len(b) {
			t.Errorf("%s: %d bytes out of %d", name, got, len(b))
		}
		if spent := time.Since(start); spent > time.Second {
			t.Errorf("%s: took %v", name, spent)
		}
	}
}

// TestScattered reads a stream whose sectors stand in reverse order, and stops
// where copying it would cost too much.
func TestScattered(t *testing.T) {
	const sector, n = 512, 100
	var content []byte
	for i := range n {
		content = append(content, bytes.Repeat([]byte{byte(i)}, sector)...)
	}
	b := outlooktest.Compound(&outlooktest.Node{Name: "large", Content: content})
	fat := int(binary.LittleEndian.Uint32(b[76:])+1) * sector
	for i := range n { // the content stands in the first sectors
		copy(b[(i+1)*sector:], content[(n-1-i)*sector:][:sector])
		binary.LittleEndian.PutUint32(b[fat+4*i:], uint32(i-1))
	}
	binary.LittleEndian.PutUint32(b[fat:], 0xFFFFFFFE)
	directory := int(binary.LittleEndian.Uint32(b[48:])+1) * sector
	binary.LittleEndian.PutUint32(b[directory+128+116:], n-1)
	for _, copies := range []int{1 << 20, 10 * sector} {
		f, err := compound.Open(b, copies)
		if err != nil {
			t.Fatal(err)
		}
		got, whole := f.Read(f.Root().Child("large"))
		if enough := copies > len(content); whole != enough || !bytes.HasPrefix(content, got) || len(got) > copies+sector || len(got) < 10*sector || f.Copies() > copies-len(got)+sector {
			t.Errorf("%d bytes, %v, %d left", len(got), whole, f.Copies())
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(sample())
	f.Add(sample()[:2000])
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := readAll(b); got > 2*len(b) {
			t.Errorf("%d bytes out of %d", got, len(b))
		}
	})
}
