package archive

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/belfry-centre/belfry/internal/platform/raw"
)

// buckets is into how many parts the references are dealt by their hash, so
// that only one part need be in memory: for 20 million about 300,000.
const buckets = 64

// lists are two sets of references on disk.
type lists struct {
	dir         string
	named, kept *list
}

func newLists(temp string) (*lists, error) {
	dir, err := os.MkdirTemp(temp, "belfry-verify-")
	if err != nil {
		return nil, err
	}
	l := &lists{dir: dir}
	if l.named, err = newList(dir, "named"); err == nil {
		l.kept, err = newList(dir, "kept")
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lists) close() {
	for _, x := range []*list{l.named, l.kept} {
		if x != nil {
			x.close()
		}
	}
	_ = os.RemoveAll(l.dir) // temporary
}

// compare counts what is kept and not named (orphans) and what is named and
// not kept (missing), each reference once.
func (l *lists) compare(missing func(raw.Ref)) (orphans, gone int64, err error) {
	for i := range buckets {
		kept := map[record]bool{} // whether it is named
		if err := l.kept.each(i, func(r record) { kept[r] = false }); err != nil {
			return 0, 0, err
		}
		lost := map[record]bool{}
		if err := l.named.each(i, func(r record) {
			if _, ok := kept[r]; ok {
				kept[r] = true
			} else {
				lost[r] = true
			}
		}); err != nil {
			return 0, 0, err
		}
		for _, named := range kept {
			if !named {
				orphans++
			}
		}
		for r := range lost {
			gone++
			missing(r.ref())
		}
	}
	return orphans, gone, nil
}

// list is a set of references in one file for each bucket.
type list struct {
	files [buckets]*os.File
	bufs  [buckets]*bufio.Writer
}

func newList(dir, name string) (*list, error) {
	l := &list{}
	for i := range l.files {
		f, err := os.Create(filepath.Join(dir, name+"-"+strconv.Itoa(i)))
		if err != nil {
			l.close()
			return nil, err
		}
		l.files[i], l.bufs[i] = f, bufio.NewWriter(f)
	}
	return l, nil
}

func (l *list) close() {
	for _, f := range l.files {
		if f != nil {
			_ = f.Close() // temporary
		}
	}
}

// record is a reference in a fixed form: year, month, hash.
type record [2 + 1 + 32]byte

func (r record) ref() raw.Ref {
	year, month := strconv.Itoa(int(binary.BigEndian.Uint16(r[:2]))), strconv.Itoa(int(r[2]))
	ref := raw.Ref{Month: year + "-" + strings.Repeat("0", 2-len(month)) + month}
	copy(ref.SHA256[:], r[3:])
	return ref
}

func (l *list) add(ref raw.Ref) error {
	var r record
	year, month, _ := strings.Cut(ref.Month, "-")
	y, err1 := strconv.ParseUint(year, 10, 16)
	m, err2 := strconv.ParseUint(month, 10, 8)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	binary.BigEndian.PutUint16(r[:2], uint16(y))
	r[2] = byte(m)
	copy(r[3:], ref.SHA256[:])
	_, err := l.bufs[ref.SHA256[0]%buckets].Write(r[:])
	return err
}

func (l *list) each(bucket int, fn func(record)) error {
	if err := l.bufs[bucket].Flush(); err != nil {
		return err
	}
	f := l.files[bucket]
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReaderSize(f, 64<<10)
	for {
		var r record
		_, err := io.ReadFull(in, r[:])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fn(r)
	}
}
