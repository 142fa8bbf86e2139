package job

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
)

//go:embed migrations
var files embed.FS

// Schema is the queue's own tables.
var Schema = database.Schema{Owner: "job", Files: files}

// Lease is how long a claimed job belongs to its process at least. A kind with
// a longer Timeout gets that much and a margin.
const Lease = time.Minute

// Kind is a sort of job.
type Kind struct {
	Name        string
	Lane        string
	MaxAttempts int                                       // 0 means 10
	Timeout     time.Duration                             // of one run; 0 means 30 seconds
	Backoff     func(int) time.Duration                   // after the nth failed attempt; nil means Backoff
	Dead        func(context.Context, *Task, error) error // told when the job is given up; may be nil
}

// Handler does the work of one job. What it returns decides the job's fate: nil
// completes it, Permanent gives it up, Snooze puts it off, any other error is
// tried again after the kind's backoff.
type Handler func(context.Context, *Task) error

// New is a job to be enqueued.
type New struct {
	Kind    string
	Payload any       // stored as JSON
	RunAt   time.Time // zero means now
	// Key makes the job the only one of its key while it waits or runs: another
	// is silently left out. Empty means no such bound.
	Key string
}

// Task is one run of a job.
type Task struct {
	ID      database.ID
	Kind    string
	Attempt int // 1 at the first run

	payload  []byte
	queue    *Queue
	finished bool
}

// ErrLost is returned by Finish when the lease ran out and another process may
// have taken the job: nothing of this run was stored.
var ErrLost = errors.New("job: the lease was lost")

// Decode reads the payload into v. A payload that does not fit is Permanent.
func (t *Task) Decode(v any) error {
	if err := json.Unmarshal(t.payload, v); err != nil {
		return Permanent(fmt.Errorf("payload: %w", err))
	}
	return nil
}

// Finish stores the run's effects and completes the job in one transaction, so
// that both happen exactly once. fn may be nil. As with Update, fn may run more
// than once.
func (t *Task) Finish(ctx context.Context, fn func(*database.Tx) error) error {
	err := t.queue.db.Update(ctx, func(tx *database.Tx) error {
		if err := t.complete(ctx, tx); err != nil {
			return err
		}
		if fn == nil {
			return nil
		}
		return fn(tx)
	})
	t.finished = t.finished || err == nil
	return err
}

// complete deletes the job if this run still holds it.
func (t *Task) complete(ctx context.Context, tx *database.Tx) error {
	res, err := tx.Exec(ctx, "DELETE FROM job WHERE id = $1 AND attempt = $2", t.ID, t.Attempt)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrLost)
	}
	return nil
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error that no further attempt can mend.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

type snooze time.Duration

func (s snooze) Error() string { return "put off for " + time.Duration(s).String() }

// Snooze puts the job off without counting the attempt: the moment is wrong,
// not the job.
func Snooze(d time.Duration) error { return snooze(d) }

// Backoff is the usual wait after the nth failed attempt: 2 s, 4 s, 8 s … up
// to an hour.
func Backoff(attempt int) time.Duration {
	if attempt > 11 {
		return time.Hour
	}
	return min(time.Second<<max(attempt, 0), time.Hour)
}
