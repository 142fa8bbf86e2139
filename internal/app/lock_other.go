//go:build !unix

package app

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// lock takes the data directory for this process by a file that must not
// exist; after a crash its operator removes it.
func lock(dir string) (unlock func() error, err error) {
	name := filepath.Join(dir, "belfry.lock")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if os.IsExist(err) {
		return nil, fault.Errorf(fault.Conflict, "Another Belfry is running on the data directory %s. If none is, remove %s.", dir, name)
	}
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	return func() error {
		closed := f.Close()
		if err := os.Remove(name); err != nil {
			return err
		}
		return closed
	}, nil
}
