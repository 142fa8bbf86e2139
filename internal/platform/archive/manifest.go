package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// The manifest is JSON Lines: a Header, an Item for each file, and a trailer
// with the number of files and the SHA-256 of all lines before it.

const format = 1

// Header is the first line of a manifest.
type Header struct {
	Format   int             `json:"belfry_backup"` // 1
	Created  time.Time       `json:"created"`
	Version  string          `json:"version"` // of the program
	Engine   database.Engine `json:"engine"`
	Schemas  map[string]int  `json:"schemas"`  // each owner's version
	Database string          `json:"database"` // the database's file
	Seal     *audit.Seal     `json:"audit_seal,omitempty"`
}

// Item is one file of a backup.
type Item struct {
	Path   string `json:"path"` // in the backup and in the data directory, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	State  string `json:"state,omitempty"` // of a closed raw month: the same state, the same content
}

type trailer struct {
	Files  int    `json:"files"`
	SHA256 string `json:"sha256"`
}

// maxLine bounds a line of a manifest that is being read.
const maxLine = 64 << 10

// manifestWriter writes a manifest to its temporary place.
type manifestWriter struct {
	out *output
	n   int
}

func newManifest(dir string, h Header) (*manifestWriter, error) {
	out, err := create(filepath.Join(dir, manifestName+partial))
	if err != nil {
		return nil, err
	}
	h.Format = format
	m := &manifestWriter{out: out}
	if err := m.line(h); err != nil {
		return nil, out.finish(err)
	}
	return m, nil
}

func (m *manifestWriter) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(text) >= maxLine {
		return fmt.Errorf("a manifest line of %d bytes", len(text))
	}
	_, err = m.out.Write(append(text, '\n'))
	return err
}

func (m *manifestWriter) add(path string, c copied, state string) error {
	m.n++
	return m.line(Item{Path: path, Size: c.size, SHA256: hex.EncodeToString(c.sum), State: state})
}

// finish writes the trailer and gives the manifest its name. An error until
// now removes it.
func (m *manifestWriter) finish(dir string, err error) error {
	if err == nil {
		err = m.line(trailer{m.n, hex.EncodeToString(m.out.sum.Sum(nil))})
	}
	if err := m.out.finish(err); err != nil {
		return err
	}
	name := filepath.Join(dir, manifestName)
	if err := os.Rename(name+partial, name); err != nil {
		return err
	}
	return syncDir(dir)
}

// ReadManifest reads the manifest of the backup in dir and calls fn for each
// of its files, in bounded memory. It fails with Invalid where there is no
// whole manifest, or a path in it leads out of the folder; so what fn did
// counts only when ReadManifest returns without an error.
func ReadManifest(dir string, fn func(Item) error) (Header, error) {
	f, err := os.Open(filepath.Join(dir, manifestName))
	if errors.Is(err, os.ErrNotExist) {
		return Header{}, fault.Wrap(fault.Invalid, err, "That folder is not a finished backup.")
	}
	if err != nil {
		return Header{}, err
	}
	defer f.Close()
	h, err := readManifest(f, fn)
	if errors.Is(err, errManifest) {
		err = fault.Wrap(fault.Invalid, err, "The backup's manifest is damaged.")
	}
	return h, err
}

var errManifest = errors.New("the manifest is damaged")

func readManifest(r io.Reader, fn func(Item) error) (Header, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	var h Header
	if !lines.Scan() || strict(lines.Bytes(), &h) != nil || h.Format != format {
		return h, fmt.Errorf("%w: its first line", errManifest)
	}
	sum := sha256.New()
	writeLine(sum, lines.Bytes())
	n := 0
	for lines.Scan() {
		var end trailer
		if strict(lines.Bytes(), &end) == nil {
			if end.Files != n || end.SHA256 != hex.EncodeToString(sum.Sum(nil)) || lines.Scan() {
				return h, fmt.Errorf("%w: its last line", errManifest)
			}
			return h, nil
		}
		var item Item
		if err := strict(lines.Bytes(), &item); err != nil {
			return h, fmt.Errorf("%w: line %d", errManifest, n+2)
		}
		if item.Size < 0 || !safePath(item.Path) {
			return h, fmt.Errorf("%w: a path leads out of the folder", errManifest)
		}
		writeLine(sum, lines.Bytes())
		n++
		if err := fn(item); err != nil {
			return h, err
		}
	}
	if err := lines.Err(); err != nil {
		return h, fmt.Errorf("%w: %w", errManifest, err)
	}
	return h, fmt.Errorf("%w: it ends early", errManifest)
}

// safePath accepts a path inside the folder that is neither the manifest nor
// the marker.
func safePath(path string) bool {
	return filepath.IsLocal(path) && filepath.ToSlash(filepath.Clean(path)) == path &&
		path != "." && path != manifestName && path != restoreMarker
}

func writeLine(h hash.Hash, line []byte) {
	h.Write(line)
	h.Write([]byte{'\n'})
}

func strict(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
