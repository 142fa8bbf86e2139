package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// claimPerWorker is how many jobs one claim takes for each worker of a lane:
// enough that claiming costs little, few enough that another process finds
// work too.
const claimPerWorker = 16

const claimSQL = `UPDATE job SET run_at = $1, attempt = attempt + 1, leased = 1
	WHERE id IN (SELECT id FROM job WHERE lane = $2 AND run_at <= $3 ORDER BY run_at, id LIMIT $4%s)
	RETURNING id, kind, payload, attempt`

var (
	claimLite     = fmt.Sprintf(claimSQL, "")
	claimPostgres = fmt.Sprintf(claimSQL, " FOR UPDATE SKIP LOCKED")
)

// claim takes due jobs of the lane, the oldest first, and pushes their run_at
// forward by the lease.
func (q *Queue) claim(ctx context.Context, l *lane) ([]*Task, error) {
	if l.paused.Load() {
		return nil, nil
	}
	if idle, err := q.idle(ctx, l); err != nil || idle {
		return nil, err
	}
	query := claimLite
	if q.db.Engine() == database.Postgres {
		query = claimPostgres
	}
	var tasks []*Task
	err := q.db.Update(ctx, func(tx *database.Tx) error {
		tasks = nil
		rows, err := tx.Query(ctx, query, database.Micros(tx.Now.Add(l.lease)), l.name,
			database.Micros(tx.Now), l.workers*claimPerWorker)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			t := &Task{queue: q}
			var payload string
			if err := rows.Scan(&t.ID, &t.Kind, &payload, &t.Attempt); err != nil {
				return err
			}
			t.payload = []byte(payload)
			tasks = append(tasks, t)
		}
		return rows.Err()
	})
	return tasks, err
}

// idle looks without writing: an empty poll must cost no commit.
func (q *Queue) idle(ctx context.Context, l *lane) (bool, error) {
	idle := false
	err := q.db.View(ctx, func(tx *database.Tx) error {
		var n int
		err := tx.QueryRow(ctx, "SELECT count(*) FROM (SELECT id FROM job WHERE lane = $1 AND run_at <= $2 LIMIT 1) AS due",
			l.name, database.Micros(tx.Now)).Scan(&n)
		idle = n == 0
		return err
	})
	return idle, err
}

// retry lets the job run again after d; a run that does not count gives its
// attempt back.
func (q *Queue) retry(ctx context.Context, t *Task, d time.Duration, cause string, counts bool) error {
	attempt := t.Attempt
	if !counts {
		attempt--
	}
	return q.db.Update(ctx, func(tx *database.Tx) error {
		res, err := tx.Exec(ctx, "UPDATE job SET run_at = $1, attempt = $2, leased = 0, error = $3 WHERE id = $4 AND attempt = $5",
			database.Micros(tx.Now.Add(d)), attempt, database.Clean(cause), t.ID, t.Attempt)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrLost)
		}
		return nil
	})
}

// release gives tasks back that were claimed and not begun.
func (q *Queue) release(ctx context.Context, tasks []*Task) {
	for _, t := range tasks {
		if err := q.retry(context.WithoutCancel(ctx), t, 0, "", false); err != nil && !errors.Is(err, ErrLost) {
			q.log.Error("a job could not be given back; its lease will run out", "kind", t.Kind, "job", t.ID, "error", err)
		}
	}
}

// freeLeases makes what a dead process held due at once. The attempt stays
// counted: a job that kills its process must not do so forever.
func (q *Queue) freeLeases(ctx context.Context) error {
	return q.db.Update(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE job SET run_at = $1, leased = 0 WHERE leased = 1", database.Micros(tx.Now))
		return err
	})
}

// bury moves a job to the dead letters.
func (q *Queue) bury(ctx context.Context, k registered, t *Task, cause error) error {
	return q.db.Update(ctx, func(tx *database.Tx) error {
		if err := t.complete(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO job_dead (id, lane, kind, payload, attempt, error, died_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			t.ID, k.Lane, t.Kind, string(t.payload), t.Attempt, database.Clean(cause.Error()), database.Micros(tx.Now))
		return err
	})
}

// Dead is a dead letter.
type Dead struct {
	ID      database.ID
	Kind    string
	Attempt int
	Error   string
	DiedAt  time.Time
}

// DeadLetters returns up to limit dead letters with an ID over after, the
// oldest first.
func (q *Queue) DeadLetters(ctx context.Context, after database.ID, limit int) ([]Dead, error) {
	var all []Dead
	err := q.db.View(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, kind, attempt, error, died_at FROM job_dead
			WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d Dead
			var at int64
			if err := rows.Scan(&d.ID, &d.Kind, &d.Attempt, &d.Error, &at); err != nil {
				return err
			}
			d.DiedAt = database.Time(at)
			all = append(all, d)
		}
		return rows.Err()
	})
	return all, err
}

// Rerun puts a dead letter back into its lane, as new. An ID that is not there
// is NotFound.
func (q *Queue) Rerun(ctx context.Context, id database.ID) error {
	return q.db.Update(ctx, func(tx *database.Tx) error {
		res, err := tx.Exec(ctx, `INSERT INTO job (id, lane, kind, payload, run_at)
			SELECT id, lane, kind, payload, $1 FROM job_dead WHERE id = $2`, database.Micros(tx.Now), id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return fault.New(fault.NotFound, "There is no dead letter with this id.")
		}
		_, err = tx.Exec(ctx, "DELETE FROM job_dead WHERE id = $1", id)
		return err
	})
}

// Backlog is how much waits in a lane.
type Backlog struct {
	Lane   string
	Due    int           // counted up to BacklogLimit
	Oldest time.Duration // how long the oldest due job has waited
}

// BacklogLimit ends the counting of a backlog.
const BacklogLimit = 1000

// Backlog returns the backlog of each lane of this process. Jobs that run now
// are not in it.
func (q *Queue) Backlog(ctx context.Context) ([]Backlog, error) {
	var all []Backlog
	err := q.db.View(ctx, func(tx *database.Tx) error {
		for name := range q.lanes {
			b := Backlog{Lane: name}
			var oldest int64
			err := tx.QueryRow(ctx, `SELECT count(*), COALESCE(min(run_at), 0) FROM
				(SELECT run_at FROM job WHERE lane = $1 AND run_at <= $2 ORDER BY run_at LIMIT $3) AS due`,
				name, database.Micros(tx.Now), BacklogLimit).Scan(&b.Due, &oldest)
			if err != nil {
				return err
			}
			if b.Due > 0 {
				b.Oldest = tx.Now.Sub(database.Time(oldest))
			}
			all = append(all, b)
		}
		return nil
	})
	return all, err
}
