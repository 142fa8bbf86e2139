package answer

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
)

// report decides one report of that subject, under a new ID.
func (h *house) report(t *testing.T, s Subject) Decision {
	t.Helper()
	s.Report = database.NewID(h.db.Now())
	var r row
	err := h.db.Update(context.Background(), func(tx *database.Tx) (err error) {
		r, _, err = h.decide(context.Background(), tx, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.decision
}

// varied returns a subject whose message is like no other's.
func varied(n int) Subject {
	s := full()
	s.Items[0].Title, s.Items[0].Sender = "about "+word(n), word(n)+"@evil.example"
	return s
}

func word(n int) string {
	b := []byte("aaaa")
	for i := range b {
		b[i] += byte(n % 26)
		n /= 26
	}
	return string(b)
}

func TestOnceADay(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		h := build(t, db, Options{Sender: &relay{}})
		s := full()
		s.Proved = false
		other := s
		other.Address = "els@public.example"
		tagged := s
		tagged.Address = "Jan+news@Public.example"
		for i, step := range []struct {
			s    Subject
			wait time.Duration
			want Kind
			why  Why
		}{
			{s, 0, Acknowledgement, WhyNotProved},
			{s, time.Hour, None, WhyOnceADay},
			{tagged, 0, None, WhyOnceADay},
			{other, 0, Acknowledgement, WhyNotProved},
			{s, 22 * time.Hour, None, WhyOnceADay},
			{s, 2 * time.Hour, Acknowledgement, WhyNotProved},
		} {
			c.pass(step.wait)
			if d := h.report(t, step.s); d.Mail != step.want || d.Why != step.why {
				t.Errorf("step %d: %v", i, d)
			}
		}
	})
}

func TestRateLimit(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		h := build(t, db, Options{Sender: &relay{}, PerHour: 3, PerDay: 5, ReportsPerDay: 9})
		n := 0
		expect := func(wait time.Duration, want ...string) {
			t.Helper()
			c.pass(wait)
			for i, w := range want {
				n++
				d := h.report(t, varied(n))
				if got := fmt.Sprintf("%s %s", d.Mail, d.Why); got != w {
					t.Errorf("report %d of this hour: %s, want %s", i+1, got, w)
				}
			}
		}
		expect(0, "full sure", "full sure", "full sure", "acknowledgement rate-limited", "none rate-limited")
		expect(61*time.Minute, "full sure", "full sure", "none rate-limited", "none rate-limited", "none many")
		expect(25*time.Hour, "full sure", "full sure")
	})
}

func TestVariants(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		h := build(t, db, Options{Sender: &relay{}, AlikePerDay: 2})
		mail := func(subject, sender string) string {
			t.Helper()
			s := full()
			s.Items[0].Title, s.Items[0].Sender = subject, sender
			d := h.report(t, s)
			return fmt.Sprintf("%s %s", d.Mail, d.Why)
		}
		for i, step := range [][3]string{
			{"Pay now 1", "a@evil.example", "full sure"},
			{"PAY, now! 2", "b@evil.example", "full sure"},
			{"Re: pay now 3", "c@evil.example", "acknowledgement variants"},
			{"something else", "d@evil.example", "full sure"},
			{"and again", "d@evil.example", "full sure"},
			{"and more", "D@evil.example", "none variants"},
			{"mine", "jan@public.example", "full sure"}, // the reporter's own address likens nothing
			{"me", "jan@public.example", "full sure"},
			{"myself", "jan@public.example", "full sure"},
			{"", "", "full sure"}, // nor does nothing at all
			{"", "", "full sure"},
			{"", "", "full sure"},
		} {
			if got := mail(step[0], step[1]); got != step[2] {
				t.Errorf("step %d: %s, want %s", i, got, step[2])
			}
		}
		// A decoy in front does not help, nor does another reporter suffer.
		s := full()
		s.Items = []Item{varied(900).Items[0], {Verdict: verdict.Spam, Automatic: true, Title: "pay now 9"}}
		if d := h.report(t, s); d.Why != WhyVariants {
			t.Errorf("behind a decoy: %v", d)
		}
		s.Address = "els@public.example"
		if d := h.report(t, s); d.Why != WhySure {
			t.Errorf("another reporter: %v", d)
		}
		c.pass(25 * time.Hour)
		if got := mail("pay now", "a@evil.example"); got != "full sure" {
			t.Errorf("the next day: %s", got)
		}
	})
}

// TestForgedReportsUseUpNothing: the phisher sends reports in his victim's
// name, with his own bait in them, so that the victim's report of it would be
// one of too many.
func TestForgedReportsUseUpNothing(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		h := build(t, db, Options{Sender: &relay{}, AlikePerDay: 2, ReportsPerDay: 3, PerHour: 3, PerDay: 3})
		forged := full()
		forged.Proved = false
		for range 10 {
			h.report(t, forged)
		}
		if d := h.report(t, full()); d != (Decision{Full, Full, WhySure}) {
			t.Errorf("the victim's own report: %v", d)
		}
	})
}

// TestFormIsNoOracle: whoever hands in variants of one mail by the form, under
// no address or a new one each time, is not told for ever what passes.
func TestFormIsNoOracle(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		h := build(t, db, Options{Sender: &relay{}, AlikePerDay: 2, ReportsPerDay: 20})
		form := func(n int, network string) Decision {
			t.Helper()
			s := full()
			s.Channel, s.Proved, s.Network, s.Address = "form", false, network, ""
			if n%2 == 0 {
				s.Address = word(n) + "@public.example"
			}
			return h.report(t, s)
		}
		for n := range 8 { // a household has as many as four reporters
			if d := form(n, "192.0.2.1"); d.Page != Full {
				t.Errorf("report %d: %v", n, d)
			}
		}
		for n := range 2 {
			if d := form(n, "192.0.2.1"); d.Page != Acknowledgement {
				t.Errorf("variant %d is told: %v", 8+n, d)
			}
		}
		if d := form(1, "2001:db8::/64"); d.Page != Full {
			t.Errorf("from another network: %v", d)
		}
		for n := range 20 { // now nothing is alike
			s := varied(n)
			s.Channel, s.Proved, s.Network, s.Address = "form", false, "192.0.2.2", ""
			h.report(t, s)
		}
		if d := form(1, "192.0.2.2"); d.Page != Acknowledgement {
			t.Errorf("after as many as a day has: %v", d)
		}
		c.pass(25 * time.Hour)
		if d := form(1, "192.0.2.1"); d.Page != Full {
			t.Errorf("the next day: %v", d)
		}
	})
}

// TestFlood: whoever sends thousands in a day costs no more than the look-back,
// and gets no full answers for it.
func TestFlood(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		h := build(t, db, Options{Sender: &relay{}, PerHour: 1000, PerDay: 1000, ReportsPerDay: 100000, AlikePerDay: 1000})
		told := 0
		for n := range maxLookBack + 50 {
			c.pass(time.Second)
			if d := h.report(t, varied(n)); d.Mail == Full {
				told++
			}
		}
		if told != maxLookBack {
			t.Errorf("%d full answers", told)
		}
	})
}

func TestBudget(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		h := build(t, db, Options{Sender: &relay{}, AcknowledgementsPerHour: 3})
		var got []Why
		for i := range 5 {
			s := full()
			s.Proved, s.Address = false, fmt.Sprintf("victim%d@public.example", i)
			got = append(got, h.report(t, s).Why)
		}
		if want := "[not-proved not-proved not-proved budget budget]"; fmt.Sprint(got) != want {
			t.Errorf("%v, want %s", got, want)
		}
		if d := h.report(t, full()); d.Mail != Full {
			t.Errorf("a proved reporter pays for it: %v", d)
		}
		c.pass(time.Hour)
		s := full()
		s.Proved = false
		s.Address = "victim9@public.example"
		if d := h.report(t, s); d.Why != WhyNotProved {
			t.Errorf("the next hour: %v", d)
		}
	})
}

// TestConcurrentDecisions: parallel reports of one reporter count each other.
func TestConcurrentDecisions(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := build(t, db, Options{Sender: &relay{}, PerHour: 5})
		forged := full()
		forged.Proved, forged.Address = false, "victim@public.example"
		var mu sync.Mutex
		got := map[string]int{}
		var all sync.WaitGroup
		for n := range 20 {
			for _, s := range []Subject{varied(n), forged} {
				all.Go(func() {
					d := h.report(t, s)
					mu.Lock()
					defer mu.Unlock()
					got[fmt.Sprintf("%s %s", d.Mail, d.Why)]++
				})
			}
		}
		all.Wait()
		want := map[string]int{
			"full sure": 5, "acknowledgement rate-limited": 1, "none rate-limited": 14,
			"acknowledgement not-proved": 1, "none once-a-day": 19,
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", got, want)
		}
	}, schemas...)
}

// TestOneReportManyTimes: deliveries of one event at the same moment.
func TestOneReportManyTimes(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := build(t, db, Options{Sender: &relay{}})
		var all sync.WaitGroup
		for _, address := range []string{"jan@public.example", ""} {
			s := full()
			s.Address = address
			s.Report = database.NewID(time.Now())
			for range 10 {
				all.Go(func() {
					if err := db.Update(context.Background(), func(tx *database.Tx) error {
						_, _, err := h.decide(context.Background(), tx, s)
						return err
					}); err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		if n := h.count(t, "answer"); n != 2 {
			t.Errorf("%d answers to two reports", n)
		}
		if n := h.count(t, "answer_history"); n != 1 {
			t.Errorf("%d lines of history for one", n)
		}
	}, schemas...)
}

func TestPurge(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		h := build(t, db, Options{Sender: &relay{}, KeepDays: 30})
		ctx := context.Background()
		s := full()
		for i := range batch + 10 {
			s.Proved, s.Address = i%2 == 0, fmt.Sprintf("p%d@public.example", i)
			h.report(t, s)
		}
		tables := []string{"answer", "answer_history", "answer_reporter", "answer_budget"}
		expect := func(want ...int) {
			t.Helper()
			if err := h.purge(ctx, nil); err != nil {
				t.Fatal(err)
			}
			for i, table := range tables {
				if n := h.count(t, table); n != want[i] {
					t.Errorf("%s: %d rows, want %d", table, n, want[i])
				}
			}
		}
		expect(batch+10, (batch+10)/2, batch+10, 1) // who is not proved has no history
		c.pass(3 * day)
		expect(batch+10, 0, 0, 0)
		c.pass(28 * day)
		expect(0, 0, 0, 0)
	})
}

func TestLanguage(t *testing.T) {
	for want, in := range map[string][]string{
		"nl": {"", "nl", "fr"}, "fr": {"es", "fr", "nl"}, "en": {}, "de": {"de"},
	} {
		if got := choose(in...); got != want {
			t.Errorf("choose(%q) = %q", in, got)
		}
	}
}
