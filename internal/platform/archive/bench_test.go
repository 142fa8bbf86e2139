package archive

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

// mailLike returns n bytes of which zstd takes about half away.
func mailLike(r *rand.Rand, n int) []byte {
	b := make([]byte, n/2)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return []byte(hex.EncodeToString(b))
}

// BenchmarkBackupUnderLoad copies a centre of about 2.7 GB while 100 reports
// a second of 30 kB come in, and tells how large the write-ahead logs become.
// docs/measurements.md has what it said.
func BenchmarkBackupUnderLoad(b *testing.B) {
	dir := b.TempDir()
	c := openCentre(b, dir)
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 { // the rows of many reports
		if err := c.DB.Update(b.Context(), func(tx *database.Tx) error {
			for range 1000 {
				if _, err := tx.Exec(b.Context(), "INSERT INTO report (id, raw) VALUES ($1, $2)",
					database.NewID(tx.Now), string(mailLike(r, 6000))); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	for range 1800 { // and their bytes
		if _, err := c.Raw.Put(b.Context(), c.DB.Now(), mailLike(r, 1_000_000)); err != nil {
			b.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan struct{})
	var slowest, accepted, largest atomic.Int64
	for name := range map[string]bool{"belfry.db-wal": true, filepath.Join("raw", raw.MonthFile(raw.MonthOf(c.DB.Now()))) + "-wal": true} {
		go func() {
			for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
				if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
					largest.Store(max(largest.Load(), info.Size()))
				} else if !errors.Is(err, fs.ErrNotExist) {
					b.Error(err)
				}
			}
		}()
	}
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		var group sync.WaitGroup
		defer group.Wait()
		for i := uint64(0); ctx.Err() == nil; i++ {
			<-tick.C
			group.Go(func() {
				content := mailLike(rand.New(rand.NewPCG(3, i)), 30_000)
				began := time.Now()
				if _, err := c.accept(ctx, c.DB.Now(), content); err != nil {
					if ctx.Err() == nil {
						b.Error(err)
					}
					return
				}
				accepted.Add(1)
				for d := int64(time.Since(began)); ; {
					if old := slowest.Load(); d <= old || slowest.CompareAndSwap(old, d) {
						return
					}
				}
			})
		}
	}()
	var bytes int64
	for b.Loop() {
		made, err := Backup(b.Context(), c.Centre, b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		bytes += made.Bytes
	}
	stop()
	<-ended
	b.ReportMetric(float64(largest.Load())/(1<<20), "WAL-MiB")
	b.ReportMetric(float64(bytes)/1e6/b.Elapsed().Seconds(), "MB/s")
	b.ReportMetric(float64(accepted.Load())/b.Elapsed().Seconds(), "reports/s")
	b.ReportMetric(float64(slowest.Load())/1e6, "slowest-accept-ms")
}
