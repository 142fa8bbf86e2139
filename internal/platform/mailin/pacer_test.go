package mailin

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

func TestPacer(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	p := NewPacer(PacerOptions{PerMinute: 60, Burst: 3, MaxDelay: 2 * time.Second, Clock: func() time.Time { return now }})
	for i, want := range []time.Duration{0, 0, 0, time.Second, 2 * time.Second, -1, -1} {
		got, err := p.Take("ann")
		switch {
		case want < 0 && !fault.Is(err, fault.RateLimited):
			t.Errorf("message %d: %v, %v; want an error", i, got, err)
		case want >= 0 && (err != nil || got != want):
			t.Errorf("message %d: %v, %v; want %v", i, got, err, want)
		}
	}
	if got, err := p.Take("bob"); got != 0 || err != nil {
		t.Errorf("another key: %v, %v", got, err)
	}
	now = now.Add(time.Second) // a refused message took no token
	if got, err := p.Take("ann"); got != 2*time.Second || err != nil {
		t.Errorf("a second later: %v, %v", got, err)
	}
	now = now.Add(time.Hour) // a bucket does not overflow
	for i := range 3 {
		if got, _ := p.Take("ann"); got != 0 {
			t.Errorf("after an hour, message %d: %v", i, got)
		}
	}
	if got, _ := p.Take("ann"); got != time.Second {
		t.Errorf("after an hour, message 3: %v", got)
	}
}

// A reporter who sends 1,000 a minute and tries again when told to is slowed
// to the rate, and loses nothing.
func TestPacerSlowsAFloodWithoutLoss(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	now := begin
	p := NewPacer(PacerOptions{Clock: func() time.Time { return now }})
	taken := 0
	for taken < 1000 {
		wait, err := p.Take("ann")
		if err != nil {
			now = now.Add(5 * time.Minute) // a sender's queue
			continue
		}
		taken++
		now = now.Add(wait + 60*time.Millisecond)
	}
	if took := now.Sub(begin); took < 15*time.Minute || took > 20*time.Minute {
		t.Errorf("1,000 messages took %v", took)
	}
}

func TestPacerForgets(t *testing.T) {
	p := NewPacer(PacerOptions{Keys: 100, Burst: 1})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 1000 {
				p.Take(fmt.Sprint(i, j))
			}
		})
	}
	all.Wait()
	if len(p.buckets) != 100 || p.recent.Len() != 100 {
		t.Errorf("%d keys, %d in order", len(p.buckets), p.recent.Len())
	}
}
