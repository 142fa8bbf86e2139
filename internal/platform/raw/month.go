package raw

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

//go:embed schema/month/*.sql
var monthSchema embed.FS

// openMonths bounds the months that are open at once. Intake needs the
// current one, and for a moment the last; staff look at older ones.
const openMonths = 4

// handles are the open months.
type handles struct {
	o    Options
	mu   sync.Mutex
	idle *sync.Cond // a month became free, opened or closed
	all  map[string]*handle
	tick int64
	shut bool
}

type handle struct {
	db    *database.DB
	users int
	busy  bool  // being opened, closed or dropped by one caller
	used  int64 // tick of the last use
}

func newHandles(o Options) *handles {
	h := &handles{o: o, all: map[string]*handle{}}
	h.idle = sync.NewCond(&h.mu)
	return h
}

func monthPath(dir, month string) string { return filepath.Join(dir, "raw-"+month+".db") }

// with calls fn with the month's database. Unless create is set, a month that
// is not there gives fs.ErrNotExist.
func (p *handles) with(ctx context.Context, month string, create bool, fn func(*database.DB) error) error {
	h, err := p.acquire(ctx, month, create)
	if err != nil {
		return err
	}
	defer p.release(h)
	return fn(h.db)
}

func (p *handles) acquire(ctx context.Context, month string, create bool) (*handle, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		h := p.all[month]
		switch {
		case p.shut:
			return nil, fault.New(fault.Busy, "The store is closed.")
		case h == nil:
			h = &handle{busy: true}
			p.all[month] = h
			p.mu.Unlock()
			db, err := p.open(ctx, month, create)
			p.mu.Lock()
			h.db, h.busy = db, false
			if err != nil {
				delete(p.all, month)
				p.idle.Broadcast()
				return nil, err
			}
			p.take(h)
			p.idle.Broadcast()
			p.evict()
			return h, nil
		case h.busy:
			p.idle.Wait()
		default:
			p.take(h)
			return h, nil
		}
	}
}

func (p *handles) take(h *handle) {
	p.tick++
	h.used = p.tick
	h.users++
}

func (p *handles) release(h *handle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.users--; h.users == 0 {
		p.evict()
		p.idle.Broadcast()
	}
}

// evict closes the months longest unused, as far as nobody uses them. Closing
// checkpoints the month's log.
func (p *handles) evict() {
	for len(p.all) > openMonths {
		name := ""
		for n, h := range p.all {
			if h.users == 0 && !h.busy && (name == "" || h.used < p.all[name].used) {
				name = n
			}
		}
		if name == "" {
			return
		}
		h := p.all[name]
		h.busy = true
		p.mu.Unlock()
		err := h.db.Close()
		p.mu.Lock()
		delete(p.all, name)
		p.idle.Broadcast()
		if err != nil {
			p.o.Log.Warn("closing a month of raw bytes", "month", name, "error", err)
		}
	}
}

func (p *handles) open(ctx context.Context, month string, create bool) (*database.DB, error) {
	// What many wait for must not end because one of them goes away.
	ctx = context.WithoutCancel(ctx)
	path := monthPath(p.o.Dir, month)
	_, err := os.Stat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err != nil && (!isNew || !create) {
		return nil, err
	}
	db, err := database.Open(ctx, database.Options{
		Path: path, Readers: 3, CacheKiB: 4 << 10, Clock: p.o.Clock, Log: p.o.Log,
	})
	if err != nil {
		return nil, err
	}
	err = db.Migrate(ctx, database.Schema{Owner: "raw", Files: monthSchema})
	if err == nil && isNew {
		err = syncDir(p.o.Dir) // the file's name, too, must survive a power cut
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the month %s: %w", month, err), db.Close())
	}
	return db, nil
}

// exclusive closes the month, keeps everybody out while fn runs, and lets the
// next caller open it anew.
func (p *handles) exclusive(month string, fn func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for h := p.all[month]; h != nil && (h.busy || h.users > 0); h = p.all[month] {
		p.idle.Wait()
	}
	if p.shut {
		return fault.New(fault.Busy, "The store is closed.")
	}
	h := p.all[month]
	if h == nil {
		h = &handle{}
		p.all[month] = h
	}
	h.busy = true
	p.mu.Unlock()
	var err error
	if h.db != nil {
		err = h.db.Close()
	}
	err = errors.Join(err, fn())
	p.mu.Lock()
	delete(p.all, month)
	p.idle.Broadcast()
	return err
}

func (p *handles) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	var err error
	for len(p.all) > 0 {
		closed := false
		for name, h := range p.all {
			if h.users == 0 && !h.busy {
				err = errors.Join(err, h.db.Close())
				delete(p.all, name)
				closed = true
			}
		}
		if !closed {
			p.idle.Wait()
		}
	}
	p.idle.Broadcast()
	return err
}

// MonthFile returns the name of a month's database in the store's folder.
func MonthFile(month string) string { return filepath.Base(monthPath("", month)) }

// ViewMonth calls fn with the database of a month, which is to be read only;
// fs.ErrNotExist when the month has none.
func (s *Embedded) ViewMonth(ctx context.Context, month string, fn func(*database.DB) error) error {
	if !validMonth(month) {
		return fs.ErrNotExist
	}
	return s.months.with(ctx, month, false, fn)
}

// MonthState returns a text that is another one whenever a content was added
// to the month, or removed from it, since: the number of contents and the
// greatest id, which is never used again.
func MonthState(ctx context.Context, db *database.DB) (string, error) {
	var n, last int64
	err := db.View(ctx, func(tx *database.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*), coalesce(max(id), 0) FROM content").Scan(&n, &last)
	})
	return fmt.Sprintf("%d contents to id %d", n, last), err
}

// EachLarge calls fn for each file of a content over Large: its name in the
// store's folder with slashes, its path, and its size in bytes.
func (s *Embedded) EachLarge(ctx context.Context, month string, fn func(name, path string, size int64) error) error {
	if !validMonth(month) {
		return nil
	}
	return filepath.WalkDir(s.largeDir(month), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, largeSuffix) {
			return errors.Join(err, ctx.Err())
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(s.o.Dir, path)
		if err != nil {
			return err
		}
		return fn(filepath.ToSlash(name), path, info.Size())
	})
}
