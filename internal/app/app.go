package app

import (
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the machine may have no zones of its own

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/belfry-centre/belfry/internal/answer"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/mailfetch"
	"github.com/belfry-centre/belfry/internal/platform/mailin"
	"github.com/belfry-centre/belfry/internal/platform/mailout"
	"github.com/belfry-centre/belfry/internal/platform/raw"
	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/report"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the tables that belong to the centre as a whole.
var Schema = database.Schema{Owner: "app", Files: migrations}

// Options are what a process gives its App beside the settings.
type Options struct {
	// Serve says that the App will be started: New takes the data directory
	// and the web server's address. Without it New opens the store only, also
	// while a server runs on it.
	Serve bool
	// Existing refuses a data directory without a store, in place of beginning
	// one there: a folder that was misspelt is no sound, empty centre.
	Existing bool
	Version  string
	Log      *slog.Logger     // nil discards
	Clock    func() time.Time // the store's clock, for tests; nil is the real one
}

// App is a whole Belfry. New opens it, Start lets it work, Stop ends it. What
// only needs the store, such as a verb of the command line, does without Start.
type App struct {
	settings Settings
	version  string
	log      *slog.Logger
	parts    parts.Parts
	registry *prometheus.Registry
	report   *report.Capability
	answer   *answer.Capability
	smtp     *mailin.Server
	imap     []*mailfetch.Watcher
	monitor  *monitor
	opened   stack // by New
	started  stack // by Start
}

// stack is what has to be ended, the last begun first.
type stack []ending

type ending struct {
	what string
	end  func(context.Context) error
}

func (s *stack) push(what string, end func(context.Context) error) {
	*s = append(*s, ending{what, end})
}

func (s *stack) unwind(ctx context.Context) error {
	var all error
	for _, e := range slices.Backward(*s) {
		if err := e.end(ctx); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", e.what, err))
		}
	}
	*s = nil
	return all
}

// New opens the store, migrates it where needed, and wires everything. Nothing
// listens and no job runs before Start.
func New(ctx context.Context, s Settings, o Options) (_ *App, err error) {
	a := &App{settings: s, version: o.Version, log: o.Log, registry: prometheus.NewRegistry()}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.opened.unwind(context.WithoutCancel(ctx)))
		}
	}()
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, step := range []func(context.Context, Options) error{
		a.openStore, a.openServices, a.openDoors, a.openCentre, a.registerCapabilities, a.openMailboxes,
	} {
		if err := step(ctx, o); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// databaseFile is the embedded database's name in the data directory, rawDir
// the folder of its raw bytes.
const (
	databaseFile = "belfry.db"
	rawDir       = "raw"
)

// openStore opens the database, at the schema of this program, and the raw
// store.
func (a *App) openStore(ctx context.Context, o Options) error {
	if o.Existing && a.settings.Database.IsZero() {
		if _, err := os.Stat(filepath.Join(a.settings.Data, databaseFile)); errors.Is(err, fs.ErrNotExist) {
			return fault.Errorf(fault.NotFound, "%s holds no Belfry. Is it the right folder?", a.settings.Data)
		}
	}
	if err := os.MkdirAll(a.settings.Data, 0o700); err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	if err := a.refuseUnfinished(); err != nil {
		return err
	}
	p := &a.parts
	if o.Serve && a.settings.Database.IsZero() {
		unlock, err := lock(a.settings.Data)
		if err != nil {
			return err
		}
		a.opened.push("lock", func(context.Context) error { return unlock() })
	}
	var err error
	p.DB, err = database.Open(ctx, database.Options{
		URL: a.settings.Database.Reveal(), Path: filepath.Join(a.settings.Data, databaseFile), Clock: o.Clock, Log: a.log,
	})
	if err != nil {
		return err
	}
	a.opened.push("database", func(context.Context) error { return p.DB.Close() })
	if err := a.migrate(ctx, o.Serve); err != nil {
		return err
	}
	p.Raw, err = raw.Open(ctx, raw.Options{
		URL: a.settings.Raw.Reveal(), Dir: filepath.Join(a.settings.Data, rawDir), DB: p.DB, Clock: o.Clock, Log: a.log,
		// Files that came by form or API are kept in base64, and what was
		// taken in under a higher limit can still be read.
		MaxSize: max(raw.DefaultMaxSize, 2*int64(a.settings.Intake.MaxSize)),
	})
	if err != nil {
		return err
	}
	a.opened.push("raw store", func(context.Context) error { return p.Raw.Close() })
	return nil
}

// openCentre says who we are.
func (a *App) openCentre(ctx context.Context, _ Options) error {
	secret, err := readSecret(a.settings.Data)
	if err != nil {
		return err
	}
	a.parts.Centre = parts.Centre{
		Name:    a.settings.Centre.Name,
		BaseURL: a.baseURL(),
		Domain:  a.settings.Centre.Domain,
		Desks:   a.settings.desks(),
		Secret:  secret,
	}
	return agreeOnSecret(ctx, a.parts.DB, secret)
}

// baseURL is where people find the public site: what the settings say, else
// the address on which we listen, or would.
func (a *App) baseURL() string {
	if u := a.settings.Centre.URL; u != "" {
		return strings.TrimSuffix(u, "/")
	}
	if a.parts.Web.Addr() != "" {
		return a.parts.Web.URL()
	}
	return "http://" + a.settings.HTTP
}

// openServices makes what capabilities are built from.
func (a *App) openServices(_ context.Context, o Options) error {
	p := &a.parts
	p.Log, p.Metrics = a.log, a.registry
	var err error
	if p.Text, err = locale.Load(texts()...); err != nil {
		return fmt.Errorf("the texts: %w", err)
	}
	p.Audit = audit.New(p.DB, audit.Options{Dir: a.settings.Data, Log: a.log})
	p.Accounts = account.New(p.DB, account.Options{Audit: p.Audit, Clock: o.Clock})
	p.Jobs = job.NewQueue(p.DB, job.Options{Lanes: a.lanes(), Log: a.log, Metrics: a.registry})
	p.Events = event.NewBus(p.Jobs)
	return nil
}

// lanes gives each lane its workers. Those that judge wait for the shared
// commit half of the time, and the more share one the less it costs; but each
// holds a whole report in memory, and the largest are 25 MiB.
func (a *App) lanes() map[string]int {
	or := func(n, fallback int) int {
		if n > 0 {
			return n
		}
		return fallback
	}
	w := a.settings.Workers
	return map[string]int{
		parts.LaneAssess: or(w.Assess, 8*runtime.GOMAXPROCS(0)),
		parts.LaneDecide: or(w.Assess, 2*runtime.GOMAXPROCS(0)),
		parts.LaneAnswer: or(w.Answer, 2*or(a.settings.Outgoing.Connections, 4)),
		parts.LaneBulk:   or(w.Bulk, 2),
	}
}

// openDoors makes the servers; they listen from Start on.
func (a *App) openDoors(ctx context.Context, o Options) error {
	p := &a.parts
	proxies, err := networks(a.settings.Web.TrustedProxies)
	if err != nil {
		return err
	}
	public, err := url.Parse(a.settings.Centre.URL)
	if err != nil || a.settings.Centre.URL == "" {
		public = nil
	}
	var certificate *tls.Config
	if a.settings.Web.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(a.settings.Web.Certificate, a.settings.Web.Key)
		if err != nil {
			return fmt.Errorf("web.certificate: %w", err)
		}
		certificate = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	zone, err := time.LoadLocation(a.settings.Centre.TimeZone)
	if err != nil {
		return fmt.Errorf("centre.time_zone: %w", err)
	}
	p.Web, err = web.New(web.Options{
		Addr: a.settings.HTTP, TLS: certificate, Public: public, TrustedProxies: proxies,
		Text: p.Text, Language: string(a.settings.Centre.Language), Zone: zone, Brand: web.Brand{Name: a.settings.Centre.Name},
		Accounts: p.Accounts, Version: a.version, Log: a.log, Metrics: a.registry, Clock: o.Clock,
	})
	if err != nil {
		return err
	}
	a.opened.push("web address", p.Web.Stop)
	if o.Serve {
		if err := p.Web.Listen(ctx); err != nil {
			return err
		}
	}
	p.API = p.Web.API()
	a.monitor = newMonitor(a)
	a.monitor.publish(p.Web)
	return nil
}

// relay opens the way out for mail; nil without one.
func (a *App) relay() (*mailout.Relay, error) {
	if a.settings.Relay.IsZero() {
		return nil, nil
	}
	o := a.settings.Outgoing
	r, err := mailout.New(mailout.Options{
		URL: a.settings.Relay.Reveal(), Connections: o.Connections, Hostname: a.settings.Centre.Domain, Log: a.log,
		DKIM: mailout.DKIM{Domain: o.DKIMDomain, Selector: o.DKIMSelector, KeyFile: o.DKIMKey},
	})
	if err != nil {
		return nil, err
	}
	a.opened.push("relay", func(context.Context) error { return r.Close() })
	return r, nil
}

// Start opens the doors and lets jobs run. When it
// fails, everything that it began is ended.
func (a *App) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, a.started.unwind(context.WithoutCancel(ctx)))
		}
	}()
	if a.parts.Web.Addr() == "" {
		return errors.New("app: Start without Options.Serve")
	}
	if err := a.parts.Jobs.Start(ctx); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	a.started.push("jobs", a.parts.Jobs.Stop)
	if err := a.parts.Web.Start(ctx); err != nil {
		return fmt.Errorf("web: %w", err)
	}
	a.started.push("web", a.parts.Web.Stop)
	if a.settings.SMTP != "off" {
		if err := a.startSMTP(); err != nil {
			return fmt.Errorf("smtp: %w", err)
		}
	}
	a.startIMAP()
	if err := a.monitor.start(); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	a.started.push("metrics", a.monitor.stop)
	if err := a.noteStart(ctx); err != nil {
		return err
	}
	a.log.Info("ready", "http", a.HTTP(), "smtp", a.SMTP(), "metrics", a.monitor.addr(), "engine", string(a.parts.DB.Engine()), "version", a.version)
	return nil
}

// Stop closes the doors, lets running work finish until ctx ends, and closes
// the store. An App is not started again.
func (a *App) Stop(ctx context.Context) error {
	return errors.Join(a.started.unwind(ctx), a.opened.unwind(ctx))
}

// stopPatience is how long Run waits for running work at the end.
const stopPatience = 30 * time.Second

// Run is New, Start, waiting until ctx ends, and Stop.
func Run(ctx context.Context, s Settings, o Options) error {
	o.Serve = true
	a, err := New(ctx, s, o)
	if err != nil {
		return err
	}
	started := a.Start(ctx)
	if started == nil {
		<-ctx.Done()
		a.log.Info("stopping")
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	return errors.Join(started, a.Stop(end))
}

// HTTP returns the address on which pages and API are served.
func (a *App) HTTP() string { return a.parts.Web.Addr() }

// SMTP returns the address on which mail comes in; empty when it does not.
func (a *App) SMTP() string {
	if a.smtp == nil || a.smtp.Addr() == nil {
		return ""
	}
	return a.smtp.Addr().String()
}

// Parts gives the command line's verbs what they work on.
func (a *App) Parts() *parts.Parts { return &a.parts }

// Report returns the capability that keeps reports.
func (a *App) Report() *report.Capability { return a.report }

// Answer returns the capability that answers reporters.
func (a *App) Answer() *answer.Capability { return a.answer }

// Settings returns the settings with which the App was made.
func (a *App) Settings() Settings { return a.settings }

// texts are the catalogues of everything that speaks to people.
func texts() []fs.FS {
	all := []fs.FS{web.Texts}
	for _, c := range table {
		all = append(all, c.texts...)
	}
	return all
}
