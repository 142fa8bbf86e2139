package raw

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// nodes opens n stores on one PostgreSQL schema, each with its own pool.
func nodes(t *testing.T, n int, c *clock) []Store {
	t.Helper()
	url := databasetest.PostgresURL(t)
	all := make([]Store, n)
	for i := range all {
		db := databasetest.Open(t, database.Options{URL: url, Clock: c.now, Readers: 4})
		all[i] = open(t, Options{DB: db})
	}
	return all
}

// TestNodesMakeAMonthTogether lets several nodes meet new months at once.
func TestNodesMakeAMonthTogether(t *testing.T) {
	c := newClock()
	all := nodes(t, 3, c)
	var group sync.WaitGroup
	for i, s := range all {
		for w := range 3 {
			group.Go(func() {
				for m := range 5 {
					ref, err := s.Put(context.Background(), c.now().AddDate(0, -m, 0), mail(uint64(i*10+w), 500))
					if err != nil {
						t.Errorf("Put: %v", err)
						continue
					}
					if _, err := all[(i+1)%len(all)].Get(context.Background(), ref); err != nil {
						t.Errorf("Get from another node: %v", err)
					}
				}
			})
		}
	}
	group.Wait()
	months, err := all[0].Months(t.Context())
	if err != nil || len(months) != 5 {
		t.Errorf("Months = %v, %v", months, err)
	}
}

// TestAnotherNodeDropsTheMonth drops a month that this node still knows.
func TestAnotherNodeDropsTheMonth(t *testing.T) {
	c := newClock()
	all := nodes(t, 2, c)
	old := c.now().AddDate(0, -3, 0)
	ref, err := all[0].Put(t.Context(), old, mail(1, 500))
	if err != nil {
		t.Fatal(err)
	}
	if err := all[1].DropMonth(t.Context(), ref.Month); err != nil {
		t.Fatal(err)
	}
	if _, err := all[0].Get(t.Context(), ref); !errors.Is(err, ErrMissing) {
		t.Errorf("Get = %v", err)
	}
	if err := all[0].Delete(t.Context(), ref); err != nil {
		t.Errorf("Delete = %v", err)
	}
	if _, err := all[0].Put(t.Context(), old, mail(1, 500)); err != nil {
		t.Errorf("Put = %v", err)
	}
}

// TestALongReaderDoesNotStopIntake holds the parent table as a dump does: the
// months that are there, and a new one, must still take reports; only the drop
// gives up.
func TestALongReaderDoesNotStopIntake(t *testing.T) {
	c := newClock()
	s := nodes(t, 1, c)[0].(*partitions)
	old, err := s.Put(t.Context(), c.now().AddDate(0, -3, 0), mail(1, 500))
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.View(t.Context(), func(tx *database.Tx) error {
		var n int
		if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM raw_content").Scan(&n); err != nil || n != 1 {
			return fmt.Errorf("%d rows, %w", n, err)
		}
		dropped := make(chan error)
		go func() { dropped <- s.DropMonth(t.Context(), old.Month) }()
		for i := range 20 {
			if _, err := s.Put(t.Context(), c.now().AddDate(0, -i%3, 0), mail(uint64(i), 500)); err != nil {
				t.Errorf("Put = %v", err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err := <-dropped; !fault.Is(err, fault.Busy) {
			t.Errorf("DropMonth = %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DropMonth(t.Context(), old.Month); err != nil {
		t.Errorf("DropMonth afterwards = %v", err)
	}
}

func TestDamageInPostgresIsFound(t *testing.T) {
	c := newClock()
	s := nodes(t, 1, c)[0].(*partitions)
	ref, err := s.Put(t.Context(), c.now(), mail(1, 30_000))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Update(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE raw_content SET data = set_byte(data, length(data) / 2, 7)")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), ref); !errors.Is(err, ErrDamaged) {
		t.Errorf("Get = %v", err)
	}
}
