// Package databasetest runs a store's tests on every engine: SQLite always,
// PostgreSQL where BELFRY_TEST_POSTGRES names a server.
package databasetest

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
)

// Env names the variable with the URL of a PostgreSQL server on which tests
// may create schemas.
const Env = "BELFRY_TEST_POSTGRES"

// Each runs f as a subtest on each engine, on an empty store that has the
// schemas.
func Each(t *testing.T, f func(t *testing.T, db *database.DB), schemas ...database.Schema) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, Open(t, database.Options{}, schemas...)) })
	t.Run("postgres", func(t *testing.T) {
		f(t, Open(t, database.Options{URL: PostgresURL(t)}, schemas...))
	})
}

// Open opens the store that o names, in a temporary file when it names none,
// migrates it and closes it when the test ends.
func Open(t testing.TB, o database.Options, schemas ...database.Schema) *database.DB {
	t.Helper()
	if o.URL == "" && o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "belfry.db")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db, err := database.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	if err := db.Migrate(context.Background(), schemas...); err != nil {
		t.Fatal(err)
	}
	return db
}

// PostgresURL returns the URL of a schema of its own on the test server; the
// schema is dropped when the test ends. Without a server the test is skipped.
func PostgresURL(t testing.TB) string {
	t.Helper()
	base := os.Getenv(Env)
	if base == "" {
		t.Skipf("needs PostgreSQL: apt-get install postgresql, then set %s=postgres://user@host/database", Env)
	}
	server, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), database.NewID(time.Now()))
	if _, err := server.Exec("CREATE SCHEMA " + name); err != nil {
		t.Fatalf("creating a schema on %s: %v", Env, err)
	}
	t.Cleanup(func() {
		_, err := server.Exec("DROP SCHEMA " + name + " CASCADE")
		if err != nil {
			t.Errorf("dropping the test's schema: %v", err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("%s: %v", Env, err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}
