package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

// Centre is what Backup copies.
type Centre struct {
	DB *database.DB
	// URL is DB's URL when it is on PostgreSQL, for pg_dump.
	URL string
	Raw raw.Store
	// Dir is the data directory.
	Dir string
	// Database and RawDir are the names in Dir of the SQLite file and of the
	// folder of raw months ("" for Dir itself). They are where a restore puts
	// these.
	Database string
	RawDir   string
	// Files are further files to copy, by their names in Dir, such as keys.
	// One that does not exist is left out.
	Files []string
	// Version of the program, for the manifest.
	Version string
	// MaxLog bounds SQLite's write-ahead log during a copy, in bytes (0 means
	// 900 MiB).
	MaxLog   int64
	Progress func(Progress)
	Log      *slog.Logger
}

// Progress tells how far a long act is. It is called from one goroutine at a
// time, several times a second at most for a large file.
type Progress struct {
	Step  Step
	Item  string // a file, table or month; may be empty
	Done  int64  // in the step's unit
	Total int64  // 0 when not known
}

// Step is a part of a long act.
type Step string

const (
	StepFiles      Step = "files"      // keys and the like; in files
	StepDatabase   Step = "database"   // in bytes, on PostgreSQL in files
	StepRaw        Step = "raw"        // when copying in bytes, when verifying in contents
	StepRestore    Step = "restore"    // in bytes
	StepManifest   Step = "manifest"   // a copy against its manifest; in bytes
	StepReferences Step = "references" // rows' references to raw bytes; in references
	StepAudit      Step = "audit"      // in entries
	StepIntegrity  Step = "integrity"  // in tables
)

// report calls f when there is one.
func report(f func(Progress), p Progress) {
	if f != nil {
		f(p)
	}
}

const (
	partial        = ".partial"
	manifestName   = "MANIFEST.jsonl"
	restoreMarker  = "RESTORE-NOT-FINISHED"
	dumpName       = "database.pgdump"
	progressEvery  = 64 << 20 // bytes
	defaultMaxLog  = 900 << 20
	copyBufferSize = 1 << 20
)

// output is a new file whose bytes are hashed and counted as they are written.
// It becomes durable with finish.
type output struct {
	f    *os.File
	sum  hash.Hash
	size int64
	buf  []byte
}

// create makes path, which must not exist, and the folders it lies in.
func create(path string) (*output, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &output{f: f, sum: sha256.New(), buf: make([]byte, 0, copyBufferSize)}, nil
}

func (o *output) Write(b []byte) (int, error) {
	o.size += int64(len(b))
	o.sum.Write(b)
	if len(o.buf)+len(b) > cap(o.buf) {
		if err := o.flush(); err != nil {
			return 0, err
		}
	}
	if len(b) >= cap(o.buf) {
		return o.f.Write(b)
	}
	o.buf = append(o.buf, b...)
	return len(b), nil
}

func (o *output) flush() error {
	_, err := o.f.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}

// finish syncs the file and its folder when all went well until now, and
// removes it otherwise.
func (o *output) finish(err error) error {
	if err == nil {
		err = o.flush()
	}
	if err == nil {
		err = o.f.Sync()
	}
	if err = errors.Join(err, o.f.Close()); err != nil {
		return errors.Join(err, os.Remove(o.f.Name()))
	}
	return syncDir(filepath.Dir(o.f.Name()))
}

// copyFile copies src to dst, which must not exist.
func copyFile(dst, src string, limit int64) (size int64, sum []byte, err error) {
	in, err := os.Open(src)
	if err != nil {
		return 0, nil, err
	}
	defer in.Close()
	out, err := create(dst)
	if err != nil {
		return 0, nil, err
	}
	n, err := io.CopyBuffer(onlyWriter{out}, io.LimitReader(in, limit+1), make([]byte, 256<<10))
	if err == nil && n > limit {
		err = fmt.Errorf("%s: larger than the %d bytes expected", src, limit)
	}
	if err := out.finish(err); err != nil {
		return 0, nil, err
	}
	return out.size, out.sum.Sum(nil), nil
}

type onlyWriter struct{ io.Writer }

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
