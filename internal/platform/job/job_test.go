package job_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/job"
)

var effects = database.Schema{Owner: "effect", Files: fstest.MapFS{
	"0001_effect.sql": {Data: []byte("CREATE TABLE effect (id {{id}}, n BIGINT NOT NULL);\n")},
}}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a store, and queues on it as several processes would have them.
type fixture struct {
	*testing.T
	db *database.DB
}

func each(t *testing.T, f func(fixture)) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) { f(fixture{t, db}) }, job.Schema, effects)
}

func (f fixture) queue() *job.Queue {
	return job.NewQueue(f.db, job.Options{Lanes: map[string]int{"fast": 4, "slow": 1}, Poll: 20 * time.Millisecond})
}

func (f fixture) start(q *job.Queue) {
	f.Helper()
	if err := q.Start(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { f.stop(q) })
}

func (f fixture) stop(q *job.Queue) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := q.Stop(ctx); err != nil {
		f.Error(err)
	}
}

func (f fixture) enqueue(q *job.Queue, jobs ...job.New) {
	f.Helper()
	err := f.db.Update(f.Context(), func(tx *database.Tx) error {
		for _, n := range jobs {
			if err := q.Enqueue(f.Context(), tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
}

func (f fixture) number(query string) (n int) {
	f.Helper()
	err := f.db.View(context.Background(), func(tx *database.Tx) error {
		return tx.QueryRow(context.Background(), query).Scan(&n)
	})
	if err != nil {
		f.Fatal(err)
	}
	return n
}

func (f fixture) eventually(what string, ok func() bool) {
	f.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			f.Fatalf("never: %s", what)
		}
	}
}

func (f fixture) drained() bool { return f.number("SELECT count(*) FROM job") == 0 }

func writeEffect(ctx context.Context, t *job.Task) error {
	var n int
	if err := t.Decode(&n); err != nil {
		return err
	}
	return t.Finish(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO effect (id, n) VALUES ($1, $2)", database.NewID(tx.Now), n)
		return err
	})
}

func TestEffectsHappenExactlyOnceWithManyProcesses(t *testing.T) {
	each(t, func(f fixture) {
		const jobs = 300
		first := f.queue()
		queues := []*job.Queue{first, f.queue(), f.queue()}
		for _, q := range queues {
			q.Handle(job.Kind{Name: "effect", Lane: "fast"}, writeEffect)
		}
		var all []job.New
		for n := range jobs {
			all = append(all, job.New{Kind: "effect", Payload: n})
		}
		if f.db.Engine() == database.SQLite {
			queues = queues[:1] // one process runs jobs there
		}
		for _, q := range queues {
			f.start(q)
		}
		f.enqueue(first, all...)
		f.eventually("the queue is empty", f.drained)
		if n := f.number("SELECT count(*) FROM effect"); n != jobs {
			f.Errorf("%d effects of %d jobs", n, jobs)
		}
		if n := f.number("SELECT count(DISTINCT n) FROM effect"); n != jobs {
			f.Errorf("%d different effects of %d jobs", n, jobs)
		}
	})
}

func TestAJobThatWasNotCommittedIsNotRun(t *testing.T) {
	each(t, func(f fixture) {
		q := f.queue()
		q.Handle(job.Kind{Name: "effect", Lane: "fast"}, writeEffect)
		f.start(q)
		refuse := errors.New("no")
		err := f.db.Update(f.Context(), func(tx *database.Tx) error {
			if err := q.Enqueue(f.Context(), tx, job.New{Kind: "effect", Payload: 1}); err != nil {
				return err
			}
			return refuse
		})
		if !errors.Is(err, refuse) {
			f.Fatal(err)
		}
		f.enqueue(q, job.New{Kind: "effect", Payload: 2})
		f.eventually("the second job ran", func() bool { return f.number("SELECT count(*) FROM effect") == 1 })
		if n := f.number("SELECT n FROM effect"); n != 2 {
			f.Errorf("job %d ran", n)
		}
	})
}

func TestRetryThenDeadLetterThenRerun(t *testing.T) {
	each(t, func(f fixture) {
		var runs, told atomic.Int32
		var mended atomic.Bool
		q := f.queue()
		q.Handle(job.Kind{
			Name: "shaky", Lane: "fast", MaxAttempts: 3, Backoff: func(int) time.Duration { return time.Millisecond },
			Dead: func(context.Context, *job.Task, error) error { told.Add(1); return nil },
		}, func(ctx context.Context, t *job.Task) error {
			runs.Add(1)
			if mended.Load() {
				return nil
			}
			if runs.Load() == 2 {
				panic("a bug")
			}
			return errors.New("broken\x00pipe")
		})
		f.start(q)
		f.enqueue(q, job.New{Kind: "shaky"})
		f.eventually("it died", func() bool { return f.number("SELECT count(*) FROM job_dead") == 1 })
		if runs.Load() != 3 || told.Load() != 1 {
			f.Errorf("%d runs, told %d times", runs.Load(), told.Load())
		}
		dead, err := q.DeadLetters(f.Context(), 0, 10)
		if err != nil || len(dead) != 1 || dead[0].Error != "broken\uFFFDpipe" || dead[0].Attempt != 3 {
			f.Fatalf("dead letters %+v, %v", dead, err)
		}
		mended.Store(true)
		if err := q.Rerun(f.Context(), dead[0].ID); err != nil {
			f.Fatal(err)
		}
		f.eventually("it ran again", func() bool { return runs.Load() == 4 && f.drained() })
		if err := q.Rerun(f.Context(), dead[0].ID); !fault.Is(err, fault.NotFound) {
			f.Errorf("running it again a second time: %v", err)
		}
	})
}

func TestPermanentAndSnooze(t *testing.T) {
	each(t, func(f fixture) {
		var runs atomic.Int32
		q := f.queue()
		q.Handle(job.Kind{Name: "hopeless", Lane: "fast"}, func(context.Context, *job.Task) error {
			return job.Permanent(errors.New("never"))
		})
		q.Handle(job.Kind{Name: "later", Lane: "fast", MaxAttempts: 1}, func(_ context.Context, t *job.Task) error {
			if runs.Add(1) < 5 {
				return job.Snooze(time.Millisecond)
			}
			if t.Attempt != 1 {
				return fmt.Errorf("attempt %d", t.Attempt)
			}
			return nil
		})
		f.start(q)
		f.enqueue(q, job.New{Kind: "hopeless"}, job.New{Kind: "later"})
		f.eventually("both are settled", f.drained)
		if n := f.number("SELECT count(*) FROM job_dead WHERE kind = 'hopeless' AND attempt = 1"); n != 1 {
			f.Errorf("%d dead letters", n)
		}
		if runs.Load() != 5 {
			f.Errorf("%d runs", runs.Load())
		}
	})
}

func TestALostLeaseStoresNothing(t *testing.T) {
	each(t, func(f fixture) {
		q := f.queue()
		result := make(chan error, 1)
		q.Handle(job.Kind{Name: "slow", Lane: "slow"}, func(ctx context.Context, t *job.Task) error {
			// As if another process had claimed it after this one's lease.
			if err := f.db.Update(ctx, func(tx *database.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE job SET attempt = attempt + 1 WHERE id = $1", t.ID)
				return err
			}); err != nil {
				return err
			}
			err := t.Finish(ctx, func(tx *database.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO effect (id, n) VALUES (1, 1)")
				return err
			})
			result <- err
			return err
		})
		f.start(q)
		f.enqueue(q, job.New{Kind: "slow"})
		if err := <-result; !errors.Is(err, job.ErrLost) {
			f.Errorf("Finish: %v", err)
		}
		if n := f.number("SELECT count(*) FROM effect"); n != 0 {
			f.Error("the effect was stored")
		}
		if n := f.number("SELECT count(*) FROM job"); n != 1 {
			f.Error("the other's job was removed")
		}
	})
}

func TestLanesDoNotDelayEachOther(t *testing.T) {
	each(t, func(f fixture) {
		block := make(chan struct{})
		var done atomic.Bool
		q := f.queue()
		q.Handle(job.Kind{Name: "blocked", Lane: "slow"}, func(ctx context.Context, t *job.Task) error {
			select {
			case <-block:
			case <-ctx.Done():
			}
			return nil
		})
		q.Handle(job.Kind{Name: "quick", Lane: "fast"}, func(context.Context, *job.Task) error {
			done.Store(true)
			return nil
		})
		f.start(q)
		var many []job.New
		for range 100 {
			many = append(many, job.New{Kind: "blocked"})
		}
		f.enqueue(q, many...)
		f.enqueue(q, job.New{Kind: "quick"})
		f.eventually("the quick one ran", done.Load)
		close(block)
	})
}

func TestStopGivesBackWhatItHolds(t *testing.T) {
	each(t, func(f fixture) {
		began := make(chan struct{}, 100)
		q := f.queue()
		kind := job.Kind{Name: "long", Lane: "slow", MaxAttempts: 1}
		q.Handle(kind, func(ctx context.Context, t *job.Task) error {
			began <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		})
		f.start(q)
		f.enqueue(q, job.New{Kind: "long"}, job.New{Kind: "long"}, job.New{Kind: "long"})
		<-began
		ctx, cancel := context.WithTimeout(f.Context(), 10*time.Millisecond)
		defer cancel()
		if err := q.Stop(ctx); err != nil {
			f.Fatal(err)
		}
		if n := f.number("SELECT count(*) FROM job WHERE leased = 0 AND attempt = 0"); n != 3 {
			f.Errorf("%d jobs are free again, want 3", n)
		}
	})
}

func TestARestartFreesLeasesAtOnce(t *testing.T) {
	f := fixture{t, databasetest.Open(t, database.Options{}, job.Schema, effects)}
	q := f.queue()
	q.Handle(job.Kind{Name: "effect", Lane: "fast"}, writeEffect)
	f.enqueue(q, job.New{Kind: "effect", Payload: 1})
	// As a killed process leaves it: claimed, far from due.
	if err := f.db.Update(f.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(f.Context(), "UPDATE job SET leased = 1, attempt = 1, run_at = run_at + 3600000000")
		return err
	}); err != nil {
		f.Fatal(err)
	}
	f.start(q)
	f.eventually("it ran", f.drained)
}

func TestAKeyStandsOnce(t *testing.T) {
	each(t, func(f fixture) {
		q := f.queue()
		q.Handle(job.Kind{Name: "effect", Lane: "fast"}, writeEffect)
		far := time.Now().Add(time.Hour)
		for range 3 {
			f.enqueue(q, job.New{Kind: "effect", Key: "one", RunAt: far}, job.New{Kind: "effect", RunAt: far})
		}
		if n := f.number("SELECT count(*) FROM job"); n != 4 {
			f.Errorf("%d jobs, want 4", n)
		}
	})
}

func TestPeriodicRunsOnceInASlot(t *testing.T) {
	each(t, func(f fixture) {
		var mu sync.Mutex
		slots := map[int64]int{}
		for range 3 {
			q := f.queue()
			q.Handle(job.Kind{Name: "tick", Lane: "fast"}, func(ctx context.Context, t *job.Task) error {
				mu.Lock()
				defer mu.Unlock()
				slots[time.Now().Unix()]++
				return nil
			})
			q.Periodic("tick", time.Hour)
			f.start(q)
		}
		f.eventually("it ran", func() bool { mu.Lock(); defer mu.Unlock(); return len(slots) > 0 })
		time.Sleep(100 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		total := 0
		for _, n := range slots {
			total += n
		}
		if total > 2 { // two only when the hour turned meanwhile
			f.Errorf("it ran %d times", total)
		}
	})
}

func TestEvents(t *testing.T) {
	each(t, func(f fixture) {
		type opened struct{ Door string }
		topic := event.New[opened]("house.opened")
		q := f.queue()
		bus := event.NewBus(q)
		var heard sync.Map
		for _, name := range []string{"cat", "dog"} {
			event.Subscribe(bus, topic, name, "fast", func(ctx context.Context, t *job.Task, o opened) error {
				heard.Store(name, o.Door)
				return nil
			})
		}
		f.start(q)
		err := f.db.Update(f.Context(), func(tx *database.Tx) error {
			return topic.Publish(f.Context(), bus, tx, opened{"front"})
		})
		if err != nil {
			f.Fatal(err)
		}
		f.eventually("both heard", func() bool {
			cat, _ := heard.Load("cat")
			dog, _ := heard.Load("dog")
			return cat == "front" && dog == "front"
		})
	})
}

func TestBacklog(t *testing.T) {
	each(t, func(f fixture) {
		q := f.queue()
		q.Handle(job.Kind{Name: "effect", Lane: "slow"}, writeEffect)
		f.enqueue(q, job.New{Kind: "effect", Payload: 1}, job.New{Kind: "effect", Payload: 2, RunAt: time.Now().Add(time.Hour)})
		lanes, err := q.Backlog(f.Context())
		if err != nil {
			f.Fatal(err)
		}
		for _, b := range lanes {
			if want := map[string]int{"slow": 1, "fast": 0}[b.Lane]; b.Due != want {
				f.Errorf("lane %s: %d due, want %d", b.Lane, b.Due, want)
			}
		}
	})
}

func BenchmarkJob(b *testing.B) {
	db := databasetest.Open(b, database.Options{}, job.Schema, effects)
	q := job.NewQueue(db, job.Options{Lanes: map[string]int{"fast": 2}})
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan struct{})
	q.Handle(job.Kind{Name: "effect", Lane: "fast"}, func(ctx context.Context, t *job.Task) error {
		err := writeEffect(ctx, t)
		if left.Add(-1) == 0 {
			close(done)
		}
		return err
	})
	ctx := context.Background()
	for n := 0; n < b.N; n += 100 {
		if err := db.Update(ctx, func(tx *database.Tx) error {
			for i := n; i < min(n+100, b.N); i++ {
				if err := q.Enqueue(ctx, tx, job.New{Kind: "effect", Payload: i}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	if err := q.Start(ctx); err != nil {
		b.Fatal(err)
	}
	<-done
	b.StopTimer()
	if err := q.Stop(ctx); err != nil {
		b.Fatal(err)
	}
}

func TestAPausedLaneRunsNothing(t *testing.T) {
	each(t, func(f fixture) {
		q := f.queue()
		q.Handle(job.Kind{Name: "effect", Lane: "fast"}, writeEffect)
		q.Handle(job.Kind{Name: "other", Lane: "slow"}, writeEffect)
		q.Pause("fast")
		q.Pause("no such lane")
		f.start(q)
		f.enqueue(q, job.New{Kind: "effect", Payload: 1}, job.New{Kind: "other", Payload: 2})
		f.eventually("the other lane works", func() bool { return f.number("SELECT count(*) FROM effect") == 1 })
		time.Sleep(100 * time.Millisecond) // five polls
		if n := f.number("SELECT count(*) FROM effect WHERE n = 1"); n != 0 {
			f.Error("a paused lane ran a job")
		}
		q.Resume("fast")
		f.eventually("the queue is empty", f.drained)
	})
}
