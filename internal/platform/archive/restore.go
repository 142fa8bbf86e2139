package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// RestoreOptions say how a backup is brought back.
type RestoreOptions struct {
	// URL is the PostgreSQL database, empty, that a backup of PostgreSQL is
	// restored to.
	URL      string
	Progress func(Progress)
}

// Restore brings the backup in src back into dataDir, which must be empty or
// not exist (Conflict otherwise). Every file is compared with the manifest
// while it is copied, and is durable on return. When Restore fails, dataDir
// holds a marker for which Unfinished looks; empty the folder and try again.
func Restore(ctx context.Context, src, dataDir string, o RestoreOptions) (Header, error) {
	var total int64
	h, err := ReadManifest(src, func(it Item) error { // whole before anything is written
		total += it.Size
		return nil
	})
	if err != nil {
		return h, fmt.Errorf("archive: %w", err)
	}
	if h.Engine == database.Postgres {
		if o.URL == "" {
			return h, fault.New(fault.Invalid, "A backup of PostgreSQL needs the URL of an empty database.")
		}
		if err := emptyPostgres(ctx, o.URL); err != nil {
			return h, err
		}
	}
	if err := prepare(dataDir); err != nil {
		return h, err
	}
	if err := restoreFiles(ctx, h, src, dataDir, o, total); err != nil {
		return h, fmt.Errorf("archive: restoring: %w", err)
	}
	if err := os.Remove(filepath.Join(dataDir, restoreMarker)); err != nil {
		return h, fmt.Errorf("archive: %w", err)
	}
	return h, syncDir(dataDir)
}

// Unfinished reports whether a restore into dataDir failed half-way; a program
// must not start on it.
func Unfinished(dataDir string) bool {
	_, err := os.Lstat(filepath.Join(dataDir, restoreMarker))
	return err == nil
}

func prepare(dataDir string) error {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	entries, err := os.ReadDir(dataDir)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if len(entries) > 0 {
		return fault.New(fault.Conflict, "The folder to restore into is not empty.")
	}
	marker, err := create(filepath.Join(dataDir, restoreMarker))
	if err == nil {
		err = marker.finish(nil)
	}
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// restoreFiles copies all but the database, and then the database.
func restoreFiles(ctx context.Context, h Header, src, dataDir string, o RestoreOptions, total int64) error {
	var done int64
	var last *Item
	one := func(it Item) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		report(o.Progress, Progress{StepRestore, it.Path, done, total})
		done += it.Size
		from := filepath.Join(src, filepath.FromSlash(it.Path))
		if it.Path == dumpName && h.Engine == database.Postgres {
			c, err := hashFile(from)
			if err == nil {
				err = it.compare(c)
			}
			if err != nil {
				return err
			}
			return Undump(ctx, o.URL, from)
		}
		size, sum, err := copyFile(filepath.Join(dataDir, filepath.FromSlash(it.Path)), from, it.Size)
		if err != nil {
			return err
		}
		return it.compare(copied{size, sum})
	}
	_, err := ReadManifest(src, func(it Item) error {
		if it.Path == h.Database {
			last = &it
			return nil
		}
		return one(it)
	})
	if err != nil {
		return err
	}
	if last == nil {
		return fault.New(fault.Invalid, "The backup holds no database.")
	}
	if err := one(*last); err != nil {
		return err
	}
	return syncDirs(dataDir)
}

// compare returns an error unless the file is the one in the manifest.
func (it Item) compare(c copied) error {
	if c.size != it.Size || hex.EncodeToString(c.sum) != it.SHA256 {
		return fault.Wrap(fault.Invalid, fmt.Errorf("%s: not as the manifest has it", it.Path), "A file of the backup is damaged.")
	}
	return nil
}

// syncDirs makes the names of the folders in root durable.
func syncDirs(root string) error {
	return filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDir(path)
	})
}

// CheckCopy compares every file of the backup in dir with its manifest and
// calls bad for each that differs or is missing.
func CheckCopy(ctx context.Context, dir string, progress func(Progress), bad func(Item, error)) (Header, error) {
	var done int64
	return ReadManifest(dir, func(it Item) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		report(progress, Progress{Step: StepManifest, Item: it.Path, Done: done})
		done += it.Size
		c, err := hashFile(filepath.Join(dir, filepath.FromSlash(it.Path)))
		if err == nil {
			err = it.compare(c)
		}
		if err != nil {
			bad(it, err)
		}
		return nil
	})
}

func hashFile(path string) (copied, error) {
	f, err := os.Open(path)
	if err != nil {
		return copied{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.CopyBuffer(onlyWriter{sum}, f, make([]byte, 256<<10))
	if err != nil {
		return copied{}, err
	}
	return copied{n, sum.Sum(nil)}, nil
}
