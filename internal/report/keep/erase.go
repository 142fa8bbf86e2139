package keep

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/raw"
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
func (k *Keeper) Erase(ctx context.Context, v account.Viewer, who Person) (Erasure, error) {
	if err := account.Require(v, account.ErasePerson); err != nil {
		return Erasure{}, err
	}
	ids, err := k.reportsOf(ctx, who)
	if err != nil {
		return Erasure{}, err
	}
	var all Erasure
	var refs []raw.Ref
	for batch := range slices.Chunk(ids, purgeBatch) {
		var e Erasure
		var r []raw.Ref
		err := k.db.Update(ctx, func(tx *database.Tx) (err error) {
			e, r, err = k.eraseBatch(ctx, tx, v, batch)
			return err
		})
		if err != nil {
			return all, fmt.Errorf("erasing a person: %w", err)
		}
		all.Reports, all.Held = all.Reports+e.Reports, all.Held+e.Held
		all.Addresses, all.Words = all.Addresses+e.Addresses, all.Words+e.Words
		refs = append(refs, r...)
	}
	k.removed.WithLabelValues("addresses").Add(float64(all.Addresses))
	err = k.eraseRaw(ctx, refs, &all)
	return all, err
}

// reportsOf returns the person's reports. Those that nobody has assessed yet
// are not in the index of reporters.
func (k *Keeper) reportsOf(ctx context.Context, who Person) (ids []database.ID, err error) {
	key := k.o.ReporterKey(who.Address)
	err = k.db.View(ctx, func(tx *database.Tx) error {
		if who.Report != 0 {
			if err := mustExist(ctx, tx, who.Report); err != nil {
				return err
			}
			ids = append(ids, who.Report)
		}
		if key == nil {
			return nil
		}
		known, err := database.Column[database.ID](tx.Query(ctx, "SELECT report_id FROM reporter WHERE reporter_key = $1", key))
		if err != nil {
			return err
		}
		fresh, err := database.Column[database.ID](tx.Query(ctx, "SELECT id FROM report WHERE state IN ($1, $2) AND reporter_key = $3",
			"accepted", "failed", key))
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

func (k *Keeper) eraseBatch(ctx context.Context, tx *database.Tx, v account.Viewer, ids []database.ID) (e Erasure, refs []raw.Ref, err error) {
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
		if ref := RefOf(month, sum, 0); !ref.IsZero() {
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
	if err := Erased.Publish(ctx, k.events, tx, ErasedEvent{Reports: erased}); err != nil {
		return e, nil, err
	}
	object := ""
	if len(ids) == 1 {
		object = "report:" + ids[0].String()
	}
	return e, refs, k.record(ctx, tx, audit.Entry{Actor: v.Actor(), Act: "person.erase", Object: object, Detail: map[string]string{
		"reports": strconv.Itoa(e.Reports), "held": strconv.Itoa(e.Held), "addresses": strconv.Itoa(e.Addresses), "words": strconv.Itoa(e.Words),
	}})
}

// eraseRaw deletes the bytes that no row names any more.
func (k *Keeper) eraseRaw(ctx context.Context, refs []raw.Ref, e *Erasure) error {
	slices.SortFunc(refs, func(a, b raw.Ref) int { return slices.Compare([]byte(a.String()), []byte(b.String())) })
	refs = slices.Compact(refs)
	looked := k.db.Now()
	named, err := k.named(ctx, map[string]hashSet{}, refs)
	if err != nil {
		return fmt.Errorf("erasing raw bytes: %w", err)
	}
	for i, ref := range refs {
		if named[i] {
			e.Shared++
			continue
		}
		gone, err := k.raw.DeleteIdle(ctx, ref, looked.Add(-raw.Grace))
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
func (k *Keeper) Hold(ctx context.Context, v account.Viewer, id database.ID, on bool) error {
	if err := account.Require(v, account.ErasePerson); err != nil {
		return err
	}
	return k.db.Update(ctx, func(tx *database.Tx) error {
		if err := mustExist(ctx, tx, id); err != nil {
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
		return k.record(ctx, tx, audit.Entry{Actor: v.Actor(), Act: act, Object: "report:" + id.String()})
	})
}

// mustExist returns NotFound when there is no such report.
func mustExist(ctx context.Context, tx *database.Tx, id database.ID) error {
	err := tx.QueryRow(ctx, "SELECT id FROM report WHERE id = $1", id).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "There is no such report.")
	}
	return err
}
