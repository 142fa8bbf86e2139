package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

const (
	// A batch takes no more updates than this, and none after this long, so
	// that the first one in it is not kept waiting.
	maxBatch     = 256
	maxBatchTime = 40 * time.Millisecond

	// Other processes (the command line beside a running server) hold the
	// write lock for moments only.
	busyTimeout = 10 * time.Second
)

// lite is SQLite: one writing connection, several that only read.
type lite struct {
	pool    *sql.DB
	readers chan *liteConn

	// The turn is the right to use the writer. Who waits for it has said so
	// in waiting before, and takes it whatever happens: the last one commits.
	turn    chan *liteConn
	waiting atomic.Int64
	open    *batch // guarded by turn
}

// batch is one transaction that several updates share.
type batch struct {
	began time.Time
	n     int
	done  chan struct{} // closed after the commit
	err   error         // the commit's outcome, read after done
}

func openLite(ctx context.Context, o Options) (*lite, error) {
	readers := o.Readers
	if readers <= 0 {
		readers = 8
	}
	if err := ownFile(o.Path); err != nil {
		return nil, err
	}
	pool, err := sql.Open("sqlite", liteURL(o.Path))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(readers + 1)
	pool.SetMaxIdleConns(readers + 1)
	l := &lite{pool: pool, turn: make(chan *liteConn, 1), readers: make(chan *liteConn, readers)}
	w, err := l.connect(ctx, o, 16<<10)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	l.turn <- w
	for range readers {
		r, err := l.connect(ctx, o, 4<<10)
		if err == nil {
			_, err = r.exec(ctx, "PRAGMA query_only = ON", nil)
		}
		if err != nil {
			return nil, errors.Join(err, pool.Close())
		}
		l.readers <- r
	}
	return l, nil
}

// ownFile makes the file when it is missing, so that nobody else may read it
// whatever the umask is; SQLite gives its log the same rights.
func ownFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// liteURL builds the driver's DSN. auto_vacuum has to come before anything
// that writes to a new file; without it a purge could not give back the disk.
func liteURL(path string) string {
	q := url.Values{}
	for _, p := range []string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"auto_vacuum(INCREMENTAL)",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(ON)",
		"wal_autocheckpoint(4000)",
		fmt.Sprintf("journal_size_limit(%d)", 64<<20),
		"temp_store(MEMORY)",
		"trusted_schema(OFF)",
	} {
		q.Add("_pragma", p)
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

func (l *lite) connect(ctx context.Context, o Options, cacheKiB int) (*liteConn, error) {
	conn, err := l.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if o.CacheKiB > 0 {
		cacheKiB = o.CacheKiB
	}
	c := &liteConn{conn: conn, stmts: map[string]*sql.Stmt{}}
	if _, err := c.exec(ctx, fmt.Sprintf("PRAGMA cache_size = -%d", cacheKiB), nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

func (l *lite) update(ctx context.Context, fn func(runner) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.waiting.Add(1)
	w, open := <-l.turn
	l.waiting.Add(-1)
	if !open {
		return fault.New(fault.Busy, "The store is closed.")
	}
	b, err := l.step(ctx, w, fn)
	if b == nil || err != nil {
		return err
	}
	<-b.done
	return b.err
}

// step runs one update as the holder of the turn, commits when nobody else
// waits to join, and passes the turn on, whatever fn does.
func (l *lite) step(ctx context.Context, w *liteConn, fn func(runner) error) (_ *batch, err error) {
	defer func() { l.turn <- w }()
	b := l.open
	if b == nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := w.exec(ctx, "BEGIN IMMEDIATE", nil); err != nil {
			return nil, liteError(err)
		}
		b = &batch{began: time.Now(), done: make(chan struct{})}
		l.open = b
	}
	defer func() {
		if l.open == b && (l.waiting.Load() == 0 || b.n >= maxBatch || time.Since(b.began) > maxBatchTime) {
			l.commit(w, b)
		}
	}()
	b.n++
	return b, l.inSavepoint(ctx, w, b, fn)
}

// inSavepoint runs fn so that its failure, or its panic, undoes only itself.
func (l *lite) inSavepoint(ctx context.Context, w *liteConn, b *batch, fn func(runner) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := w.exec(ctx, "SAVEPOINT step", nil); err != nil {
		return l.abandon(w, b, err)
	}
	finished := false
	defer func() {
		if finished && err == nil {
			return
		}
		// Also reached by a panic or a test's FailNow inside fn.
		if _, undo := w.exec(ctx, "ROLLBACK TO step", nil); undo != nil {
			err = errors.Join(err, l.abandon(w, b, undo))
			return
		}
		if _, undo := w.exec(ctx, "RELEASE step", nil); undo != nil {
			err = errors.Join(err, l.abandon(w, b, undo))
		}
	}()
	err = fn(liteWriter{w, ctx})
	finished = true
	if err != nil {
		return err
	}
	if _, rel := w.exec(ctx, "RELEASE step", nil); rel != nil {
		return liteError(rel)
	}
	return nil
}

// abandon gives the whole batch up: SQLite has rolled it back by itself (disk
// full, I/O error), or its state is not known. Nobody in it gets a success.
func (l *lite) abandon(w *liteConn, b *batch, cause error) error {
	_, _ = w.exec(context.Background(), "ROLLBACK", nil) // usually already rolled back
	if l.open == b {
		l.open = nil
		b.err = liteError(cause)
		close(b.done)
	}
	return liteError(cause)
}

func (l *lite) commit(w *liteConn, b *batch) {
	if _, err := w.exec(context.Background(), "COMMIT", nil); err != nil {
		_ = l.abandon(w, b, err) // tells every member through b.err
		return
	}
	l.open = nil
	close(b.done)
}

// checkpoint runs between two batches. It waits for no reader.
func (l *lite) checkpoint(ctx context.Context) error {
	l.waiting.Add(1)
	w, open := <-l.turn
	l.waiting.Add(-1)
	if !open {
		return fault.New(fault.Busy, "The store is closed.")
	}
	defer func() { l.turn <- w }()
	if l.open != nil {
		l.commit(w, l.open)
	}
	_, err := w.exec(context.WithoutCancel(ctx), "PRAGMA wal_checkpoint(PASSIVE)", nil)
	return liteError(err)
}

func (l *lite) view(ctx context.Context, fn func(runner) error) (err error) {
	var r *liteConn
	select {
	case conn, open := <-l.readers:
		if !open {
			return fault.New(fault.Busy, "The store is closed.")
		}
		r = conn
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { l.readers <- r }()
	if _, err := r.exec(ctx, "BEGIN", nil); err != nil {
		return liteError(err)
	}
	defer func() {
		if _, end := r.exec(context.Background(), "ROLLBACK", nil); end != nil {
			err = errors.Join(err, end)
		}
	}()
	return fn(r)
}

func (l *lite) close() error {
	w, open := <-l.turn
	if !open {
		return nil
	}
	close(l.turn)
	err := w.close()
	for range cap(l.readers) {
		err = errors.Join(err, (<-l.readers).close())
	}
	close(l.readers)
	return errors.Join(err, l.pool.Close())
}

// liteConn is one connection with its prepared statements.
type liteConn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// Statements come from code, not from input, so their number is small; the
// bound guards against one that is built with a varying list.
const maxStatements = 400

func (c *liteConn) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	if len(c.stmts) >= maxStatements {
		for q, s := range c.stmts {
			if err := s.Close(); err != nil {
				return nil, err
			}
			delete(c.stmts, q)
		}
	}
	s, err := c.conn.PrepareContext(context.WithoutCancel(ctx), query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = s
	return s, nil
}

func (c *liteConn) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	if strings.HasPrefix(query, "PRAGMA") || strings.HasPrefix(query, "CREATE") || strings.HasPrefix(query, "VACUUM") {
		return c.conn.ExecContext(ctx, query, args...)
	}
	s, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (c *liteConn) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	s, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (c *liteConn) row(ctx context.Context, query string, args []any) *sql.Row {
	s, err := c.prepare(ctx, query)
	if err != nil { // the same error again, in the form that Row wants
		return c.conn.QueryRowContext(ctx, query, args...)
	}
	return s.QueryRowContext(ctx, args...)
}

func (c *liteConn) close() error {
	var err error
	for _, s := range c.stmts {
		err = errors.Join(err, s.Close())
	}
	return errors.Join(err, c.conn.Close())
}

// liteWriter is the writer as an update sees it. A caller that goes away must
// not interrupt a statement: SQLite would roll back the whole batch. So its
// context is looked at between statements only.
type liteWriter struct {
	c   *liteConn
	ctx context.Context
}

func (w liteWriter) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return w.c.exec(context.WithoutCancel(ctx), query, args)
}

func (w liteWriter) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return w.c.query(context.WithoutCancel(ctx), query, args)
}

func (w liteWriter) row(ctx context.Context, query string, args []any) *sql.Row {
	return w.c.row(context.WithoutCancel(ctx), query, args)
}

// liteError gives SQLite's passing troubles a kind.
func liteError(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM:
			return fault.Wrap(fault.Busy, err, "The store cannot take it now.")
		}
	}
	return err
}
