package test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
)

// TestTwoProcesses runs two of them on one PostgreSQL. Both take reports, a
// sender's second try at the other one included; each report is assessed once
// and answered once.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := options{database: databasetest.PostgresURL(t), world: w, data: t.TempDir()}
	one := start(t, o)
	c := one.api("analyst")

	// Another secret would make links that lead nowhere: it is refused.
	stranger := launch(t, options{database: o.database, world: w})
	<-stranger.ended
	if code := exitCode(stranger.err); code != 5 {
		t.Errorf("with another secret it ended with %d:\n%s", code, stranger.log.String())
	}
	secret, err := os.ReadFile(filepath.Join(o.data, "centre.key"))
	if err != nil {
		t.Fatal(err)
	}
	o.data = t.TempDir()
	if err := os.WriteFile(filepath.Join(o.data, "centre.key"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	two := start(t, o)

	const each = 60
	var senders sync.WaitGroup
	for i := range 2 * 4 {
		at, other := one, two
		if i%2 == 1 {
			at, other = two, one
		}
		senders.Go(func() {
			for n := range each / 4 {
				from := fmt.Sprintf("p%d-%d@%s", i, n, proved)
				mail := reportMail(from, fmt.Sprintf("Uw pakket %d-%d", i, n), bytes.Repeat([]byte{'a' + byte(n)}, 5000))
				for _, p := range []*server{at, other} { // the second as after a lost 250
					if err := p.sendMail(from, desk, mail); err != nil {
						t.Errorf("%s: %v", from, err)
					}
				}
			}
		})
	}
	senders.Wait()
	all := c.settled(2 * each)
	if there := (&client{t, two, c.token}).list(7, ""); len(there) != len(all) {
		t.Errorf("the second sees %d reports, the first %d", len(there), len(all))
	}
	eventually(t, func() error {
		if addresses, _ := w.addressees(); len(addresses) != 2*each {
			return fmt.Errorf("%d of %d reporters were answered", len(addresses), 2*each)
		}
		return nil
	})
	for _, r := range all {
		d := c.report(r.ID)
		if len(d.Messages) != 1 {
			t.Errorf("report %s has %d messages", r.ID, len(d.Messages))
		}
		if n := len(w.to(d.Reporter)); n != 1 {
			t.Errorf("%s got %d answers", d.Reporter, n)
		}
	}
	// Both worked: each tells of itself only.
	for _, p := range []*server{one, two} {
		if n := metric(t, p, `belfry_reports_accepted_total{channel="smtp"}`); n == 0 {
			t.Errorf("%s accepted nothing", p.smtp)
		}
	}
	assessed := metric(t, one, "belfry_report_assess_seconds_count") + metric(t, two, "belfry_report_assess_seconds_count")
	if assessed != 2*each {
		t.Errorf("there were %v assessments of %d reports", assessed, 2*each)
	}
	one.stop()
	two.stop()
	one.verify()
}

// metric reads one value of /metrics.
func metric(t *testing.T, p *server, name string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + p.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all bytes.Buffer
	if _, err := all.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(all.Bytes()) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
			var v float64
			if _, err := fmt.Sscan(string(rest), &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// TestMonitoring asks what a monitor and a balancer ask.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	for _, path := range []string{"/healthz", "/readyz"} {
		for _, at := range []string{p.http, p.metrics} {
			resp, err := http.Get("http://" + at + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s%s: %s", at, path, resp.Status)
			}
		}
	}
	if a := (&client{t: t, p: p}).do(http.MethodGet, "/metrics", nil); a.status != http.StatusNotFound {
		t.Errorf("the public server shows /metrics: %d", a.status)
	}
	if err := p.sendMail("an@"+proved, desk, reportMail("an@"+proved, "Uw pakket", nil)); err != nil {
		t.Fatal(err)
	}
	p.api("analyst").settled(1)
	for _, name := range []string{`belfry_reports_accepted_total{channel="smtp"}`, "belfry_report_assess_seconds_count", "belfry_report_assessed_after_seconds_count"} {
		if n := metric(t, p, name); n != 1 {
			t.Errorf("%s is %v after one report", name, n)
		}
	}
	p.stop()
}
