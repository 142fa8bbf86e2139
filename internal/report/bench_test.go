package report

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
)

// body writes a mail of about 30 kB with a dozen links, never the same twice.
func body(r *rand.Rand, n int) []byte {
	b := fmt.Appendf(nil, "From: p%d@example.net\r\nSubject: report %d\r\nMessage-ID: <%d@example.net>\r\nContent-Type: text/html\r\n\r\n", n, n, n)
	for i := range 12 {
		b = fmt.Appendf(b, "<p><a href=\"https://h%d.example.com/%x\">click %d</a></p>\r\n", r.IntN(3000), r.Uint64(), i)
	}
	for len(b) < 30<<10 {
		b = fmt.Appendf(b, "<td style=\"padding:%dpx;color:#%06x\">word%d and some more text</td>\r\n", r.IntN(40), r.IntN(1<<24), r.IntN(50000))
	}
	return b
}

func benchSubmissions(n int) []Submission {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]Submission, n)
	for i := range all {
		from := fmt.Sprintf("p%d@example.net", i)
		all[i] = Submission{Channel: SMTP, Content: body(r, i), Reporter: from, Envelope: Envelope{From: from}}
	}
	return all
}

// BenchmarkSink is what BenchmarkAccept is held against: the same bytes made
// durable, and one row.
func BenchmarkSink(b *testing.B) {
	db := databasetest.Open(b, database.Options{URL: benchURL(b)}, schemas...)
	h := newHouse(b, db, Options{})
	all := benchSubmissions(b.N)
	var next atomic.Int64
	b.SetParallelism(10) // 20 senders on two cores
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s := all[next.Add(1)-1]
			ref, err := h.raw.Put(context.Background(), db.Now(), s.Content)
			if err != nil {
				b.Error(err)
				return
			}
			err = db.Update(context.Background(), func(tx *database.Tx) error {
				_, err := tx.Exec(context.Background(), "INSERT INTO receipt (hash, content, report_id) VALUES ($1, $2, $3)",
					[]byte(strconv.FormatInt(int64(database.NewID(tx.Now)), 10)), ref.SHA256[:], 1)
				return err
			})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
}

func BenchmarkAccept(b *testing.B) {
	h := newHouse(b, databasetest.Open(b, database.Options{URL: benchURL(b)}, schemas...), Options{})
	all := benchSubmissions(b.N)
	var next atomic.Int64
	b.SetParallelism(10)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := h.Accept(context.Background(), all[next.Add(1)-1]); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
}

// BenchmarkAssess runs the queue over what was accepted before.
func BenchmarkAssess(b *testing.B) {
	for name, examine := range map[string]func([]byte, analysis.Evidence) analysis.Examination{"whole": analysis.Examine, "store": fixed} {
		b.Run(name, func(b *testing.B) {
			h := newHouse(b, databasetest.Open(b, database.Options{URL: benchURL(b)}, schemas...), Options{})
			h.examine = examine
			for _, s := range benchSubmissions(b.N) {
				h.accept(s)
			}
			b.ResetTimer()
			if err := h.queue.Start(context.Background()); err != nil {
				b.Fatal(err)
			}
			for h.count("SELECT count(*) FROM report WHERE state = 'accepted'") > 0 {
				time.Sleep(5 * time.Millisecond)
			}
			b.StopTimer()
			h.stop()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
		})
	}
}

// benchURL takes PostgreSQL when BELFRY_BENCH_ENGINE says so.
func benchURL(b *testing.B) string {
	if os.Getenv("BELFRY_BENCH_ENGINE") != "postgres" {
		return ""
	}
	return databasetest.PostgresURL(b)
}

// TestTwoMillionReports measures reading and accepting over a full store. It
// takes minutes and gigabytes, so it runs where BELFRY_TEST_REPORTS names how
// many reports to fill in.
func TestTwoMillionReports(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("BELFRY_TEST_REPORTS"))
	if err != nil {
		t.Skip("takes minutes: set BELFRY_TEST_REPORTS=2000000 for it, and BELFRY_BENCH_ENGINE=postgres for the other engine")
	}
	o := database.Options{}
	if os.Getenv("BELFRY_BENCH_ENGINE") == "postgres" {
		o.URL = databasetest.PostgresURL(t)
	}
	h := newHouse(t, databasetest.Open(t, o, schemas...), Options{})
	began := time.Now()
	if err := h.Fill(t.Context(), account.System("test"), n, nil); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d reports in %v", n, time.Since(began).Round(time.Second))
	// In turns, so that what else the machine does counts for both alike.
	fresh := newHouse(t, databasetest.Open(t, emptyLike(t, o), schemas...), Options{})
	var empty, full float64
	for round := range 6 {
		empty = max(empty, fresh.acceptRate(t, round*1000, 1000))
		full = max(full, h.acceptRate(t, round*1000, 1000))
	}
	t.Logf("accepting: %.0f a second when empty, %.0f when full", empty, full)
	if full < 0.8*empty {
		t.Errorf("accepting slows down: %.0f a second when empty, %.0f when full", empty, full)
	}
	ctx := t.Context()
	var ids []database.ID
	page, err := h.List(ctx, analyst, Query{Limit: MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range page.Items {
		ids = append(ids, s.ID)
	}
	r := rand.New(rand.NewPCG(3, 4))
	values := h.values()
	oldest := h.oldest()
	somewhere := func() database.ID { return oldest + database.ID(r.Int64N(int64(ids[0]-oldest))) }
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"list, newest", func() error { _, err := h.List(ctx, analyst, Query{Limit: 50}); return err }},
		{"list, 500 anywhere", func() error { _, err := h.List(ctx, analyst, Query{Limit: 500, After: somewhere()}); return err }},
		{"list, rare verdict", func() error {
			_, err := h.List(ctx, analyst, Query{Limit: 50, Verdict: verdict.Malware, After: somewhere()})
			return err
		}},
		{"list, no such verdict", func() error { _, err := h.List(ctx, analyst, Query{Limit: 50, Verdict: verdict.Exercise}); return err }},
		{"list, verdict and state", func() error {
			_, err := h.List(ctx, analyst, Query{Limit: 50, Verdict: verdict.Malware, State: StateWaiting, After: somewhere()})
			return err
		}},
		{"list, state", func() error {
			_, err := h.List(ctx, analyst, Query{Limit: 50, State: StateWaiting, After: somewhere()})
			return err
		}},
		{"search, in every report", func() error { _, err := h.Search(ctx, analyst, "example.com", somewhere(), 50); return err }},
		{"search, anything", func() error {
			_, err := h.Search(ctx, analyst, values[r.IntN(len(values))], 0, 50)
			return err
		}},
		{"search, never seen", func() error {
			_, err := h.Search(ctx, analyst, fmt.Sprintf("x%d.example.org", r.IntN(n)), 0, 50)
			return err
		}},
		{"one report", func() error { _, err := h.Get(ctx, analyst, ids[r.IntN(len(ids))]); return err }},
	} {
		took := make([]time.Duration, 200)
		for i := range took {
			began := time.Now()
			if err := c.do(); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		p95 := took[len(took)*95/100]
		t.Logf("%-24s median %8v, 95th percentile %8v", c.name, took[len(took)/2].Round(10*time.Microsecond), p95.Round(10*time.Microsecond))
		if p95 > 50*time.Millisecond {
			t.Errorf("%s: %v at the 95th percentile", c.name, p95)
		}
	}
}

// values returns a thousand values from all over the store.
func (h *house) values() []string {
	h.t.Helper()
	oldest, newest := int64(h.count("SELECT min(id) FROM observable")), int64(h.count("SELECT max(id) FROM observable"))
	all := make([]string, 1000)
	err := h.db.View(context.Background(), func(tx *database.Tx) error {
		for i := range all {
			if err := tx.QueryRow(context.Background(), "SELECT value FROM observable WHERE id >= $1 ORDER BY id LIMIT 1",
				oldest+(newest-oldest)/1000*int64(i)).Scan(&all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

func (h *house) oldest() database.ID {
	return database.ID(h.count("SELECT min(id) FROM report"))
}

// emptyLike returns the options of another store on the same engine.
func emptyLike(t *testing.T, o database.Options) database.Options {
	t.Helper()
	if o.URL != "" {
		return database.Options{URL: databasetest.PostgresURL(t)}
	}
	return database.Options{}
}

// acceptRate accepts n reports by 20 senders.
func (h *house) acceptRate(t *testing.T, from, n int) float64 {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(from), 9))
	all := make([]Submission, n)
	for i := range all {
		address := fmt.Sprintf("p%d@example.net", from+i)
		all[i] = Submission{Channel: SMTP, Content: body(r, from+i), Reporter: address, Envelope: Envelope{From: address}}
	}
	var next atomic.Int64
	began := time.Now()
	done := make(chan error, 20)
	for range cap(done) {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					done <- nil
					return
				}
				if _, err := h.Accept(context.Background(), all[i]); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	return float64(n) / time.Since(began).Seconds()
}
