package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

const (
	// purgeBatch is how many reports one transaction removes, with the dozens
	// of rows that hang on each.
	purgeBatch = 100

	// vacuumPages is how many pages one step gives back to the disk.
	vacuumPages = 512
)

// Person says whose data is meant: an address, or the report that a person
// names.
type Person struct {
	Address string
	Report  database.ID
}

// Erasure says what Erase removed.
type Erasure struct {
	Reports   int // reports that lost who sent them
	Held      int // reports under legal hold, left as they are
	Addresses int // of these, how many still had an address
	Words     int // messages that lost their reporter's words
	Raw       int // contents deleted from the raw store
	Shared    int // contents kept because another person's report has the same bytes
	Later     int // contents that came in the last hour; the next sweep takes them
}

// Erase removes what is stored of a person who reported: address, envelope,
// words, and the raw bytes of the reports unless another report has the very
// same. The values seen in the messages, and the assessments, stay; they say
// nothing of the person. It is audited, and others are told by Erased. The
// error is NotFound for a report that is not there, Invalid for nobody.
func (c *Capability) Erase(ctx context.Context, v account.Viewer, who Person) (Erasure, error) {
	if err := account.Require(v, account.ErasePerson); err != nil {
		return Erasure{}, err
	}
	ids, err := c.reportsOf(ctx, who)
	if err != nil {
		return Erasure{}, err
	}
	var all Erasure
	var refs []raw.Ref
	for batch := range slices.Chunk(ids, purgeBatch) {
		var e Erasure
		var r []raw.Ref
		err := c.db.Update(ctx, func(tx *database.Tx) (err error) {
			e, r, err = c.eraseBatch(ctx, tx, v, batch)
			return err
		})
		if err != nil {
			return all, fmt.Errorf("erasing a person: %w", err)
		}
		all.Reports, all.Held = all.Reports+e.Reports, all.Held+e.Held
		all.Addresses, all.Words = all.Addresses+e.Addresses, all.Words+e.Words
		refs = append(refs, r...)
	}
	c.metrics.retained.WithLabelValues("addresses").Add(float64(all.Addresses))
	err = c.eraseRaw(ctx, refs, &all)
	return all, err
}

// reportsOf returns the person's reports. Those that nobody has assessed yet
// are not in the index of reporters.
func (c *Capability) reportsOf(ctx context.Context, who Person) (ids []database.ID, err error) {
	key := c.reporterKey(who.Address)
	err = c.db.View(ctx, func(tx *database.Tx) error {
		if who.Report != 0 {
			var id database.ID
			if err := notFound(tx.QueryRow(ctx, "SELECT id FROM report WHERE id = $1", who.Report).Scan(&id)); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		if key == nil {
			return nil
		}
		known, err := database.Column[database.ID](tx.Query(ctx, "SELECT report_id FROM reporter WHERE reporter_key = $1", key))
		if err != nil {
			return err
		}
		fresh, err := database.Column[database.ID](tx.Query(ctx, "SELECT id FROM report WHERE state IN ($1, $2) AND reporter_key = $3",
			string(StateAccepted), string(StateFailed), key))
		ids = append(append(ids, known...), fresh...)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case key == nil && who.Report == 0:
		return nil, fault.New(fault.Invalid, "Say whose data: an address, or a report.")
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func (c *Capability) eraseBatch(ctx context.Context, tx *database.Tx, v account.Viewer, ids []database.ID) (e Erasure, refs []raw.Ref, err error) {
	var erased []database.ID
	for _, id := range ids {
		var month, reporter sql.NullString
		var sum []byte
		var held int
		err := tx.QueryRow(ctx, `SELECT raw_month, raw_sha256, reporter, (SELECT count(*) FROM report_hold h WHERE h.report_id = report.id)
			FROM report WHERE id = $1`, id).Scan(&month, &sum, &reporter, &held)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			continue
		case err != nil:
			return e, nil, err
		case held > 0:
			e.Held++
			continue
		}
		if ref := refOf(month, sum, 0); !ref.IsZero() {
			refs = append(refs, ref)
		}
		if reporter.String != "" {
			e.Addresses++
		}
		erased = append(erased, id)
	}
	if e.Reports = len(erased); e.Reports == 0 {
		return e, nil, nil
	}
	in, args := database.In(erased)
	words, err := affected(tx.Exec(ctx, "UPDATE message SET words = '' WHERE words <> '' AND report_id"+in, args...))
	if err != nil {
		return e, nil, err
	}
	e.Words = int(words)
	for _, stmt := range []string{
		// A mail that is itself the message was written by its reporter.
		"UPDATE report SET subject = '' WHERE channel IN ('smtp', 'imap') AND id IN (SELECT report_id FROM message WHERE how = 'itself' AND report_id" + in + ")",
		"UPDATE message SET subject = '', from_name = '', from_address = '' WHERE how = 'itself' AND report_id IN " +
			"(SELECT id FROM report WHERE channel IN ('smtp', 'imap') AND id" + in + ")",
		"DELETE FROM reporter WHERE reporter_key IN (SELECT reporter_key FROM report WHERE id" + in + ") AND report_id" + in,
		"DELETE FROM receipt WHERE report_id" + in,
		"UPDATE report SET reporter = NULL, reporter_key = NULL, envelope = NULL, origin = NULL, raw_month = NULL, raw_sha256 = NULL WHERE id" + in,
	} {
		if _, err := tx.Exec(ctx, stmt, args...); err != nil {
			return e, nil, err
		}
	}
	for _, id := range erased {
		if _, err := tx.Exec(ctx, "UPDATE report SET erased_at = $1 WHERE id = $2", database.Micros(tx.Now), id); err != nil {
			return e, nil, err
		}
	}
	if err := Erased.Publish(ctx, c.events, tx, ErasedEvent{Reports: erased}); err != nil {
		return e, nil, err
	}
	object := ""
	if len(ids) == 1 {
		object = "report:" + ids[0].String()
	}
	return e, refs, c.record(ctx, tx, audit.Entry{Actor: v.Actor(), Act: "person.erase", Object: object, Detail: map[string]string{
		"reports": strconv.Itoa(e.Reports), "held": strconv.Itoa(e.Held), "addresses": strconv.Itoa(e.Addresses), "words": strconv.Itoa(e.Words),
	}})
}

// eraseRaw deletes the bytes that no row names any more.
func (c *Capability) eraseRaw(ctx context.Context, refs []raw.Ref, e *Erasure) error {
	slices.SortFunc(refs, func(a, b raw.Ref) int { return slices.Compare([]byte(a.String()), []byte(b.String())) })
	refs = slices.Compact(refs)
	looked := c.db.Now()
	named, err := c.named(ctx, map[string]hashSet{}, refs)
	if err != nil {
		return fmt.Errorf("erasing raw bytes: %w", err)
	}
	for i, ref := range refs {
		if named[i] {
			e.Shared++
			continue
		}
		gone, err := c.raw.DeleteIdle(ctx, ref, looked.Add(-raw.Grace))
		if err != nil {
			return fmt.Errorf("erasing raw bytes: %w", err)
		}
		if gone {
			e.Raw++
		} else {
			e.Later++
		}
	}
	return nil
}

// Hold keeps a report as it is, whatever the rules of retention, purges and
// erasures, or lets it go again. It is audited. The error is NotFound when the
// report is gone.
func (c *Capability) Hold(ctx context.Context, v account.Viewer, id database.ID, on bool) error {
	if err := account.Require(v, account.ErasePerson); err != nil {
		return err
	}
	return c.db.Update(ctx, func(tx *database.Tx) error {
		if err := notFound(tx.QueryRow(ctx, "SELECT id FROM report WHERE id = $1", id).Scan(&id)); err != nil {
			return err
		}
		act := "report.hold"
		if on {
			if _, err := tx.Exec(ctx, "INSERT INTO report_hold (report_id, since, actor) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
				id, database.Micros(tx.Now), v.Actor()); err != nil {
				return err
			}
		} else {
			act = "report.release"
			if _, err := tx.Exec(ctx, "DELETE FROM report_hold WHERE report_id = $1", id); err != nil {
				return err
			}
			// Retention has passed it by: it goes back for it.
			if _, err := tx.Exec(ctx, "UPDATE report_retention SET upto = $1 WHERE upto > $1", id); err != nil {
				return err
			}
		}
		return c.record(ctx, tx, audit.Entry{Actor: v.Actor(), Act: act, Object: "report:" + id.String()})
	})
}

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
func (c *Capability) Purge(ctx context.Context, v account.Viewer, before time.Time) (Purged, error) {
	if err := account.Require(v, account.ErasePerson); err != nil {
		return Purged{}, err
	}
	var p Purged
	err := c.db.Update(ctx, func(tx *database.Tx) error {
		return c.record(ctx, tx, audit.Entry{Actor: v.Actor(), Act: "report.purge", Detail: map[string]string{
			"before": before.UTC().Format(time.RFC3339),
		}})
	})
	if err != nil {
		return p, err
	}
	if p.Reports, _, err = c.purge(ctx, before, time.Time{}); err != nil {
		return p, err
	}
	// Not a month in which bytes may still wait for their row.
	if p.Months, err = c.dropMonths(ctx, raw.MonthOf(c.db.Now().Add(-2*raw.Grace))); err != nil {
		return p, err
	}
	swept, err := c.Sweep(ctx)
	p.Raw = swept.Deleted
	return p, err
}

// purge removes reports until none is left or the deadline has passed.
func (c *Capability) purge(ctx context.Context, before, deadline time.Time) (done int64, more bool, err error) {
	last, until := database.ID(0), database.FirstID(before)
	for {
		if !deadline.IsZero() && time.Now().After(deadline) {
			more = true
			break
		}
		var ids []database.ID
		err = c.db.Update(ctx, func(tx *database.Tx) (err error) {
			ids, err = database.Column[database.ID](tx.Query(ctx, `SELECT id FROM report r WHERE id > $1 AND id < $2
				AND NOT EXISTS (SELECT 1 FROM report_hold h WHERE h.report_id = r.id) ORDER BY id LIMIT $3`, last, until, purgeBatch))
			if err != nil || len(ids) == 0 {
				return err
			}
			return c.removeBatch(ctx, tx, ids)
		})
		if err != nil || len(ids) == 0 {
			break
		}
		done += int64(len(ids))
		last = ids[len(ids)-1]
	}
	c.did(ctx, "reports", done)
	if err == nil && !more {
		more, err = c.vacuum(ctx, deadline)
	}
	if err != nil {
		err = fmt.Errorf("purging reports: %w", err)
	}
	return done, more, err
}

// removeBatch removes reports with all that hangs on them.
func (c *Capability) removeBatch(ctx context.Context, tx *database.Tx, ids []database.ID) error {
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
	return Erased.Publish(ctx, c.events, tx, ErasedEvent{Reports: ids, Removed: true})
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
func (c *Capability) vacuum(ctx context.Context, deadline time.Time) (more bool, err error) {
	if c.db.Engine() != database.SQLite {
		return false, nil
	}
	free := func(tx *database.Tx) (n int64, err error) {
		err = tx.QueryRow(ctx, "PRAGMA freelist_count").Scan(&n)
		return n, err
	}
	var before, after int64
	err = c.db.View(ctx, func(tx *database.Tx) (err error) {
		before, err = free(tx)
		return err
	})
	for err == nil && before > 0 {
		if !deadline.IsZero() && time.Now().After(deadline) {
			return true, nil
		}
		err = c.db.Update(ctx, func(tx *database.Tx) error {
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
	return false, c.db.Checkpoint(ctx)
}
