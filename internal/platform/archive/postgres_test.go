package archive

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

// postgresDatabase creates a database of its own and returns its URL.
func postgresDatabase(t *testing.T) string {
	t.Helper()
	base := os.Getenv(databasetest.Env)
	if base == "" {
		t.Skipf("needs PostgreSQL: apt-get install postgresql, then set %s=postgres://user@host/database", databasetest.Env)
	}
	server, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_archive_%d", database.NewID(time.Now()))
	if _, err := server.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := server.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		if err := errors.Join(err, server.Close()); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func openPostgres(t *testing.T, dir, dbURL string) *centre {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{URL: dbURL})
	if err != nil {
		t.Fatal(err)
	}
	c := openOn(t, dir, db, raw.Options{DB: db})
	c.URL = dbURL
	return c
}

func TestPostgresThereAndBack(t *testing.T) {
	from := postgresDatabase(t)
	if _, err := exec.LookPath("pg_dump"); err != nil {
		t.Skip("needs pg_dump: apt-get install postgresql-client")
	}
	c := openPostgres(t, t.TempDir(), from)
	c.fill(t)
	made, err := Backup(t.Context(), c.Centre, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := Restore(t.Context(), made.Path, dir, RestoreOptions{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a URL: %v", err)
	}
	if _, err := Restore(t.Context(), made.Path, dir, RestoreOptions{URL: from}); !fault.Is(err, fault.Conflict) {
		t.Errorf("into a database that is not empty: %v", err)
	}
	to := postgresDatabase(t)
	if _, err := Restore(t.Context(), made.Path, dir, RestoreOptions{URL: to}); err != nil {
		t.Fatal(err)
	}
	again := openPostgres(t, dir, to)
	r := again.verify(t)
	if !r.Sound() || r.References != 30 || r.Contents != 30 || r.AuditEntries != 30 {
		t.Errorf("%+v", r)
	}
	// It goes on as before: new rows, the old month dropped.
	if _, err := again.accept(t.Context(), again.DB.Now(), content(4000, 100)); err != nil {
		t.Error(err)
	}
	if err := again.Raw.DropMonth(t.Context(), raw.MonthOf(again.DB.Now().AddDate(0, -4, 0))); err != nil {
		t.Error(err)
	}
	if r := again.verify(t); r.Missing != 10 {
		t.Errorf("%+v", r)
	}
}

func TestConnectionHidesThePassword(t *testing.T) {
	c, err := connection("postgres://belfry:s%40same@db.example:5433/belfry?sslmode=verify-full&search_path=centre&pool_max_conns=9")
	if err != nil {
		t.Fatal(err)
	}
	want := pgConnection{url: "postgres://belfry@db.example:5433/belfry?sslmode=verify-full", password: "s@same", schema: "centre"}
	if c != want {
		t.Errorf("%+v", c)
	}
	for _, bad := range []string{"mysql://x:sesame@y", "postgres://u:sesame@h:port/x"} {
		if _, err := connection(bad); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%v", err)
		}
	}
}
