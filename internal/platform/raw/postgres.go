package raw

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

//go:embed schema/postgres/*.sql
var postgresSchema embed.FS

// partitions is the Store in PostgreSQL, for any number of nodes.
type partitions struct {
	*codec
	db    *database.DB
	known sync.Map // months whose partition this node has seen
}

var _ Store = (*partitions)(nil)

func openPartitions(ctx context.Context, o Options, c *codec) (*partitions, error) {
	if err := o.DB.Migrate(ctx, database.Schema{Owner: "raw", Files: postgresSchema}); err != nil {
		return nil, fmt.Errorf("raw: %w", err)
	}
	return &partitions{codec: c, db: o.DB}, nil
}

// table returns the name of the month's partition; month has been validated.
func table(month string) string { return "raw_content_" + strings.ReplaceAll(month, "-", "_") }

// Put implements Store.
func (s *partitions) Put(ctx context.Context, at time.Time, content []byte) (Ref, error) {
	if err := s.check(content); err != nil {
		return Ref{}, err
	}
	ref := RefOf(at, content)
	if !validMonth(ref.Month) {
		return Ref{}, fault.New(fault.Invalid, "That month cannot be kept.")
	}
	packed := s.pack(content)
	for try := 1; ; try++ {
		err := s.ensure(ctx, ref.Month)
		if err == nil {
			err = s.db.Update(ctx, func(tx *database.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO `+table(ref.Month)+` AS kept (month, sha256, size, put_at, data)
					VALUES ($1, $2, $3, $4, $5)
					ON CONFLICT (sha256, month) DO UPDATE SET put_at = greatest(kept.put_at, excluded.put_at)`,
					ref.Month, ref.SHA256[:], ref.Size, database.Micros(tx.Now), packed)
				return err
			})
		}
		if isUndefined(err) && try < 3 { // another node dropped it
			s.known.Delete(ref.Month)
			continue
		}
		if err != nil {
			return Ref{}, storeError(err)
		}
		return ref, nil
	}
}

// ensure makes the month's partition. It is made as a table of its own and
// then attached, because that takes the parent's lightest lock.
func (s *partitions) ensure(ctx context.Context, month string) error {
	if _, ok := s.known.Load(month); ok {
		return nil
	}
	err := s.db.Update(ctx, func(tx *database.Tx) error {
		if err := lockPartitions(ctx, tx, makeWait); err != nil {
			return err
		}
		there, err := attached(ctx, tx, month)
		if err != nil || there {
			return err
		}
		for _, stmt := range []string{
			"CREATE TABLE IF NOT EXISTS " + table(month) + " (LIKE raw_content INCLUDING ALL)",
			// It is compressed already; PostgreSQL need not try.
			"ALTER TABLE " + table(month) + " ALTER COLUMN data SET STORAGE EXTERNAL",
			"ALTER TABLE raw_content ATTACH PARTITION " + table(month) + " FOR VALUES IN ('" + month + "')",
		} {
			if _, err := tx.Exec(ctx, stmt); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.known.Store(month, true)
	}
	return err
}

// How long to wait for a lock. Who makes a month has a report in its hands and
// waits for any drop; who drops one lets go soon, for those behind it wait too.
const (
	makeWait  = "30s"
	dropWait  = "500ms"
	dropTries = 4
	dropPause = time.Second
)

// lockPartitions lets one node change the partitions at a time.
func lockPartitions(ctx context.Context, tx *database.Tx, wait string) error {
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '"+wait+"'"); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(7303, hashtext(current_schema()))")
	return err
}

const partitionQuery = `SELECT child.relname FROM pg_inherits
	JOIN pg_class child ON child.oid = inhrelid WHERE inhparent = 'raw_content'::regclass`

func attached(ctx context.Context, tx *database.Tx, month string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, "SELECT count(*) FROM ("+partitionQuery+") AS p WHERE relname = $1", table(month)).Scan(&n)
	return n > 0, err
}

// Get implements Store.
func (s *partitions) Get(ctx context.Context, ref Ref) ([]byte, error) {
	if !validMonth(ref.Month) {
		return nil, missing(ref)
	}
	var size int64
	var packed []byte
	err := s.db.View(ctx, func(tx *database.Tx) error {
		return tx.QueryRow(ctx, "SELECT size, data FROM "+table(ref.Month)+" WHERE sha256 = $1",
			ref.SHA256[:]).Scan(&size, &packed)
	})
	if errors.Is(err, sql.ErrNoRows) || isUndefined(err) {
		return nil, missing(ref)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && strings.HasPrefix(e.Code, "XX00") {
		return nil, damaged(ref, err) // data_corrupted, index_corrupted
	}
	if err != nil {
		return nil, storeError(err)
	}
	return s.unpack(ref, max(size, 0), packed)
}

// Delete implements Store.
func (s *partitions) Delete(ctx context.Context, ref Ref) error {
	_, err := s.DeleteIdle(ctx, ref, farFuture)
	return err
}

// DeleteIdle implements Store.
func (s *partitions) DeleteIdle(ctx context.Context, ref Ref, before time.Time) (bool, error) {
	if !validMonth(ref.Month) {
		return true, nil
	}
	left := 0
	err := s.db.Update(ctx, func(tx *database.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM "+table(ref.Month)+" WHERE sha256 = $1 AND put_at < $2",
			ref.SHA256[:], database.Micros(before)); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT count(*) FROM "+table(ref.Month)+" WHERE sha256 = $1", ref.SHA256[:]).Scan(&left)
	})
	if isUndefined(err) {
		return true, nil
	}
	return err == nil && left == 0, storeError(err)
}

// Months implements Store.
func (s *partitions) Months(ctx context.Context) ([]string, error) {
	var months []string
	err := s.db.View(ctx, func(tx *database.Tx) error {
		months = nil
		rows, err := tx.Query(ctx, partitionQuery+" ORDER BY child.relname")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			month := strings.ReplaceAll(strings.TrimPrefix(name, table("")), "_", "-")
			if validMonth(month) {
				months = append(months, month)
			}
		}
		return rows.Err()
	})
	return months, storeError(err)
}

// DropMonth implements Store. Whoever reads the parent table for long (a dump)
// is in its way; it tries a few times, and then leaves it to the caller.
func (s *partitions) DropMonth(ctx context.Context, month string) error {
	if err := mayDrop(month, s.db.Now()); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := s.drop(ctx, month)
		if !isLockTimeout(err) || try == dropTries {
			return storeError(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(dropPause):
		}
	}
}

func (s *partitions) drop(ctx context.Context, month string) error {
	defer s.known.Delete(month)
	return s.db.Update(ctx, func(tx *database.Tx) error {
		if err := lockPartitions(ctx, tx, dropWait); err != nil {
			return err
		}
		there, err := attached(ctx, tx, month)
		if err != nil || !there {
			return err
		}
		if _, err := tx.Exec(ctx, "ALTER TABLE raw_content DETACH PARTITION "+table(month)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DROP TABLE "+table(month))
		return err
	})
}

// Each implements Store.
func (s *partitions) Each(ctx context.Context, month string, fn func(Ref) error) error {
	return s.EachIdle(ctx, month, farFuture, fn)
}

// EachIdle implements Store.
func (s *partitions) EachIdle(ctx context.Context, month string, before time.Time, fn func(Ref) error) error {
	if !validMonth(month) {
		return nil
	}
	last := []byte{}
	for {
		var batch []Ref
		err := s.db.View(ctx, func(tx *database.Tx) error {
			batch = nil
			rows, err := tx.Query(ctx, `SELECT sha256, size FROM `+table(month)+` WHERE sha256 > $1 AND put_at < $2
				ORDER BY sha256 LIMIT $3`, last, database.Micros(before), eachBatch)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var sum []byte
				ref := Ref{Month: month}
				if err := rows.Scan(&sum, &ref.Size); err != nil {
					return err
				}
				copy(ref.SHA256[:], sum)
				batch = append(batch, ref)
			}
			return rows.Err()
		})
		if isUndefined(err) {
			return nil
		}
		if err != nil {
			return storeError(err)
		}
		for _, ref := range batch {
			if err := fn(ref); err != nil {
				return err
			}
		}
		if len(batch) < eachBatch {
			return nil
		}
		last = batch[len(batch)-1].SHA256[:]
	}
}

// Close implements Store. The database belongs to whoever opened it.
func (s *partitions) Close() error { return nil }

// isUndefined reports whether the month's table does not exist.
func isUndefined(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "42P01"
}

// isLockTimeout reports whether somebody else holds what is needed.
func isLockTimeout(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "55P03"
}
