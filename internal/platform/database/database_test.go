package database_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

var schema = database.Schema{Owner: "thing", Files: fstest.MapFS{
	"migrations/0001_thing.sql": {Data: []byte(`
-- Things, with a comment; and a semicolon.
CREATE TABLE thing (
	id {{id}},
	name TEXT NOT NULL UNIQUE, -- its name
	content {{bytes}}
);

-- only: sqlite
CREATE INDEX thing_lite ON thing (name);
-- only: postgres
CREATE INDEX thing_pg ON thing USING hash (name);
`)},
}}

func insert(name string) func(*database.Tx) error {
	return func(tx *database.Tx) error {
		_, err := tx.Exec(context.Background(), "INSERT INTO thing (id, name, content) VALUES ($1, $2, $3)",
			database.NewID(tx.Now), name, []byte{0, 1})
		return err
	}
}

func count(t *testing.T, db *database.DB) (n int) {
	t.Helper()
	err := db.View(t.Context(), func(tx *database.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM thing").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAFailureUndoesOnlyItself(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		refuse := errors.New("refused")
		var wg sync.WaitGroup
		var committed atomic.Int64
		for i := range 200 {
			wg.Go(func() {
				err := db.Update(ctx, func(tx *database.Tx) error {
					tx.OnCommit(func() { committed.Add(1) })
					if err := insert(fmt.Sprint("n", i))(tx); err != nil {
						return err
					}
					if i%4 == 3 {
						return refuse
					}
					return nil
				})
				if want := i%4 == 3; errors.Is(err, refuse) != want {
					t.Errorf("update %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if n := count(t, db); n != 150 {
			t.Errorf("%d rows, want 150", n)
		}
		if n := committed.Load(); n != 150 {
			t.Errorf("OnCommit ran %d times, want 150", n)
		}
	}, schema)
}

func TestUniqueAndTheNextOneUnharmed(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		for i, want := range []bool{false, true} {
			err := db.Update(ctx, insert("same"))
			if database.IsUnique(err) != want || (err != nil) != want {
				t.Errorf("insert %d: %v", i, err)
			}
		}
		if err := db.Update(ctx, insert("other")); err != nil {
			t.Error(err)
		}
		if n := count(t, db); n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
	}, schema)
}

func TestAPanicLeavesTheStoreUsable(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = db.Update(t.Context(), func(tx *database.Tx) error {
				if err := insert("lost")(tx); err != nil {
					t.Error(err)
				}
				panic("a bug")
			})
		}()
		if err := db.Update(t.Context(), insert("kept")); err != nil {
			t.Error(err)
		}
		if n := count(t, db); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
	}, schema)
}

func TestACallerWhoGoesAwayHarmsNobody(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		gone, cancel := context.WithCancel(t.Context())
		defer cancel()
		var wg sync.WaitGroup
		var kept atomic.Int64
		for i := range 100 {
			wg.Go(func() {
				ctx := t.Context()
				if i%2 == 0 {
					ctx = gone
				}
				if i == 50 {
					cancel()
				}
				if err := db.Update(ctx, insert(fmt.Sprint("n", i))); err == nil {
					kept.Add(1)
				} else if i%2 == 1 {
					t.Errorf("update %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if n := count(t, db); int64(n) != kept.Load() {
			t.Errorf("%d rows, %d updates succeeded", n, kept.Load())
		}
		if err := db.Update(gone, insert("late")); !errors.Is(err, context.Canceled) {
			t.Errorf("an update with an ended context: %v", err)
		}
	}, schema)
}

func TestAViewIsASnapshotAndCannotWrite(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		err := db.View(ctx, func(tx *database.Tx) error {
			var before, after int
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM thing").Scan(&before); err != nil {
				return err
			}
			if err := db.Update(ctx, insert("meanwhile")); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM thing").Scan(&after); err != nil {
				return err
			}
			if before != after {
				t.Errorf("the snapshot moved from %d to %d", before, after)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.View(ctx, insert("forbidden")); err == nil {
			t.Error("a view could write")
		}
	}, schema)
}

func TestMigrateTwiceAndTogether(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := db.Migrate(t.Context(), schema); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		versions, err := db.Versions(t.Context())
		if err != nil || versions["thing"] != 1 {
			t.Errorf("versions %v, %v", versions, err)
		}
		older := database.Schema{Owner: "thing", Files: fstest.MapFS{}}
		if err := db.Migrate(t.Context(), older); err == nil {
			t.Error("an older program was let in")
		}
	}, schema)
}

func TestAFailedMigrationLeavesNothing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		bad := database.Schema{Owner: "bad", Files: fstest.MapFS{
			"0001_a.sql": {Data: []byte("CREATE TABLE good (x BIGINT);\nCREATE TABLE good (x BIGINT);\n")},
		}}
		if err := db.Migrate(t.Context(), bad); err == nil {
			t.Fatal("no error")
		}
		mended := database.Schema{Owner: "bad", Files: fstest.MapFS{
			"0001_a.sql": {Data: []byte("CREATE TABLE good (x BIGINT);\n")},
		}}
		if err := db.Migrate(t.Context(), mended); err != nil {
			t.Error(err)
		}
	}, schema)
}

func TestClosedStore(t *testing.T) {
	db, err := database.Open(t.Context(), database.Options{Path: t.TempDir() + "/x.db"})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), insert("x")); !fault.Is(err, fault.Busy) {
		t.Errorf("update: %v", err)
	}
	if err := db.View(t.Context(), insert("x")); !fault.Is(err, fault.Busy) {
		t.Errorf("view: %v", err)
	}
}

func TestNobodyElseMayRead(t *testing.T) {
	dir := t.TempDir()
	db, err := database.Open(t.Context(), database.Options{Path: dir + "/x.db"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestAPathWithStrangeLetters(t *testing.T) {
	dir := t.TempDir() + "/a ?b#c%20d"
	for range 2 {
		db, err := database.Open(t.Context(), database.Options{Path: dir + ".db"})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACheckpointGivesFreedPagesBack(t *testing.T) {
	path := t.TempDir() + "/x.db"
	db := databasetest.Open(t, database.Options{Path: path}, schema)
	ctx := t.Context()
	size := func() int64 {
		t.Helper()
		if err := db.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if err := db.Update(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO thing (id, name, content) VALUES (1, 'large', $1)", make([]byte, 4<<20))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n := size(); n < 4<<20 {
		t.Fatalf("%d bytes in the file after a checkpoint", n)
	}
	if err := db.Update(ctx, func(tx *database.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM thing"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "PRAGMA incremental_vacuum")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n := size(); n > 1<<20 {
		t.Errorf("%d bytes in the file after everything was deleted", n)
	}
}

func TestIDs(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	last := database.ID(0)
	for i := range 10000 {
		id := database.NewID(now)
		if id <= last {
			t.Fatalf("id %d after %d", id, last)
		}
		if d := id.Time().Sub(now); d < 0 || d > time.Millisecond {
			t.Fatalf("id %d of %v lies %v off", i, now, d)
		}
		last = id
	}
	if first := database.FirstID(now); first > last || first.Time() != now {
		t.Errorf("FirstID(%v) = %d, %v", now, first, first.Time())
	}
	text, _ := last.MarshalText()
	var back database.ID
	if err := back.UnmarshalText(text); err != nil || back != last {
		t.Errorf("%q became %d: %v", text, back, err)
	}
	for _, bad := range []string{"", "0", "-1", "x", "9223372036854775808"} {
		if _, err := database.ParseID(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("ParseID(%q): %v", bad, err)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"héllo": "héllo", "a\x00b": "a\uFFFDb", "a\xffb": "a\uFFFDb", "": "",
	} {
		if got := database.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q", in, got)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 20} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			db := databasetest.Open(b, database.Options{}, schema)
			b.SetParallelism(callers)
			var n atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := db.Update(context.Background(), insert(fmt.Sprint(n.Add(1)))); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
