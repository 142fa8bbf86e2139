package app_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/report"
)

// older makes a centre with one report whose tables are those of an older
// program, which did not answer yet.
func older(t *testing.T) app.Settings {
	t.Helper()
	s := settings(t)
	a := open(t, s)
	_, err := a.Report().Accept(t.Context(), report.Submission{Channel: report.Import, Content: []byte("Subject: kept\r\n\r\nText\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	change(t, a, "DROP TABLE answer", "DROP TABLE answer_history", "DROP TABLE answer_reporter", "DROP TABLE answer_budget",
		"DELETE FROM schema_version WHERE owner = 'answer'")
	stop(t, a)
	return s
}

// open opens a centre without serving, as a verb of the command line does. The
// caller stops it.
func open(t *testing.T, s app.Settings) *app.App {
	t.Helper()
	a, err := app.New(t.Context(), s, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func change(t *testing.T, a *app.App, statements ...string) {
	t.Helper()
	err := a.Parts().DB.Update(t.Context(), func(tx *database.Tx) error {
		for _, stmt := range statements {
			if _, err := tx.Exec(t.Context(), stmt); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copies(t *testing.T, s app.Settings) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.Data, "backups", "before-*.db"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestMigrationCopiesFirst(t *testing.T) {
	s := older(t)
	if n := len(copies(t, s)); n != 0 {
		t.Fatalf("%d copies of a centre that was new", n)
	}
	a := open(t, s)
	versions, err := a.Parts().DB.Versions(t.Context())
	if err != nil || versions["answer"] == 0 {
		t.Errorf("not migrated: %v, %v", versions, err)
	}
	stop(t, a)
	all := copies(t, s)
	if len(all) != 1 {
		t.Fatalf("%d copies", len(all))
	}
	before, err := database.Open(t.Context(), database.Options{Path: all[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if versions, err = before.Versions(t.Context()); err != nil || versions["answer"] != 0 || versions["report"] == 0 {
		t.Errorf("the copy is not of before: %v, %v", versions, err)
	}
	var n int
	if err := before.View(t.Context(), func(tx *database.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM report").Scan(&n)
	}); err != nil || n != 1 {
		t.Errorf("%d reports in the copy, %v", n, err)
	}
	stop(t, open(t, s))
	if n := len(copies(t, s)); n != 1 {
		t.Errorf("%d copies after a start without a migration", n)
	}
}

func TestMigrationWithoutCopy(t *testing.T) {
	s := older(t)
	s.Migration.Backup = false
	stop(t, open(t, s))
	if n := len(copies(t, s)); n != 0 {
		t.Errorf("%d copies", n)
	}
}

func TestMigrationWaitsForTheServer(t *testing.T) {
	s := older(t)
	server := start(t, s) // migrates
	change(t, server, "DELETE FROM schema_version WHERE owner = 'answer'")
	if _, err := app.New(t.Context(), s, app.Options{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a verb migrated under a running server: %v", err)
	}
}

func TestNewerStoreIsRefused(t *testing.T) {
	s := settings(t)
	a := open(t, s)
	change(t, a, "INSERT INTO schema_version (owner, version, name, applied_at) VALUES ('report', 999, 'later', 0)")
	stop(t, a)
	if _, err := app.New(t.Context(), s, app.Options{}); err == nil || !strings.Contains(err.Error(), "newer Belfry") {
		t.Errorf("got %v", err)
	}
}
