package keep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

const (
	// purgeBatch is how many reports one transaction removes, with the dozens
	// of rows that hang on each.
	purgeBatch = 100

	// vacuumPages is how many pages one step gives back to the disk.
	vacuumPages = 512
)

// Purged says what Purge removed.
type Purged struct {
	Reports int64
	Months  int64 // raw months dropped whole
	Raw     int64 // contents deleted one by one
}

// Purge removes every report accepted before that time, but for those under
// hold, with all that hangs on it and its raw bytes, and gives the space back:
// on SQLite to the disk, in small steps between which intake goes on; on
// PostgreSQL to autovacuum, which reuses it. It is audited, and others are
// told by Erased, batch by batch. It may be interrupted and run again.
func (k *Keeper) Purge(ctx context.Context, v account.Viewer, before time.Time) (Purged, error) {
	if err := account.Require(v, account.ErasePerson); err != nil {
		return Purged{}, err
	}
	var p Purged
	err := k.db.Update(ctx, func(tx *database.Tx) error {
		return k.record(ctx, tx, audit.Entry{Actor: v.Actor(), Act: "report.purge", Detail: map[string]string{
			"before": before.UTC().Format(time.RFC3339),
		}})
	})
	if err != nil {
		return p, err
	}
	if p.Reports, _, err = k.purge(ctx, before, time.Time{}); err != nil {
		return p, err
	}
	// Not a month in which bytes may still wait for their row.
	if p.Months, err = k.dropMonths(ctx, raw.MonthOf(k.db.Now().Add(-2*raw.Grace))); err != nil {
		return p, err
	}
	swept, err := k.Sweep(ctx)
	p.Raw = swept.Deleted
	return p, err
}

// purge removes reports until none is left or the deadline has passed.
func (k *Keeper) purge(ctx context.Context, before, deadline time.Time) (done int64, more bool, err error) {
	last, until := database.ID(0), database.FirstID(before)
	for {
		if !deadline.IsZero() && time.Now().After(deadline) {
			more = true
			break
		}
		var ids []database.ID
		err = k.db.Update(ctx, func(tx *database.Tx) (err error) {
			ids, err = database.Column[database.ID](tx.Query(ctx, `SELECT id FROM report r WHERE id > $1 AND id < $2
				AND NOT EXISTS (SELECT 1 FROM report_hold h WHERE h.report_id = r.id) ORDER BY id LIMIT $3`, last, until, purgeBatch))
			if err != nil || len(ids) == 0 {
				return err
			}
			return k.removeBatch(ctx, tx, ids)
		})
		if err != nil || len(ids) == 0 {
			break
		}
		done += int64(len(ids))
		last = ids[len(ids)-1]
	}
	k.did(ctx, "reports", done)
	if err == nil && !more {
		more, err = k.vacuum(ctx, deadline)
	}
	if err != nil {
		err = fmt.Errorf("purging reports: %w", err)
	}
	return done, more, err
}

// removeBatch removes reports with all that hangs on them.
func (k *Keeper) removeBatch(ctx context.Context, tx *database.Tx, ids []database.ID) error {
	in, args := database.In(ids)
	seen, err := database.Column[database.ID](tx.Query(ctx, "SELECT DISTINCT observable_id FROM sighting WHERE report_id"+in+" ORDER BY observable_id", args...))
	if err != nil {
		return err
	}
	for _, stmt := range []string{
		"DELETE FROM sighting WHERE report_id" + in,
		"DELETE FROM assessment WHERE report_id" + in,
		"DELETE FROM message WHERE report_id" + in,
		"DELETE FROM reporter WHERE reporter_key IN (SELECT reporter_key FROM report WHERE id" + in + ") AND report_id" + in,
		"DELETE FROM receipt WHERE report_id" + in,
		"DELETE FROM report WHERE id" + in,
	} {
		if _, err := tx.Exec(ctx, stmt, args...); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(seen, 4*purgeBatch) {
		if err := removeUnseen(ctx, tx, batch); err != nil {
			return err
		}
	}
	return Erased.Publish(ctx, k.events, tx, ErasedEvent{Reports: ids, Removed: true})
}

// removeUnseen removes those of the values that no report has any more. On
// PostgreSQL they are locked first: an assessment that is about to add a
// sighting holds its own lock, and its values are left alone.
func removeUnseen(ctx context.Context, tx *database.Tx, ids []database.ID) error {
	if tx.Engine() == database.Postgres {
		in, args := database.In(ids)
		var err error
		ids, err = database.Column[database.ID](tx.Query(ctx, "SELECT id FROM observable WHERE id"+in+" ORDER BY id FOR UPDATE SKIP LOCKED", args...))
		if err != nil || len(ids) == 0 {
			return err
		}
	}
	in, args := database.In(ids)
	_, err := tx.Exec(ctx, "DELETE FROM observable WHERE id"+in+
		" AND NOT EXISTS (SELECT 1 FROM sighting s WHERE s.observable_id = observable.id)", args...)
	return err
}

// vacuum gives free pages back to the disk, a step in a transaction, until
// none is left, the steps stop helping, or the deadline has passed.
func (k *Keeper) vacuum(ctx context.Context, deadline time.Time) (more bool, err error) {
	if k.db.Engine() != database.SQLite {
		return false, nil
	}
	free := func(tx *database.Tx) (n int64, err error) {
		err = tx.QueryRow(ctx, "PRAGMA freelist_count").Scan(&n)
		return n, err
	}
	var before, after int64
	err = k.db.View(ctx, func(tx *database.Tx) (err error) {
		before, err = free(tx)
		return err
	})
	for err == nil && before > 0 {
		if !deadline.IsZero() && time.Now().After(deadline) {
			return true, nil
		}
		err = k.db.Update(ctx, func(tx *database.Tx) error {
			rows, err := tx.Query(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages))
			if err != nil {
				return err
			}
			for rows.Next() { // each step frees a page
				continue
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return err
			}
			after, err = free(tx)
			return err
		})
		if after >= before {
			break
		}
		before = after
	}
	if err != nil {
		return false, err
	}
	return false, k.db.Checkpoint(ctx)
}
