package raw

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// eachBatch is how many rows a walk reads at once. A view that stayed open
// for a whole month would keep SQLite from recycling its log.
const eachBatch = 1000

// Embedded is the Store of one machine: a folder with a SQLite file for each
// month, and for each month a folder with the contents over Large. One
// process writes to it; others, such as a backup from the command line, may
// read at the same time.
type Embedded struct {
	*codec
	o      Options
	months *handles
	stripe [64]sync.Mutex // one content's file and row change together
}

var _ Store = (*Embedded)(nil)

func openEmbedded(o Options, c *codec) (*Embedded, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("raw: %w", err)
	}
	return &Embedded{codec: c, o: o, months: newHandles(o)}, nil
}

// Put implements Store.
func (s *Embedded) Put(ctx context.Context, at time.Time, content []byte) (Ref, error) {
	if err := s.check(content); err != nil {
		return Ref{}, err
	}
	ref := RefOf(at, content)
	if !validMonth(ref.Month) {
		return Ref{}, fault.New(fault.Invalid, "That month cannot be kept.")
	}
	packed := s.pack(content)
	if len(content) > Large {
		lock := s.lock(ref)
		lock.Lock()
		defer lock.Unlock()
		if err := s.writeLarge(ref, packed); err != nil {
			return Ref{}, storeError(err)
		}
		packed = nil
	}
	err := s.months.with(ctx, ref.Month, true, func(db *database.DB) error {
		return db.Update(ctx, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO content (sha256, size, put_at, data) VALUES ($1, $2, $3, $4)
				ON CONFLICT (sha256) DO UPDATE SET put_at = max(put_at, excluded.put_at)`,
				ref.SHA256[:], ref.Size, database.Micros(tx.Now), packed)
			return err
		})
	})
	if err != nil {
		return Ref{}, storeError(err)
	}
	return ref, nil
}

// Get implements Store.
func (s *Embedded) Get(ctx context.Context, ref Ref) ([]byte, error) {
	if !validMonth(ref.Month) {
		return nil, missing(ref)
	}
	var size int64
	var packed []byte
	err := s.months.with(ctx, ref.Month, false, func(db *database.DB) error {
		return db.View(ctx, func(tx *database.Tx) error {
			return tx.QueryRow(ctx, "SELECT size, data FROM content WHERE sha256 = $1", ref.SHA256[:]).Scan(&size, &packed)
		})
	})
	switch {
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, fs.ErrNotExist):
		return nil, missing(ref)
	case isCorrupt(err):
		return nil, damaged(ref, err)
	case err != nil:
		return nil, storeError(err)
	}
	if size > Large {
		packed, err = readLimited(s.largePath(ref), s.packedMax())
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, missing(ref)
		case err != nil:
			return nil, damaged(ref, err)
		}
	}
	return s.unpack(ref, max(size, 0), packed)
}

// Delete implements Store.
func (s *Embedded) Delete(ctx context.Context, ref Ref) error {
	_, err := s.remove(ctx, ref, time.Time{})
	return err
}

// DeleteIdle implements Store.
func (s *Embedded) DeleteIdle(ctx context.Context, ref Ref, before time.Time) (bool, error) {
	return s.remove(ctx, ref, before)
}

// remove deletes row and file; a zero before asks nothing.
func (s *Embedded) remove(ctx context.Context, ref Ref, before time.Time) (gone bool, err error) {
	if !validMonth(ref.Month) {
		return true, nil
	}
	if err := s.held(); err != nil {
		return false, err
	}
	lock := s.lock(ref)
	lock.Lock()
	defer lock.Unlock()
	deleted, left := int64(0), 0
	err = s.months.with(ctx, ref.Month, false, func(db *database.DB) error {
		if err := db.Update(ctx, func(tx *database.Tx) error {
			r, err := tx.Exec(ctx, "DELETE FROM content WHERE sha256 = $1 AND (put_at < $2 OR $2 = 0)",
				ref.SHA256[:], database.Micros(before))
			if err != nil {
				return err
			}
			if deleted, err = r.RowsAffected(); err != nil {
				return err
			}
			return tx.QueryRow(ctx, "SELECT count(*) FROM content WHERE sha256 = $1", ref.SHA256[:]).Scan(&left)
		}); err != nil || deleted == 0 {
			return err
		}
		return shrink(ctx, db)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, storeError(err)
	}
	if left > 0 {
		return false, nil
	}
	// A file without a row is what a crash left; its own age counts.
	path := s.largePath(ref)
	info, err := os.Stat(path)
	if err != nil || deleted == 0 && !before.IsZero() && !info.ModTime().Before(before) {
		return err != nil, nil
	}
	if err := os.Remove(path); err != nil {
		return false, storeError(err)
	}
	return true, storeError(syncDir(filepath.Dir(path)))
}

// shrinkPages is how many free pages one deletion gives back at most. Bounded,
// so that nobody waits long for the writer; the next deletion goes on.
const shrinkPages = 256

// shrink gives the disk back what deletions left free.
func shrink(ctx context.Context, db *database.DB) error {
	return db.Update(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", shrinkPages))
		if err != nil {
			return err
		}
		for rows.Next() { // each step frees a page
			continue
		}
		return errors.Join(rows.Err(), rows.Close())
	})
}

// Months implements Store.
func (s *Embedded) Months(context.Context) ([]string, error) {
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return nil, storeError(err)
	}
	var months []string
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), "raw-")
		if name = strings.TrimSuffix(name, ".db"); ok && validMonth(name) {
			months = append(months, name)
		}
	}
	slices.Sort(months)
	return slices.Compact(months), nil
}

// DropMonth implements Store.
func (s *Embedded) DropMonth(ctx context.Context, month string) error {
	if err := mayDrop(month, s.o.Clock()); err != nil {
		return err
	}
	if err := s.held(); err != nil {
		return err
	}
	return storeError(s.months.exclusive(month, func() error {
		path := s.monthPath(month)
		err := os.RemoveAll(s.largeDir(month))
		for _, suffix := range []string{"-wal", "-shm", ""} { // the database last: until then the month is listed
			if rm := os.Remove(path + suffix); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
				err = errors.Join(err, rm)
			}
		}
		return errors.Join(err, syncDir(s.o.Dir))
	}))
}

// Each implements Store.
func (s *Embedded) Each(ctx context.Context, month string, fn func(Ref) error) error {
	return s.walk(ctx, month, farFuture, fn)
}

// EachIdle implements Store. Among them are large files that a crash left
// without a row.
func (s *Embedded) EachIdle(ctx context.Context, month string, before time.Time, fn func(Ref) error) error {
	if err := s.walk(ctx, month, before, fn); err != nil {
		return err
	}
	return s.strays(ctx, month, before, fn)
}

var farFuture = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

func (s *Embedded) walk(ctx context.Context, month string, before time.Time, fn func(Ref) error) error {
	if !validMonth(month) {
		return nil
	}
	type row struct {
		id int64
		Ref
	}
	last := int64(0)
	for {
		var batch []row
		err := s.months.with(ctx, month, false, func(db *database.DB) error {
			return db.View(ctx, func(tx *database.Tx) error {
				rows, err := tx.Query(ctx, `SELECT id, sha256, size FROM content WHERE id > $1 AND put_at < $2
					ORDER BY id LIMIT $3`, last, database.Micros(before), eachBatch)
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					var sum []byte
					r := row{Ref: Ref{Month: month}}
					if err := rows.Scan(&r.id, &sum, &r.Size); err != nil {
						return err
					}
					copy(r.SHA256[:], sum)
					batch = append(batch, r)
				}
				return rows.Err()
			})
		})
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return storeError(err)
		}
		for _, r := range batch {
			if err := fn(r.Ref); err != nil {
				return err
			}
		}
		if len(batch) < eachBatch {
			return nil
		}
		last = batch[len(batch)-1].id
	}
}

// strays reports files older than before that no row knows, and removes what
// an interrupted write left.
func (s *Embedded) strays(ctx context.Context, month string, before time.Time, fn func(Ref) error) error {
	if !validMonth(month) {
		return nil
	}
	return filepath.WalkDir(s.largeDir(month), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || !info.ModTime().Before(before) {
			return nil //nolint:nilerr // gone meanwhile
		}
		if strings.HasPrefix(d.Name(), tempPrefix) {
			return os.Remove(path)
		}
		ref := Ref{Month: month}
		sum, err := hex.DecodeString(strings.TrimSuffix(d.Name(), largeSuffix))
		if err != nil || len(sum) != len(ref.SHA256) {
			return nil //nolint:nilerr // not ours
		}
		copy(ref.SHA256[:], sum)
		known, err := s.has(ctx, ref)
		if err != nil || known {
			return err
		}
		return fn(ref)
	})
}

func (s *Embedded) has(ctx context.Context, ref Ref) (bool, error) {
	n := 0
	err := s.months.with(ctx, ref.Month, false, func(db *database.DB) error {
		return db.View(ctx, func(tx *database.Tx) error {
			return tx.QueryRow(ctx, "SELECT count(*) FROM content WHERE sha256 = $1", ref.SHA256[:]).Scan(&n)
		})
	})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return n > 0, err
}

// Close implements Store.
func (s *Embedded) Close() error { return s.months.close() }

func (s *Embedded) lock(r Ref) *sync.Mutex { return &s.stripe[int(r.SHA256[0])%len(s.stripe)] }

func (s *Embedded) monthPath(month string) string { return monthPath(s.o.Dir, month) }

// isCorrupt reports whether SQLite found its own file damaged.
func isCorrupt(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "malformed") || strings.Contains(err.Error(), "not a database"))
}

// storeError gives an error of the machine the kind that makes a sender try
// again, unless it has a kind already.
func storeError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.Wrap(fault.Busy, fmt.Errorf("raw: %w", err), "The store cannot take it now.")
}
