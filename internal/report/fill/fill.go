// Package fill writes invented reports into the tables of package report, as
// assessing leaves them, so that a full store can be measured without the days
// that it takes to fill one.
package fill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/database"
)

const (
	batch = 500 // reports in a transaction
	rows  = 50  // rows in a statement
)

// Keys make the keys under which package report finds things.
type Keys struct {
	Reporter   func(address string) []byte
	Follow     func(report database.ID) []byte
	Observable func(t observable.Type, value string) []byte
}

// Store stores n invented reports: six sightings each, of one value that all
// have, two that each two reports share, and three of their own. They name no
// raw bytes. progress, which may be nil, is told how many are done.
func Store(ctx context.Context, db *database.DB, keys Keys, n int, progress func(done int)) error {
	f := filler{keys: keys, n: n, rand: rand.New(rand.NewPCG(5, 6))}
	err := db.Update(ctx, func(tx *database.Tx) (err error) {
		hash := keys.Observable(observable.Domain, common)
		if _, err := tx.Exec(ctx, "INSERT INTO observable (id, hash, type, value) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			database.NewID(tx.Now), hash, string(observable.Domain), common); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT id FROM observable WHERE hash = $1", hash).Scan(&f.common)
	})
	for done := 0; err == nil && done < n; done += batch {
		err = db.Update(ctx, func(tx *database.Tx) error { return f.batch(ctx, tx, min(batch, n-done)) })
		if err == nil && progress != nil {
			progress(min(done+batch, n))
		}
	}
	if err != nil {
		return fmt.Errorf("filling the store: %w", err)
	}
	return nil
}

const (
	common  = "example.com"
	reasons = `[{"code":"one","weight":1,"evidence":"klik hier om uw pakket te volgen"},{"code":"two","weight":2,"params":{"A":"example.com"}}]`
	detail  = `{"where":"body","source":"a href","text":"volg uw pakket","count":1}`
)

// filler is the state of one filling.
type filler struct {
	keys   Keys
	n      int
	rand   *rand.Rand
	common database.ID    // the value that all have
	pair   [2]database.ID // the values that the last report shares with the next
}

// batch stores some reports.
func (f *filler) batch(ctx context.Context, tx *database.Tx, n int) error {
	verdicts := []verdict.Verdict{verdict.Phishing, verdict.Spam, verdict.Scam, verdict.Unclear}
	var reports, messages, assessments, reporters, values, sightings [][]any
	put := func(t observable.Type, value string) database.ID {
		id := database.NewID(tx.Now)
		values = append(values, []any{id, f.keys.Observable(t, value), string(t), value})
		return id
	}
	at := database.Micros(tx.Now)
	for i := range n {
		id := database.NewID(tx.Now)
		v, state := verdicts[f.rand.IntN(len(verdicts))], "answered"
		if f.rand.IntN(500) == 0 {
			v = verdict.Malware
		}
		if f.rand.IntN(200) == 0 {
			state = "waiting"
		}
		address := fmt.Sprintf("p%d@example.net", f.rand.IntN(f.n))
		key := f.keys.Reporter(address)
		reports = append(reports, []any{
			id, at, "smtp", state, "", "", "", 30_000, address, key, "{}", "{}", f.keys.Follow(id), at, 1,
			fmt.Sprintf("Uw pakket %d wacht", f.rand.IntN(10_000)), "nl", string(v), f.rand.Float64(), 1, at,
		})
		messages = append(messages, []any{id, 0, "attached", "Uw pakket wacht", "Dienst", "dienst@example.com", at, "graag nakijken"})
		assessments = append(assessments, []any{database.NewID(tx.Now), id, 0, at, string(v), 0.9, 1, "", "nl", "fill", "", reasons})
		reporters = append(reporters, []any{key, id})
		if i%2 == 0 {
			f.pair = [2]database.ID{
				put(observable.Domain, fmt.Sprintf("h%d.example.com", id)), put(observable.Domain, fmt.Sprintf("g%d.example.com", id)),
			}
		}
		seen := []database.ID{f.common, f.pair[0], f.pair[1]}
		for k := range 3 {
			seen = append(seen, put(observable.URL, fmt.Sprintf("https://h%d.example.com/%d", id, k)))
		}
		for _, o := range seen {
			sightings = append(sightings, []any{id, 0, o, detail})
		}
	}
	for _, t := range []struct {
		insert string
		rows   [][]any
	}{
		{`INSERT INTO report (id, received_at, channel, state, desk, organisation, chosen, raw_size, reporter, reporter_key, envelope, origin,
			follow, follow_until, messages, subject, language, verdict, score, automatic, assessed_at) VALUES `, reports},
		{"INSERT INTO message (report_id, number, how, subject, from_name, from_address, sent_at, words) VALUES ", messages},
		{`INSERT INTO assessment (id, report_id, message, at, verdict, score, automatic, brand, language, rules, model, reasons) VALUES `, assessments},
		{"INSERT INTO reporter (reporter_key, report_id) VALUES ", reporters},
		{"INSERT INTO observable (id, hash, type, value) VALUES ", values},
		{"INSERT INTO sighting (report_id, message, observable_id, detail) VALUES ", sightings},
	} {
		for some := range slices.Chunk(t.rows, rows) {
			if _, err := tx.Exec(ctx, t.insert+database.Tuples(len(some), len(some[0])), slices.Concat(some...)...); err != nil {
				return err
			}
		}
	}
	return nil
}
