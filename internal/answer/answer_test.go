package answer

import (
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
)

// testRules are small, so that limits are met quickly.
func testRules() rules {
	return rules{
		perHour: 3, perDay: 5, reports: 8, alike: 2,
		quiet: set([]string{"quiet@centre.example"}),
		never: set([]string{"Blocked.example", "@closed.test", "angry@public.example"}),
		own:   set([]string{"suspicious@centre.example", "noreply@centre.example"}),
	}
}

func proved() Subject {
	return Subject{
		Report: 1, Channel: "smtp", Desk: "suspicious@centre.example", Address: "jan@public.example", Proved: true,
		Items: []Item{{Verdict: verdict.Phishing, Automatic: true}},
	}
}

// TestDecide holds the whole policy: every Why has a case.
func TestDecide(t *testing.T) {
	type edit = func(*Subject, *History, *rules)
	tests := []struct {
		name string
		edit edit
		want Decision
	}{
		{"a proved sender and a sure verdict", func(*Subject, *History, *rules) {}, Decision{Full, Full, WhySure}},
		{"one sure message of two", func(s *Subject, _ *History, _ *rules) {
			s.Items = append(s.Items, Item{Verdict: verdict.Scam})
		}, Decision{Full, Full, WhySure}},
		{"an assessment that is not sure", func(s *Subject, _ *History, _ *rules) {
			s.Items[0].Automatic = false
		}, Decision{Careful, Careful, WhyUnsure}},
		{"a person decided", func(s *Subject, _ *History, _ *rules) {
			s.Items[0] = Item{Verdict: verdict.Legitimate, Decided: true}
		}, Decision{Full, Full, WhySure}},
		{"unclear is never sure", func(s *Subject, _ *History, _ *rules) {
			s.Items[0] = Item{Verdict: verdict.Unclear, Automatic: true, Decided: true}
		}, Decision{Careful, Careful, WhyUnsure}},
		{"a verdict without words is never sure", func(s *Subject, _ *History, _ *rules) {
			s.Items[0].Verdict = "gossip"
		}, Decision{Careful, Careful, WhyUnsure}},
		{"nothing was found in it", func(s *Subject, _ *History, _ *rules) { s.Items = nil }, Decision{Careful, Careful, WhyUnsure}},

		{"not proved", func(s *Subject, _ *History, _ *rules) { s.Proved = false }, Decision{Acknowledgement, Full, WhyNotProved}},
		{"not proved, and not sure", func(s *Subject, _ *History, _ *rules) {
			s.Proved, s.Items[0].Automatic = false, false
		}, Decision{Acknowledgement, Careful, WhyNotProved}},
		{"not proved, again within a day", func(s *Subject, h *History, _ *rules) {
			s.Proved, h.Acknowledged = false, true
		}, Decision{None, Full, WhyOnceADay}},
		{"not proved, and the hour is spent", func(s *Subject, h *History, _ *rules) {
			s.Proved, h.Spent = false, true
		}, Decision{None, Full, WhyBudget}},
		{"proved after an acknowledgement", func(_ *Subject, h *History, _ *rules) {
			h.Acknowledged, h.Spent = true, true
		}, Decision{Full, Full, WhySure}},

		{"just under every limit", func(_ *Subject, h *History, _ *rules) {
			*h = History{Hour: 2, Day: 4, Reports: 7, Alike: 1}
		}, Decision{Full, Full, WhySure}},
		{"the hour is full", func(_ *Subject, h *History, _ *rules) { h.Hour = 3 }, Decision{Acknowledgement, Acknowledgement, WhyRateLimited}},
		{"the day is full", func(_ *Subject, h *History, _ *rules) { h.Day = 5 }, Decision{Acknowledgement, Acknowledgement, WhyRateLimited}},
		{"the day is full, acknowledged", func(_ *Subject, h *History, _ *rules) {
			h.Day, h.Acknowledged = 5, true
		}, Decision{None, Acknowledgement, WhyRateLimited}},
		{"too many reports", func(_ *Subject, h *History, _ *rules) { h.Reports = 8 }, Decision{Acknowledgement, Acknowledgement, WhyMany}},
		{"variants of one mail", func(_ *Subject, h *History, _ *rules) { h.Alike = 2 }, Decision{Acknowledgement, Acknowledgement, WhyVariants}},
		{"variants of one mail, acknowledged", func(_ *Subject, h *History, _ *rules) {
			h.Alike, h.Acknowledged = 2, true
		}, Decision{None, Acknowledgement, WhyVariants}},
		{"not proved leaves the limits alone", func(s *Subject, h *History, _ *rules) {
			s.Proved, h.Day = false, 9
		}, Decision{Acknowledgement, Full, WhyNotProved}},

		{"bounce", func(s *Subject, _ *History, _ *rules) { s.Robot = Bounce }, Decision{None, Full, WhyBounce}},
		{"auto-reply", func(s *Subject, _ *History, _ *rules) { s.Robot = AutoReply }, Decision{None, Full, WhyAutoReply}},
		{"list", func(s *Subject, _ *History, _ *rules) { s.Robot = List }, Decision{None, Full, WhyList}},
		{"our own mail", func(s *Subject, _ *History, _ *rules) { s.Robot = OwnMail }, Decision{None, Full, WhyOwn}},
		{"our own desk", func(s *Subject, _ *History, _ *rules) { s.Address = "Suspicious@Centre.example" }, Decision{None, Full, WhyOwn}},
		{"our own From", func(s *Subject, _ *History, _ *rules) { s.Address = "noreply@centre.example" }, Decision{None, Full, WhyOwn}},
		{"loop", func(s *Subject, _ *History, _ *rules) { s.Robot = MailLoop }, Decision{None, Full, WhyLoop}},
		{"a robot of a kind that is not known here", func(s *Subject, _ *History, _ *rules) { s.Robot = "ticket" }, Decision{None, Full, WhyRobot}},
		{"null sender", func(s *Subject, _ *History, _ *rules) { s.NullSender = true }, Decision{None, Full, WhyNullSender}},
		{"robot's address", func(s *Subject, _ *History, _ *rules) { s.Address = "No-Reply@public.example" }, Decision{None, Full, WhyRobot}},
		{"excluded address", func(s *Subject, _ *History, _ *rules) { s.Address = "ANGRY@public.example" }, Decision{None, Full, WhyNever}},
		{"excluded domain", func(s *Subject, _ *History, _ *rules) { s.Address = "a@mail.blocked.example" }, Decision{None, Full, WhyNever}},
		{"excluded domain with @", func(s *Subject, _ *History, _ *rules) { s.Address = "a@closed.test" }, Decision{None, Full, WhyNever}},
		{"no address", func(s *Subject, _ *History, _ *rules) { s.Address, s.Channel = "", "form" }, Decision{None, Full, WhyNoAddress}},
		{"two addresses", func(s *Subject, _ *History, _ *rules) { s.Address = "a@b.example, c@d.example" }, Decision{None, Full, WhyBadAddress}},
		{"erased address", func(s *Subject, _ *History, _ *rules) { s.Address, s.Erased = "", true }, Decision{None, Full, WhyErased}},
		{"quiet desk", func(s *Subject, _ *History, _ *rules) { s.Desk = "Quiet@centre.example" }, Decision{None, Full, WhyDeskOff}},
		{"from an archive", func(s *Subject, _ *History, _ *rules) { s.Channel = "import" }, Decision{None, Full, WhyImported}},
		{"switched off", func(_ *Subject, _ *History, r *rules) { r.off = true }, Decision{None, Full, WhyNoAnswers}},
		{"a bounce is refused even where it is proved and within limits", func(s *Subject, h *History, _ *rules) {
			s.Robot, h.Day = Bounce, 99
		}, Decision{None, Full, WhyBounce}},
	}
	seen := map[Why]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, h, r := proved(), History{}, testRules()
			tt.edit(&s, &h, &r)
			if got := decide(s, h, r); got != tt.want {
				t.Errorf("decide = %v, want %v", got, tt.want)
			}
			seen[tt.want.Why] = true
		})
	}
	for _, w := range Whys() {
		if !seen[w] {
			t.Errorf("no case decides %q", w)
		}
	}
}

// TestMailNeverExceedsProof: who is told less by mail for volume must not read
// more on the page, and nothing foreign reaches who is not proved.
func TestMailNeverExceedsProof(t *testing.T) {
	for bits := range 1 << 6 {
		s, h := proved(), History{}
		s.Proved = bits&1 != 0
		s.Items[0].Automatic = bits&2 != 0
		h.Acknowledged = bits&4 != 0
		if bits&8 != 0 {
			h.Alike = 99
		}
		if bits&16 != 0 {
			h.Day = 99
		}
		h.Spent = bits&32 != 0
		d := decide(s, h, testRules())
		if !s.Proved && d.Mail != Acknowledgement && d.Mail != None {
			t.Errorf("%06b: not proved gets %s", bits, d.Mail)
		}
		if h.Acknowledged && d.Mail == Acknowledgement {
			t.Errorf("%06b: a second acknowledgement within a day", bits)
		}
		if s.Proved && (h.Alike > 0 || h.Day > 0) && d.Page != Acknowledgement {
			t.Errorf("%06b: the page tells %s over the limit", bits, d.Page)
		}
		if d.Page == None {
			t.Errorf("%06b: an empty page", bits)
		}
	}
}

func TestNobodyReads(t *testing.T) {
	for address, want := range map[string]bool{
		"postmaster": true, "mailer-daemon": true, "noreply": true, "no-reply": true, "no_reply": true, "no.reply": true,
		"noreply+x1": true, "do-not-reply": true, "donotreply": true, "bounce": true, "bounces+17-abc": true,
		"bounce-1234": true, "owner-staff": true, "staff-owner": true, "staff-request": true, "prvs=123=jan": true,
		"srs0=ab=cd=example.org=jan": true, "news-noreply": true, "ne-pas-repondre": true, "niet-antwoorden": true,
		"jan": false, "noreen": false, "bouncer": false, "rooter": false, "request": false, "abuse": false, "info": false,
		"security": false, "owner": false,
	} {
		if got := nobodyReads(address); got != want {
			t.Errorf("nobodyReads(%q) = %v", address, got)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, good := range []string{"jan@example.org", "Jan.Peeters+tag@Sub.Example.org", "jé@exämple.test", "o'neil@example.org"} {
		if local, domain, ok := split(good); !ok || local+"@"+domain != strings.ToLower(good) {
			t.Errorf("split(%q) = %q, %q, %v", good, local, domain, ok)
		}
	}
	for _, bad := range []string{
		"", "jan", "@example.org", "jan@", "a b@example.org", "a@b@example.org", "<a@example.org>", "a@example.org\r\nBcc: x@y.test",
		"a@exam ple.org", "a@example.org,b@example.org", "\"a\"@example.org", "a@[192.0.2.1]", "a@.example.org", "a@example..org",
		"a@example.org.", "a\x00@example.org", "a\u202e@example.org", "a@exam\u200bple.org",
		strings.Repeat("a", 65) + "@example.org", "a@" + strings.Repeat("b.", 150) + "org",
	} {
		if _, _, ok := split(bad); ok {
			t.Errorf("split(%q) passed", bad)
		}
	}
}
