package raw

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

func openFiles(t testing.TB, c *clock) (*Embedded, string) {
	t.Helper()
	dir := t.TempDir()
	return open(t, Options{Dir: dir, Clock: c.now}).(*Embedded), dir
}

func put(t testing.TB, s Store, c *clock, content []byte) Ref {
	t.Helper()
	ref, err := s.Put(context.Background(), c.now(), content)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// setData replaces what is stored, as a broken disk might.
func setData(t *testing.T, s *Embedded, ref Ref, size int64, data []byte) {
	t.Helper()
	err := s.ViewMonth(t.Context(), ref.Month, func(db *database.DB) error {
		return db.Update(t.Context(), func(tx *database.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE content SET size = $1, data = $2 WHERE sha256 = $3", size, data, ref.SHA256[:])
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsFound(t *testing.T) {
	c := newClock()
	s, _ := openFiles(t, c)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 60<<20), nil)
	content := mail(1, 30_000)
	ref := put(t, s, c, content)
	packed := s.pack(content)
	flipped := bytes.Clone(packed)
	flipped[len(flipped)/2] ^= 0x10
	for what, data := range map[string][]byte{
		"a flipped bit":   flipped,
		"cut short":       packed[:len(packed)-9],
		"nothing":         {},
		"NULL":            nil,
		"not zstd":        content,
		"another content": s.pack(mail(2, 30_000)),
		"a bomb":          bomb,
		"two frames":      append(bytes.Clone(packed), packed...),
	} {
		setData(t, s, ref, ref.Size, data)
		if _, err := s.Get(t.Context(), ref); !errors.Is(err, ErrDamaged) || !fault.Is(err, fault.Internal) {
			t.Errorf("%s: Get = %v", what, err)
		}
	}
	for _, size := range []int64{-5, 0, 29_999, 30_001, DefaultMaxSize + 1, 1 << 62} {
		setData(t, s, ref, size, packed)
		if _, err := s.Get(t.Context(), ref.Key()); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrMissing) {
			t.Errorf("size %d: Get = %v", size, err)
		}
	}
}

func TestABombStaysSmall(t *testing.T) {
	s, err := newCodec(DefaultMaxSize)
	if err != nil {
		t.Fatal(err)
	}
	bomb := s.pack(make([]byte, 60<<20))
	ref := Ref{Month: "2026-11", Size: 1000}
	// The second goes to the decoder with its own word for the size (S3).
	for _, size := range []int64{1000, -1} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := s.unpack(ref, size, bomb); !errors.Is(err, ErrDamaged) {
			t.Errorf("size %d: %v", size, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("size %d: %d bytes were allocated", size, n)
		}
	}
}

func TestALargeFileIsLostOrDamaged(t *testing.T) {
	c := newClock()
	s, dir := openFiles(t, c)
	ref := put(t, s, c, mail(1, 2*Large))
	var path string
	if err := s.EachLarge(t.Context(), ref.Month, func(name, p string, size int64) error {
		if want := "raw-" + ref.Month + "/" + ref.hex()[:2] + "/" + ref.hex() + ".zst"; name != want {
			t.Errorf("the file's name is %s, want %s", name, want)
		}
		path = p
		return nil
	}); err != nil || path == "" {
		t.Fatalf("EachLarge: %q, %v", path, err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file[len(file)/2] ^= 1
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), ref); !errors.Is(err, ErrDamaged) {
		t.Errorf("flipped: %v", err)
	}
	put(t, s, c, mail(1, 2*Large)) // a sender's retry heals it
	if _, err := s.Get(t.Context(), ref); err != nil {
		t.Errorf("healed: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), ref); !errors.Is(err, ErrMissing) {
		t.Errorf("lost: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "raw-"+ref.Month+".db")); err != nil {
		t.Error(err)
	}
}

// TestADamagedMonthIsOneMonth flips bytes in the middle of a month's file.
func TestADamagedMonthIsOneMonth(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, Clock: c.now})
	if err != nil {
		t.Fatal(err)
	}
	good := put(t, s, c, mail(100, 9000))
	var refs []Ref
	for i := range 40 {
		ref, err := s.Put(t.Context(), c.now().AddDate(0, -2, 0), mail(uint64(i), 9000))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := monthPath(dir, refs[0].Month)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(file) / 2; i < len(file)/2+4096; i++ {
		file[i] ^= 0x55
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir, Clock: c.now})
	bad := 0
	for _, ref := range refs {
		if _, err := s.Get(t.Context(), ref); errors.Is(err, ErrDamaged) || errors.Is(err, ErrMissing) {
			bad++
		} else if err != nil {
			t.Errorf("Get = %v", err)
		}
	}
	if bad == 0 || bad == len(refs) {
		t.Errorf("%d of %d are damaged", bad, len(refs))
	}
	if _, err := s.Get(t.Context(), good); err != nil {
		t.Errorf("another month: %v", err)
	}
}

func TestDroppingFreesTheDisk(t *testing.T) {
	c := newClock()
	s, dir := openFiles(t, c)
	for i := range 30 {
		if _, err := s.Put(t.Context(), c.now().AddDate(0, -2, 0), mail(uint64(i), 20_000*(1+i*3))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DropMonth(t.Context(), MonthOf(c.now().AddDate(0, -2, 0))); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestDeletingShrinksTheFile(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, Clock: c.now})
	if err != nil {
		t.Fatal(err)
	}
	var refs []Ref
	for i := range 60 {
		refs = append(refs, put(t, s, c, mail(uint64(i), 100_000)))
	}
	for _, ref := range refs {
		if err := s.Delete(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil { // checkpoints
		t.Fatal(err)
	}
	info, err := os.Stat(monthPath(dir, refs[0].Month))
	if err != nil || info.Size() > 200_000 {
		t.Errorf("%d bytes are left, %v", info.Size(), err)
	}
}

func TestAHoldKeepsEverything(t *testing.T) {
	c := newClock()
	s, dir := openFiles(t, c)
	ref := put(t, s, c, mail(1, 100))
	old, err := s.Put(t.Context(), c.now().AddDate(0, -2, 0), mail(1, 100))
	if err != nil {
		t.Fatal(err)
	}
	release, err := s.Hold()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), ref); !fault.Is(err, fault.Busy) {
		t.Errorf("Delete = %v", err)
	}
	if _, err := s.DeleteIdle(t.Context(), ref, farFuture); !fault.Is(err, fault.Busy) {
		t.Errorf("DeleteIdle = %v", err)
	}
	if err := s.DropMonth(t.Context(), old.Month); !fault.Is(err, fault.Busy) {
		t.Errorf("DropMonth = %v", err)
	}
	put(t, s, c, mail(2, 100))
	release()
	release()
	if err := s.Delete(t.Context(), ref); err != nil {
		t.Errorf("Delete after release = %v", err)
	}
	// A holder that was killed does not hold for ever.
	stale := filepath.Join(dir, holdPrefix+"x")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(stale, time.Time{}, time.Now().Add(-2*holdStale)); err != nil {
		t.Fatal(err)
	}
	if err := s.DropMonth(t.Context(), old.Month); err != nil {
		t.Errorf("DropMonth after a stale hold = %v", err)
	}
}

func TestStraysAreSwept(t *testing.T) {
	c := clockAt(time.Now()) // files have the machine's time
	s, _ := openFiles(t, c)
	kept := put(t, s, c, mail(1, Large+1))
	// A crash between a large file and its row, and one in the middle of it.
	stray := RefOf(c.now(), mail(2, Large+1))
	if err := s.writeLarge(stray, s.pack(mail(2, Large+1))); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(filepath.Dir(s.largePath(stray)), tempPrefix+"1")
	if err := os.WriteFile(part, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := func(_ context.Context, refs []Ref) ([]bool, error) {
		has := make([]bool, len(refs))
		for i, r := range refs {
			has[i] = r.Key() == kept.Key()
		}
		return has, nil
	}
	for _, after := range []time.Duration{0, 2 * Grace} {
		c.advance(after)
		if _, err := Sweep(t.Context(), s, c.now(), all); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{part, s.largePath(stray)} {
			if _, err := os.Stat(path); (err == nil) != (after == 0) {
				t.Errorf("after %v: %s: %v", after, filepath.Base(path), err)
			}
		}
	}
	if _, err := s.Get(t.Context(), kept); err != nil {
		t.Error(err)
	}
}

func TestMonthsComeAndGoWhileInUse(t *testing.T) {
	c := newClock()
	s, _ := openFiles(t, c)
	var group sync.WaitGroup
	for w := range 6 {
		group.Go(func() {
			for i := range 25 {
				at := c.now().AddDate(0, -((w + i) % 9), 0)
				content := mail(uint64(w*1000+i), 700)
				ref, err := s.Put(context.Background(), at, content)
				if err != nil {
					t.Errorf("Put: %v", err)
				}
				if _, err := s.Get(context.Background(), ref); err != nil && !errors.Is(err, ErrMissing) {
					t.Errorf("Get: %v", err)
				}
			}
		})
	}
	group.Go(func() {
		for i := range 20 {
			if err := s.DropMonth(context.Background(), MonthOf(c.now().AddDate(0, -1-i%4, 0))); err != nil && !fault.Is(err, fault.Conflict) {
				t.Errorf("DropMonth: %v", err)
			}
		}
	})
	group.Wait()
	if n := len(s.months.all); n > openMonths {
		t.Errorf("%d months are open", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Put(t.Context(), c.now(), nil); !fault.Is(err, fault.Busy) {
		t.Errorf("Put after Close = %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	for name, newStore := range stores {
		for _, callers := range []int{1, 20} {
			b.Run(fmt.Sprintf("%s/%d", name, callers), func(b *testing.B) {
				c := newClock()
				s := newStore(b, c)
				put(b, s, c, []byte("open the month"))
				contents := make([][]byte, b.N)
				for i := range contents {
					contents[i] = mail(uint64(i), 20_000+i%20_000)
				}
				b.SetBytes(30_000)
				b.ResetTimer()
				var group sync.WaitGroup
				next := make(chan []byte)
				for range callers {
					group.Go(func() {
						for content := range next {
							if _, err := s.Put(context.Background(), c.now(), content); err != nil {
								b.Error(err)
							}
						}
					})
				}
				for _, content := range contents {
					next <- content
				}
				close(next)
				group.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
			})
		}
	}
}

func FuzzUnpack(f *testing.F) {
	c, err := newCodec(1 << 20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(int64(300), c.pack(mail(1, 300)))
	f.Add(int64(-1), c.pack(make([]byte, 4000)))
	f.Fuzz(func(t *testing.T, size int64, packed []byte) {
		ref := RefOf(time.Now(), mail(1, 300))
		for _, r := range []Ref{ref, ref.Key()} {
			content, err := c.unpack(r, size, packed)
			if err == nil && RefOf(time.Now(), content).SHA256 != ref.SHA256 {
				t.Error("other bytes were believed")
			}
			if err != nil && !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
		}
	})
}
