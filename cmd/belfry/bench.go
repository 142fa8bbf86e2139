package main

import (
	"context"
	"time"

	"github.com/belfry-centre/belfry/internal/bench"
)

// benchCmd measures this machine with this program.
type benchCmd struct {
	Intake  benchIntakeCmd  `cmd:"" help:"Mails in over SMTP, against a bare sink that commits bytes and a row."`
	Answers benchAnswersCmd `cmd:"" help:"Answers composed, signed and handed to a relay."`
	Fill    benchFillCmd    `cmd:"" help:"Fill a store with invented reports."`
	Queries benchQueriesCmd `cmd:"" help:"Read a filled store through the API, and accept on it."`
	Upkeep  benchUpkeepCmd  `cmd:"" help:"Back a store up while mail comes in, and purge it."`
}

// benchPlace says where a measurement writes.
type benchPlace struct {
	Data     string `help:"Folder to work in; a new one that is removed afterwards if not given. The disk counts." type:"path" placeholder:"DIR"`
	Database string `help:"PostgreSQL URL in place of the embedded database; works in schemas of its own and drops them." placeholder:"URL"`
}

func (p benchPlace) place() bench.Place { return bench.Place{Data: p.Data, Database: p.Database} }

type benchIntakeCmd struct {
	benchPlace
	Messages int    `help:"Mails of each round." default:"4000" placeholder:"N"`
	Seconds  int    `help:"End a round's sending after this long, in place of a number of mails." placeholder:"N"`
	Senders  int    `help:"Senders at a time." default:"20" placeholder:"N"`
	Rounds   int    `help:"Rounds of each kind, in turns." default:"4" placeholder:"N"`
	Seed     uint64 `help:"Seed of the mails." default:"1" placeholder:"N"`
	Profile  string `help:"Folder for CPU profiles." type:"existingdir" placeholder:"DIR"`
}

// mostASecond is how many mails are written beforehand for a second of sending.
const mostASecond = 4000

func (c *benchIntakeCmd) Run(ctx context.Context, s streams) error {
	if c.Seconds > 0 {
		c.Messages = c.Seconds * mostASecond
	}
	lateGarbage() // as serve does
	_, err := bench.MeasureIntake(ctx, bench.IntakeOptions{
		Place: c.place(), Messages: c.Messages, Limit: time.Duration(c.Seconds) * time.Second,
		Senders: c.Senders, Rounds: c.Rounds, Seed: c.Seed, Profile: c.Profile, Out: s.out,
	})
	return err
}

type benchAnswersCmd struct {
	benchPlace
	Reports     int    `help:"Reports to answer." default:"4000" placeholder:"N"`
	Connections int    `help:"Connections to the relay." default:"4" placeholder:"N"`
	Seed        uint64 `help:"Seed of the mails." default:"1" placeholder:"N"`
}

func (c *benchAnswersCmd) Run(ctx context.Context, s streams) error {
	lateGarbage() // as serve does
	_, err := bench.MeasureAnswers(ctx, bench.AnswersOptions{
		Place: c.place(), Reports: c.Reports, Connections: c.Connections, Seed: c.Seed, Out: s.out,
	})
	return err
}

// benchStore is a store that stays.
type benchStore struct {
	Data     string `help:"Folder of the store; it stays." type:"path" required:"" placeholder:"DIR"`
	Database string `help:"PostgreSQL URL in place of the embedded database; what is filled in stays there." placeholder:"URL"`
}

func (p benchStore) place() bench.Place { return bench.Place{Data: p.Data, Database: p.Database} }

type benchFillCmd struct {
	benchStore
	Reports int `help:"Reports to fill in." default:"2000000" placeholder:"N"`
	Days    int `help:"How many days ago they came." default:"0" placeholder:"N"`
}

func (c *benchFillCmd) Run(ctx context.Context, s streams) error {
	lateGarbage()
	return bench.Fill(ctx, bench.FillOptions{
		Place: c.place(), Reports: c.Reports, Ago: time.Duration(c.Days) * 24 * time.Hour, Out: s.out,
	})
}

type benchQueriesCmd struct {
	benchStore
	Times   int    `help:"How often each query is asked." default:"300" placeholder:"N"`
	Mails   int    `help:"Mails of each round of accepting, on the full store and on an empty one; 0 for none." default:"2000" placeholder:"N"`
	Rounds  int    `help:"Rounds of accepting." default:"4" placeholder:"N"`
	Senders int    `help:"Senders at a time." default:"20" placeholder:"N"`
	Seed    uint64 `help:"Seed of what is asked." default:"1" placeholder:"N"`
}

func (c *benchQueriesCmd) Run(ctx context.Context, s streams) error {
	lateGarbage()
	_, err := bench.MeasureQueries(ctx, bench.QueriesOptions{
		Place: c.place(), Times: c.Times, Mails: c.Mails, Rounds: c.Rounds, Senders: c.Senders, Seed: c.Seed, Out: s.out,
	})
	return err
}

type benchUpkeepCmd struct {
	Data    string `help:"Folder to work in; a new one that is removed afterwards if not given." type:"path" placeholder:"DIR"`
	Reports int    `help:"Old reports to fill in and to purge." default:"1000000" placeholder:"N"`
	Mails   int    `help:"Old mails with their raw bytes, besides." default:"3000" placeholder:"N"`
	Rate    int    `help:"Mails a second that come in during the backup." default:"100" placeholder:"N"`
	Seconds int    `help:"Back up again and again for this long at least." default:"60" placeholder:"N"`
	Seed    uint64 `help:"Seed of the mails." default:"1" placeholder:"N"`
}

func (c *benchUpkeepCmd) Run(ctx context.Context, s streams) error {
	lateGarbage()
	_, err := bench.MeasureUpkeep(ctx, bench.UpkeepOptions{
		Place: bench.Place{Data: c.Data}, Reports: c.Reports, Mails: c.Mails, Rate: c.Rate,
		Least: time.Duration(c.Seconds) * time.Second, Seed: c.Seed, Out: s.out,
	})
	return err
}
