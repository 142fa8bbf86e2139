package file

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"iter"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

// Entry is one file of an archive.
type Entry struct {
	Name      string
	Size      int64 // unpacked, as the archive claims
	Encrypted bool
}

// Limits of an archive, besides what the caller sets.
const (
	maxEntries = 200
	maxMails   = 50
	maxRatio   = 100 // unpacked to packed; a mail's text packs to a tenth
	slack      = 64 << 10
)

// Entries lists the files of a zip archive, at most 200 of them, without
// unpacking any.
func Entries(archive []byte) []Entry {
	var entries []Entry
	for r := range records(archive) {
		entries = append(entries, r.Entry)
	}
	return entries
}

// File is a file got out of an archive.
type File struct {
	Name    string // with its path
	Content []byte // nil when Whole is false
	Whole   bool   // false when it is encrypted, broken or beyond a limit
}

// Mails unpacks the mails in a zip archive: the files that their names call so,
// at most 50 of them and limit bytes in all. A file that grows to more than a
// hundred times its packed size is taken for a bomb.
func Mails(archive []byte, limit int) []File {
	var mails []File
	for r := range records(archive) {
		if !mailName(r.Name) {
			continue
		}
		if len(mails) == maxMails {
			break
		}
		f := File{Name: r.Name}
		if content, ok := r.unpack(archive, limit); ok {
			f.Content, f.Whole = content, true
			limit -= len(content)
		}
		mails = append(mails, f)
	}
	return mails
}

// mailName reports whether a file is a mail by its name.
func mailName(name string) bool {
	name = strings.ToLower(name)
	for _, ending := range [...]string{".eml", ".msg", ".tnef", "winmail.dat"} {
		if strings.HasSuffix(name, ending) {
			return !strings.Contains(name, "__macosx/") // what a Mac adds of its own
		}
	}
	return false
}

// record is a file's entry in the central directory (APPNOTE.TXT 4.3.12).
type record struct {
	Entry
	method uint16
	packed int64
	offset int64 // of the local header
}

// records goes through the central directory of an archive, at most 200 files.
func records(archive []byte) iter.Seq[record] {
	return func(yield func(record) bool) {
		end := bytes.LastIndex(archive, []byte("PK\x05\x06"))
		if end < 0 || end+20 > len(archive) {
			return
		}
		start := int64(binary.LittleEndian.Uint32(archive[end+16:]))
		size := int64(binary.LittleEndian.Uint32(archive[end+12:]))
		shift := int64(end) - size - start // something may stand before the archive
		pos := start + shift
		for n := 0; n < maxEntries && pos >= 0 && pos+46 <= int64(len(archive)); n++ {
			b := archive[pos:]
			if string(b[:4]) != "PK\x01\x02" {
				return
			}
			name := int(binary.LittleEndian.Uint16(b[28:]))
			if 46+name > len(b) {
				return
			}
			text, _ := coding.Charset("", b[46:46+name])
			text, _ = coding.OneLine(text)
			r := record{
				Entry: Entry{
					Name:      text,
					Size:      int64(binary.LittleEndian.Uint32(b[24:])),
					Encrypted: binary.LittleEndian.Uint16(b[8:])&1 != 0,
				},
				method: binary.LittleEndian.Uint16(b[10:]),
				packed: int64(binary.LittleEndian.Uint32(b[20:])),
				offset: int64(binary.LittleEndian.Uint32(b[42:])) + shift,
			}
			if !yield(r) {
				return
			}
			pos += int64(46 + name + int(binary.LittleEndian.Uint16(b[30:])) + int(binary.LittleEndian.Uint16(b[32:])))
		}
	}
}

// unpack returns a file's content, if it is at most limit bytes.
func (r *record) unpack(archive []byte, limit int) ([]byte, bool) {
	const header = 30
	if r.Encrypted || r.offset < 0 || r.offset+header > int64(len(archive)) {
		return nil, false
	}
	b := archive[r.offset:]
	if string(b[:4]) != "PK\x03\x04" {
		return nil, false
	}
	start := int64(header + int(binary.LittleEndian.Uint16(b[26:])) + int(binary.LittleEndian.Uint16(b[28:])))
	if start+r.packed > int64(len(b)) {
		return nil, false
	}
	b = b[start : start+r.packed]
	const stored, deflated = 0, 8
	switch r.method {
	case stored:
		return b, len(b) <= limit
	case deflated:
		most := min(int64(limit), maxRatio*r.packed+slack)
		var out bytes.Buffer
		out.Grow(int(min(most, max(r.Size, 512)))) // what it claims, and no more than it may have
		n, err := io.Copy(&out, io.LimitReader(flate.NewReader(bytes.NewReader(b)), most+1))
		return out.Bytes(), err == nil && n <= most
	}
	return nil, false
}
