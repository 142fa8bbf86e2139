package app

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// secretFile holds the centre's secret in the data directory: 32 bytes in
// hexadecimal. Follow links and the pseudonyms of reporters depend on it.
const secretFile = "centre.key"

// readSecret reads the secret, and draws it at the first start.
func readSecret(dir string) ([]byte, error) {
	name := filepath.Join(dir, secretFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		fresh := make([]byte, 32)
		if _, err := rand.Read(fresh); err != nil {
			return nil, err
		}
		err := writeOnce(name, []byte(hex.EncodeToString(fresh)+"\n"))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		text, err = os.ReadFile(name) // ours, or that of who was faster
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != 32 {
		return nil, fault.Errorf(fault.Invalid, "%s must hold 64 hexadecimal digits.", name)
	}
	return secret, nil
}

// writeOnce writes a file that must not exist yet, whole or not at all.
func writeOnce(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), name)
}

// agreeOnSecret checks that every process of the centre has the same secret:
// with another one, links that people were given would lead nowhere.
func agreeOnSecret(ctx context.Context, db *database.DB, secret []byte) error {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("belfry centre secret check"))
	mine := hex.EncodeToString(mac.Sum(nil))
	return db.Update(ctx, func(tx *database.Tx) error {
		var stored string
		err := tx.QueryRow(ctx, "SELECT value FROM centre WHERE name = 'secret_check'").Scan(&stored)
		if errors.Is(err, sql.ErrNoRows) {
			_, err := tx.Exec(ctx, "INSERT INTO centre (name, value) VALUES ('secret_check', $1)", mine)
			return err
		}
		if err != nil {
			return fmt.Errorf("reading the secret's check: %w", err)
		}
		if stored != mine {
			return fault.Errorf(fault.Conflict,
				"%s is not the one that this database was begun with. Copy it from another node or from the backup.", secretFile)
		}
		return nil
	})
}
