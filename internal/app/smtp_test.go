package app

import (
	"net/netip"
	"testing"
)

// A phisher who sends reports in his victim's name must not slow the victim
// down, and one who has a whole IPv6 network is one sender.
func TestWhoIsSlowedDown(t *testing.T) {
	key := func(from, ip string, relay bool) string { return paceKey(from, netip.MustParseAddr(ip), relay) }
	victim := key("jan@public.example", "192.0.2.1", false)
	for _, c := range []struct {
		name, key string
		same      bool
	}{
		{"the same in capitals", key("Jan@Public.example", "192.0.2.1", false), true},
		{"in the victim's name from elsewhere", key("jan@public.example", "198.51.100.1", false), false},
		{"another sender", key("els@public.example", "192.0.2.1", false), false},
		{"nobody", key("", "192.0.2.1", false), false},
	} {
		if (c.key == victim) != c.same {
			t.Errorf("%s: %q", c.name, c.key)
		}
	}
	if a, b := key("", "2001:db8::1", false), key("", "2001:db8::2", false); a != b {
		t.Errorf("one network has two keys: %q and %q", a, b)
	}
	if a, b := key("jan@public.example", "192.0.2.1", true), key("jan@public.example", "192.0.2.2", true); a != b {
		t.Errorf("by two relays: %q and %q", a, b)
	}
	if k := key("", "192.0.2.1", true); k != "" {
		t.Errorf("bounces that a relay brings are slowed down together: %q", k)
	}
}
