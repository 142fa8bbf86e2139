package report

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis"
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
