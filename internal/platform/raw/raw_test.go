package raw

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// clock is a time that tests set; all stores of a test share it.
type clock struct{ ns atomic.Int64 }

func newClock() *clock { return clockAt(time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)) }

func clockAt(t time.Time) *clock {
	c := &clock{}
	c.ns.Store(t.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// Now and Since make it the time source of the S3 peer, too.
func (c *clock) Now() time.Time                  { return c.now() }
func (c *clock) Since(t time.Time) time.Duration { return c.now().Sub(t) }

// stores opens a store of each kind on nothing.
var stores = map[string]func(testing.TB, *clock) Store{
	"embedded": func(t testing.TB, c *clock) Store {
		return open(t, Options{Dir: t.TempDir(), Clock: c.now})
	},
	"postgres": func(t testing.TB, c *clock) Store {
		db := databasetest.Open(t, database.Options{URL: databasetest.PostgresURL(t), Clock: c.now})
		return open(t, Options{DB: db})
	},
	"s3": func(t testing.TB, c *clock) Store {
		return open(t, Options{URL: fakeS3(t, c) + "/belfry/raw/bytes?insecure=1&region=eu", Clock: c.now})
	},
}

// fakeS3 starts an S3 server in this process, with a bucket "belfry", and
// returns its URL with a key.
func fakeS3(t testing.TB, c *clock) string {
	t.Helper()
	backend := s3mem.New(s3mem.WithTimeSource(c))
	if err := backend.CreateBucket("belfry"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithTimeSource(c), gofakes3.WithTimeSkewLimit(0)).Server())
	t.Cleanup(server.Close)
	return "s3://key:secret@" + strings.TrimPrefix(server.URL, "http://")
}

func open(t testing.TB, o Options) Store {
	t.Helper()
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

// mail returns n bytes that compress about as a mail does.
func mail(seed uint64, n int) []byte {
	words := strings.Fields("account bank click dear customer verify invoice parcel https example test the of to and is your our " +
		"Received: from by with id Subject: Content-Type: text/html charset=utf-8 =20 <td style= </td> font-family: width=")
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, 0, n+32)
	for len(b) < n {
		if r.IntN(6) == 0 {
			b = fmt.Appendf(b, "%x", r.Uint64())
		}
		b = append(b, words[r.IntN(len(words))]...)
		b = append(b, " \n"[r.IntN(20)/19])
	}
	return b[:n]
}

func keys(t *testing.T, s Store, month string) []string {
	t.Helper()
	var all []string
	if err := s.Each(t.Context(), month, func(r Ref) error {
		all = append(all, r.String())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// TestConformance is what every store must do.
func TestConformance(t *testing.T) {
	for name, newStore := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for what, f := range conformance {
				t.Run(what, func(t *testing.T) {
					c := newClock()
					f(t, newStore(t, c), c)
				})
			}
		})
	}
}

var conformance = map[string]func(*testing.T, Store, *clock){
	"what was put is got back": func(t *testing.T, s Store, c *clock) {
		random := make([]byte, 100_000)
		for i := range random {
			random[i] = byte(rand.Uint32())
		}
		for what, content := range map[string][]byte{
			"empty":          {},
			"one byte":       {0},
			"a mail":         mail(1, 30_000),
			"incompressible": random,
			"at the edge":    mail(2, Large),
			"large":          mail(3, Large+1),
			"very large":     bytes.Repeat([]byte("belfry"), 2_000_000),
		} {
			ref, err := s.Put(t.Context(), c.now(), content)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if want := RefOf(c.now(), content); ref != want {
				t.Errorf("%s: Put = %v, want %v", what, ref, want)
			}
			for _, r := range []Ref{ref, ref.Key()} {
				got, err := s.Get(t.Context(), r)
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s: Get gives %d bytes, %v", what, len(got), err)
				}
			}
		}
	},
	"the same bytes are kept once a month": func(t *testing.T, s Store, c *clock) {
		for _, content := range [][]byte{mail(1, 5000), mail(1, Large+5000)} {
			for range 3 {
				if _, err := s.Put(t.Context(), c.now(), content); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Put(t.Context(), c.now().AddDate(0, -2, 0), content); err != nil {
				t.Fatal(err)
			}
		}
		if got := keys(t, s, MonthOf(c.now())); len(got) != 2 {
			t.Errorf("the month holds %v", got)
		}
	},
	"what is not there is missing": func(t *testing.T, s Store, c *clock) {
		there, err := s.Put(t.Context(), c.now(), mail(1, 100))
		if err != nil {
			t.Fatal(err)
		}
		other := there
		other.SHA256[3] ^= 1
		for _, ref := range []Ref{other, {Month: "1999-01", SHA256: there.SHA256}, {Month: "../../x"}, {}} {
			if _, err := s.Get(t.Context(), ref); !errors.Is(err, ErrMissing) || !fault.Is(err, fault.NotFound) {
				t.Errorf("Get(%v) = %v", ref, err)
			}
			if err := s.Delete(t.Context(), ref); err != nil {
				t.Errorf("Delete(%v) = %v", ref, err)
			}
			if gone, err := s.DeleteIdle(t.Context(), ref, c.now()); !gone || err != nil {
				t.Errorf("DeleteIdle(%v) = %v, %v", ref, gone, err)
			}
		}
		if err := s.Each(t.Context(), "1999-01", func(Ref) error { return errors.New("called") }); err != nil {
			t.Errorf("Each of no month: %v", err)
		}
		if got := keys(t, s, there.Month); len(got) != 1 {
			t.Errorf("the month holds %v", got)
		}
	},
	"another size is damage": func(t *testing.T, s Store, c *clock) {
		ref, err := s.Put(t.Context(), c.now(), mail(1, 100))
		if err != nil {
			t.Fatal(err)
		}
		ref.Size++
		if _, err := s.Get(t.Context(), ref); !errors.Is(err, ErrDamaged) {
			t.Errorf("Get = %v", err)
		}
	},
	"too large is refused": func(t *testing.T, s Store, c *clock) {
		_, err := s.Put(t.Context(), c.now(), make([]byte, DefaultMaxSize+1))
		if !fault.Is(err, fault.TooLarge) {
			t.Errorf("Put = %v", err)
		}
	},
	"delete": func(t *testing.T, s Store, c *clock) {
		for _, size := range []int{1000, Large + 1000} {
			a, err1 := s.Put(t.Context(), c.now(), mail(1, size))
			b, err2 := s.Put(t.Context(), c.now(), mail(2, size))
			if err := errors.Join(err1, err2, s.Delete(t.Context(), a)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(t.Context(), a); !errors.Is(err, ErrMissing) {
				t.Errorf("deleted: %v", err)
			}
			if _, err := s.Get(t.Context(), b); err != nil {
				t.Errorf("its neighbour: %v", err)
			}
			if _, err := s.Put(t.Context(), c.now(), mail(1, size)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(t.Context(), a); err != nil {
				t.Errorf("put again: %v", err)
			}
		}
	},
	"months": func(t *testing.T, s Store, c *clock) {
		var want []string
		for i := range 6 { // more than are open at once
			at := c.now().AddDate(0, 0, -27*(5-i))
			ref, err := s.Put(t.Context(), at, mail(uint64(i), 2000))
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, ref.Month)
		}
		want = slices.Compact(want)
		got, err := s.Months(t.Context())
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Months: %v\n%s", err, diff)
		}
	},
	"a month is dropped, but not this one": func(t *testing.T, s Store, c *clock) {
		old := c.now().AddDate(0, -3, 0)
		var refs []Ref
		for i, size := range []int{2000, 2000, Large + 9} {
			ref, err := s.Put(t.Context(), old, mail(uint64(i), size))
			if err != nil {
				t.Fatal(err)
			}
			refs = append(refs, ref)
		}
		now, err := s.Put(t.Context(), c.now(), mail(1, 2000))
		if err != nil {
			t.Fatal(err)
		}
		for month, want := range map[string]fault.Kind{
			now.Month: fault.Conflict, MonthOf(c.now().AddDate(0, 2, 0)): fault.Conflict, "2026": fault.Invalid,
			"../etc": fault.Invalid, "2026-11; DROP": fault.Invalid,
		} {
			if err := s.DropMonth(t.Context(), month); !fault.Is(err, want) {
				t.Errorf("DropMonth(%q) = %v, want %v", month, err, want)
			}
		}
		for range 2 { // the second time there is nothing to drop
			if err := s.DropMonth(t.Context(), MonthOf(old)); err != nil {
				t.Fatal(err)
			}
		}
		for _, ref := range refs {
			if _, err := s.Get(t.Context(), ref); !errors.Is(err, ErrMissing) {
				t.Errorf("of the dropped month: %v", err)
			}
		}
		if _, err := s.Get(t.Context(), now); err != nil {
			t.Errorf("of this month: %v", err)
		}
		months, err := s.Months(t.Context())
		if diff := cmp.Diff([]string{now.Month}, months); diff != "" || err != nil {
			t.Errorf("Months: %v\n%s", err, diff)
		}
		if _, err := s.Put(t.Context(), old, mail(9, 2000)); err != nil { // a late one
			t.Errorf("Put in the dropped month: %v", err)
		}
	},
	"each goes through many": func(t *testing.T, s Store, c *clock) {
		const n = 50
		var want []string
		for i := range n {
			ref, err := s.Put(t.Context(), c.now(), mail(uint64(i), 50))
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, ref.String())
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, keys(t, s, MonthOf(c.now()))); diff != "" {
			t.Error(diff)
		}
		stop := errors.New("stop")
		seen := 0
		err := s.Each(t.Context(), MonthOf(c.now()), func(Ref) error { seen++; return stop })
		if !errors.Is(err, stop) || seen != 1 {
			t.Errorf("Each with an error = %v after %d", err, seen)
		}
	},
	"sweep spares what is named, fresh, or put again": func(t *testing.T, s Store, c *clock) {
		rows := map[Ref]bool{}
		for _, size := range []int{500, Large + 500} {
			put := func(seed uint64) Ref {
				ref, err := s.Put(t.Context(), c.now(), mail(seed, size))
				if err != nil {
					t.Fatal(err)
				}
				return ref
			}
			named, forgotten, again := put(1), put(2), put(3)
			rows[named.Key()] = true
			c.advance(2 * Grace)
			put(3)
			fresh := put(4)
			sweep := func() Swept {
				done, err := Sweep(t.Context(), s, c.now(), func(_ context.Context, refs []Ref) ([]bool, error) {
					has := make([]bool, len(refs))
					for i, r := range refs {
						has[i] = rows[r.Key()]
					}
					return has, nil
				})
				if err != nil {
					t.Fatal(err)
				}
				return done
			}
			if done := sweep(); done.Deleted != 1 {
				t.Errorf("swept %+v", done)
			}
			for what, ref := range map[string]Ref{"named": named, "put again": again, "fresh": fresh} {
				if _, err := s.Get(t.Context(), ref); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			c.advance(2 * Grace)
			put(3)
			put(4)
			sweep() // S3 needs two to be sure
			if _, err := s.Get(t.Context(), forgotten); !errors.Is(err, ErrMissing) {
				t.Errorf("forgotten: %v", err)
			}
			if err := s.Delete(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			if err := s.Delete(t.Context(), fresh); err != nil {
				t.Fatal(err)
			}
		}
	},
	"many at once": func(t *testing.T, s Store, c *clock) {
		var all sync.Map
		var group sync.WaitGroup
		for w := range 8 {
			group.Go(func() {
				for i := range 6 {
					content := mail(uint64(w/2*100+i), 3000) // each by two at once
					at := c.now().AddDate(0, 0, -27*i)
					ref, err := s.Put(t.Context(), at, content)
					if err != nil {
						t.Errorf("Put: %v", err)
						return
					}
					got, err := s.Get(t.Context(), ref)
					if err != nil || !bytes.Equal(got, content) {
						t.Errorf("Get: %d bytes, %v", len(got), err)
					}
					all.Store(ref.String(), true)
				}
			})
		}
		group.Wait()
		var want, got []string
		all.Range(func(k, _ any) bool { want = append(want, k.(string)); return true })
		slices.Sort(want)
		months, err := s.Months(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range months {
			got = append(got, keys(t, s, m)...)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	},
}

func TestRefText(t *testing.T) {
	ref := RefOf(time.Date(2026, 11, 30, 23, 59, 0, 0, time.FixedZone("west", -3600)), []byte("x"))
	if ref.Month != "2026-12" {
		t.Errorf("the month is %s, want that of UTC", ref.Month)
	}
	back, err := ParseRef(ref.String())
	if err != nil || back != ref.Key() {
		t.Errorf("ParseRef(%s) = %v, %v", ref, back, err)
	}
	var scanned Ref
	v, _ := ref.Value()
	if err := scanned.Scan(v); err != nil || scanned != ref.Key() {
		t.Errorf("Scan = %v, %v", scanned, err)
	}
	if err := scanned.Scan(7); err == nil {
		t.Error("a number was scanned")
	}
	sum := ref.hex()
	for _, s := range []string{
		"", "/", "2026-11", "2026-13/" + sum, "2026-1/" + sum, "2026-11/" + sum[1:], "2026-11/" + strings.ToUpper(sum),
		"2026-11/" + sum + "0", "../" + sum, "2026-11/" + strings.Repeat("g", 64), "0000-01/" + sum,
	} {
		if r, err := ParseRef(s); !fault.Is(err, fault.Invalid) || r != (Ref{}) {
			t.Errorf("ParseRef(%q) = %v, %v", s, r, err)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("2026-11/" + strings.Repeat("ab", 32))
	f.Add("2026-02/")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err == nil && r.String() != s {
			t.Errorf("%q became %q", s, r)
		}
	})
}

func TestOpenNeedsAPlace(t *testing.T) {
	for _, o := range []Options{
		{},
		{URL: "http://example.org/x"},
		{URL: "s3:///bucket"},
		{URL: "s3://key:sesame@host.example/"},
		{URL: "s3://key:sesame@host.example:bad port/b"},
	} {
		_, err := Open(t.Context(), o)
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("Open(%+v) = %v", o, err)
		}
	}
}
