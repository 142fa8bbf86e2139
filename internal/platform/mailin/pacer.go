package mailin

import (
	"container/list"
	"sync"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// PacerOptions say how fast a key may go. Zero fields take the defaults.
type PacerOptions struct {
	PerMinute float64          // 60: messages a minute in the long run
	Burst     int              // 30: messages at once after a pause
	MaxDelay  time.Duration    // 10 s: a longer wait becomes an error
	Keys      int              // 100,000 keys are remembered; the longest unused goes first
	Clock     func() time.Time // time.Now
}

// Pacer slows each key down to a rate: a token bucket for each, in bounded
// memory. It is safe for concurrent use.
type Pacer struct {
	interval time.Duration // one token
	span     time.Duration // a full bucket
	maxDelay time.Duration
	keys     int
	clock    func() time.Time

	mu      sync.Mutex
	buckets map[string]*list.Element
	recent  *list.List // of *bucket, the latest used first
}

// bucket is a token bucket as one time: when it will be full again (the
// generic cell rate algorithm of ITU-T I.371).
type bucket struct {
	key  string
	full time.Time
}

// NewPacer returns a Pacer in which every bucket is full.
func NewPacer(opt PacerOptions) *Pacer {
	if opt.PerMinute <= 0 {
		opt.PerMinute = 60
	}
	if opt.Burst <= 0 {
		opt.Burst = 30
	}
	if opt.MaxDelay <= 0 {
		opt.MaxDelay = 10 * time.Second
	}
	if opt.Keys <= 0 {
		opt.Keys = 100_000
	}
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	interval := time.Duration(float64(time.Minute) / opt.PerMinute)
	return &Pacer{
		interval: interval,
		span:     interval * time.Duration(opt.Burst),
		maxDelay: opt.MaxDelay,
		keys:     opt.Keys,
		clock:    opt.Clock,
		buckets:  make(map[string]*list.Element),
		recent:   list.New(),
	}
}

// Take takes one token from the key's bucket and returns how long to wait
// before acting on it. When that would be longer than MaxDelay it takes
// nothing and returns an error of kind fault.RateLimited.
func (p *Pacer) Take(key string) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()

	b := p.bucket(key)
	full := b.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(p.interval)
	wait := full.Sub(now) - p.span
	if wait > p.maxDelay {
		return 0, fault.New(fault.RateLimited, "Too many messages at once; please try again later.")
	}
	b.full = full
	return max(wait, 0), nil
}

// bucket finds the key's bucket or makes one, and forgets the longest unused
// when there are too many.
func (p *Pacer) bucket(key string) *bucket {
	if e, ok := p.buckets[key]; ok {
		p.recent.MoveToFront(e)
		return e.Value.(*bucket)
	}
	for len(p.buckets) >= p.keys {
		last := p.recent.Back()
		p.recent.Remove(last)
		delete(p.buckets, last.Value.(*bucket).key)
	}
	b := &bucket{key: key}
	p.buckets[key] = p.recent.PushFront(b)
	return b
}
