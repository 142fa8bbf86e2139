package answer

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/mailout"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is this capability's tables.
var Schema = database.Schema{Owner: "answer", Files: migrations}

// Locales is this capability's words, for locale.Load. The reasons' words are
// verdict.Wording.
//
//go:embed locales/*.toml
var Locales embed.FS

// Options is the section "answer" of the configuration, and what app gives.
// Zero values mean the defaults that the documentation names.
type Options struct {
	Off                     bool     `toml:"off" doc:"Send no answers by mail. They still stand on the follow page."`
	From                    string   `toml:"from" doc:"Address that answers come from. Default: noreply@ the centre's mail domain."`
	PerHour                 int      `toml:"per_hour" default:"20" doc:"Full answers that one reporter gets in an hour; above it, one acknowledgement a day."`
	PerDay                  int      `toml:"per_day" default:"60" doc:"Full answers that one reporter gets in a day."`
	ReportsPerDay           int      `toml:"reports_per_day" default:"200" doc:"Reports in a day after which a reporter gets acknowledgements only."`
	AlikePerDay             int      `toml:"alike_per_day" default:"5" doc:"Reports in a day of messages with the same subject or sender after which a reporter gets acknowledgements only."`
	AcknowledgementsPerHour int      `toml:"acknowledgements_per_hour" default:"2000" doc:"Acknowledgements that go out in an hour to senders that are not proved, to all of them together."`
	QuietDesks              []string `toml:"quiet_desks" doc:"Desk addresses that send no answers by mail."`
	Never                   []string `toml:"never" doc:"Addresses and domains (with everything under them) that get no mail."`
	KeepDays                int      `toml:"keep_days" default:"90" doc:"Days that an answer is kept."`

	Contacts []Contact `toml:"contact" doc:"Whom to turn to, told where it helps."`

	// Sender takes the mail to the relay. Nil means that none is configured.
	Sender Sender `toml:"-"`
	// Reports tells what is known of a report. Required.
	Reports Reports `toml:"-"`
}

// Contact is one sentence about whom to turn to, in four languages. A missing
// language is told in another one.
type Contact struct {
	After []string `toml:"after" doc:"After what it helps: clicked, password, bank, paid, opened, threatened."`
	NL    string   `toml:"nl" doc:"The sentence in Dutch."`
	FR    string   `toml:"fr" doc:"The sentence in French."`
	DE    string   `toml:"de" doc:"The sentence in German."`
	EN    string   `toml:"en" doc:"The sentence in English."`
}

// Sender takes one message to its recipients, all or none. *mailout.Relay is
// one; its errors are *mailout.Error.
type Sender interface {
	Send(ctx context.Context, from string, to []string, msg []byte) error
}

var _ Sender = (*mailout.Relay)(nil)

// Reports is the port to the capability that owns the reports. An error of kind
// NotFound means that the report is gone.
type Reports interface {
	Subject(ctx context.Context, report database.ID) (Subject, error)
}

// SettledEvent tells that an answer will not move by itself any more. The same
// answer may be settled again: an unsent one that is sent later.
type SettledEvent struct {
	Report  database.ID `json:"report"`
	Answer  database.ID `json:"answer"`
	Purpose Purpose     `json:"purpose"`
	State   State       `json:"state"`
}

// Settled is published in the transaction that settles an answer.
var Settled = event.New[SettledEvent]("answer.settled")

// Capability answers reports. Register comes before anything else.
type Capability struct {
	opt     Options
	rules   rules
	from    mail.Address
	centre  parts.Centre
	db      *database.DB
	jobs    *job.Queue
	events  *event.Bus
	audit   *audit.Log
	text    *locale.Catalogue
	brands  map[string]string // identifier → name, harmless
	log     *slog.Logger
	metrics metrics
}

// New returns a capability that is not registered yet.
func New(o Options) *Capability { return &Capability{opt: o} }

// Register wires the capability: its jobs and metrics. The error says what is
// wrong with the options.
func (c *Capability) Register(p *parts.Parts) error {
	c.centre, c.db, c.jobs, c.events, c.audit, c.text, c.log = p.Centre, p.DB, p.Jobs, p.Events, p.Audit, p.Text, p.Log
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if err := c.prepare(); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	c.metrics = newMetrics(p.Metrics)
	c.handle()
	return nil
}

// numbers are the settings that are counts, and their defaults.
func (o *Options) numbers() []number {
	return []number{
		{"per_hour", &o.PerHour, 20},
		{"per_day", &o.PerDay, 60},
		{"reports_per_day", &o.ReportsPerDay, 200},
		{"alike_per_day", &o.AlikePerDay, 5},
		{"acknowledgements_per_hour", &o.AcknowledgementsPerHour, 2000},
		{"keep_days", &o.KeepDays, 90},
	}
}

type number struct {
	key      string
	value    *int
	fallback int
}

// Validate says what is wrong with the settings (config.Validator); the
// contacts say it themselves.
func (o Options) Validate() (problems []config.Problem) {
	for _, n := range o.numbers() {
		if *n.value < 0 {
			problems = append(problems, config.Problem{Key: n.key, Message: "is under zero"})
		}
	}
	if _, _, ok := split(o.From); o.From != "" && !ok {
		problems = append(problems, config.Problem{Key: "from", Message: "is not a mail address"})
	}
	return problems
}

// Validate says what is wrong with the contact (config.Validator).
func (c Contact) Validate() (problems []config.Problem) {
	if c.in("en") == "" {
		problems = append(problems, config.Problem{Message: "has no sentence in any language"})
	}
	if len(c.After) == 0 {
		problems = append(problems, config.Problem{Key: "after", Message: "is empty, so that the contact would never be told"})
	}
	for _, a := range c.After {
		if !slices.Contains(asks, Ask(a)) {
			problems = append(problems, config.Problem{Key: "after", Message: fmt.Sprintf("%q is none of %v", a, asks)})
		}
	}
	return problems
}

// prepare checks the options and puts the defaults in.
func (c *Capability) prepare() error {
	o := &c.opt
	if o.Reports == nil {
		return errors.New("there is no port to the reports")
	}
	problems := o.Validate()
	for _, contact := range o.Contacts {
		problems = append(problems, contact.Validate()...)
	}
	if len(problems) > 0 {
		return &config.Error{Problems: problems}
	}
	for _, n := range o.numbers() {
		if *n.value == 0 {
			*n.value = n.fallback
		}
	}
	o.ReportsPerDay = min(o.ReportsPerDay, maxLookBack)
	if o.From == "" {
		o.From = "noreply@" + c.centre.Domain
	}
	local, domain, ok := split(o.From)
	if !ok {
		return fmt.Errorf("the centre's mail domain %q makes no address", c.centre.Domain)
	}
	c.from = mail.Address{Name: c.centre.Name, Address: o.From}
	c.rules = rules{
		off: o.Off, perHour: o.PerHour, perDay: o.PerDay, reports: o.ReportsPerDay, alike: o.AlikePerDay,
		quiet: set(o.QuietDesks), never: set(o.Never), own: map[string]bool{local + "@" + domain: true},
	}
	for _, d := range c.centre.Desks {
		c.rules.own[strings.ToLower(d.Address)] = true
	}
	c.brands = map[string]string{}
	for _, b := range reference.Brands() {
		c.brands[b.ID] = brandName(b.Name())
	}
	return nil
}

func set(values []string) map[string]bool {
	m := make(map[string]bool, len(values))
	for _, v := range values {
		m[strings.ToLower(strings.TrimPrefix(strings.TrimSpace(v), "@"))] = true
	}
	return m
}

// in returns the sentence in that language, or in the first that has one.
func (c Contact) in(lang string) string {
	own := map[string]string{"nl": c.NL, "fr": c.FR, "de": c.DE, "en": c.EN}
	if s := strings.TrimSpace(own[lang]); s != "" {
		return s
	}
	for _, s := range []string{c.EN, c.FR, c.NL, c.DE} {
		if s = strings.TrimSpace(s); s != "" {
			return s
		}
	}
	return ""
}

// metrics count what is decided and what becomes of it.
type metrics struct {
	decided *prometheus.CounterVec // by mail and why
	settled *prometheus.CounterVec // by state
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		decided: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_answers_total", Help: "Answers decided, by the kind of mail and why.",
		}, []string{"mail", "why"}),
		settled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_answers_settled_total", Help: "Answers settled, by state.",
		}, []string{"state"}),
	}
	if r != nil {
		r.MustRegister(m.decided, m.settled)
	}
	return m
}
