package report

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/raw"
	"github.com/belfry-centre/belfry/internal/report/keep"
)

func TestAcceptThenAssess(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, Options{})
		h.start()
		s := mailed("ann@example.net", 1)
		done := h.accept(s)
		if done.Duplicate || len(done.FollowToken) != 32 {
			t.Fatalf("Accept = %+v", done)
		}
		h.settle()
		r := h.get(done.ID)
		if r.State != StateAssessed && r.State != StateWaiting || r.Verdict == "" {
			t.Errorf("after assessing: state %q, verdict %q", r.State, r.Verdict)
		}
		if r.Reporter != "ann@example.net" || r.Channel != SMTP || r.Desk != "suspicious@centre.example.org" || !r.RawKept {
			t.Errorf("report = %+v", r)
		}
		if len(r.Items) != 1 || len(r.Observables) == 0 || r.Subject != "Your account 1 is blocked" {
			t.Errorf("subject %q, %d messages, %d observables", r.Subject, len(r.Items), len(r.Observables))
		}
		if r.Origin.MessageID != "1@mail.example.net" {
			t.Errorf("Message-ID %q", r.Origin.MessageID)
		}
		if n := h.assessedTimes(done.ID); n != 1 {
			t.Errorf("told %d times that it was assessed", n)
		}
		if content, err := h.Raw(t.Context(), analyst, done.ID); err != nil || !bytes.Equal(content, s.Content) {
			t.Errorf("Raw: %d bytes, %v", len(content), err)
		}
		facts, err := h.Facts(t.Context(), done.ID)
		if err != nil || facts.Total != 1 || facts.Follow != h.FollowURL(done.FollowToken) || len(facts.Languages) == 0 {
			t.Errorf("Facts = %+v, %v", facts, err)
		}
	})
}

func TestASecondTryFindsTheFirst(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, Options{})
		const tries = 16
		got := make([]Accepted, tries)
		errs := make([]error, tries)
		var all sync.WaitGroup
		for i := range tries {
			all.Go(func() { got[i], errs[i] = h.Accept(t.Context(), mailed("ann@example.net", 1)) })
		}
		all.Wait()
		fresh := 0
		for i, g := range got {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			if g.ID != got[0].ID {
				t.Errorf("two IDs: %v and %v", g.ID, got[0].ID)
			}
			if !g.Duplicate {
				fresh++
			} else if g.FollowToken != "" {
				t.Error("a duplicate known by its bytes shows the follow token")
			}
		}
		if n := h.count("SELECT count(*) FROM report"); fresh != 1 || n != 1 {
			t.Errorf("%d accepted as new, %d rows, want 1", fresh, n)
		}
		if n := h.count("SELECT count(*) FROM job"); n != 1 {
			t.Errorf("%d jobs, want 1", n)
		}
		for name, other := range map[string]Submission{
			"another sender": {Channel: SMTP, Content: mailed("ann@example.net", 1).Content, Envelope: Envelope{From: "bob@example.net"}},
			"other bytes":    mailed("ann@example.net", 2),
			"another desk": {
				Channel: SMTP, Content: mailed("ann@example.net", 1).Content, Envelope: Envelope{From: "ann@example.net"},
				Desk: parts.Desk{Address: "verdacht@centre.example.org"},
			},
			"another door": {Channel: IMAP, Content: mailed("ann@example.net", 1).Content, Envelope: Envelope{From: "ann@example.net"}},
		} {
			if h.accept(other).Duplicate {
				t.Errorf("%s counts as a duplicate", name)
			}
		}
	})
}

func TestIdempotencyKey(t *testing.T) {
	at := newClock()
	h := newHouse(t, databasetest.Open(t, database.Options{Clock: at.Now}, schemas...), Options{})
	submit := func(key, body string) (Accepted, error) {
		return h.Accept(t.Context(), Submission{Channel: API, Key: key, Content: []byte(body)})
	}
	first, err := submit("7/k", "one")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := submit("7/k", "one"); err != nil || !again.Duplicate || again.ID != first.ID || again.FollowToken != first.FollowToken {
		t.Errorf("the same again = %+v, %v", again, err)
	}
	if _, err := submit("7/k", "two"); !fault.Is(err, fault.Conflict) {
		t.Errorf("another body under the same key: %v", err)
	}
	if other, err := submit("8/k", "two"); err != nil || other.Duplicate {
		t.Errorf("another account's key = %+v, %v", other, err)
	}
	if a, err := submit("", "one"); err != nil || a.Duplicate {
		t.Errorf("without a key = %+v, %v", a, err)
	}
	at.add(duplicateFor + time.Minute)
	late, err := submit("7/k", "two")
	if err != nil || late.Duplicate || late.ID == first.ID {
		t.Errorf("after seven days = %+v, %v", late, err)
	}
}

func TestAcceptRefuses(t *testing.T) {
	h := newHouse(t, databasetest.Open(t, database.Options{}, schemas...), Options{MaxSize: 1000})
	for name, c := range map[string]struct {
		s    Submission
		want fault.Kind
	}{
		"no channel":  {Submission{Content: []byte("x")}, fault.Invalid},
		"bad channel": {Submission{Channel: "pigeon", Content: []byte("x")}, fault.Invalid},
		"empty":       {Submission{Channel: SMTP}, fault.Invalid},
		"blank":       {Submission{Channel: SMTP, Content: []byte("\r\n \r\n")}, fault.Invalid},
		"too large":   {Submission{Channel: SMTP, Content: make([]byte, 1001)}, fault.TooLarge},
		"long key":    {Submission{Channel: API, Content: []byte("x"), Key: strings.Repeat("k", maxKey+1)}, fault.Invalid},
	} {
		if c.s.Content != nil && name == "too large" {
			c.s.Content[0] = 'x'
		}
		if _, err := h.Accept(t.Context(), c.s); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if n := h.count("SELECT count(*) FROM report"); n != 0 {
		t.Errorf("%d reports were stored", n)
	}
}

// busyStore is a raw store that cannot take anything now.
type busyStore struct{ raw.Store }

func (busyStore) Put(context.Context, time.Time, []byte) (raw.Ref, error) {
	return raw.Ref{}, fault.Wrap(fault.Busy, errors.New("disk full"), "")
}

func TestNothingIsAcceptedThatIsNotKept(t *testing.T) {
	db := databasetest.Open(t, database.Options{}, schemas...)
	h := newHouse(t, db, Options{}, func(p *parts.Parts) { p.Raw = busyStore{p.Raw} })
	if _, err := h.Accept(t.Context(), mailed("ann@example.net", 1)); !fault.Is(err, fault.Busy) {
		t.Errorf("Accept with a full raw store: %v", err)
	}
	if n := h.count("SELECT count(*) FROM report"); n != 0 {
		t.Errorf("%d rows without bytes", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h = newHouse(t, db, Options{})
	if _, err := h.Accept(ctx, mailed("ann@example.net", 1)); !fault.Is(err, fault.Busy) {
		t.Errorf("Accept for a client that went away: %v", err)
	}
	if n := h.count("SELECT count(*) FROM report"); n != 0 {
		t.Errorf("%d rows for nobody", n)
	}
}

func TestHostileStringsInEveryField(t *testing.T) {
	const evil = "a\x00b\xff\xfe'\"; DROP TABLE report;--<script>\r\nBcc: x\u202e"
	each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, Options{})
		long := strings.Repeat("é\x00\xff", 5000)
		h.start()
		for _, bad := range []string{evil, long} {
			done := h.accept(Submission{
				Channel: SMTP, Content: []byte("Subject: " + bad + "\r\nFrom: " + bad + "\r\nMessage-ID: <" + bad + ">\r\nReferences: " + bad + "\r\n\r\n" + bad + " http://" + bad + "\r\n"),
				Envelope: Envelope{From: bad, Helo: bad, To: []string{bad, bad}},
				Desk:     parts.Desk{Address: bad, Language: bad, Organisation: bad}, Language: bad, Reporter: bad,
			})
			h.settle()
			if r := h.get(done.ID); r.State == StateAccepted || r.State == StateFailed {
				t.Errorf("state %q", r.State)
			}
			if _, err := h.Facts(t.Context(), done.ID); err != nil {
				t.Error(err)
			}
			if _, err := h.Erase(t.Context(), admin, keep.Person{Address: bad}); err != nil {
				t.Error(err)
			}
			if _, err := h.Search(t.Context(), analyst, bad, 0, 10); err != nil && !fault.Is(err, fault.Invalid) {
				t.Error(err)
			}
			if _, err := h.Follow(t.Context(), bad, ""); !fault.Is(err, fault.NotFound) {
				t.Error(err)
			}
		}
	})
	// What the analysis hands over is foreign as well.
	each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, Options{})
		p := pending{state: StateAccepted}
		p.id = h.accept(mailed("ann@example.net", 3)).ID
		f := findings{
			state: StateWaiting, class: Class("x"), reporter: clip(evil, maxAddress), verdict: verdict.Unclear, language: "",
			origin: Origin{MessageID: clip(evil, 50), References: []string{clip(evil, 50)}, Subject: clip(evil, 50)},
			messages: []Message{{
				Subject: clip(evil, 50), FromName: clip(evil, 50), From: clip(evil, 50), Words: clip(evil, 50),
				Assessment: Assessment{Assessment: verdict.Assessment{
					Verdict: verdict.Unclear, Rules: evil, Model: evil,
					Reasons: []verdict.Reason{{Code: "c", Params: map[string]string{evil: evil}, Evidence: evil, Span: &verdict.Span{Part: evil}}},
				}},
			}},
			sightings: []Sighting{{Observable: observable.Observable{
				Type: observable.URL, Value: clip(evil, 50), Raw: evil, Where: evil, Source: evil, Text: evil, Via: evil,
			}}},
		}
		err := db.Update(t.Context(), func(tx *database.Tx) error { return h.storeFindings(t.Context(), tx, p, f) })
		if err != nil {
			t.Fatal(err)
		}
		r := h.get(p.id)
		if len(r.Items) != 1 || len(r.Items[0].Assessment.Reasons) != 1 || len(r.Observables) != 1 {
			t.Errorf("read back: %+v", r)
		}
	})
}

func TestFollowTokens(t *testing.T) {
	at := newClock()
	h := newHouse(t, databasetest.Open(t, database.Options{Clock: at.Now}, schemas...), Options{FollowDays: 10})
	one, two := h.accept(mailed("ann@example.net", 1)), h.accept(mailed("ann@example.net", 2))
	if f, err := h.Follow(t.Context(), one.FollowToken, ""); err != nil || f.ID != one.ID || f.State != StateAccepted || f.Language != "en" {
		t.Errorf("Follow = %+v, %v", f, err)
	}
	swapped := two.FollowToken[:11] + one.FollowToken[11:] // the one's secret with the other's id
	for _, token := range []string{
		"", "x", swapped, strings.Repeat("A", 32), one.FollowToken[:31], one.FollowToken + "A", one.FollowToken[:31] + "!",
		strings.Repeat("_", 32),
	} {
		if _, err := h.Follow(t.Context(), token, ""); !fault.Is(err, fault.NotFound) {
			t.Errorf("Follow(%q): %v", token, err)
		}
	}
	at.add(10*24*time.Hour + time.Minute)
	if _, err := h.Follow(t.Context(), one.FollowToken, ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("an expired token: %v", err)
	}
	if f, err := h.Facts(t.Context(), one.ID); err != nil || f.Follow != "" {
		t.Errorf("Facts still gives the link: %q, %v", f.Follow, err)
	}
}

func TestAFloodWaitsForItsTurn(t *testing.T) {
	at := newClock()
	h := newHouse(t, databasetest.Open(t, database.Options{Clock: at.Now}, schemas...), Options{PerMinute: 10})
	for i := range 30 {
		h.accept(mailed("flood@example.net", i))
	}
	h.accept(mailed("ann@example.net", 100))
	now := database.Micros(at.Now())
	if n := h.count("SELECT count(*) FROM job WHERE run_at > $1", now); n < 18 || n > 20 {
		t.Errorf("%d of 30 wait, want about 20", n)
	}
	if n := h.count("SELECT count(*) FROM job WHERE run_at > $1", now+maxPutOff.Microseconds()); n != 0 {
		t.Errorf("%d wait longer than %v", n, maxPutOff)
	}
	if n := h.count("SELECT count(*) FROM job WHERE run_at <= $1 AND payload LIKE '%' || (SELECT max(id) FROM report) || '%'", now); n != 1 {
		t.Error("another reporter waits, too")
	}
	// The flood may have been sent in somebody's name.
	own := mailed("flood@example.net", 101)
	own.Envelope.RemoteIP = netip.MustParseAddr("192.0.2.77")
	h.accept(own)
	now = database.Micros(at.Now())
	if n := h.count("SELECT count(*) FROM job WHERE run_at <= $1 AND payload LIKE '%' || (SELECT max(id) FROM report) || '%'", now); n != 1 {
		t.Error("who was named as its sender waits, too")
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"aéé", 4, "aé"}, {"\x00", 10, "\uFFFD"}, {"a\xffb", 10, "a\uFFFDb"}, {"é", 1, ""}, {"", 0, ""},
	} {
		if got := clip(c.in, c.n); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}
