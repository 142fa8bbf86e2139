package keep

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

const (
	kindRetain = "report.retain" // the rules of age, each hour
	kindSweep  = "report.sweep"  // bytes that no row names, each day

	// A run of retention stops after this long and goes on in the next one:
	// its cursors say where.
	retainBudget  = 2 * time.Minute
	retainTimeout = 5 * time.Minute
	sweepTimeout  = 10 * time.Minute

	// retainBatch is how many reports one transaction of retention touches:
	// few enough that intake does not notice.
	retainBatch = 500
)

func (k *Keeper) registerJobs(jobs *job.Queue) {
	jobs.Handle(job.Kind{Name: kindRetain, Lane: parts.LaneBulk, Timeout: retainTimeout}, func(ctx context.Context, _ *job.Task) error {
		more, err := k.retain(ctx, time.Now().Add(retainBudget))
		if err == nil && more {
			return job.Snooze(time.Second)
		}
		return err
	})
	jobs.Handle(job.Kind{Name: kindSweep, Lane: parts.LaneBulk, Timeout: sweepTimeout}, func(ctx context.Context, _ *job.Task) error {
		_, err := k.Sweep(ctx)
		return err
	})
	jobs.Periodic(kindRetain, time.Hour)
	jobs.Periodic(kindSweep, 24*time.Hour)
}

// Retain applies every rule of retention once, until nothing is left to do,
// and says what it did in the log, the audit log and the figures. The hourly
// job does the same a piece at a time.
func (k *Keeper) Retain(ctx context.Context) error {
	_, err := k.retain(ctx, time.Time{})
	return err
}

// rule is one rule of retention: what becomes of reports over an age.
type rule struct {
	name  string
	until time.Time // reports accepted before
	// step settles the reports of a range, but for those under hold, and
	// counts what it removed.
	step func(ctx context.Context, tx *database.Tx, r idRange) (int64, error)
}

// idRange is the reports with from <= id < to.
type idRange struct{ from, to database.ID }

// notHeld leaves the reports under hold out of a statement on the table report.
const notHeld = ` AND NOT EXISTS (SELECT 1 FROM report_hold h WHERE h.report_id = report.id)`

func (k *Keeper) rules(now time.Time) []rule {
	days := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	return []rule{
		{"addresses", days(k.o.AddressDays), func(ctx context.Context, tx *database.Tx, r idRange) (int64, error) {
			if _, err := tx.Exec(ctx, `UPDATE message SET words = '' WHERE report_id >= $1 AND report_id < $2 AND words <> ''
				AND NOT EXISTS (SELECT 1 FROM report_hold h WHERE h.report_id = message.report_id)`, r.from, r.to); err != nil {
				return 0, err
			}
			// A mail that is itself the message was sent by its reporter.
			if _, err := tx.Exec(ctx, `UPDATE message SET from_name = '', from_address = '' WHERE report_id >= $1 AND report_id < $2
				AND how = 'itself' AND from_address <> ''
				AND report_id IN (SELECT id FROM report WHERE id >= $1 AND id < $2 AND channel IN ('smtp', 'imap'))
				AND NOT EXISTS (SELECT 1 FROM report_hold h WHERE h.report_id = message.report_id)`, r.from, r.to); err != nil {
				return 0, err
			}
			return affected(tx.Exec(ctx, `UPDATE report SET reporter = NULL, envelope = NULL, origin = NULL, erased_at = $1
				WHERE id >= $2 AND id < $3 AND erased_at = 0`+notHeld, database.Micros(tx.Now), r.from, r.to))
		}},
		{"follow", days(k.o.FollowDays), func(ctx context.Context, tx *database.Tx, r idRange) (int64, error) {
			return affected(tx.Exec(ctx, "UPDATE report SET follow = NULL WHERE id >= $1 AND id < $2 AND follow IS NOT NULL"+notHeld, r.from, r.to))
		}},
		// Whole months: rows stop naming their bytes first, then the bytes go,
		// so that every name that is there leads to bytes that are there.
		{"raw", startOfMonth(days(k.o.RawDays)), func(ctx context.Context, tx *database.Tx, r idRange) (int64, error) {
			return affected(tx.Exec(ctx, `UPDATE report SET raw_month = NULL, raw_sha256 = NULL
				WHERE id >= $1 AND id < $2 AND raw_sha256 IS NOT NULL`+notHeld, r.from, r.to))
		}},
	}
}

func startOfMonth(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// retain applies the rules until all is done or the deadline has passed (zero:
// none); more says that something is left.
func (k *Keeper) retain(ctx context.Context, deadline time.Time) (more bool, err error) {
	now := k.db.Now()
	for _, r := range k.rules(now) {
		n, left, err := k.apply(ctx, r, deadline)
		more = more || left
		k.did(ctx, r.name, n)
		if err != nil {
			return more, fmt.Errorf("retention of %s: %w", r.name, err)
		}
	}
	n, err := k.dropReceipts(ctx, now.Add(-k.o.Receipts))
	k.did(ctx, "receipts", n)
	if err != nil {
		return more, fmt.Errorf("retention of receipts: %w", err)
	}
	if !more {
		n, err := k.dropMonths(ctx, raw.MonthOf(startOfMonth(now.AddDate(0, 0, -k.o.RawDays))))
		k.did(ctx, "months", n)
		if err != nil {
			return more, fmt.Errorf("dropping months: %w", err)
		}
	}
	if k.o.KeepDays > 0 {
		_, left, err := k.purge(ctx, now.AddDate(0, 0, -k.o.KeepDays), deadline)
		return more || left, err
	}
	return more, nil
}

// apply takes a rule from its cursor to its age, a batch in a transaction.
func (k *Keeper) apply(ctx context.Context, r rule, deadline time.Time) (done int64, more bool, err error) {
	until := database.FirstID(r.until)
	for {
		if !deadline.IsZero() && time.Now().After(deadline) {
			return done, true, nil
		}
		var n int64
		end := false
		err := k.db.Update(ctx, func(tx *database.Tx) error {
			var span idRange
			err := tx.QueryRow(ctx, "SELECT upto FROM report_retention WHERE rule = $1", r.name).Scan(&span.from)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			if end = span.from >= until; end {
				return nil
			}
			err = tx.QueryRow(ctx, "SELECT id FROM report WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 1 OFFSET $3",
				span.from, until, retainBatch).Scan(&span.to)
			if errors.Is(err, sql.ErrNoRows) {
				span.to, end = until, true
			} else if err != nil {
				return err
			}
			if n, err = r.step(ctx, tx, span); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `INSERT INTO report_retention (rule, upto) VALUES ($1, $2)
				ON CONFLICT (rule) DO UPDATE SET upto = excluded.upto`, r.name, span.to)
			return err
		})
		if err != nil {
			return done, true, err
		}
		if done += n; end {
			return done, false, nil
		}
	}
}

func (k *Keeper) dropReceipts(ctx context.Context, before time.Time) (done int64, err error) {
	for {
		var n int64
		err := k.db.Update(ctx, func(tx *database.Tx) (err error) {
			n, err = affected(tx.Exec(ctx, `DELETE FROM receipt WHERE hash IN
				(SELECT hash FROM receipt WHERE report_id < $1 ORDER BY report_id LIMIT $2)`, database.FirstID(before), retainBatch))
			return err
		})
		if done += n; err != nil || n < retainBatch {
			return done, err
		}
	}
}

// affected returns how many rows a statement changed.
func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
