package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/bench/corpus"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/database"
)

// maxSenders bounds the connections of one run.
const maxSenders = 500

// Place says where a measurement keeps what it writes.
type Place struct {
	Data     string // a folder; empty is a new one that is removed at the end
	Database string // a PostgreSQL URL; empty is the embedded database
}

// ground is a place made ready: a folder, and on PostgreSQL the right to make
// schemas.
type ground struct {
	dir  string
	base *url.URL // nil: embedded
	db   *database.DB
	ends []func(context.Context) error
}

// prepare makes a place ready for something that is gone afterwards.
func (p Place) prepare(ctx context.Context) (_ *ground, err error) {
	g := &ground{dir: p.Data}
	if g.dir == "" {
		if g.dir, err = os.MkdirTemp("", "belfry-bench-"); err != nil {
			return nil, err
		}
		dir := g.dir
		g.ends = append(g.ends, func(context.Context) error { return os.RemoveAll(dir) })
	} else if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return nil, err
	}
	if p.Database == "" {
		return g, nil
	}
	if g.base, err = url.Parse(p.Database); err != nil {
		return nil, errors.Join(errors.New("the database's URL cannot be read"), g.end(ctx))
	}
	if g.db, err = database.Open(ctx, database.Options{URL: p.Database, Readers: 2}); err != nil {
		return nil, errors.Join(err, g.end(ctx))
	}
	g.ends = append(g.ends, func(context.Context) error { return g.db.Close() })
	return g, nil
}

// room returns a folder and, on PostgreSQL, a URL with a schema of its own.
func (g *ground) room(ctx context.Context, name string) (dir, address string, err error) {
	dir = filepath.Join(g.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	if g.base == nil {
		return dir, "", nil
	}
	schema := fmt.Sprintf("bench_%s_%v", strings.ReplaceAll(name, "-", "_"), database.NewID(time.Now()))
	run := func(ctx context.Context, statement string) error {
		return g.db.Update(ctx, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, statement)
			return err
		})
	}
	if err := run(ctx, "CREATE SCHEMA "+schema); err != nil {
		return "", "", err
	}
	g.ends = append(g.ends, func(ctx context.Context) error { return run(ctx, "DROP SCHEMA "+schema+" CASCADE") })
	u := *g.base
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return dir, u.String(), nil
}

// end removes what was made, the last first.
func (g *ground) end(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var all error
	for i := len(g.ends) - 1; i >= 0; i-- {
		all = errors.Join(all, g.ends[i](ctx))
	}
	return all
}

// centre is the program under measurement.
type centre struct {
	*app.App
	metrics prometheus.Gatherer
}

// opening says how the program is started.
type opening struct {
	dir, address string              // where it keeps everything
	paused       []string            // lanes that rest
	clock        func() time.Time    // nil is the real one
	idle         bool                // open the store only, as a verb of the command line does
	settings     func(*app.Settings) // changes more; may be nil
}

// openCentre starts the program as "belfry serve" would.
func openCentre(ctx context.Context, o opening) (*centre, error) {
	s := app.DefaultSettings()
	s.Data, s.HTTP, s.SMTP = o.dir, "127.0.0.1:0", "127.0.0.1:0"
	s.Centre.Domain = "centre.example"
	s.Desks = []app.DeskSettings{{Address: corpus.Desk, Language: "en"}}
	// The centre's own mail server stands in front, as it does in life.
	s.Trust.Relays, s.Trust.Receivers = []string{"127.0.0.0/8"}, []string{corpus.Receiver}
	s.Intake.ConnectionsPerIP, s.Intake.Connections = maxSenders, maxSenders
	if o.address != "" {
		u, err := config.ParseURL(o.address)
		if err != nil {
			return nil, err
		}
		s.Database = u
	}
	if o.settings != nil {
		o.settings(&s)
	}
	// What it logs costs what it costs; nobody reads it.
	a, err := app.New(ctx, s, app.Options{
		Serve: !o.idle, Version: "bench", Clock: o.clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, err
	}
	for _, lane := range o.paused {
		a.Parts().Jobs.Pause(lane)
	}
	if !o.idle {
		if err := a.Start(ctx); err != nil {
			return nil, errors.Join(err, a.Stop(ctx))
		}
	}
	g, ok := a.Parts().Metrics.(prometheus.Gatherer)
	if !ok {
		return nil, errors.Join(errors.New("the program's metrics cannot be read"), a.Stop(ctx))
	}
	return &centre{App: a, metrics: g}, nil
}

// stop ends the program.
func (c *centre) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return c.Stop(ctx)
}

// count returns the sum of a counter over all its labels.
func (c *centre) count(name string) (int, error) {
	n, err := sum(c.metrics, name)
	return int(n), err
}

func sum(from prometheus.Gatherer, name string) (n float64, err error) {
	families, err := from.Gather()
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n, err
}

// processorTime is what this process has used of the processors so far, to the
// hundredth of a second; 0 where the system does not tell.
func processorTime() time.Duration {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	seconds, err := sum(r, "process_cpu_seconds_total")
	if err != nil {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// await waits until value has reached want. It fails when nothing moves for a
// minute.
func await(ctx context.Context, want int, value func() (int, error)) error {
	last, since := -1, time.Now()
	for {
		n, err := value()
		if err != nil || n >= want {
			return err
		}
		if n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) > time.Minute {
			return fmt.Errorf("nothing moves: %d of %d", n, want)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *centre) assessed() (int, error) { return c.count("belfry_reports_assessed_total") }

// resume lets a lane work.
func (c *centre) resume(lane string) { c.Parts().Jobs.Resume(lane) }

// pause lets a lane finish what it has claimed and rest.
func (c *centre) pause(lane string) { c.Parts().Jobs.Pause(lane) }

// allLanes are the program's lanes.
func allLanes() []string {
	return []string{parts.LaneAssess, parts.LaneDecide, parts.LaneAnswer, parts.LaneBulk}
}

// hasField reports whether a mail's header has a field of that name, given in
// lower case.
func hasField(mail []byte, name string) bool {
	header, _, _ := bytes.Cut(mail, []byte("\r\n\r\n"))
	header = append([]byte("\r\n"), bytes.ToLower(header)...)
	return bytes.Contains(header, []byte("\r\n"+name+":"))
}
