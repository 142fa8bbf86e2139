package database

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Schema is one owner's tables: numbered SQL files, applied in order, each
// once and forever. A file that has been released is never changed.
//
// In the files {{id}} stands for the type of a primary key that is an ID, and
// {{bytes}} for a byte string. A statement ends with a semicolon at the end of
// a line; the line "-- only: sqlite" or "-- only: postgres" before it keeps
// the other engine from running it.
type Schema struct {
	Owner string // the package's name
	Files fs.FS  // holds 0001_what.sql, 0002_more.sql, … at any depth
}

// Migration is one file of one owner.
type Migration struct {
	Owner   string
	Version int
	Name    string
	sql     string
}

var migrationName = regexp.MustCompile(`^([0-9]{4})_([a-z0-9_]+)\.sql$`)

const versionTable = `CREATE TABLE IF NOT EXISTS schema_version (
	owner TEXT NOT NULL, version BIGINT NOT NULL, name TEXT NOT NULL, applied_at BIGINT NOT NULL,
	PRIMARY KEY (owner, version))`

// Migrate applies what is missing of the schemas, in the order given, each
// file in one transaction. Several processes may do so at once. It refuses a
// store that a newer program has migrated further.
func (db *DB) Migrate(ctx context.Context, schemas ...Schema) error {
	if err := db.Update(ctx, func(tx *Tx) error {
		if err := lockMigrations(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, versionTable)
		return err
	}); err != nil {
		return fmt.Errorf("preparing the schema: %w", err)
	}
	pending, err := db.Pending(ctx, schemas...)
	if err != nil {
		return err
	}
	for _, m := range pending {
		if err := db.apply(ctx, m); err != nil {
			return fmt.Errorf("migration %s/%04d_%s: %w", m.Owner, m.Version, m.Name, err)
		}
		db.log.Info("migrated", "owner", m.Owner, "version", m.Version, "name", m.Name)
	}
	return nil
}

// Pending returns the migrations that Migrate would apply. On an empty store
// that is all of them.
func (db *DB) Pending(ctx context.Context, schemas ...Schema) ([]Migration, error) {
	applied, err := db.Versions(ctx)
	if err != nil {
		return nil, err
	}
	var pending []Migration
	for _, s := range schemas {
		all, err := s.migrations()
		if err != nil {
			return nil, err
		}
		done := applied[s.Owner]
		if done > len(all) {
			return nil, fmt.Errorf("the store's schema %q is at version %d and this program knows %d: it was written by a newer Belfry",
				s.Owner, done, len(all))
		}
		pending = append(pending, all[done:]...)
	}
	return pending, nil
}

// Versions returns the version that each owner's schema has in the store.
func (db *DB) Versions(ctx context.Context) (map[string]int, error) {
	versions := map[string]int{}
	err := db.View(ctx, func(tx *Tx) error {
		if there, err := tx.hasTable(ctx, "schema_version"); err != nil || !there {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT owner, max(version) FROM schema_version GROUP BY owner")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var owner string
			var version int
			if err := rows.Scan(&owner, &version); err != nil {
				return err
			}
			versions[owner] = version
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading the schema's versions: %w", err)
	}
	return versions, nil
}

func (tx *Tx) hasTable(ctx context.Context, name string) (bool, error) {
	query := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
	if tx.engine == Postgres {
		query = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"
	}
	var n int
	err := tx.QueryRow(ctx, query, name).Scan(&n)
	return n > 0, err
}

// lockMigrations lets one process migrate at a time; on SQLite the write
// transaction does that already.
func lockMigrations(ctx context.Context, tx *Tx) error {
	if tx.engine != Postgres {
		return nil
	}
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(7302)")
	return err
}

func (db *DB) apply(ctx context.Context, m Migration) error {
	return db.Update(ctx, func(tx *Tx) error {
		if err := lockMigrations(ctx, tx); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM schema_version WHERE owner = $1 AND version = $2",
			m.Owner, m.Version).Scan(&n); err != nil || n > 0 {
			return err // n > 0: another process was faster
		}
		for _, stmt := range statements(m.sql, tx.engine) {
			if _, err := tx.Exec(ctx, stmt); err != nil {
				return fmt.Errorf("%w in %q", err, firstLine(stmt))
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO schema_version (owner, version, name, applied_at) VALUES ($1, $2, $3, $4)",
			m.Owner, m.Version, m.Name, Micros(tx.Now))
		return err
	})
}

// migrations reads the owner's files, in order and without a gap.
func (s Schema) migrations() ([]Migration, error) {
	var all []Migration
	err := fs.WalkDir(s.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		parts := migrationName.FindStringSubmatch(path.Base(name))
		if parts == nil {
			return fmt.Errorf("schema %q: %q is not named like 0001_what.sql", s.Owner, name)
		}
		text, err := fs.ReadFile(s.Files, name)
		if err != nil {
			return err
		}
		version, err := strconv.Atoi(parts[1])
		all = append(all, Migration{Owner: s.Owner, Version: version, Name: parts[2], sql: string(text)})
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	for i, m := range all {
		if m.Version != i+1 {
			return nil, fmt.Errorf("schema %q: version %d is missing or stands twice", s.Owner, i+1)
		}
	}
	return all, nil
}

// statements splits a file into the statements that the engine is to run.
func statements(file string, engine Engine) []string {
	types := strings.NewReplacer("{{id}}", "INTEGER PRIMARY KEY", "{{bytes}}", "BLOB")
	if engine == Postgres {
		types = strings.NewReplacer("{{id}}", "BIGINT PRIMARY KEY", "{{bytes}}", "BYTEA")
	}
	var all []string
	var stmt strings.Builder
	only := Engine("")
	for line := range strings.Lines(file) {
		line = strings.TrimRight(line, " \t\r\n")
		trimmed := strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(trimmed, "-- only: "); ok {
			only = Engine(name)
			continue
		}
		if trimmed == "" || strings.HasPrefix(trimmed, "--") {
			continue
		}
		stmt.WriteString(line)
		stmt.WriteByte('\n')
		if strings.HasSuffix(line, ";") {
			if only == "" || only == engine {
				all = append(all, types.Replace(strings.TrimSuffix(strings.TrimSpace(stmt.String()), ";")))
			}
			stmt.Reset()
			only = ""
		}
	}
	if rest := strings.TrimSpace(stmt.String()); rest != "" {
		all = append(all, types.Replace(rest))
	}
	return all
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
