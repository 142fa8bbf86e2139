package keep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/raw"
	"github.com/belfry-centre/belfry/internal/report"
	"github.com/belfry-centre/belfry/internal/report/keep"
)

var schemas = []database.Schema{job.Schema, audit.Schema, account.Schema, report.Schema}

// analyst and admin are the viewers of the tests.
var (
	analyst = account.Viewer{Account: 1, Name: "analyst", Roles: []account.Role{account.Analyst}}
	admin   = account.Viewer{Account: 2, Name: "admin", Roles: []account.Role{account.Admin}}
)

const day = 24 * time.Hour

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Microsecond)
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// house is the capability whose keeper is tested, with all that it stands on.
type house struct {
	*report.Capability
	t     *testing.T
	db    *database.DB
	queue *job.Queue
	raw   raw.Store
	audit *audit.Log

	mu   sync.Mutex
	told map[database.ID]int // how often the event Erased named a report
}

func newHouse(t *testing.T, db *database.DB) *house {
	t.Helper()
	store, err := raw.Open(t.Context(), raw.Options{Dir: t.TempDir(), DB: db, Clock: db.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	q := job.NewQueue(db, job.Options{Lanes: map[string]int{parts.LaneAssess: 6, parts.LaneBulk: 1}, Poll: 10 * time.Millisecond})
	bus := event.NewBus(q)
	p := &parts.Parts{
		Centre: parts.Centre{
			BaseURL: "https://centre.example.org", Domain: "centre.example.org", Secret: bytes.Repeat([]byte{7}, 32),
			Desks: []parts.Desk{{Address: "suspicious@centre.example.org", Language: "en"}},
		},
		DB: db, Raw: store, Jobs: q, Events: bus, Audit: audit.New(db, audit.Options{}),
	}
	h := &house{Capability: report.New(report.Options{}), t: t, db: db, queue: q, raw: store, audit: p.Audit, told: map[database.ID]int{}}
	if err := h.Register(p); err != nil {
		t.Fatal(err)
	}
	event.Subscribe(bus, keep.Erased, "test", parts.LaneBulk, func(ctx context.Context, task *job.Task, e keep.ErasedEvent) error {
		return task.Finish(ctx, func(tx *database.Tx) error {
			tx.OnCommit(func() {
				h.mu.Lock()
				defer h.mu.Unlock()
				for _, id := range e.Reports {
					h.told[id]++
				}
			})
			return nil
		})
	})
	return h
}

func (h *house) start() {
	h.t.Helper()
	if err := h.queue.Start(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(h.stop)
}

func (h *house) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.queue.Stop(ctx); err != nil {
		h.t.Error(err)
	}
}

// settle waits until none of the jobs is left that the condition names.
func (h *house) settle(condition string) {
	h.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for h.count("SELECT count(*) FROM job WHERE "+condition) > 0 {
		if time.Now().After(deadline) {
			h.t.Fatalf("%d jobs are left", h.count("SELECT count(*) FROM job WHERE "+condition))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// assessAll runs the jobs that reports wait for, without the periodic ones.
func (h *house) assessAll() {
	h.t.Helper()
	h.start()
	h.settle("kind LIKE 'report.assess%' OR kind LIKE 'report.erased%'")
	h.stop()
}

func (h *house) accept(s report.Submission) report.Accepted {
	h.t.Helper()
	done, err := h.Accept(h.t.Context(), s)
	if err != nil {
		h.t.Fatal(err)
	}
	return done
}

func (h *house) get(id database.ID) report.Report {
	h.t.Helper()
	r, err := h.Get(h.t.Context(), admin, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *house) count(query string, args ...any) int {
	h.t.Helper()
	var n int
	err := h.db.View(context.Background(), func(tx *database.Tx) error {
		return tx.QueryRow(context.Background(), query, args...).Scan(&n)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// observables is how many are seen in a note: a URL, an address, two domains.
const observables = 4

// note is a mail by which Ann hands on another one, with that subject and
// always the same link.
func note(subject string) report.Submission {
	return report.Submission{
		Channel: report.SMTP, Reporter: "ann@example.net", Envelope: report.Envelope{From: "ann@example.net"},
		Content: []byte("From: ann@example.net\r\nSubject: Is this real?\r\nMessage-ID: <1@mail.example.net>\r\n" +
			"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" +
			"I do not trust this letter at all, please have a look.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" +
			"From: \"Your Bank\" <service@bank.example.com>\r\nSubject: " + subject + "\r\nContent-Type: text/html\r\n\r\n" +
			"<p>Confirm: <a href=\"http://evil.example.com/login\">www.bank.example</a></p>\r\n--b--\r\n"),
	}
}

// eachAt runs a test on both engines, with a clock that it sets.
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

func TestRetention(t *testing.T) {
	eachAt(t, func(t *testing.T, at *clock, db *database.DB) {
		h := newHouse(t, db)
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
		if r := h.get(old.ID); r.Reporter != "" || !r.Erased || r.Origin.MessageID != "" || r.Items[0].Words != "" || !r.RawKept || len(r.Observables) != observables {
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
	h := newHouse(t, databasetest.Open(t, database.Options{Clock: at.Now}, schemas...))
	const n = 2*keep.RetainBatch + 7
	h.fill(n)
	at.add(40 * day)
	if more, err := h.RetainUntil(t.Context(), time.Now().Add(-time.Second)); err != nil || !more {
		t.Errorf("past its budget: more %v, %v", more, err)
	}
	if more, err := h.RetainUntil(t.Context(), time.Time{}); err != nil || more {
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
		h := newHouse(t, db)
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
		h := newHouse(t, db)
		one := h.accept(note("one"))
		shared := h.accept(report.Submission{Channel: report.API, Content: note("shared").Content, Reporter: "Ann@Example.net "})
		others := h.accept(report.Submission{Channel: report.API, Content: note("shared").Content, Reporter: "bob@example.net"})
		held := h.accept(note("held"))
		h.assessAll()
		if err := h.Hold(t.Context(), admin, held.ID, true); err != nil {
			t.Fatal(err)
		}
		at.add(2 * raw.Grace)
		fresh := h.accept(note("fresh")) // not assessed, and within the hour
		if _, err := h.Erase(t.Context(), analyst, keep.Person{Address: "ann@example.net"}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("an analyst erases: %v", err)
		}
		got, err := h.Erase(t.Context(), admin, keep.Person{Address: "ANN@example.net"})
		want := keep.Erasure{Reports: 3, Held: 1, Addresses: 3, Words: 2, Raw: 1, Shared: 1, Later: 1}
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
		if r := h.get(fresh.ID); r.State != report.StateClosed || r.Reporter != "" {
			t.Errorf("state %q, reporter %q", r.State, r.Reporter)
		}
		if h.told[one.ID] != 1 || h.told[held.ID] != 0 {
			t.Errorf("told %v", h.told)
		}
		again, err := h.Erase(t.Context(), admin, keep.Person{Address: "ann@example.net"})
		if err != nil || again.Reports != 0 {
			t.Errorf("a second time: %+v, %v", again, err)
		}
		if _, err := h.Erase(t.Context(), admin, keep.Person{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("nobody: %v", err)
		}
		if _, err := h.Erase(t.Context(), admin, keep.Person{Report: 4711}); !fault.Is(err, fault.NotFound) {
			t.Errorf("no such report: %v", err)
		}
		if n := h.count("SELECT count(*) FROM audit_entry WHERE act = 'person.erase' AND actor = 'token:2'"); n == 0 {
			t.Error("it is not in the audit log")
		}
	})
}

func TestPurgeFreesTheDisk(t *testing.T) {
	eachAt(t, func(t *testing.T, at *clock, db *database.DB) {
		h := newHouse(t, db)
		sqlite := db.Engine() == database.SQLite
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
		if r := h.get(ids[3]); len(r.Observables) != observables || !r.RawKept {
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
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db)
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
					ids, err = database.Column[database.ID](tx.Query(t.Context(), "SELECT id FROM report WHERE state <> 'accepted' LIMIT 5"))
					if err != nil || len(ids) == 0 {
						return err
					}
					return h.RemoveBatch(t.Context(), tx, ids)
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
		h.settle("1 = 1")
		close(stop)
		if err := <-purged; err != nil {
			t.Fatal(err)
		}
		if n := h.count("SELECT count(*) FROM sighting s WHERE NOT EXISTS (SELECT 1 FROM observable o WHERE o.id = s.observable_id)"); n != 0 {
			t.Errorf("%d sightings lost their value", n)
		}
		if n := h.count("SELECT count(*) FROM report WHERE state IN ('accepted', 'failed')"); n != 0 {
			t.Errorf("%d reports were not assessed", n)
		}
		if dead, err := h.queue.DeadLetters(t.Context(), 0, 10); err != nil || len(dead) != 0 {
			t.Errorf("dead letters %+v, %v", dead, err)
		}
	}, schemas...)
}
