// Package throttle slows down whoever comes too often, in bounded memory.
package throttle

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter keeps a token bucket for each key, in bounded memory: when there are
// too many keys, the one that has been quiet longest is forgotten.
type Limiter struct {
	every time.Duration
	burst int
	keys  int

	mu     sync.Mutex
	recent *list.List // of *bucket, the latest first
	byKey  map[string]*list.Element
}

type bucket struct {
	key   string
	limit *rate.Limiter
}

// New allows each key burst at once and one more every interval. keys
// bounds how many are remembered; 0 means 10,000, about 2 MB.
func New(every time.Duration, burst, keys int) *Limiter {
	if keys <= 0 {
		keys = 10_000
	}
	return &Limiter{every: every, burst: burst, keys: keys, recent: list.New(), byKey: map[string]*list.Element{}}
}

// Allow takes a token of that key's bucket, and reports whether there was one.
func (l *Limiter) Allow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[key]
	if ok {
		l.recent.MoveToFront(e)
	} else {
		if l.recent.Len() >= l.keys {
			oldest := l.recent.Back()
			delete(l.byKey, l.recent.Remove(oldest).(*bucket).key)
		}
		e = l.recent.PushFront(&bucket{key: key, limit: rate.NewLimiter(rate.Every(l.every), l.burst)})
		l.byKey[key] = e
	}
	return e.Value.(*bucket).limit.Allow()
}
