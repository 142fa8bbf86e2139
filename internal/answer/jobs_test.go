package answer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/mailout"
)

func TestSent(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		r := &relay{}
		h := build(t, db, Options{Sender: r})
		h.start(t)
		id := h.desk.put(full())
		h.assess(t, id, id) // told twice
		if e := h.wait(t); e.Report != id || e.State != Sent || e.Purpose != Assessed {
			t.Errorf("settled: %+v", e)
		}
		h.assess(t, id) // and again, much later
		time.Sleep(100 * time.Millisecond)
		got := r.all()
		if len(got) != 1 {
			t.Fatalf("%d mails for one report", len(got))
		}
		if got[0].from != "" || fmt.Sprint(got[0].to) != "[jan@public.example]" {
			t.Errorf("envelope: %q to %q", got[0].from, got[0].to)
		}
		row := h.row(t, id)
		if row.state != Sent || row.attempts != 1 || row.decision != (Decision{Full, Full, WhySure}) || row.settledAt.IsZero() {
			t.Errorf("row: %+v", row)
		}
		if !strings.Contains(got[0].msg, "Message-ID: "+row.messageID) {
			t.Error("the mail has another Message-ID than the row")
		}
		p, ok, err := h.Panel(context.Background(), id, "fr")
		if err != nil || !ok || p.State != Sent || p.Content.Title != "Votre signalement : c'est de l'hameçonnage" || p.StateText == "" {
			t.Errorf("panel: %+v, %v, %v", p, ok, err)
		}
		if _, ok, err := h.Panel(context.Background(), 99, ""); ok || err != nil {
			t.Errorf("panel of an unknown report: %v, %v", ok, err)
		}
	}, schemas...)
}

// TestNoAddressIsStored reads every column of every table of ours.
func TestNoAddressIsStored(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := build(t, db, Options{Sender: &relay{reply: func(int) error {
			return &mailout.Error{Permanent: true, Code: 550, Enhanced: "5.1.1", Text: "<jan@public.example> unknown"}
		}}})
		h.start(t)
		h.assess(t, h.desk.put(full()))
		h.wait(t)
		for _, table := range []string{"answer", "answer_history", "answer_reporter", "job", "job_dead"} {
			err := db.View(context.Background(), func(tx *database.Tx) error {
				rows, err := tx.Query(context.Background(), "SELECT * FROM "+table)
				if err != nil {
					return err
				}
				defer rows.Close()
				names, err := rows.Columns()
				if err != nil {
					return err
				}
				for rows.Next() {
					values := make([]any, len(names))
					for i := range values {
						values[i] = new(any)
					}
					if err := rows.Scan(values...); err != nil {
						return err
					}
					for i, v := range values {
						if s := fmt.Sprintf("%s", *v.(*any)); strings.Contains(s, "jan@") || strings.Contains(s, "public.example") {
							t.Errorf("%s.%s holds the address: %s", table, names[i], s)
						}
					}
				}
				return rows.Err()
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}, schemas...)
}

func TestRefusedForGood(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := build(t, db, Options{Sender: &relay{reply: func(int) error {
			return &mailout.Error{Permanent: true, Code: 550, Enhanced: "5.1.1"}
		}}})
		h.start(t)
		id := h.desk.put(full())
		h.assess(t, id)
		if e := h.wait(t); e.State != Failed {
			t.Errorf("settled: %+v", e)
		}
		if row := h.row(t, id); row.state != Failed || row.code != "550 5.1.1" || row.attempts != 1 {
			t.Errorf("row: %+v", row)
		}
		list, err := h.List(context.Background(), account.System("test"), Failed, 0, 10)
		if err != nil || len(list) != 1 || list[0].Report != id || list[0].Code != "550 5.1.1" {
			t.Errorf("list: %+v, %v", list, err)
		}
		if _, err := h.List(context.Background(), account.Viewer{}, Failed, 0, 10); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("list for nobody: %v", err)
		}
	}, schemas...)
}

// clock is the database's time in tests that let days pass.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// eachClock is databasetest.Each with a clock of our own.
func eachClock(t *testing.T, f func(t *testing.T, db *database.DB, c *clock)) {
	t.Run("sqlite", func(t *testing.T) {
		c := &clock{now: received}
		f(t, databasetest.Open(t, database.Options{Clock: c.read}, schemas...), c)
	})
	t.Run("postgres", func(t *testing.T) {
		c := &clock{now: received}
		f(t, databasetest.Open(t, database.Options{Clock: c.read, URL: databasetest.PostgresURL(t)}, schemas...), c)
	})
}

// TestRetriedForDays lets a relay be down for four days and counts.
func TestRetriedForDays(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		tried := make(chan int, 100)
		r := &relay{reply: func(n int) error {
			tried <- n
			if n%2 == 0 {
				return errDown
			}
			return &mailout.Error{Code: 451, Enhanced: "4.7.1"}
		}}
		h := build(t, db, Options{Sender: r})
		h.start(t)
		id := h.desk.put(full())
		h.assess(t, id)
		began := c.read()
		for n := 1; n <= maxAttempts; n++ {
			select {
			case got := <-tried:
				if got != n {
					t.Fatalf("attempt %d, want %d", got, n)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("attempt %d never came", n)
			}
			if n == maxAttempts {
				break
			}
			waitFor(t, func() bool { row := h.row(t, id); return row.attempts == n && row.state == Pending })
			if want := []string{"unreachable", "451 4.7.1"}[n%2]; h.row(t, id).code != want {
				t.Errorf("attempt %d: code %q, want %q", n, h.row(t, id).code, want)
			}
			waitFor(t, func() bool { return h.leased(t) == 0 })
			c.pass(pause(n) - time.Second)
			time.Sleep(60 * time.Millisecond)
			select {
			case <-tried:
				t.Fatalf("attempt %d came before its time", n+1)
			default:
			}
			c.pass(2 * time.Second)
		}
		if e := h.wait(t); e.State != Failed {
			t.Errorf("settled: %+v", e)
		}
		if d := c.read().Sub(began); d < 4*day || d > 5*day {
			t.Errorf("given up after %v", d)
		}
		if row := h.row(t, id); row.state != Failed || row.attempts != maxAttempts || row.code != "451 4.7.1" {
			t.Errorf("row: %+v", row)
		}
	})
}

func (h *house) leased(t *testing.T) (n int) {
	t.Helper()
	err := h.db.View(context.Background(), func(tx *database.Tx) error {
		return tx.QueryRow(context.Background(), "SELECT count(*) FROM job WHERE leased = 1").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it never came to that")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestTakenAfterGreylisting(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		r := &relay{reply: func(n int) error {
			if n == 1 {
				return &mailout.Error{Code: 450, Enhanced: "4.2.0"}
			}
			return nil
		}}
		h := build(t, db, Options{Sender: r})
		h.start(t)
		id := h.desk.put(full())
		h.assess(t, id)
		waitFor(t, func() bool { return h.count(t, "answer") == 1 })
		waitFor(t, func() bool { return h.row(t, id).attempts == 1 && h.leased(t) == 0 })
		c.pass(2 * time.Minute)
		if e := h.wait(t); e.State != Sent {
			t.Errorf("settled: %+v", e)
		}
		if row := h.row(t, id); row.code != "" || row.attempts != 2 {
			t.Errorf("row: %+v", row)
		}
	})
}

// TestDiedBetweenSendAndCommit: the relay has the mail, the program dies before
// it can note that. The next one sends it again, byte for byte.
func TestDiedBetweenSendAndCommit(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		r := &relay{}
		h := build(t, db, Options{Sender: r})
		id := h.desk.put(full())
		ctx := context.Background()
		var first row
		err := db.Update(ctx, func(tx *database.Tx) (err error) {
			first, _, err = h.decide(ctx, tx, full())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		// The dying program: everything up to the commit.
		m, err := h.mail(first, full())
		if err != nil {
			t.Fatal(err)
		}
		msg, err := mailout.Compose(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Send(ctx, "", []string{"jan@public.example"}, msg); err != nil {
			t.Fatal(err)
		}
		h.start(t)
		if e := h.wait(t); e.State != Sent || e.Report != id {
			t.Errorf("settled: %+v", e)
		}
		got := r.all()
		if len(got) != 2 || got[0].msg != got[1].msg {
			t.Fatalf("%d mails, or not the same bytes", len(got))
		}
	}, schemas...)
}

func TestWithheld(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		r := &relay{}
		h := build(t, db, Options{Sender: r})
		h.start(t)
		s := full()
		s.Robot = List
		id := h.desk.put(s)
		h.assess(t, id)
		if e := h.wait(t); e.State != Withheld {
			t.Errorf("settled: %+v", e)
		}
		p, ok, err := h.Panel(context.Background(), id, "")
		if err != nil || !ok || p.Mail != None || p.Why != WhyList || p.Content.Kind != Full || len(p.Content.Sections) < 2 {
			t.Errorf("the page does not say what no mail said: %+v, %v", p, err)
		}
		if len(r.all()) != 0 {
			t.Error("a list was answered")
		}
	}, schemas...)
}

// TestErased: what becomes of a mail whose reporter was erased while it waited.
func TestErased(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		r := &relay{}
		h := build(t, db, Options{Sender: r})
		ctx := context.Background()
		ids := make([]database.ID, 3)
		for i := range ids {
			s := full()
			s.Report = database.ID(100 + i)
			ids[i] = h.desk.put(s)
			if err := db.Update(ctx, func(tx *database.Tx) error { _, _, err := h.decide(ctx, tx, s); return err }); err != nil {
				t.Fatal(err)
			}
		}
		s := full()
		s.Report, s.Address, s.Erased = ids[0], "", true
		h.desk.put(s)                   // the address is gone
		delete(h.desk.subjects, ids[1]) // the report is gone
		if err := db.Update(ctx, func(tx *database.Tx) error { return h.Erase(ctx, tx, ids[2]) }); err != nil {
			t.Fatal(err)
		}
		h.start(t)
		for range 2 {
			if e := h.wait(t); e.State != Withheld {
				t.Errorf("settled: %+v", e)
			}
		}
		waitFor(t, func() bool { return h.count(t, "job") <= 1 }) // the periodic one may be there
		if len(r.all()) != 0 || h.row(t, ids[0]).decision.Why != WhyErased || h.count(t, "answer") != 2 {
			t.Errorf("%d mails, why %q", len(r.all()), h.row(t, ids[0]).decision.Why)
		}
		if err := db.Update(ctx, func(tx *database.Tx) error { return h.EraseReporter(ctx, tx, "JAN+x@public.example") }); err != nil {
			t.Fatal(err)
		}
		if h.count(t, "answer_history")+h.count(t, "answer_reporter") != 0 {
			t.Error("the limits still know the reporter")
		}
	}, schemas...)
}

// TestUnsentThenRelay: without a relay answers stand; with one, the young ones
// go out.
func TestUnsentThenRelay(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		ctx := context.Background()
		h := build(t, db, Options{})
		h.start(t)
		old := full()
		old.Report = 1
		h.assess(t, h.desk.put(old))
		if e := h.wait(t); e.State != Unsent {
			t.Errorf("settled: %+v", e)
		}
		c.pass(10 * day)
		const n = batch + 7
		for i := range n {
			s := full()
			s.Report, s.Address = database.ID(1000+i), fmt.Sprintf("p%d@public.example", i)
			h.assess(t, h.desk.put(s))
			h.wait(t)
		}
		if _, err := h.Requeue(ctx, account.System("test"), day); !fault.Is(err, fault.Conflict) {
			t.Errorf("requeued without a relay: %v", err)
		}
		h.stop(t)

		r := &relay{}
		h2 := build(t, db, Options{Sender: r, Reports: h.desk})
		h2.start(t)
		if _, err := h2.Requeue(ctx, account.Viewer{}, day); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("requeued for nobody: %v", err)
		}
		got, err := h2.Requeue(ctx, account.System("test"), 5*day)
		if err != nil || got != n {
			t.Fatalf("requeued %d, %v", got, err)
		}
		for range n {
			if e := h2.wait(t); e.State != Sent {
				t.Fatalf("settled: %+v", e)
			}
		}
		if again, err := h2.Requeue(ctx, account.System("test"), 5*day); err != nil || again != 0 {
			t.Errorf("requeued %d again, %v", again, err)
		}
		if len(r.all()) != n || h2.row(t, 1).state != Unsent {
			t.Errorf("%d mails; the old one is %s", len(r.all()), h2.row(t, 1).state)
		}
		states, err := h2.States(ctx, []database.ID{1, 1000, 5})
		if err != nil || len(states) != 2 || states[1] != Unsent || states[1000] != Sent {
			t.Errorf("states: %v, %v", states, err)
		}
		if h2.count(t, "audit_entry") == 0 {
			t.Error("the audit log knows nothing of it")
		}
	})
}

// TestGoneAnswer: a job that names nothing is not tried for four days.
func TestGoneAnswer(t *testing.T) {
	db := databasetest.Open(t, database.Options{}, schemas...)
	h := build(t, db, Options{Sender: &relay{}})
	h.start(t)
	err := db.Update(context.Background(), func(tx *database.Tx) error {
		if err := h.enqueue(context.Background(), tx, 12345); err != nil {
			return err
		}
		return h.queue.Enqueue(context.Background(), tx, job.New{Kind: kindSend, Payload: "nonsense"})
	})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return h.count(t, "job") <= 1 && h.count(t, "job_dead") == 1 })
}

func TestRefusal(t *testing.T) {
	for _, tt := range []struct {
		err       error
		code      string
		permanent bool
	}{
		{&mailout.Error{Permanent: true, Code: 550, Enhanced: "5.1.1"}, "550 5.1.1", true},
		{&mailout.Error{Permanent: true, Code: 554}, "554", true},
		{fmt.Errorf("x: %w", &mailout.Error{Code: 421}), "421", false},
		{&mailout.Error{Permanent: true}, "unsendable", true},
		{&mailout.Error{Err: errDown}, "unreachable", false},
		{&mailout.Error{Err: context.DeadlineExceeded}, "timeout", false},
		{context.DeadlineExceeded, "timeout", false},
		{errDown, "unreachable", false},
		{&mailout.Error{Code: 450, Enhanced: "4.2.0 <jan@public.example>"}, "450", false},
	} {
		if code, permanent := refusal(tt.err); code != tt.code || permanent != tt.permanent {
			t.Errorf("refusal(%v) = %q, %v", tt.err, code, permanent)
		}
	}
}

// TestStopped: being stopped in the middle of sending costs no attempt.
func TestStopped(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		slow := &stuck{began: make(chan bool, 1)}
		h := build(t, db, Options{Sender: slow})
		id := h.desk.put(full())
		if err := h.queue.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		h.assess(t, id)
		<-slow.began
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := h.queue.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if row := h.row(t, id); row.state != Pending || row.attempts != 0 {
			t.Errorf("row: %+v", row)
		}
		r := &relay{}
		h2 := build(t, db, Options{Sender: r, Reports: h.desk})
		h2.start(t)
		if e := h2.wait(t); e.State != Sent || h2.row(t, id).attempts != 1 {
			t.Errorf("settled: %+v after %d attempts", e, h2.row(t, id).attempts)
		}
	}, schemas...)
}

// stuck is a Sender that never comes back by itself.
type stuck struct{ began chan bool }

func (s *stuck) Send(ctx context.Context, _ string, _ []string, _ []byte) error {
	s.began <- true
	<-ctx.Done()
	return &mailout.Error{Err: ctx.Err()}
}
