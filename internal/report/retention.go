package report

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
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
	refPage     = 2000
)

func (c *Capability) registerRetention() {
	c.jobs.Handle(job.Kind{Name: kindRetain, Lane: parts.LaneBulk, Timeout: retainTimeout}, func(ctx context.Context, _ *job.Task) error {
		more, err := c.retain(ctx, time.Now().Add(retainBudget))
		if err == nil && more {
			return job.Snooze(time.Second)
		}
		return err
	})
	c.jobs.Handle(job.Kind{Name: kindSweep, Lane: parts.LaneBulk, Timeout: sweepTimeout}, func(ctx context.Context, _ *job.Task) error {
		_, err := c.Sweep(ctx)
		return err
	})
	c.jobs.Periodic(kindRetain, time.Hour)
	c.jobs.Periodic(kindSweep, 24*time.Hour)
}

// Retain applies every rule of retention once, until nothing is left to do,
// and says what it did in the log, the audit log and the figures. The hourly
// job does the same a piece at a time.
func (c *Capability) Retain(ctx context.Context) error {
	_, err := c.retain(ctx, time.Time{})
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

func (c *Capability) rules(now time.Time) []rule {
	days := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	return []rule{
		{"addresses", days(c.o.AddressDays), func(ctx context.Context, tx *database.Tx, r idRange) (int64, error) {
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
		{"follow", days(c.o.FollowDays), func(ctx context.Context, tx *database.Tx, r idRange) (int64, error) {
			return affected(tx.Exec(ctx, "UPDATE report SET follow = NULL WHERE id >= $1 AND id < $2 AND follow IS NOT NULL"+notHeld, r.from, r.to))
		}},
		// Whole months: rows stop naming their bytes first, then the bytes go,
		// so that every name that is there leads to bytes that are there.
		{"raw", startOfMonth(days(c.o.RawDays)), func(ctx context.Context, tx *database.Tx, r idRange) (int64, error) {
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
func (c *Capability) retain(ctx context.Context, deadline time.Time) (more bool, err error) {
	now := c.db.Now()
	for _, r := range c.rules(now) {
		n, left, err := c.apply(ctx, r, deadline)
		more = more || left
		c.did(ctx, r.name, n)
		if err != nil {
			return more, fmt.Errorf("retention of %s: %w", r.name, err)
		}
	}
	n, err := c.dropReceipts(ctx, now.Add(-duplicateFor))
	c.did(ctx, "receipts", n)
	if err != nil {
		return more, fmt.Errorf("retention of receipts: %w", err)
	}
	if !more {
		n, err := c.dropMonths(ctx, raw.MonthOf(startOfMonth(now.AddDate(0, 0, -c.o.RawDays))))
		c.did(ctx, "months", n)
		if err != nil {
			return more, fmt.Errorf("dropping months: %w", err)
		}
	}
	if c.o.KeepDays > 0 {
		_, left, err := c.purge(ctx, now.AddDate(0, 0, -c.o.KeepDays), deadline)
		return more || left, err
	}
	return more, nil
}

// apply takes a rule from its cursor to its age, a batch in a transaction.
func (c *Capability) apply(ctx context.Context, r rule, deadline time.Time) (done int64, more bool, err error) {
	until := database.FirstID(r.until)
	for {
		if !deadline.IsZero() && time.Now().After(deadline) {
			return done, true, nil
		}
		var n int64
		end := false
		err := c.db.Update(ctx, func(tx *database.Tx) error {
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

func (c *Capability) dropReceipts(ctx context.Context, before time.Time) (done int64, err error) {
	for {
		var n int64
		err := c.db.Update(ctx, func(tx *database.Tx) (err error) {
			n, err = affected(tx.Exec(ctx, `DELETE FROM receipt WHERE hash IN
				(SELECT hash FROM receipt WHERE report_id < $1 ORDER BY report_id LIMIT $2)`, database.FirstID(before), retainBatch))
			return err
		})
		if done += n; err != nil || n < retainBatch {
			return done, err
		}
	}
}

// dropMonths removes the raw months before that one of which no row names
// anything. In the others, with reports under hold, the sweep removes the rest.
func (c *Capability) dropMonths(ctx context.Context, before string) (done int64, err error) {
	months, err := c.raw.Months(ctx)
	if err != nil {
		return 0, err
	}
	for _, month := range months {
		if month >= before {
			break
		}
		set, err := c.namedIn(ctx, month)
		if err != nil {
			return done, err
		}
		if len(set) > 0 {
			continue
		}
		if err := c.raw.DropMonth(ctx, month); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

// Sweep removes raw bytes that no report names: of submissions that never got
// a row, of erased and purged reports. It says what it did in the log, the
// audit log and the figures.
func (c *Capability) Sweep(ctx context.Context) (raw.Swept, error) {
	sets := map[string]hashSet{}
	swept, err := raw.Sweep(ctx, c.raw, c.db.Now(), func(ctx context.Context, refs []raw.Ref) ([]bool, error) {
		return c.named(ctx, sets, refs)
	})
	c.did(ctx, "swept", swept.Deleted)
	if err != nil {
		return swept, fmt.Errorf("sweeping raw bytes: %w", err)
	}
	return swept, nil
}

// named reports which of the bytes a report names.
func (c *Capability) named(ctx context.Context, sets map[string]hashSet, refs []raw.Ref) ([]bool, error) {
	out := make([]bool, len(refs))
	for i, ref := range refs {
		set, ok := sets[ref.Month]
		if !ok {
			var err error
			if set, err = c.namedIn(ctx, ref.Month); err != nil {
				return nil, err
			}
			clear(sets) // one month at a time is enough in memory
			sets[ref.Month] = set
		}
		out[i] = set.has(ref.SHA256)
	}
	return out, nil
}

// hashSet is the first eight bytes of each hash, sorted: a month of two
// million reports takes 16 MB. That two hashes begin alike would only mean
// that bytes are kept which nobody needs.
type hashSet []uint64

func (s hashSet) has(sum [32]byte) bool {
	_, ok := slices.BinarySearch(s, binary.BigEndian.Uint64(sum[:8]))
	return ok
}

// namedIn reads which bytes of a month the reports name. There is no index
// over hashes, which every accepted report would pay for; a month is a range
// of ids instead.
func (c *Capability) namedIn(ctx context.Context, month string) (hashSet, error) {
	start, err := time.Parse("2006-01", month)
	if err != nil {
		return nil, fmt.Errorf("raw month: %w", err)
	}
	var set hashSet
	// A row follows its bytes by Grace at most, and clocks differ a little.
	span := idRange{database.FirstID(start.Add(-raw.Grace)), database.FirstID(start.AddDate(0, 1, 0).Add(2 * raw.Grace))}
	err = c.eachRef(ctx, span, func(ref raw.Ref) error {
		if ref.Month == month {
			set = append(set, binary.BigEndian.Uint64(ref.SHA256[:8]))
		}
		return nil
	})
	slices.Sort(set)
	return slices.Compact(set), err
}

// References calls fn for every reference to raw bytes, each committed before,
// for the program itself to verify them. An error of fn ends it and is
// returned.
func (c *Capability) References(ctx context.Context, fn func(raw.Ref) error) error {
	return c.eachRef(ctx, idRange{0, 1<<63 - 1}, fn)
}

// eachRef walks the references of a range a page at a time, so that no view
// stays open for long.
func (c *Capability) eachRef(ctx context.Context, span idRange, fn func(raw.Ref) error) error {
	for {
		n := 0
		var refs []raw.Ref
		err := c.db.View(ctx, func(tx *database.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id, raw_month, raw_sha256, raw_size FROM report WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3`,
				span.from, span.to, refPage)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var month sql.NullString
				var sum []byte
				var size int64
				if err := rows.Scan(&span.from, &month, &sum, &size); err != nil {
					return err
				}
				n++
				if ref := refOf(month, sum, size); !ref.IsZero() {
					refs = append(refs, ref)
				}
			}
			return rows.Err()
		})
		if err != nil {
			return fmt.Errorf("reading references: %w", err)
		}
		for _, ref := range refs {
			if err := fn(ref); err != nil {
				return err
			}
		}
		if n < refPage {
			return nil
		}
		span.from++
	}
}

// did tells what retention removed: in the log, the audit log and the figures.
// Nothing is told of nothing.
func (c *Capability) did(ctx context.Context, what string, n int64) {
	if n == 0 {
		return
	}
	c.log.Info("retention", "kind", what, "removed", n)
	c.metrics.retained.WithLabelValues(what).Add(float64(n))
	err := c.db.Update(context.WithoutCancel(ctx), func(tx *database.Tx) error {
		return c.record(ctx, tx, audit.Entry{
			Actor: account.System("retention").Actor(), Act: "retention." + what,
			Detail: map[string]string{"removed": strconv.FormatInt(n, 10)},
		})
	})
	if err != nil {
		c.log.Error("retention could not be written to the audit log", "kind", what, "removed", n, "error", err)
	}
}

// affected returns how many rows a statement changed.
func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
