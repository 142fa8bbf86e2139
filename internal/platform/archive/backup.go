package archive

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

// Made is a finished backup.
type Made struct {
	Path   string // its folder
	Files  int
	Bytes  int64 // of all files
	Linked int64 // of those bytes, what an earlier backup had already
}

// Backup copies a running centre into a new folder in dst; see the package's
// documentation. On an error the half folder is removed, as far as the disk
// lets it. While it runs, deleting from an embedded raw store is Busy.
func Backup(ctx context.Context, c Centre, dst string) (Made, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxLog <= 0 {
		c.MaxLog = defaultMaxLog
	}
	if err := os.MkdirAll(dst, 0o700); err != nil {
		return Made{}, fmt.Errorf("archive: %w", err)
	}
	now := c.DB.Now()
	final := filepath.Join(dst, "belfry-"+now.Format("20060102T150405.000Z"))
	if _, err := os.Lstat(final); err == nil {
		return Made{}, fmt.Errorf("archive: %s exists already", final)
	}
	b := &backup{Centre: c, dir: final + partial, now: now, earlier: map[string]Item{}}
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		return Made{}, fmt.Errorf("archive: %w", err)
	}
	err := b.run(ctx, dst)
	if err == nil {
		err = os.Rename(b.dir, final)
	}
	if err != nil {
		return Made{}, errors.Join(fmt.Errorf("archive: making a backup: %w", err), os.RemoveAll(b.dir))
	}
	b.made.Path = final
	return b.made, syncDir(dst)
}

// backup is one in the making.
type backup struct {
	Centre
	dir      string // ends in .partial
	now      time.Time
	manifest *manifestWriter
	made     Made

	before  string          // the newest finished backup in the same place, or ""
	earlier map[string]Item // its raw files
}

func (b *backup) run(ctx context.Context, dst string) (err error) {
	b.findEarlier(dst)
	h := Header{Created: b.now, Version: b.Version, Engine: b.DB.Engine(), Database: b.Database, Seal: b.seal()}
	if h.Engine == database.Postgres {
		h.Database = dumpName
	}
	// The schema does not change while the program runs.
	if h.Schemas, err = b.DB.Versions(ctx); err != nil {
		return err
	}
	if b.manifest, err = newManifest(b.dir, h); err != nil {
		return err
	}
	defer func() { err = b.manifest.finish(b.dir, err) }()

	embedded, isEmbedded := b.Raw.(*raw.Embedded)
	if isEmbedded {
		release, err := embedded.Hold()
		if err != nil {
			return err
		}
		defer release()
	}
	// The last audit seal is among the files: it must not be newer than the
	// database's copy.
	if err := b.files(); err != nil {
		return err
	}
	if err := b.database(ctx); err != nil {
		return err
	}
	if isEmbedded {
		return b.raw(ctx, embedded)
	}
	return nil
}

// seal returns the last audit seal, if the data directory has a readable one.
func (b *backup) seal() *audit.Seal {
	text, err := os.ReadFile(filepath.Join(b.Dir, audit.SealFile))
	if err != nil {
		return nil
	}
	s := new(audit.Seal)
	if json.Unmarshal(text, s) != nil || !s.Valid() {
		return nil
	}
	return s
}

func (b *backup) files() error {
	for i, name := range b.Files {
		report(b.Progress, Progress{StepFiles, name, int64(i), int64(len(b.Files))})
		if !safePath(filepath.ToSlash(name)) {
			return fmt.Errorf("%q is not a name in the data directory", name)
		}
		src := filepath.Join(b.Dir, name)
		info, err := os.Stat(src)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := b.copy(filepath.ToSlash(name), src, info.Size()); err != nil {
			return err
		}
	}
	return nil
}

func (b *backup) database(ctx context.Context) error {
	if b.DB.Engine() == database.Postgres {
		report(b.Progress, Progress{Step: StepDatabase, Item: dumpName, Total: 1})
		path := filepath.Join(b.dir, dumpName)
		if err := Dump(ctx, b.URL, path); err != nil {
			return err
		}
		c, err := hashFile(path)
		if err != nil {
			return err
		}
		return b.add(dumpName, c, "")
	}
	c, err := copyPages(ctx, b.DB, filepath.Join(b.dir, b.Database), b.MaxLog, func(done, total int64) {
		report(b.Progress, Progress{StepDatabase, b.Database, done, total})
	})
	if err != nil {
		return err
	}
	return b.add(b.Database, c, "")
}

func (b *backup) raw(ctx context.Context, s *raw.Embedded) error {
	months, err := s.Months(ctx)
	if err != nil {
		return err
	}
	for _, month := range months {
		if err := b.month(ctx, s, month); err != nil {
			return fmt.Errorf("the raw month %s: %w", month, err)
		}
	}
	return nil
}

// month copies a month's database and then its large files: a large file is
// there before the row that names it.
func (b *backup) month(ctx context.Context, s *raw.Embedded, month string) error {
	name := path.Join(b.RawDir, raw.MonthFile(month))
	state := ""
	err := s.ViewMonth(ctx, month, func(db *database.DB) error {
		if month < raw.MonthOf(b.now) {
			var err error
			if state, err = raw.MonthState(ctx, db); err != nil {
				return err
			}
			if old, ok := b.earlier[name]; ok && old.State == state {
				if done, err := b.link(old); done || err != nil {
					return err
				}
			}
		}
		c, err := copyPages(ctx, db, filepath.Join(b.dir, filepath.FromSlash(name)), b.MaxLog, func(done, total int64) {
			report(b.Progress, Progress{StepRaw, name, done, total})
		})
		if err != nil {
			return err
		}
		return b.add(name, c, state)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.EachLarge(ctx, month, func(rel, file string, size int64) error {
		name := path.Join(b.RawDir, rel)
		if old, ok := b.earlier[name]; ok && old.Size == size {
			if done, err := b.link(old); done || err != nil {
				return err
			}
		}
		return b.copy(name, file, size)
	})
}

// copy copies one file that does not change.
func (b *backup) copy(name, src string, size int64) error {
	n, sum, err := copyFile(filepath.Join(b.dir, filepath.FromSlash(name)), src, size)
	if err != nil {
		return err
	}
	return b.add(name, copied{n, sum}, "")
}

// link takes a file over from the backup before. Where that fails (another
// kind of disk, a file that has gone) it is copied instead.
func (b *backup) link(old Item) (done bool, err error) {
	from, to := filepath.Join(b.before, old.Path), filepath.Join(b.dir, old.Path)
	info, err := os.Lstat(from)
	if err != nil || !info.Mode().IsRegular() || info.Size() != old.Size {
		return false, nil //nolint:nilerr // copied instead
	}
	sum, err := hex.DecodeString(old.SHA256)
	if err != nil || os.MkdirAll(filepath.Dir(to), 0o700) != nil || os.Link(from, to) != nil {
		return false, nil //nolint:nilerr // copied instead
	}
	if err := syncDir(filepath.Dir(to)); err != nil {
		return false, err
	}
	b.made.Linked += old.Size
	return true, b.add(old.Path, copied{old.Size, sum}, old.State)
}

func (b *backup) add(name string, c copied, state string) error {
	b.made.Files++
	b.made.Bytes += c.size
	return b.manifest.add(name, c, state)
}

// findEarlier looks for the newest finished backup in dst and remembers what
// may be linked to. Without one everything is copied.
func (b *backup) findEarlier(dst string) {
	entries, err := os.ReadDir(dst)
	if err != nil {
		return
	}
	for i := len(entries) - 1; i >= 0; i-- { // sorted by name, so by time
		name := entries[i].Name()
		if !entries[i].IsDir() || !strings.HasPrefix(name, "belfry-") || strings.HasSuffix(name, partial) {
			continue
		}
		found := map[string]Item{}
		_, err := ReadManifest(filepath.Join(dst, name), func(it Item) error {
			if it.State != "" || strings.HasSuffix(it.Path, ".zst") {
				found[it.Path] = it
			}
			return nil
		})
		if err != nil {
			b.Log.Warn("an earlier backup has no readable manifest", "name", name, "error", err)
			continue
		}
		b.before, b.earlier = filepath.Join(dst, name), found
		return
	}
}
