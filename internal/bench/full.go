package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/belfry-centre/belfry/internal/bench/corpus"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
)

// FillOptions say what a store is filled with.
type FillOptions struct {
	Place   // Data is wanted: it stays
	Reports int
	Ago     time.Duration // how long ago the reports came; 0 is now
	Out     io.Writer
}

// Fill fills a store with invented reports, for MeasureQueries.
func Fill(ctx context.Context, o FillOptions) (err error) {
	if o.Data == "" || o.Reports < 1 {
		return errors.New("wants a folder and at least one report")
	}
	c, err := openCentre(ctx, opening{dir: o.Data, address: o.Database, idle: true, clock: ago(o.Ago)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop(ctx)) }()
	began, told := time.Now(), time.Now()
	err = c.Report().Fill(ctx, account.System("bench"), o.Reports, func(done int) {
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Fprintf(o.Out, "%d of %d reports after %v\n", done, o.Reports, time.Since(began).Round(time.Second))
		}
	})
	if err == nil {
		fmt.Fprintf(o.Out, "%d reports in %v\n", o.Reports, time.Since(began).Round(time.Millisecond))
	}
	return err
}

// ago is a clock that lags; nil for none.
func ago(d time.Duration) func() time.Time {
	if d == 0 {
		return nil
	}
	return func() time.Time { return time.Now().Add(-d) }
}

// QueriesOptions say how reading a full store is measured.
type QueriesOptions struct {
	Place       // Data is wanted: a folder that Fill has filled
	Times   int // of each query
	Mails   int // of each round of accepting; 0 leaves accepting out
	Rounds  int // of accepting, on the full store and on an empty one in turns
	Senders int
	Seed    uint64
	Out     io.Writer
}

// Queries is what was measured.
type Queries struct {
	Times map[string]Times // of each query, through the API
	Full  Phase            // accepting on the full store
	Empty Phase            // accepting on an empty one
}

// QueryTarget is what 95 of 100 queries are to stay under.
const QueryTarget = 50 * time.Millisecond

// MeasureQueries reads a full store through the API, as an analyst's client
// does, and then compares accepting on it with accepting on an empty one.
func MeasureQueries(ctx context.Context, o QueriesOptions) (_ *Queries, err error) {
	if o.Data == "" || o.Times < 1 {
		return nil, errors.New("wants a folder that was filled, and at least one query of each kind")
	}
	full, err := openCentre(ctx, opening{dir: o.Data, address: o.Database, paused: allLanes()})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, full.stop(ctx)) }()
	secret, _, err := full.Parts().Accounts.Create(ctx, account.System("bench"), account.NewToken{Role: account.Analyst, Label: "bench"})
	if err != nil {
		return nil, err
	}
	r := &reading{o: o, base: "http://" + full.HTTP(), token: secret, rand: rand.New(rand.NewPCG(o.Seed, 1)), client: &http.Client{Timeout: time.Minute}}
	defer r.client.CloseIdleConnections()
	result := &Queries{Times: map[string]Times{}}
	if err := r.measure(ctx, result); err != nil {
		return nil, err
	}
	if o.Mails > 0 {
		if err := acceptFullAndEmpty(ctx, o, full, result); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// reading is an analyst's client.
type reading struct {
	o      QueriesOptions
	base   string
	token  string
	rand   *rand.Rand
	client *http.Client

	newest, oldest database.ID
	sample         []database.ID // reports from everywhere
	common         string        // a value in every report
	rare           []string      // values in few
}

// page is what the lists answer.
type page struct {
	Items []struct {
		ID database.ID `json:"id"`
	} `json:"items"`
	Next string `json:"next"`
}

// get asks the API and reads the whole answer into v.
func (r *reading) get(ctx context.Context, path string, query url.Values, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

func (r *reading) list(ctx context.Context, query url.Values) (page, error) {
	var p page
	err := r.get(ctx, "/api/v1/reports", query, &p)
	return p, err
}

// somewhere is a place to go on from, anywhere in the list.
func (r *reading) somewhere() string {
	return database.ID(int64(r.oldest) + r.rand.Int64N(max(int64(r.newest-r.oldest), 1)) + 1).String()
}

// explore finds out what is in the store.
func (r *reading) explore(ctx context.Context) error {
	p, err := r.list(ctx, url.Values{"limit": {"1"}})
	if err != nil {
		return err
	}
	if len(p.Items) == 0 {
		return errors.New("there is no report in the store: fill it first")
	}
	r.newest = p.Items[0].ID
	// The oldest is where the list below it becomes empty.
	low, high := int64(1), int64(r.newest)
	for low < high {
		middle := low + (high-low)/2
		p, err := r.list(ctx, url.Values{"limit": {"1"}, "after": {database.ID(middle + 1).String()}})
		if err != nil {
			return err
		}
		if len(p.Items) == 0 {
			low = middle + 1
		} else {
			high = int64(p.Items[0].ID)
		}
	}
	r.oldest = database.ID(low)
	for range 200 {
		p, err := r.list(ctx, url.Values{"limit": {"1"}, "after": {r.somewhere()}})
		if err != nil {
			return err
		}
		for _, i := range p.Items {
			r.sample = append(r.sample, i.ID)
		}
	}
	if len(r.sample) == 0 {
		r.sample = append(r.sample, r.newest)
	}
	return r.values(ctx)
}

// values finds observables that many reports have, and such that few have.
func (r *reading) values(ctx context.Context) error {
	seen := map[string]int{}
	some := r.sample[:min(len(r.sample), 50)]
	for _, id := range some {
		var one struct {
			Observables []struct {
				Value string `json:"value"`
			} `json:"observables"`
		}
		if err := r.get(ctx, "/api/v1/reports/"+id.String(), nil, &one); err != nil {
			return err
		}
		for _, o := range one.Observables {
			seen[o.Value]++
		}
	}
	for value, n := range seen {
		if n > seen[r.common] {
			r.common = value
		}
	}
	for value := range seen {
		if value != r.common {
			r.rare = append(r.rare, value)
		}
	}
	slices.Sort(r.rare) // the map's order is another one each time
	if len(r.rare) == 0 {
		return errors.New("the reports in the store have too few observables")
	}
	return nil
}

// measure runs each query so many times, and prints how long it took.
func (r *reading) measure(ctx context.Context, result *Queries) error {
	if err := r.explore(ctx); err != nil {
		return err
	}
	list := func(query func() url.Values) func() error {
		return func() error { _, err := r.list(ctx, query()); return err }
	}
	search := func(value func() string, after func() string) func() error {
		return func() error {
			var p page
			return r.get(ctx, "/api/v1/observables", url.Values{"value": {value()}, "after": {after()}}, &p)
		}
	}
	start := func() string { return "" }
	missed := 0
	for _, q := range []struct {
		name string
		do   func() error
	}{
		{"list, first page", list(func() url.Values { return url.Values{"limit": {"50"}} })},
		{"list, 50 from anywhere", list(func() url.Values { return url.Values{"limit": {"50"}, "after": {r.somewhere()}} })},
		{"list, 500 from anywhere", list(func() url.Values { return url.Values{"limit": {"500"}, "after": {r.somewhere()}} })},
		{"list, a common verdict", list(func() url.Values {
			return url.Values{"limit": {"50"}, "verdict": {"phishing"}, "after": {r.somewhere()}}
		})},
		{"list, a rare verdict", list(func() url.Values {
			return url.Values{"limit": {"50"}, "verdict": {"malware"}, "after": {r.somewhere()}}
		})},
		{"list, a verdict that none has", list(func() url.Values { return url.Values{"limit": {"50"}, "verdict": {"exercise"}} })},
		{"list, a rare state", list(func() url.Values {
			return url.Values{"limit": {"50"}, "state": {"waiting"}, "after": {r.somewhere()}}
		})},
		{"search, in every report", search(func() string { return r.common }, start)},
		{"search, the same, anywhere", search(func() string { return r.common }, r.somewhere)},
		{"search, in one or two", search(func() string { return r.rare[r.rand.IntN(len(r.rare))] }, start)},
		{"search, never seen", search(func() string { return fmt.Sprintf("x%d.example.org", r.rand.Uint64()) }, start)},
		{"one report", func() error {
			var v map[string]any
			return r.get(ctx, "/api/v1/reports/"+r.sample[r.rand.IntN(len(r.sample))].String(), nil, &v)
		}},
	} {
		took := make(Times, r.o.Times)
		for i := range took {
			began := time.Now()
			if err := q.do(); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		result.Times[q.name] = took
		word := ""
		if took.At(95) > QueryTarget {
			word, missed = "  MISSED", missed+1
		}
		fmt.Fprintf(r.o.Out, "%-30s %v%s\n", q.name, took, word)
	}
	fmt.Fprintf(r.o.Out, "target p95 under %v: %d of %d missed\n", QueryTarget, missed, len(result.Times))
	return nil
}

// acceptFullAndEmpty sends mails to the full store and to an empty one.
func acceptFullAndEmpty(ctx context.Context, o QueriesOptions, full *centre, result *Queries) (err error) {
	place := o.Place
	place.Data = ""
	g, err := place.prepare(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.end(ctx)) }()
	dir, address, err := g.room(ctx, "empty")
	if err != nil {
		return err
	}
	empty, err := openCentre(ctx, opening{dir: dir, address: address, paused: allLanes()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, empty.stop(ctx)) }()
	w, err := corpus.New(o.Seed + uint64(time.Now().UnixNano())) // not those of an earlier run on this store
	if err != nil {
		return err
	}
	for range o.Rounds {
		for _, x := range []struct {
			c *centre
			p *Phase
		}{{full, &result.Full}, {empty, &result.Empty}} {
			letters := write(w, o.Mails)
			cpu := processorTime()
			s, err := send(ctx, x.c.SMTP(), letters, o.Senders, 0)
			if err != nil {
				return err
			}
			x.p.add(s.Sent, s.Took, processorTime()-cpu, s.Replies)
		}
	}
	for _, x := range []struct {
		name string
		p    *Phase
	}{{"accept, empty store", &result.Empty}, {"accept, full store", &result.Full}} {
		fmt.Fprintf(o.Out, "%-22s %6.0f a second, %7v of processor each  250 after %v\n",
			x.name, x.p.Rate(), x.p.perMail().Round(time.Microsecond), x.p.Replies)
	}
	fmt.Fprintf(o.Out, "full against empty: %.2f (median of the rounds)\n", result.Full.ratio(&result.Empty))
	return nil
}
