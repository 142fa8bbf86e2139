package raw

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

const (
	largeSuffix = ".zst"
	tempPrefix  = ".part-"
	holdPrefix  = ".hold-"
)

// largeDir is the month's folder of contents over Large.
func (s *Embedded) largeDir(month string) string { return filepath.Join(s.o.Dir, "raw-"+month) }

func (s *Embedded) largePath(r Ref) string {
	sum := r.hex()
	return filepath.Join(s.largeDir(r.Month), sum[:2], sum+largeSuffix)
}

// writeLarge writes the file so that it is whole or not there: to a temporary
// name, synced, renamed, and the folder synced.
func (s *Embedded) writeLarge(r Ref, packed []byte) error {
	path := s.largePath(r)
	dir := filepath.Dir(path)
	if err := s.makeDirs(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	_, err = f.Write(packed)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(dir)
}

// makeDirs makes the month's folder and the one in it, durably.
func (s *Embedded) makeDirs(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(dir)), syncDir(s.o.Dir))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readLimited reads a whole file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("the file is larger than %d bytes", limit)
	}
	return b, nil
}

// A hold that nobody has renewed for this long belongs to a process that is
// gone.
const (
	holdRenew = 15 * time.Second
	holdStale = 2 * time.Minute
)

// Hold keeps Delete, DeleteIdle and DropMonth from removing anything, in this
// process and in others, until release is called; they return Busy. A backup
// holds the store from before its copy of the database until it has copied
// the bytes that the copy's rows name.
func (s *Embedded) Hold() (release func(), err error) {
	f, err := os.CreateTemp(s.o.Dir, holdPrefix)
	if err != nil {
		return nil, fmt.Errorf("raw: holding the store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("raw: holding the store: %w", err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(holdRenew)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case now := <-tick.C:
				_ = os.Chtimes(f.Name(), now, now) // fails only when the file is gone
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(stop)
		<-ended
		_ = os.Remove(f.Name()) // else it goes stale
	}), nil
}

// held returns Busy while somebody holds the store. Who removes bytes has
// committed the removal of their rows before; so whoever looks here just
// before a hold begins cannot take away what the holder's copy names.
func (s *Embedded) held() error {
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return storeError(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), holdPrefix) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // released this moment
		}
		if time.Since(info.ModTime()) < holdStale {
			return fault.New(fault.Busy, "A backup is being made; deleting waits for it.")
		}
		_ = os.Remove(filepath.Join(s.o.Dir, e.Name())) // its holder is gone
	}
	return nil
}
