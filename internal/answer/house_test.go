package answer

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/locale"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at the change, then run with -update.\n--- got\n%s\n--- want\n%s", file, got, want)
	}
}

// wording stands for verdict.Wording: a few reasons are enough here.
var wording = fstest.MapFS{
	"nl.toml": {Data: []byte("[reason]\nwords-delivery = \"Het gaat over een pakje: {{.Words}}.\"\nlink-text-differs = \"De link toont {{.Shown}}, maar leidt naar {{.Target}}.\"\nwords-urgency = \"Het bericht zet u onder tijdsdruk.\"\nwords-bank = \"Het vraagt naar uw kaart.\"\nlinks-own = \"Alle links leiden naar {{.Domain}}.\"\n")},
	"fr.toml": {Data: []byte("[reason]\nwords-delivery = \"Il parle d'un colis : {{.Words}}.\"\nlink-text-differs = \"Le lien montre {{.Shown}}, mais mène à {{.Target}}.\"\nwords-urgency = \"Le message vous presse.\"\nwords-bank = \"Il demande votre carte.\"\nlinks-own = \"Tous les liens mènent à {{.Domain}}.\"\n")},
	"de.toml": {Data: []byte("[reason]\nwords-delivery = \"Es geht um ein Paket: {{.Words}}.\"\nlink-text-differs = \"Der Link zeigt {{.Shown}}, führt aber zu {{.Target}}.\"\nwords-urgency = \"Die Nachricht setzt Sie unter Druck.\"\nwords-bank = \"Sie fragt nach Ihrer Karte.\"\nlinks-own = \"Alle Links führen zu {{.Domain}}.\"\n")},
	"en.toml": {Data: []byte("[reason]\nwords-delivery = \"It speaks of a parcel: {{.Words}}.\"\nlink-text-differs = \"The link shows {{.Shown}}, but leads to {{.Target}}.\"\nwords-urgency = \"The message presses you.\"\nwords-bank = \"It asks for your card.\"\nlinks-own = \"All links lead to {{.Domain}}.\"\n")},
}

func centre() parts.Centre {
	return parts.Centre{
		Name: "Cyber Centre Example", BaseURL: "https://belfry.centre.example", Domain: "centre.example",
		Desks:  []parts.Desk{{Address: "suspicious@centre.example", Language: "en"}},
		Secret: []byte("0123456789abcdef0123456789abcdef"),
	}
}

// desk is a fake of the reports: what Subject tells of each.
type desk struct {
	mu       sync.Mutex
	subjects map[database.ID]Subject
	err      error
}

func (d *desk) Subject(_ context.Context, id database.ID) (Subject, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return Subject{}, d.err
	}
	s, ok := d.subjects[id]
	if !ok {
		return Subject{}, fault.New(fault.NotFound, "")
	}
	return s, nil
}

func (d *desk) put(s Subject) database.ID {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.subjects[s.Report] = s
	return s.Report
}

// post is one mail that a fake relay got.
type post struct {
	from string
	to   []string
	msg  string
}

// relay is a fake Sender.
type relay struct {
	mu    sync.Mutex
	got   []post
	reply func(attempt int) error // nil accepts
	tries int
}

func (r *relay) Send(ctx context.Context, from string, to []string, msg []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if r.reply != nil {
		if err := r.reply(r.tries); err != nil {
			return err
		}
	}
	r.got = append(r.got, post{from, to, string(msg)})
	return ctx.Err()
}

func (r *relay) all() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]post(nil), r.got...)
}

// house is a capability on a real store and queue.
type house struct {
	*Capability
	db      *database.DB
	queue   *job.Queue
	bus     *event.Bus
	desk    *desk
	settled chan SettledEvent
	log     *slog.Logger
}

// build wires a house on db; the queue is not started. fakes may be changed
// through o.
func build(t testing.TB, db *database.DB, o Options, more ...func(*job.Queue)) *house {
	t.Helper()
	catalogue, err := locale.Load(Locales, wording)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{db: db, settled: make(chan SettledEvent, 10000), desk: &desk{subjects: map[database.ID]Subject{}}}
	h.log = slog.New(slog.DiscardHandler)
	h.queue = job.NewQueue(db, job.Options{
		Lanes: map[string]int{parts.LaneAnswer: 4, parts.LaneBulk: 1}, Poll: 20 * time.Millisecond, Log: h.log,
	})
	h.bus = event.NewBus(h.queue)
	if o.Reports == nil {
		o.Reports = h.desk
	} else {
		h.desk = o.Reports.(*desk)
	}
	h.Capability = New(o)
	if err := h.Register(&parts.Parts{
		Centre: centre(), DB: db, Jobs: h.queue, Events: h.bus, Audit: audit.New(db, audit.Options{}), Text: catalogue, Log: h.log,
	}); err != nil {
		t.Fatal(err)
	}
	event.Subscribe(h.bus, assessed, "answer", parts.LaneAnswer, h.OnAssessed)
	event.Subscribe(h.bus, Settled, "test", parts.LaneBulk, func(ctx context.Context, task *job.Task, e SettledEvent) error {
		err := task.Finish(ctx, nil)
		if err == nil {
			h.settled <- e
		}
		return err
	})
	for _, m := range more {
		m(h.queue)
	}
	return h
}

// assessed stands for report.Assessed.
var assessed = event.New[database.ID]("test.assessed")

func (h *house) start(t testing.TB) {
	t.Helper()
	if err := h.queue.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.stop(t) })
}

func (h *house) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.queue.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// assess tells that the reports were assessed.
func (h *house) assess(t testing.TB, reports ...database.ID) {
	t.Helper()
	err := h.db.Update(context.Background(), func(tx *database.Tx) error {
		for _, id := range reports {
			if err := assessed.Publish(context.Background(), h.bus, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wait returns the next answer that was settled.
func (h *house) wait(t testing.TB) SettledEvent {
	t.Helper()
	select {
	case e := <-h.settled:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was settled")
		panic("not reached")
	}
}

// row reads the answer to a report.
func (h *house) row(t testing.TB, report database.ID) row {
	t.Helper()
	var r row
	err := h.db.View(context.Background(), func(tx *database.Tx) error {
		return r.scan(tx.QueryRow(context.Background(), "SELECT "+columns+" FROM answer WHERE report = $1", report))
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (h *house) count(t testing.TB, table string) (n int) {
	t.Helper()
	err := h.db.View(context.Background(), func(tx *database.Tx) error {
		return tx.QueryRow(context.Background(), "SELECT count(*) FROM "+table).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var errDown = errors.New("connection refused")

var schemas = []database.Schema{job.Schema, audit.Schema, Schema}
