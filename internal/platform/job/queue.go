package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-centre/belfry/internal/platform/database"
)

// Options sets a queue up.
type Options struct {
	// Lanes gives the number of workers of each lane in this process. A kind
	// of a lane that is not named here is an error at Handle.
	Lanes   map[string]int
	Poll    time.Duration // how often to look for other processes' jobs; 0 means a second
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil means none
}

// Queue hands jobs to their handlers. Handle and Periodic come before Start.
type Queue struct {
	db      *database.DB
	log     *slog.Logger
	poll    time.Duration
	lanes   map[string]*lane
	kinds   map[string]registered
	periods []period
	metrics *metrics

	cancel  context.CancelFunc // of everything
	drain   context.CancelFunc // of claiming
	running sync.WaitGroup
}

type registered struct {
	Kind
	handle Handler
}

// lane is one set of workers with its own claims.
type lane struct {
	name    string
	workers int
	lease   time.Duration // the longest of its kinds
	wake    chan struct{} // holds at most one
	paused  atomic.Bool
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// NewQueue returns a queue on db.
func NewQueue(db *database.DB, o Options) *Queue {
	q := &Queue{db: db, log: o.Log, poll: o.Poll, lanes: map[string]*lane{}, kinds: map[string]registered{}}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	if q.poll <= 0 {
		q.poll = time.Second
	}
	for name, workers := range o.Lanes {
		q.lanes[name] = &lane{name: name, workers: max(workers, 1), lease: Lease, wake: make(chan struct{}, 1)}
	}
	q.metrics = newMetrics(o.Metrics, q)
	return q
}

// Handle registers the handler of a kind. It panics on a kind that stands
// twice or names no lane: a mistake in the program's wiring.
func (q *Queue) Handle(k Kind, h Handler) {
	l := q.lanes[k.Lane]
	if l == nil {
		panic(fmt.Sprintf("job: kind %q names the unknown lane %q", k.Name, k.Lane))
	}
	if _, twice := q.kinds[k.Name]; twice {
		panic(fmt.Sprintf("job: kind %q stands twice", k.Name))
	}
	if k.MaxAttempts == 0 {
		k.MaxAttempts = 10
	}
	if k.Timeout == 0 {
		k.Timeout = 30 * time.Second
	}
	if k.Backoff == nil {
		k.Backoff = Backoff
	}
	// Jobs of a claim run one after the other on few workers, so the lease
	// holds for two in a row.
	l.lease = max(l.lease, 2*k.Timeout+10*time.Second)
	q.kinds[k.Name] = registered{k, h}
}

// Enqueue adds a job in the caller's transaction: it exists when that commits.
func (q *Queue) Enqueue(ctx context.Context, tx *database.Tx, n New) error {
	k, ok := q.kinds[n.Kind]
	if !ok {
		return fmt.Errorf("job: unknown kind %q", n.Kind)
	}
	payload := []byte("null")
	if n.Payload != nil {
		var err error
		if payload, err = json.Marshal(n.Payload); err != nil {
			return fmt.Errorf("job: payload of %q: %w", n.Kind, err)
		}
	}
	runAt := tx.Now
	if n.RunAt.After(runAt) {
		runAt = n.RunAt
	}
	var key any
	if n.Key != "" {
		key = n.Key
	}
	_, err := tx.Exec(ctx, `INSERT INTO job (id, lane, kind, unique_key, payload, run_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		database.NewID(tx.Now), k.Lane, n.Kind, key, string(payload), database.Micros(runAt))
	if err != nil {
		return fmt.Errorf("enqueueing %q: %w", n.Kind, err)
	}
	if !runAt.After(tx.Now) {
		tx.OnCommit(q.lanes[k.Lane].signal)
	}
	return nil
}

// Pause lets the lane's workers of this process claim nothing more until
// Resume; what they have claimed they finish. It may come before Start. A lane
// that is not there is left alone.
func (q *Queue) Pause(lane string) {
	if l := q.lanes[lane]; l != nil {
		l.paused.Store(true)
	}
}

// Resume ends a Pause.
func (q *Queue) Resume(lane string) {
	if l := q.lanes[lane]; l != nil {
		l.paused.Store(false)
		l.signal()
	}
}

// Start begins to work. On SQLite, where this process is the only one that
// runs jobs, what a killed predecessor held is free at once.
func (q *Queue) Start(ctx context.Context) error {
	if q.db.Engine() == database.SQLite {
		if err := q.freeLeases(ctx); err != nil {
			return fmt.Errorf("freeing old leases: %w", err)
		}
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	claim, drain := context.WithCancel(run)
	q.cancel, q.drain = cancel, drain
	for _, l := range q.lanes {
		q.running.Go(func() { q.work(claim, run, l) })
	}
	for _, p := range q.periods {
		q.running.Go(func() { q.tick(claim, p) })
	}
	q.running.Go(func() { q.metrics.watch(claim) })
	return nil
}

// Stop claims no more, lets running jobs finish until ctx ends, then interrupts
// them; interrupted jobs run again later.
func (q *Queue) Stop(ctx context.Context) error {
	if q.cancel == nil {
		return nil
	}
	q.drain()
	done := make(chan struct{})
	go func() { q.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		q.cancel()
		<-done
	}
	q.cancel()
	return nil
}

// work claims for one lane and feeds its workers. It claims when a worker is
// about to run dry, a few jobs for each worker at a time.
func (q *Queue) work(claim, run context.Context, l *lane) {
	tasks := make(chan *Task)
	var workers sync.WaitGroup
	for range l.workers {
		workers.Go(func() {
			for t := range tasks {
				q.run(run, t)
			}
		})
	}
	defer workers.Wait()
	defer close(tasks)
	timer := time.NewTicker(q.poll)
	defer timer.Stop()
	for claim.Err() == nil {
		claimed := time.Now()
		batch, err := q.claim(claim, l)
		if err != nil && claim.Err() == nil {
			q.log.Error("claiming jobs failed", "lane", l.name, "error", err)
		}
		for i, t := range batch {
			select {
			case tasks <- t:
				// What could not start in half its lease is given back, or it
				// would run out while it runs.
				if time.Since(claimed) < l.lease/2 {
					continue
				}
				i++
			case <-claim.Done():
			}
			q.release(run, batch[i:])
			break
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-l.wake:
		case <-timer.C:
		case <-claim.Done():
		}
	}
}

// run runs one task and settles it by what its handler says.
func (q *Queue) run(ctx context.Context, t *Task) {
	k := q.kinds[t.Kind]
	began := time.Now()
	err := q.call(ctx, k, t)
	q.metrics.observe(k, err, time.Since(began))
	if t.finished {
		if err != nil {
			q.log.Error("a job failed after it had finished", "kind", t.Kind, "job", t.ID, "error", err)
		}
		return
	}
	if err == nil {
		err = t.Finish(ctx, nil)
	}
	if err == nil || errors.Is(err, ErrLost) {
		return
	}
	// Settling is stored even when the queue is being stopped.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := q.settle(ctx, k, t, err); err != nil && !errors.Is(err, ErrLost) {
		q.log.Error("a job could not be settled; its lease will run out", "kind", t.Kind, "job", t.ID, "error", err)
	}
}

// call runs the handler within its timeout; a panic is an error.
func (q *Queue) call(ctx context.Context, k registered, t *Task) (err error) {
	if k.handle == nil {
		return Permanent(fmt.Errorf("unknown kind %q", t.Kind))
	}
	ctx, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			q.log.Error("a job panicked", "kind", t.Kind, "job", t.ID, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return k.handle(ctx, t)
}

// settle decides what becomes of a job whose run failed with cause.
func (q *Queue) settle(ctx context.Context, k registered, t *Task, cause error) error {
	var later snooze
	switch {
	case errors.As(cause, &later):
		return q.retry(ctx, t, time.Duration(later), "", false)
	case errors.Is(cause, context.Canceled): // we are being stopped
		return q.retry(ctx, t, 0, "", false)
	}
	_, hopeless := errors.AsType[permanent](cause)
	if !hopeless && t.Attempt < k.MaxAttempts {
		q.log.Warn("a job failed and will be tried again", "kind", t.Kind, "job", t.ID, "attempt", t.Attempt, "error", cause)
		return q.retry(ctx, t, k.Backoff(t.Attempt), cause.Error(), true)
	}
	q.log.Error("a job was given up", "kind", t.Kind, "job", t.ID, "attempt", t.Attempt, "error", cause)
	if k.Dead != nil {
		if err := k.Dead(ctx, t, cause); err != nil {
			q.log.Error("the end of a job could not be told", "kind", t.Kind, "job", t.ID, "error", err)
			return q.retry(ctx, t, k.Backoff(t.Attempt), cause.Error(), true)
		}
	}
	return q.bury(ctx, k, t, cause)
}
