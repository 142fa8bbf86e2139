package report

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

// eachAt is each with a clock that the test sets.
func eachAt(t *testing.T, f func(t *testing.T, at *clock, db *database.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		at := newClock()
		f(t, at, databasetest.Open(t, database.Options{Clock: at.Now}, schemas...))
	})
	t.Run("postgres", func(t *testing.T) {
		at := newClock()
		f(t, at, databasetest.Open(t, database.Options{URL: databasetest.PostgresURL(t), Clock: at.Now}, schemas...))
	})
}

const day = 24 * time.Hour

// assessAll runs the assess jobs that wait, without the periodic ones.
func (h *house) assessAll() {
	h.t.Helper()
	h.start()
	deadline := time.Now().Add(20 * time.Second)
	for h.count("SELECT count(*) FROM job WHERE kind LIKE 'report.assess%' OR kind LIKE 'report.erased%'") > 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	h.stop()
}

func TestRetention(t *testing.T) {
	eachAt(t, func(t *testing.T, at *clock, db *database.DB) {
		h := newHouse(t, db, Options{})
		h.examine = fixed
		old, held := h.accept(note("old")), h.accept(note("held"))
		h.assessAll()
		if err := h.Hold(t.Context(), admin, held.ID, true); err != nil {
			t.Fatal(err)
		}
		at.add(29 * day) // 9 December
		recent := h.accept(note("recent"))
		if err := h.Retain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := h.get(old.ID); r.Reporter == "" || r.Erased || !r.RawKept {
			t.Errorf("before its time: %+v", r)
		}
		if n := h.count("SELECT count(*) FROM receipt"); n != 1 {
			t.Errorf("%d receipts after 29 days, want the recent one", n)
		}

		at.add(2 * day) // 31 days old: the address goes
		if err := h.Retain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := h.get(old.ID); r.Reporter != "" || !r.Erased || r.Origin.MessageID != "" || r.Items[0].Words != "" || !r.RawKept || len(r.Observables) != 2 {
			t.Errorf("after 31 days: %+v", r)
		}
		if r := h.get(held.ID); r.Reporter == "" || r.Items[0].Words == "" || !r.Held {
			t.Errorf("a held report lost something: %+v", r)
		}
		if r := h.get(recent.ID); r.Reporter == "" {
			t.Error("a recent one lost its address")
		}

		at.add(91 * day) // 11 March: November's bytes and December's may go
		if err := h.Retain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := h.get(old.ID); r.RawKept {
			t.Error("the row still names bytes of November")
		}
		if _, err := h.Raw(t.Context(), analyst, held.ID); err != nil {
			t.Errorf("the held report's bytes: %v", err)
		}
		if _, err := h.Raw(t.Context(), analyst, recent.ID); err != nil {
			t.Errorf("bytes of December, 92 days later, in a month that is not over its time: %v", err)
		}
		if months, err := h.raw.Months(t.Context()); err != nil || len(months) != 2 {
			t.Errorf("months %q, %v: one is held, one is not over", months, err)
		}
		if swept, err := h.Sweep(t.Context()); err != nil || swept.Deleted != 1 {
			t.Errorf("the held month's other bytes: swept %+v, %v", swept, err)
		}
		if n := h.count("SELECT count(*) FROM report WHERE follow IS NULL"); n != 2 {
			t.Errorf("%d follow links expired, want 2", n)
		}

		if err := h.Hold(t.Context(), admin, held.ID, false); err != nil {
			t.Fatal(err)
		}
		if err := h.Retain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := h.get(held.ID); r.Reporter != "" || r.RawKept || r.Held {
			t.Errorf("let go, it keeps something: %+v", r)
		}
		if months, err := h.raw.Months(t.Context()); err != nil || len(months) != 1 || months[0] != "2026-12" {
			t.Errorf("months %q, %v: November is over", months, err)
		}
		if n := h.count("SELECT count(*) FROM audit_entry WHERE act LIKE 'retention.%'"); n < 5 {
			t.Errorf("%d audit entries about retention", n)
		}
		if _, err := h.audit.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestManyBatchesOfRetention(t *testing.T) {
	at := newClock()
	h := newHouse(t, databasetest.Open(t, database.Options{Clock: at.Now}, schemas...), Options{})
	const n = 2*retainBatch + 7
	h.fill(n)
	at.add(40 * day)
	if more, err := h.retain(t.Context(), time.Now().Add(-time.Second)); err != nil || !more {
		t.Errorf("past its budget: more %v, %v", more, err)
	}
	if more, err := h.retain(t.Context(), time.Time{}); err != nil || more {
		t.Errorf("without: more %v, %v", more, err)
	}
	if left := h.count("SELECT count(*) FROM report WHERE reporter IS NOT NULL"); left != 0 {
		t.Errorf("%d addresses are left", left)
	}
}

// fill stores reports without bytes or jobs, each with an address.
func (h *house) fill(n int) {
	h.t.Helper()
	err := h.db.Update(context.Background(), func(tx *database.Tx) error {
		for range n {
			if _, err := tx.Exec(context.Background(), `INSERT INTO report (id, received_at, channel, state, desk, organisation, chosen,
				raw_size, reporter, follow_until) VALUES ($1, $2, 'smtp', 'answered', 'd', '', '', 1, 'ann@example.net', 0)`,
				database.NewID(tx.Now), database.Micros(tx.Now)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestACrashBetweenBytesAndRowLeavesNothing(t *testing.T) {
	eachAt(t, func(t *testing.T, at *clock, db *database.DB) {
		h := newHouse(t, db, Options{})
		kept := h.accept(note("kept"))
		forgotten, err := h.raw.Put(t.Context(), db.Now(), []byte("bytes without a row"))
		if err != nil {
			t.Fatal(err)
		}
		if swept, err := h.Sweep(t.Context()); err != nil || swept.Deleted != 0 {
			t.Errorf("within the hour: %+v, %v", swept, err)
		}
		at.add(2 * raw.Grace)
		if swept, err := h.Sweep(t.Context()); err != nil || swept.Deleted != 1 || swept.Seen != 2 {
			t.Errorf("after it: %+v, %v", swept, err)
		}
		if _, err := h.raw.Get(t.Context(), forgotten); !errors.Is(err, raw.ErrMissing) {
			t.Errorf("the forgotten bytes: %v", err)
		}
		if _, err := h.Raw(t.Context(), analyst, kept.ID); err != nil {
			t.Errorf("the report's bytes: %v", err)
		}
		n := 0
		if err := h.References(t.Context(), func(raw.Ref) error { n++; return nil }); err != nil || n != 1 {
			t.Errorf("%d references, %v", n, err)
		}
	})
}

func TestErase(t *testing.T) {
	eachAt(t, func(t *testing.T, at *clock, db *database.DB) {
		h := newHouse(t, db, Options{})
		h.examine = fixed
		one := h.accept(note("one"))
		shared := h.accept(Submission{Channel: API, Content: note("shared").Content, Reporter: "Ann@Example.net "})
		others := h.accept(Submission{Channel: API, Content: note("shared").Content, Reporter: "bob@example.net"})
		held := h.accept(note("held"))
		h.assessAll()
		if err := h.Hold(t.Context(), admin, held.ID, true); err != nil {
			t.Fatal(err)
		}
		at.add(2 * raw.Grace)
		fresh := h.accept(note("fresh")) // not assessed, and within the hour
		if _, err := h.Erase(t.Context(), analyst, Person{Address: "ann@example.net"}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("an analyst erases: %v", err)
		}
		got, err := h.Erase(t.Context(), admin, Person{Address: "ANN@example.net"})
		want := Erasure{Reports: 3, Held: 1, Addresses: 3, Words: 2, Raw: 1, Shared: 1, Later: 1}
		if err != nil || got != want {
			t.Errorf("Erase = %+v, %v, want %+v", got, err, want)
		}
		for _, id := range []database.ID{one.ID, shared.ID, fresh.ID} {
			r := h.get(id)
			if r.Reporter != "" || r.Origin.MessageID+r.Origin.Subject != "" || r.RawKept || !r.Erased {
				t.Errorf("something is left: %+v", r)
			}
			if _, err := h.Raw(t.Context(), admin, id); !fault.Is(err, fault.NotFound) {
				t.Errorf("its bytes: %v", err)
			}
		}
		for _, id := range []database.ID{others.ID, held.ID} {
			if r := h.get(id); r.Reporter == "" || !r.RawKept {
				t.Errorf("another's or a held one lost something: %+v", r)
			}
		}
		if _, err := h.Raw(t.Context(), admin, others.ID); err != nil {
			t.Errorf("the shared bytes: %v", err)
		}
		if n := h.count("SELECT count(*) FROM reporter WHERE report_id <> $1 AND report_id <> $2", others.ID, held.ID); n != 0 {
			t.Errorf("%d pseudonyms are left", n)
		}
		// The one that nobody had looked at is closed, not failed.
		h.assessAll()
		if r := h.get(fresh.ID); r.State != StateClosed || r.Reporter != "" {
			t.Errorf("state %q, reporter %q", r.State, r.Reporter)
		}
		if h.told.erased[one.ID] != 1 || h.told.erased[held.ID] != 0 {
			t.Errorf("told %v", h.told.erased)
		}
		again, err := h.Erase(t.Context(), admin, Person{Address: "ann@example.net"})
		if err != nil || again.Reports != 0 {
			t.Errorf("a second time: %+v, %v", again, err)
		}
		if _, err := h.Erase(t.Context(), admin, Person{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("nobody: %v", err)
		}
		if _, err := h.Erase(t.Context(), admin, Person{Report: 4711}); !fault.Is(err, fault.NotFound) {
			t.Errorf("no such report: %v", err)
		}
		if n := h.count("SELECT count(*) FROM audit_entry WHERE act = 'person.erase' AND actor = 'token:2'"); n == 0 {
			t.Error("it is not in the audit log")
		}
	})
}

func TestErasureDuringAnExamination(t *testing.T) {
	at := newClock()
	h := newHouse(t, databasetest.Open(t, database.Options{Clock: at.Now}, schemas...), Options{})
	id := h.accept(note("x")).ID
	p, err := h.load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Erase(t.Context(), admin, Person{Report: id}); err != nil {
		t.Fatal(err)
	}
	err = h.db.Update(t.Context(), func(tx *database.Tx) error {
		return h.storeFindings(t.Context(), tx, p, findings{state: StateWaiting, reporter: "ann@example.net"})
	})
	if !errors.Is(err, errChanged) {
		t.Errorf("the findings were stored over the erasure: %v", err)
	}
}

func TestPurgeFreesTheDisk(t *testing.T) {
	eachAt(t, func(t *testing.T, at *clock, db *database.DB) {
		h := newHouse(t, db, Options{})
		sqlite := db.Engine() == database.SQLite
		h.examine = fixed
		var ids []database.ID
		for i := range 250 {
			s := note(fmt.Sprintf("report %d", i))
			s.Reporter = fmt.Sprintf("p%d@example.net", i)
			ids = append(ids, h.accept(s).ID)
		}
		h.assessAll()
		if err := h.Hold(t.Context(), admin, ids[3], true); err != nil {
			t.Fatal(err)
		}
		h.fill(5000)
		at.add(40 * day)
		last := h.accept(note("last"))
		before := 0
		if sqlite {
			before = h.count("SELECT page_count FROM pragma_page_count")
		}
		p, err := h.Purge(t.Context(), admin, db.Now().Add(-day))
		if err != nil || p.Reports != 5249 || p.Raw != 249 {
			t.Errorf("Purge = %+v, %v", p, err)
		}
		if n := h.count("SELECT count(*) FROM report"); n != 2 {
			t.Errorf("%d reports are left, want the held and the last", n)
		}
		if r := h.get(ids[3]); len(r.Observables) != 2 || !r.RawKept {
			t.Errorf("the held one lost something: %+v", r)
		}
		if err := h.Hold(t.Context(), admin, ids[3], false); err != nil {
			t.Fatal(err)
		}
		if p, err = h.Purge(t.Context(), admin, db.Now().Add(-day)); err != nil || p.Reports != 1 || p.Months != 1 {
			t.Errorf("Purge = %+v, %v", p, err)
		}
		for _, table := range []string{"message", "assessment", "sighting", "observable", "reporter"} {
			if n := h.count("SELECT count(*) FROM " + table); n != 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
		if sqlite {
			if after := h.count("SELECT page_count FROM pragma_page_count"); after > before/2 {
				t.Errorf("%d pages before, %d after", before, after)
			}
			if n := h.count("SELECT freelist_count FROM pragma_freelist_count"); n > 8 {
				t.Errorf("%d free pages are left", n)
			}
		}
		if _, err := h.Raw(t.Context(), admin, last.ID); err != nil {
			t.Error(err)
		}
		if _, err := h.Purge(t.Context(), analyst, db.Now()); !fault.Is(err, fault.Forbidden) {
			t.Errorf("an analyst purges: %v", err)
		}
	})
}

// TestPurgeBesideAssessing removes reports while others with the same values
// are being assessed: no sighting may lose its value.
func TestPurgeBesideAssessing(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, Options{})
		h.examine = fixed
		h.start()
		stop := make(chan struct{})
		purged := make(chan error, 1)
		go func() {
			for {
				select {
				case <-stop:
					purged <- nil
					return
				default:
				}
				// What is assessed goes at once; what waits is left alone.
				var ids []database.ID
				err := db.Update(t.Context(), func(tx *database.Tx) (err error) {
					ids, err = database.Column[database.ID](tx.Query(t.Context(), "SELECT id FROM report WHERE state = 'assessed' LIMIT 5"))
					if err != nil || len(ids) == 0 {
						return err
					}
					return h.removeBatch(t.Context(), tx, ids)
				})
				if err != nil {
					purged <- err
					return
				}
			}
		}()
		for i := range 150 {
			h.accept(note(fmt.Sprintf("report %d", i)))
		}
		h.settle()
		close(stop)
		if err := <-purged; err != nil {
			t.Fatal(err)
		}
		if n := h.count("SELECT count(*) FROM sighting s WHERE NOT EXISTS (SELECT 1 FROM observable o WHERE o.id = s.observable_id)"); n != 0 {
			t.Errorf("%d sightings lost their value", n)
		}
		if n := h.count("SELECT count(*) FROM report WHERE state NOT IN ('assessed', 'answered')"); n != 0 {
			t.Errorf("%d reports were not assessed", n)
		}
		if dead, err := h.queue.DeadLetters(t.Context(), 0, 10); err != nil || len(dead) != 0 {
			t.Errorf("dead letters %+v, %v", dead, err)
		}
	})
}
