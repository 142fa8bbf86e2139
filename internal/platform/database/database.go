package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Engine names the database that stands behind a DB.
type Engine string

const (
	SQLite   Engine = "sqlite"   // embedded: one process writes, one file
	Postgres Engine = "postgres" // shared: any number of processes
)

// Options says where the store is. The zero value is an error: a database
// needs a URL or a path.
type Options struct {
	// URL is a PostgreSQL connection URL ("postgres://…"). Empty means SQLite.
	URL string
	// Path is the SQLite file, created when missing. Ignored with a URL.
	Path string
	// Readers bounds the concurrent read transactions on SQLite (0 means 8),
	// and all connections on PostgreSQL (0 means 24).
	Readers int
	// CachePages is SQLite's page cache for each connection in KiB (0 means
	// 16 MiB for the writer and 4 MiB for each reader).
	CacheKiB int
	// Clock replaces the database's time in tests.
	Clock func() time.Time
	Log   *slog.Logger
}

// DB is an open store. It is safe for concurrent use.
type DB struct {
	engine Engine
	clock  func() time.Time
	log    *slog.Logger
	lite   *lite     // when SQLite
	pg     *postgres // when PostgreSQL
}

// backend is what each engine provides.
type backend interface {
	update(ctx context.Context, fn func(runner) error) error
	view(ctx context.Context, fn func(runner) error) error
	close() error
}

// Open opens the store and checks that it answers. It creates no tables: see
// Migrate.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{log: o.Log, clock: o.Clock}
	switch {
	case o.URL == "" && o.Path == "":
		return nil, errors.New("database: neither a URL nor a path")
	case o.URL == "":
		db.engine = SQLite
		if db.clock == nil {
			db.clock = time.Now
		}
		var err error
		db.lite, err = openLite(ctx, o)
		return db.opened(err)
	case strings.HasPrefix(o.URL, "postgres://") || strings.HasPrefix(o.URL, "postgresql://"):
		db.engine = Postgres
		var err error
		db.pg, err = openPostgres(ctx, o)
		if err == nil && db.clock == nil {
			db.clock = db.pg.now
		}
		return db.opened(err)
	default:
		return nil, errors.New("database: the URL must begin with postgres://")
	}
}

func (db *DB) opened(err error) (*DB, error) {
	if err != nil {
		return nil, fmt.Errorf("opening the %s database: %w", db.engine, err)
	}
	return db, nil
}

func (db *DB) backend() backend {
	if db.engine == SQLite {
		return db.lite
	}
	return db.pg
}

// Engine returns which database this is. Only code that must differ asks.
func (db *DB) Engine() Engine { return db.engine }

// Now returns the database's time in UTC, to the microsecond. On PostgreSQL
// it is the server's clock, so that nodes whose clocks differ agree.
func (db *DB) Now() time.Time { return db.clock().UTC().Truncate(time.Microsecond) }

// Close waits for running transactions and closes the store.
func (db *DB) Close() error { return db.backend().close() }

// Update runs fn in one write transaction and returns once it is durable.
// When fn fails, nothing of it stays, and Update returns fn's error as it is.
// fn may run more than once (after a serialization failure), so it must have
// no effect outside the transaction; OnCommit is for those.
//
// fn must close its rows before it uses the transaction again, and must not
// call Update or View of the same DB.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	var tx *Tx
	err := db.backend().update(ctx, func(r runner) error {
		tx = &Tx{Now: db.Now(), engine: db.engine, run: r}
		return fn(tx)
	})
	if err != nil {
		return err
	}
	for _, f := range tx.after {
		f()
	}
	return nil
}

// View runs fn on one consistent snapshot. Writing in it is an error. A view
// that stays open keeps SQLite from recycling its log, so what may be long
// (an export) reads page by page in views of their own.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	return db.backend().view(ctx, func(r runner) error {
		return fn(&Tx{Now: db.Now(), engine: db.engine, run: r})
	})
}

// Checkpoint brings what SQLite's log holds into the database's file, which
// then has the size that its content needs: what a purge freed goes back to
// the disk. As far as views are open it does so later. On PostgreSQL, which
// minds its own files, it does nothing.
func (db *DB) Checkpoint(ctx context.Context) error {
	if db.engine != SQLite {
		return nil
	}
	return db.lite.checkpoint(ctx)
}

// runner executes statements on one connection that is in a transaction.
type runner interface {
	exec(ctx context.Context, query string, args []any) (sql.Result, error)
	query(ctx context.Context, query string, args []any) (*sql.Rows, error)
	row(ctx context.Context, query string, args []any) *sql.Row
}

// Tx is a transaction in progress. It belongs to the goroutine that Update or
// View gave it to and ends when that function returns.
type Tx struct {
	// Now is the transaction's instant: the database's time when it began.
	Now time.Time

	engine Engine
	run    runner
	after  []func()
}

// Engine returns which database this is.
func (tx *Tx) Engine() Engine { return tx.engine }

// Exec runs a statement that returns no rows. Placeholders are $1, $2, … in
// the order of their first use.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return tx.run.exec(ctx, query, args)
}

// Query runs a statement that returns rows; the caller closes them.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return tx.run.query(ctx, query, args)
}

// QueryRow runs a statement that returns at most one row; Scan on it returns
// sql.ErrNoRows when there is none.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return tx.run.row(ctx, query, args)
}

// OnCommit calls f after the transaction is durable, in the goroutine that
// called Update; never when it failed. In a View it does nothing.
func (tx *Tx) OnCommit(f func()) { tx.after = append(tx.after, f) }
