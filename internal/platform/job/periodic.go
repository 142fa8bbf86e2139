package job

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
)

type period struct {
	kind  string
	every time.Duration
}

// Periodic enqueues the kind once in each slot of that length, counted from
// 1970, whichever process is first: there is no leader. A slot in which no
// process ran is left out, the present one is caught up at Start.
func (q *Queue) Periodic(kind string, every time.Duration) {
	if _, ok := q.kinds[kind]; !ok || every < time.Second {
		panic(fmt.Sprintf("job: periodic kind %q is unknown, or %v is under a second", kind, every))
	}
	q.periods = append(q.periods, period{kind, every})
}

func (q *Queue) tick(ctx context.Context, p period) {
	for ctx.Err() == nil {
		if err := q.enqueueSlot(ctx, p); err != nil && ctx.Err() == nil {
			q.log.Error("a periodic job could not be enqueued", "kind", p.kind, "error", err)
		}
		now := q.db.Now()
		select {
		case <-time.After(now.Truncate(p.every).Add(p.every).Sub(now)):
		case <-ctx.Done():
		}
	}
}

// enqueueSlot advances the kind's slot, and enqueues when it was the one who
// did: a slot that is done never comes again.
func (q *Queue) enqueueSlot(ctx context.Context, p period) error {
	return q.db.Update(ctx, func(tx *database.Tx) error {
		slot := tx.Now.Truncate(p.every).UnixMicro()
		var kind string
		err := tx.QueryRow(ctx, `INSERT INTO job_slot (kind, slot) VALUES ($1, $2)
			ON CONFLICT (kind) DO UPDATE SET slot = excluded.slot WHERE job_slot.slot < excluded.slot
			RETURNING kind`, p.kind, slot).Scan(&kind)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return q.Enqueue(ctx, tx, New{Kind: p.kind, Key: fmt.Sprintf("%s@%d", p.kind, slot)})
	})
}
