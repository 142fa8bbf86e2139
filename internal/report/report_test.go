package report

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

var schemas = []database.Schema{job.Schema, audit.Schema, account.Schema, Schema}

// analyst and admin are the viewers of the tests.
var (
	analyst = account.Viewer{Account: 1, Name: "analyst", Roles: []account.Role{account.Analyst}}
	admin   = account.Viewer{Account: 2, Name: "admin", Roles: []account.Role{account.Admin}}
)

// house is a capability with all that it stands on.
type house struct {
	*Capability
	t     testing.TB
	db    *database.DB
	queue *job.Queue
	raw   raw.Store
	parts *parts.Parts
	told  *told
}

// told collects the events.
type told struct {
	mu       sync.Mutex
	assessed map[database.ID]int
}

func (h *house) assessedTimes(id database.ID) int {
	h.told.mu.Lock()
	defer h.told.mu.Unlock()
	return h.told.assessed[id]
}

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Microsecond)
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newHouse registers a capability on a migrated store; set may change its
// options and parts before that.
func newHouse(t testing.TB, db *database.DB, o Options, set ...func(*parts.Parts)) *house {
	t.Helper()
	store, err := raw.Open(t.Context(), raw.Options{Dir: t.TempDir(), DB: db, Clock: db.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	q := job.NewQueue(db, job.Options{Lanes: map[string]int{parts.LaneAssess: 6, parts.LaneBulk: 1}, Poll: 10 * time.Millisecond})
	bus := event.NewBus(q)
	text, err := locale.Load(verdict.Wording, Locales)
	if err != nil {
		t.Fatal(err)
	}
	p := &parts.Parts{
		Centre: parts.Centre{
			Name: "Test", BaseURL: "https://centre.example.org", Domain: "centre.example.org", Secret: bytes.Repeat([]byte{7}, 32),
			Desks: []parts.Desk{{Address: "suspicious@centre.example.org", Language: "en"}, {Address: "verdacht@centre.example.org", Language: "nl"}},
		},
		DB: db, Raw: store, Jobs: q, Events: bus, Audit: audit.New(db, audit.Options{}), Text: text,
	}
	for _, f := range set {
		f(p)
	}
	h := &house{Capability: New(o), t: t, db: db, queue: q, raw: store, parts: p, told: &told{assessed: map[database.ID]int{}}}
	if err := h.Register(p); err != nil {
		t.Fatal(err)
	}
	event.Subscribe(bus, Assessed, "test", parts.LaneAssess, func(ctx context.Context, task *job.Task, e AssessedEvent) error {
		return task.Finish(ctx, func(tx *database.Tx) error {
			tx.OnCommit(func() {
				h.told.mu.Lock()
				h.told.assessed[e.Report]++
				h.told.mu.Unlock()
			})
			return nil
		})
	})
	return h
}

// start runs the queue until the test ends.
func (h *house) start() {
	h.t.Helper()
	if err := h.queue.Start(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(h.stop)
}

func (h *house) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.queue.Stop(ctx); err != nil {
		h.t.Error(err)
	}
}

func (h *house) accept(s Submission) Accepted {
	h.t.Helper()
	done, err := h.Accept(h.t.Context(), s)
	if err != nil {
		h.t.Fatal(err)
	}
	return done
}

// settle waits until no job is left but dead letters.
func (h *house) settle() {
	h.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for h.count("SELECT count(*) FROM job") > 0 {
		if time.Now().After(deadline) {
			h.t.Fatalf("%d jobs are left", h.count("SELECT count(*) FROM job"))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (h *house) count(query string, args ...any) int {
	h.t.Helper()
	var n int
	err := h.db.View(context.Background(), func(tx *database.Tx) error {
		return tx.QueryRow(context.Background(), query, args...).Scan(&n)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *house) get(id database.ID) Report {
	h.t.Helper()
	r, err := h.Get(h.t.Context(), admin, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// letter is a mail by which somebody reports; n makes it one of its own.
func letter(from string, n int) []byte {
	return fmt.Appendf(nil, "From: %s\r\nTo: suspicious@centre.example.org\r\nSubject: Is this real?\r\nMessage-ID: <%d@mail.example.net>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"+
		"I got this strange letter this morning and I do not trust it at all, please have a look.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"+
		"From: \"Your Bank\" <service@bank-%d.example.com>\r\nTo: victim@example.net\r\nSubject: Your account %d is blocked\r\n"+
		"Content-Type: text/html\r\n\r\n<p>Confirm at once: <a href=\"http://evil-%d.example.com/login\">www.bank.example</a></p>\r\n--b--\r\n", from, n, n, n, n)
}

// mailed is a submission by SMTP.
func mailed(from string, n int) Submission {
	return Submission{
		Channel: SMTP, Content: letter(from, n), Reporter: from,
		Envelope: Envelope{From: from, To: []string{"suspicious@centre.example.org"}},
	}
}

// fixed stands for the analysis: one attached message with one URL, or what
// its words ask for.
func fixed(content []byte, _ analysis.Evidence) analysis.Examination {
	switch {
	case bytes.Contains(content, []byte("PANIC")):
		panic("hostile")
	case bytes.Contains(content, []byte("FOREVER")):
		select {}
	}
	m := message.Parse(content, message.Limits{})
	subject := m.Subject
	inner := &message.Message{Subject: subject, From: []message.Address{{Name: "Bank", Address: "service@bank.example.com"}}}
	return analysis.Examination{Outer: m, Items: []analysis.Item{{
		Original: original.Original{How: original.Attached, Message: inner, Words: "please look"},
		Observables: []observable.Observable{
			{Type: observable.URL, Value: "https://evil.example.com/login", Where: observable.InBody, Count: 1},
			{Type: observable.Domain, Value: "evil.example.com", Where: observable.InBody, Count: 1},
		},
		Assessment: verdict.Assessment{
			Verdict: verdict.Phishing, Score: 0.97, Automatic: !strings.Contains(string(content), "UNSURE"), Rules: "1", Language: "en",
			Reasons: []verdict.Reason{{Code: "test", Weight: 2, Params: map[string]string{"A": "b"}, Evidence: "click", Span: &verdict.Span{Part: "body", Start: 1, End: 6}}},
		},
	}}}
}

// note is a mail with that subject.
func note(subject string) Submission {
	return Submission{
		Channel: SMTP, Reporter: "ann@example.net", Envelope: Envelope{From: "ann@example.net"},
		Content: []byte("From: ann@example.net\r\nSubject: " + subject + "\r\n\r\nhello\r\n"),
	}
}

func each(t *testing.T, f func(t *testing.T, db *database.DB)) {
	t.Helper()
	databasetest.Each(t, f, schemas...)
}

func TestStatesAreAClosedGraph(t *testing.T) {
	for _, s := range States() {
		if len(next[s]) == 0 {
			t.Errorf("%s: nothing can follow", s)
		}
		for _, to := range next[s] {
			if to == s || to == StateAccepted {
				t.Errorf("%s becomes %s", s, to)
			}
		}
		if !s.Becomes(StateClosed) && s != StateClosed {
			t.Errorf("%s can never be closed", s)
		}
	}
	if len(next) != len(States()) {
		t.Errorf("%d states in the graph, %d in all", len(next), len(States()))
	}
}
