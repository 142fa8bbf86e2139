package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// Dump writes the PostgreSQL database to the file dst, which must not exist,
// in pg_dump's custom format: consistent as of one instant, and durable on
// return. Without pg_dump on the machine it is Unsupported.
func Dump(ctx context.Context, dbURL, dst string) error {
	conn, err := connection(dbURL)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(dst); err == nil {
		return fmt.Errorf("archive: %s exists already", dst)
	}
	args := []string{
		"--format=custom", "--no-owner", "--no-privileges",
		"--compress=1", // most of it is compressed already
		"--file=" + dst, "--dbname=" + conn.url,
	}
	if conn.schema != "" {
		args = append(args, "--schema="+conn.schema)
	}
	if err := conn.run(ctx, "pg_dump", args...); err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(dst)))
	}
	f, err := os.OpenFile(dst, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Sync(), f.Close(), syncDir(filepath.Dir(dst)))
}

// Undump restores what Dump wrote into an empty database, in one transaction.
func Undump(ctx context.Context, dbURL, src string) error {
	conn, err := connection(dbURL)
	if err != nil {
		return err
	}
	return conn.run(ctx, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
		"--dbname="+conn.url, src)
}

// emptyPostgres refuses a database that holds tables.
func emptyPostgres(ctx context.Context, dbURL string) error {
	db, err := database.Open(ctx, database.Options{URL: dbURL, Readers: 1})
	if err != nil {
		return err
	}
	n := 0
	err = db.View(ctx, func(tx *database.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM pg_tables
			WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`).Scan(&n)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	if n > 0 {
		return fault.New(fault.Conflict, "The database to restore into is not empty.")
	}
	return nil
}

// pgConnection is a URL as PostgreSQL's own programs take it.
type pgConnection struct {
	url      string // without the password, which everybody could read in the list of processes
	password string
	schema   string
}

// What of a URL's query libpq knows; the rest are settings of the session.
var libpqKeys = []string{
	"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "host", "port", "target_session_attrs",
}

func connection(dbURL string) (pgConnection, error) {
	u, err := url.Parse(dbURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return pgConnection{}, fault.New(fault.Invalid, "The database's URL must begin with postgres://.")
	}
	var c pgConnection
	q := u.Query()
	c.schema = q.Get("search_path")
	c.password, _ = u.User.Password()
	if c.password == "" {
		c.password = q.Get("password")
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	keep := url.Values{}
	for _, k := range libpqKeys {
		if q.Has(k) {
			keep.Set(k, q.Get(k))
		}
	}
	u.RawQuery = keep.Encode()
	c.url = u.String()
	return c, nil
}

func (c pgConnection) run(ctx context.Context, program string, args ...string) error {
	path, err := exec.LookPath(program)
	if err != nil {
		return fault.Wrap(fault.Unsupported, err,
			"A backup of PostgreSQL needs "+program+" on this machine: install the package postgresql-client.")
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = os.Environ()
	if c.password != "" {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+c.password)
	}
	var says tail
	cmd.Stderr = &says
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("archive: %s: %w: %s", program, err, bytes.TrimSpace(says.b))
	}
	return nil
}

// tail keeps the first bytes that a program says about its failure.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	if room := 4096 - len(t.b); room > 0 {
		t.b = append(t.b, b[:min(room, len(b))]...)
	}
	return len(b), nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
