package mailfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// DefaultMaxBytes is the largest message that is read: 25 MiB as the desk's
// SMTP door takes them, and room for what mailboxes add.
const DefaultMaxBytes = 32 << 20

// File is one message as it stood in a file.
type File struct {
	// Path is the file, as it was given or below the folder that was given.
	Path string
	// Index counts the messages of a mailbox from 1; 0 for a file that is one.
	Index int
	// Raw is the message; nil with an Err.
	Raw []byte
	// Outlook says that Raw is not text but Outlook's own format (.msg).
	Outlook bool
	// Err tells why the message could not be read: fault.NotFound,
	// fault.TooLarge or fault.Internal. The next one may be readable.
	Err error
}

// Options bound the reading.
type Options struct {
	MaxBytes int64 // of one message; zero means DefaultMaxBytes
}

// Each calls do with every message at paths, in their order; folders are
// walked in the order of their names, without what is hidden and without files
// that are no mail. What cannot be read is a File with an Err. Each stops at
// do's first error, and when ctx ends, and returns that error.
func Each(ctx context.Context, paths []string, o Options, do func(File) error) error {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	r := reader{ctx: ctx, max: o.MaxBytes, do: do}
	for _, path := range paths {
		if err := r.path(path); err != nil {
			return err
		}
	}
	return nil
}

type reader struct {
	ctx context.Context
	max int64
	do  func(File) error
}

func (r *reader) path(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return r.fail(path, err)
	}
	if !info.IsDir() {
		return r.file(path, false)
	}
	return filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			if err := r.fail(name, err); err != nil {
				return err
			}
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case name != path && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.Type().IsRegular():
			return r.file(name, true)
		}
		return nil
	})
}

func (r *reader) fail(path string, err error) error {
	kind := fault.Internal
	if errors.Is(err, fs.ErrNotExist) {
		kind = fault.NotFound
	}
	// The system's sentence names the path again: only its reason is told.
	reason := err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		reason = p.Err
	}
	return r.give(File{Path: path, Err: fault.Wrap(kind, err, reason.Error())})
}

func (r *reader) give(f File) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	return r.do(f)
}

// file reads one file; found in a folder it must look like mail.
func (r *reader) file(path string, found bool) error {
	f, err := os.Open(path)
	if err != nil {
		return r.fail(path, err)
	}
	defer f.Close() // read only: nothing can be lost
	in := bufio.NewReaderSize(f, 64<<10)
	head, err := in.Peek(1024)
	if err != nil && !errors.Is(err, io.EOF) {
		return r.fail(path, err)
	}
	ending := strings.ToLower(filepath.Ext(path))
	switch {
	case ending == ".mbox" || ending == ".mbx" || ending != ".eml" && isFromLine(firstLine(head)):
		return r.mailbox(path, in)
	case found && ending != ".eml" && ending != ".msg" && !looksLikeMail(head):
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(in, r.max+1))
	switch {
	case err != nil:
		return r.fail(path, err)
	case int64(len(raw)) > r.max:
		return r.give(File{Path: path, Err: tooLarge(r.max)})
	}
	return r.give(File{Path: path, Raw: raw, Outlook: ending == ".msg" || bytes.HasPrefix(raw, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"))})
}

func tooLarge(limit int64) error {
	return fault.Errorf(fault.TooLarge, "the message is larger than %d MiB", limit>>20)
}

// mailbox gives every message of an mbox file. A line "From " begins one at
// the start of the file or after an empty line; ">From " is how it stands in a
// text, quoted once (the variant called mboxrd).
func (r *reader) mailbox(path string, in *bufio.Reader) error {
	var (
		raw     []byte
		index   int
		empty   = true // the line before was empty
		begun   bool   // something of this line was read before
		tooLong bool
	)
	flush := func() error {
		if index == 0 {
			return nil
		}
		f := File{Path: path, Index: index}
		if tooLong {
			f.Err = tooLarge(r.max)
		} else {
			f.Raw = bytes.Clone(raw)
		}
		raw, tooLong = raw[:0], false
		if cap(raw) > 1<<20 {
			raw = nil
		}
		return r.give(f)
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return r.fail(path, err)
		}
		if !begun && empty && isFromLine(line) {
			if err := flush(); err != nil {
				return err
			}
			index++
			empty = false
		} else if len(line) > 0 {
			index = max(index, 1) // a file called .mbox that begins otherwise
			if !begun && quotedFrom(line) {
				line = line[1:]
			}
			if int64(len(raw)+len(line)) > r.max {
				tooLong = true
			} else if !tooLong {
				raw = append(raw, line...)
			}
			empty = !begun && len(bytes.TrimRight(line, "\r\n")) == 0
		}
		begun = errors.Is(err, bufio.ErrBufferFull)
		if errors.Is(err, io.EOF) {
			return flush()
		}
	}
}

// isFromLine reports whether a line is an mbox separator: "From ", an address,
// and a date that has a time in it.
func isFromLine(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("From ")) || len(line) > 1000 {
		return false
	}
	for i := 5; i+2 < len(line); i++ {
		if line[i] == ':' && digit(line[i-1]) && digit(line[i+1]) && digit(line[i+2]) {
			return true
		}
	}
	return false
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func quotedFrom(line []byte) bool {
	return len(line) > 1 && line[0] == '>' && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From "))
}

func firstLine(head []byte) []byte {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return line
}

// looksLikeMail reports whether a file begins with a header field (RFC 5322
// section 2.2) and then another one or an empty line.
func looksLikeMail(head []byte) bool {
	fields := 0
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case len(line) == 0:
			return fields > 0
		case line[0] == ' ' || line[0] == '\t':
			if fields == 0 {
				return false
			}
			continue
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t<>{}\"'/") {
			return false
		}
		if fields++; fields == 2 {
			return true
		}
	}
	return false
}
