package database

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

const (
	maxTries   = 8
	clockEvery = time.Minute
)

// postgres is a pool of connections to a PostgreSQL server.
type postgres struct {
	pool   *sql.DB
	offset atomic.Int64 // server's clock less ours, in nanoseconds
	stop   context.CancelFunc
	ended  chan struct{}
}

func openPostgres(ctx context.Context, o Options) (*postgres, error) {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("the URL cannot be read") // its text may hold a password
	}
	set := func(name, value string) {
		if _, given := config.RuntimeParams[name]; !given {
			config.RuntimeParams[name] = value
		}
	}
	set("application_name", "belfry")
	set("idle_in_transaction_session_timeout", "60000")
	config.RuntimeParams["synchronous_commit"] = "on" // an accepted report is on disk
	pool := stdlib.OpenDB(*config)
	conns := o.Readers
	if conns <= 0 {
		conns = 24
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	p := &postgres{pool: pool, ended: make(chan struct{})}
	if err := p.readClock(ctx); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	go p.keepClock(ctx)
	return p, nil
}

// keepClock follows the server's clock, so that leases mean the same on every
// node without a round trip in each transaction.
func (p *postgres) keepClock(ctx context.Context) {
	defer close(p.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(clockEvery):
		}
		_ = p.readClock(ctx) // the last offset stays good enough
	}
}

func (p *postgres) readClock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	before := time.Now()
	var server time.Time
	if err := p.pool.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&server); err != nil {
		return pgError(err)
	}
	middle := before.Add(time.Since(before) / 2)
	p.offset.Store(int64(server.Sub(middle)))
	return nil
}

func (p *postgres) now() time.Time { return time.Now().Add(time.Duration(p.offset.Load())) }

func (p *postgres) update(ctx context.Context, fn func(runner) error) error {
	for try := 1; ; try++ {
		err := p.once(ctx, nil, fn)
		if err == nil || try == maxTries || !again(err) {
			return pgError(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(rand.Int64N(int64(try) * int64(10*time.Millisecond)))):
		}
	}
}

func (p *postgres) view(ctx context.Context, fn func(runner) error) error {
	return pgError(p.once(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, fn))
}

func (p *postgres) once(ctx context.Context, o *sql.TxOptions, fn func(runner) error) error {
	tx, err := p.pool.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			_ = tx.Rollback() // the cause is being returned, or is a panic
		}
	}()
	if err := fn(pgRunner{tx}); err != nil {
		return err
	}
	done = true
	return tx.Commit()
}

func (p *postgres) close() error {
	p.stop()
	<-p.ended
	return p.pool.Close()
}

type pgRunner struct{ tx *sql.Tx }

func (r pgRunner) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	return r.tx.ExecContext(ctx, query, args...)
}

func (r pgRunner) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	return r.tx.QueryContext(ctx, query, args...)
}

func (r pgRunner) row(ctx context.Context, query string, args []any) *sql.Row {
	return r.tx.QueryRowContext(ctx, query, args...)
}

// again reports whether the transaction may simply be run again.
func again(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch e.Code {
	case "40001", "40P01": // serialization failure, deadlock
		return true
	case "23505": // a freshly drawn ID that another node drew too
		return len(e.ConstraintName) > 5 && e.ConstraintName[len(e.ConstraintName)-5:] == "_pkey"
	}
	return false
}

// pgError gives the server's passing troubles a kind.
func pgError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code[:2] {
		case "08", "53", "57", "40": // connection, resources, intervention, rollback
			return fault.Wrap(fault.Busy, err, "The store cannot take it now.")
		}
		return err
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fault.Wrap(fault.Busy, err, "The store cannot be reached.")
	}
	return err
}
