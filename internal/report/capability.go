package report

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/mailauth"
	"github.com/belfry-centre/belfry/internal/platform/mailin"
	"github.com/belfry-centre/belfry/internal/platform/raw"
	"github.com/belfry-centre/belfry/internal/report/keep"
)

// Options are the configuration's section about reports. The zero value is
// useful.
type Options struct {
	RawDays     int `toml:"raw_days" default:"90" doc:"Days for which what was sent is kept, byte for byte; it goes by whole months after that."`
	AddressDays int `toml:"address_days" default:"30" doc:"Days for which the reporter's address and words are kept."`
	FollowDays  int `toml:"follow_days" default:"90" doc:"Days for which a follow link opens."`
	KeepDays    int `toml:"keep_days" doc:"Days after which a report is removed whole, unless it is held; 0 keeps them."`
	PerMinute   int `toml:"assess_per_minute" default:"120" doc:"Reports of one reporter in a minute above which the rest wait, so that others do not."`

	// MaxSize is the largest submission in bytes; 0 is 25 MiB.
	MaxSize int64 `toml:"-"`
	// Receivers are the names (authserv-id, RFC 8601, section 2.5) of the
	// receivers whose Authentication-Results are believed.
	Receivers []string `toml:"-"`
	// Senders proves who sent a mail; nil believes nobody. *mailauth.Checker
	// is one.
	Senders Senders `toml:"-"`
	// Answers tells what a report was answered; nil means nothing ever.
	Answers Answers `toml:"-"`
}

// Senders is the port to the check of a mail's sender.
type Senders interface {
	Check(ctx context.Context, in mailauth.CheckInput) mailauth.Result
}

// Answers is the port to the capability that answers.
type Answers interface {
	// AnswerFor returns what the report was answered, in that language; "" is
	// the one in which it was answered. The bool is false while it was not.
	AnswerFor(ctx context.Context, report database.ID, language string) (Panel, bool, error)
	// AnswerStates returns how far the answers to these reports have come, at
	// most MaxPage of them; those without an answer are left out.
	AnswerStates(ctx context.Context, reports []database.ID) (map[database.ID]string, error)
}

// withDefaults fills the zero fields.
func (o Options) withDefaults() Options {
	or := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	or(&o.RawDays, 90)
	or(&o.AddressDays, 30)
	or(&o.FollowDays, 90)
	or(&o.PerMinute, 120)
	if o.MaxSize <= 0 {
		o.MaxSize = 25 << 20
	}
	return o
}

// Capability takes reports in and has them assessed; its Keeper takes them
// away. It is safe for concurrent use once Register has returned.
type Capability struct {
	*keep.Keeper

	o       Options
	centre  parts.Centre
	db      *database.DB
	raw     raw.Store
	jobs    *job.Queue
	events  *event.Bus
	text    *locale.Catalogue
	log     *slog.Logger
	metrics metrics
	pace    *mailin.Pacer
	room    *semaphore.Weighted // bytes that may be examined at a time
	// examine is analysis.Examine; tests put others in its place.
	examine func([]byte, analysis.Evidence) analysis.Examination
	// patience bounds one examination.
	patience time.Duration
}

// New returns the capability, to be registered.
func New(o Options) *Capability {
	o = o.withDefaults()
	return &Capability{o: o, examine: analysis.Examine, patience: examineTimeout, room: semaphore.NewWeighted(examineRoom)}
}

// Register takes what the capability needs from p and wires its jobs, its
// operations and its figures. Parts that are nil (no web, no API) leave their
// doors out. Subscribers to its topics come before the queue starts.
func (c *Capability) Register(p *parts.Parts) error {
	switch {
	case p.DB == nil || p.Raw == nil || p.Jobs == nil || p.Events == nil:
		return errors.New("report: needs a database, a raw store, a queue and a bus")
	case len(p.Centre.Secret) != sha256.Size:
		return errors.New("report: the centre's secret is not 32 bytes long")
	}
	c.centre, c.db, c.raw, c.jobs, c.events = p.Centre, p.DB, p.Raw, p.Jobs, p.Events
	c.text, c.log = p.Text, p.Log
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.metrics = newMetrics(p.Metrics)
	c.pace = mailin.NewPacer(mailin.PacerOptions{
		PerMinute: float64(c.o.PerMinute), Burst: c.o.PerMinute, MaxDelay: maxPutOff, Clock: c.db.Now,
	})
	c.registerJobs()
	c.Keeper = keep.New(p, keep.Options{
		RawDays: c.o.RawDays, AddressDays: c.o.AddressDays, FollowDays: c.o.FollowDays, KeepDays: c.o.KeepDays,
		Receipts: duplicateFor, ReporterKey: c.reporterKey,
	})
	if p.API != nil {
		c.registerAPI(p.API)
	}
	return c.registerPages(p)
}

// mac is HMAC-SHA-256 (RFC 2104) under the centre's secret, with a purpose
// that keeps one use from another.
func (c *Capability) mac(purpose string, data ...[]byte) []byte {
	h := hmac.New(sha256.New, c.centre.Secret)
	h.Write([]byte(purpose))
	for _, d := range data {
		h.Write([]byte{0})
		h.Write(d)
	}
	return h.Sum(nil)
}

// reporterKey returns the pseudonym of an address, 16 bytes; nil for none.
// Letters' case does not tell people apart.
func (c *Capability) reporterKey(address string) []byte {
	address = strings.ToLower(strings.TrimSpace(address))
	if address == "" {
		return nil
	}
	return c.mac("reporter", []byte(address))[:16]
}

// metrics are this package's figures.
type metrics struct {
	accepted   *prometheus.CounterVec
	duplicates *prometheus.CounterVec
	accept     prometheus.Histogram
	assessed   *prometheus.CounterVec
	assess     prometheus.Histogram
	latency    prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_reports_accepted_total", Help: "Reports accepted, by channel.",
		}, []string{"channel"}),
		duplicates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_reports_duplicate_total", Help: "Submissions that were here before, by channel.",
		}, []string{"channel"}),
		accept: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "belfry_report_accept_seconds", Help: "Time until a submission was safe.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10},
		}),
		assessed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_reports_assessed_total", Help: "Reports assessed, by verdict and by the state they went to.",
		}, []string{"verdict", "state"}),
		assess: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "belfry_report_assess_seconds", Help: "Time that examining one report took.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30},
		}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "belfry_report_assessed_after_seconds", Help: "Time from accepting a report to its assessment.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30, 60, 300, 1800},
		}),
	}
	if r != nil {
		r.MustRegister(m.accepted, m.duplicates, m.accept, m.assessed, m.assess, m.latency)
	}
	return m
}
