//go:build unix

package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// lock takes the data directory for this process. Two servers on one embedded
// store would run each other's jobs; the system drops the lock of a process
// that dies, however it dies.
func lock(dir string) (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "belfry.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f.Close, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fault.Errorf(fault.Conflict, "Another Belfry is running on the data directory %s.", dir)
	}
	return nil, errors.Join(fmt.Errorf("locking: %w", err), f.Close())
}
