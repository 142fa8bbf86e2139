package throttle_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/web/throttle"
)

func TestAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(time.Minute, 2, 0)
		for i, want := range []bool{true, true, false, false} {
			if got := l.Allow("a"); got != want {
				t.Errorf("at once, %d: %v", i, got)
			}
		}
		if !l.Allow("b") {
			t.Error("one key slows down another")
		}
		time.Sleep(time.Minute)
		if !l.Allow("a") || l.Allow("a") {
			t.Error("a minute later it is one more")
		}
	})
}

func TestTheQuietestIsForgotten(t *testing.T) {
	l := throttle.New(time.Hour, 1, 3)
	for _, key := range []string{"a", "b", "c", "a", "d"} { // b is the quietest when d comes
		l.Allow(key)
	}
	if l.Allow("a") || l.Allow("c") || l.Allow("d") {
		t.Error("one that was remembered is free again")
	}
	if !l.Allow("b") {
		t.Error("the quietest is still remembered")
	}
}

func BenchmarkManyKeys(b *testing.B) {
	l := throttle.New(time.Second, 5, 10_000)
	for i := 0; b.Loop(); i++ {
		l.Allow(fmt.Sprint(i % 50_000))
	}
}
