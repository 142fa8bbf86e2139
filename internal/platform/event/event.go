// Package event tells capabilities what has happened in another one, durably:
// publishing writes one job for each subscriber in the transaction of the fact
// itself, so a subscriber hears of every fact that was committed and of no
// other, at least once, in its own lane and with its own retries.
//
// The publisher owns the topic and its payload; who listens is wired in app,
// so that no capability imports another.
package event

import (
	"context"
	"fmt"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/job"
)

// Topic is a sort of fact, told with a payload of type T. The payload is stored
// as JSON: it names things by their IDs and holds no personal data.
type Topic[T any] struct{ name string }

// New declares a topic. By custom its name is "capability.fact", in the past
// tense: "report.assessed".
func New[T any](name string) Topic[T] { return Topic[T]{name} }

// Bus knows who listens to what. Subscriptions come before the queue starts.
type Bus struct {
	queue       *job.Queue
	subscribers map[string][]string // topic → job kinds
}

// NewBus returns a bus whose deliveries are jobs of the queue.
func NewBus(q *job.Queue) *Bus {
	return &Bus{queue: q, subscribers: map[string][]string{}}
}

// Publish tells the fact to every subscriber, in the transaction that makes it
// a fact.
func (t Topic[T]) Publish(ctx context.Context, b *Bus, tx *database.Tx, payload T) error {
	for _, kind := range b.subscribers[t.name] {
		if err := b.queue.Enqueue(ctx, tx, job.New{Kind: kind, Payload: payload}); err != nil {
			return fmt.Errorf("publishing %s: %w", t.name, err)
		}
	}
	return nil
}

// Subscribe lets the handler hear of the topic's facts. The subscriber's name
// is part of the stored jobs: it must not change while some wait. The handler
// stores its effects through Task.Finish.
func Subscribe[T any](b *Bus, t Topic[T], subscriber, lane string, handle func(context.Context, *job.Task, T) error) {
	kind := job.Kind{Name: t.name + ">" + subscriber, Lane: lane}
	b.queue.Handle(kind, func(ctx context.Context, task *job.Task) error {
		var payload T
		if err := task.Decode(&payload); err != nil {
			return err
		}
		return handle(ctx, task, payload)
	})
	b.subscribers[t.name] = append(b.subscribers[t.name], kind.Name)
}
