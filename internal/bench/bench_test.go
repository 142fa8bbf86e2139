package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
)

// These are small runs: they show that what is measured is what it is called,
// not how fast it is.

// eachEngine runs f with a place on each engine.
func eachEngine(t *testing.T, f func(t *testing.T, p Place)) {
	t.Run("sqlite", func(t *testing.T) { f(t, Place{Data: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) {
		f(t, Place{Data: t.TempDir(), Database: databasetest.PostgresURL(t)})
	})
}

func TestIntake(t *testing.T) {
	eachEngine(t, func(t *testing.T, p Place) {
		var out bytes.Buffer
		const mails, rounds = 30, 2
		r, err := MeasureIntake(t.Context(), IntakeOptions{
			Place: p, Messages: mails, Rounds: rounds, Senders: 4, Seed: 1, Profile: t.TempDir(), Out: &out,
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, phase := range map[string]Phase{"sink": r.Sink, "parted": r.Parted, "accept": r.Accept, "through": r.Through, "assess": r.Assess} {
			if phase.Mails != mails*rounds || phase.Rate() <= 0 {
				t.Errorf("%s: %d mails, %f a second", name, phase.Mails, phase.Rate())
			}
		}
		if n := len(r.Accept.Replies); n != mails*rounds || r.Accept.Replies.At(50) <= 0 || r.Accept.Replies.At(99) < r.Accept.Replies.At(50) {
			t.Errorf("%d replies, %v", n, r.Accept.Replies)
		}
		if !strings.Contains(out.String(), "accept to assessment   of the bare sink: ") {
			t.Errorf("it said\n%s", &out)
		}
	})
}

func TestIntakeForSomeTime(t *testing.T) {
	var out bytes.Buffer
	r, err := MeasureIntake(t.Context(), IntakeOptions{
		Messages: 5000, Limit: 50 * time.Millisecond, Rounds: 1, Senders: 2, Seed: 1, Out: &out,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Accept.Mails == 0 || r.Accept.Mails == 5000 || r.Through.Mails == 0 {
		t.Errorf("%d and %d mails", r.Accept.Mails, r.Through.Mails)
	}
}

func TestAnswers(t *testing.T) {
	eachEngine(t, func(t *testing.T, p Place) {
		var out bytes.Buffer
		r, err := MeasureAnswers(t.Context(), AnswersOptions{Place: p, Reports: 20, Connections: 2, Seed: 1, Out: &out})
		if err != nil {
			t.Fatal(err)
		}
		if r.Decided.Mails != 10 || r.Sent.Mails != 10 || r.Whole.Mails != 10 {
			t.Errorf("%+v", r)
		}
		if !strings.HasPrefix(out.String(), "20 answers taken by the relay over 2 connections, 20 signed") {
			t.Errorf("it said\n%s", &out)
		}
	})
}

func TestFillAndQueries(t *testing.T) {
	eachEngine(t, func(t *testing.T, p Place) {
		var out bytes.Buffer
		if err := Fill(t.Context(), FillOptions{Place: p, Reports: 1200, Out: &out}); err != nil {
			t.Fatal(err)
		}
		r, err := MeasureQueries(t.Context(), QueriesOptions{Place: p, Times: 3, Mails: 10, Rounds: 1, Senders: 2, Seed: 1, Out: &out})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Times) != 12 || r.Full.Mails != 10 || r.Empty.Mails != 10 {
			t.Errorf("%d queries, %d and %d mails", len(r.Times), r.Full.Mails, r.Empty.Mails)
		}
	})
}

func TestUpkeep(t *testing.T) {
	var out bytes.Buffer
	r, err := MeasureUpkeep(t.Context(), UpkeepOptions{
		Place: Place{Data: t.TempDir()}, Reports: 3000, Mails: 20, Rate: 50, Least: 300 * time.Millisecond, Seed: 1, Out: &out,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Backups == 0 || r.Came.Sent == 0 || r.LargestWAL == 0 || r.LargestWAL > UpkeepTarget {
		t.Errorf("%d backups, %d mails, %d bytes of logs", r.Backups, r.Came.Sent, r.LargestWAL)
	}
	if r.Purged != 3020 || r.After >= r.Before {
		t.Errorf("%d purged; %d bytes before, %d after", r.Purged, r.Before, r.After)
	}
}

func TestTimes(t *testing.T) {
	all := Times{}
	if all.At(95) != 0 {
		t.Error("no time has a percentile")
	}
	for i := range 100 {
		all = append(all, time.Duration(100-i))
	}
	all.sort()
	if all.At(50) != 51 || all.At(95) != 96 || all.At(100) != 100 {
		t.Errorf("%d, %d, %d", all.At(50), all.At(95), all.At(100))
	}
}

func TestRatioIsTheRoundsMedian(t *testing.T) {
	var p, q Phase
	for _, r := range [][2]int{{8, 10}, {9, 10}, {1, 10}} { // in the last round something was in the way
		p.add(r[0], time.Second, 0, nil)
		q.add(r[1], time.Second, 0, nil)
	}
	if got := p.ratio(&q); got != 0.8 {
		t.Errorf("%f", got)
	}
	if got := (&Phase{}).ratio(&q); got != 0 {
		t.Errorf("%f without rounds", got)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	var out bytes.Buffer
	for name, err := range map[string]error{
		"no senders": func() error {
			_, err := MeasureIntake(t.Context(), IntakeOptions{Messages: 1, Rounds: 1, Out: &out})
			return err
		}(),
		"no reports": func() error { _, err := MeasureAnswers(t.Context(), AnswersOptions{Out: &out}); return err }(),
		"no folder":  Fill(t.Context(), FillOptions{Reports: 1, Out: &out}),
		"an empty store": func() error {
			_, err := MeasureQueries(t.Context(), QueriesOptions{Place: Place{Data: t.TempDir()}, Times: 1, Out: &out})
			return err
		}(),
		"postgres": func() error {
			_, err := MeasureUpkeep(t.Context(), UpkeepOptions{Place: Place{Database: "postgres://x"}, Reports: 1, Rate: 1, Out: &out})
			return err
		}(),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
