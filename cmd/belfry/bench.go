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
