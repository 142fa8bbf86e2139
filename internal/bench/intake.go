package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/belfry-centre/belfry/internal/bench/corpus"
	"github.com/belfry-centre/belfry/internal/parts"
)

// IntakeOptions say how intake is measured.
type IntakeOptions struct {
	Place
	Messages int           // of one round
	Limit    time.Duration // of one round of sending; 0 sends all Messages
	Senders  int           // connections at a time
	Rounds   int           // of each of the three
	Seed     uint64
	Profile  string // folder for a CPU profile of each kind of round; empty for none
	Out      io.Writer
}

// Intake is what was measured: each kind of round, summed up over all rounds.
type Intake struct {
	Sink    Phase // the bare sink, all in one row
	Parted  Phase // the bare sink whose bytes stand apart from its rows
	Accept  Phase // the program, with nothing else to do
	Through Phase // the program, from the first command to the last assessment
	Assess  Phase // assessing what the rounds of Accept had left, with nothing coming in
}

// Phase is one kind of round.
type Phase struct {
	Mails   int
	Took    time.Duration
	CPU     time.Duration // of this process, the senders' share in it
	Replies Times
	rates   []float64 // of each round
}

func (p *Phase) add(n int, took, cpu time.Duration, replies Times) {
	p.Mails += n
	p.CPU += cpu
	p.Took += took
	p.Replies = append(p.Replies, replies...)
	slices.Sort(p.Replies)
	p.rates = append(p.rates, rate(n, took))
}

// perMail is the processor time that one mail took. A machine that does other
// things meanwhile changes it less than the rate.
func (p *Phase) perMail() time.Duration { return p.CPU / time.Duration(max(p.Mails, 1)) }

// Rate is how many mails a second went through.
func (p *Phase) Rate() float64 { return rate(p.Mails, p.Took) }

// ratio returns p's rate over q's, as the median of the rounds: one that
// another program disturbed does not spoil it.
func (p *Phase) ratio(q *Phase) float64 {
	var all []float64
	for i := range min(len(p.rates), len(q.rates)) {
		all = append(all, p.rates[i]/q.rates[i])
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// What the rates of the program are to be at least, over that of a sink.
const (
	AcceptTarget  = 0.8
	ThroughTarget = 0.5
)

// MeasureIntake sends mails to a bare sink and to the program in turns, and
// prints how they compare.
func MeasureIntake(ctx context.Context, o IntakeOptions) (_ *Intake, err error) {
	if o.Messages < 1 || o.Rounds < 1 || o.Senders < 1 || o.Senders > maxSenders {
		return nil, fmt.Errorf("wants at least one message, one round, and 1 to %d senders", maxSenders)
	}
	g, err := o.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.end(ctx)) }()
	run := &intakeRun{IntakeOptions: o, sinks: map[bool]*sink{}}
	if run.writer, err = corpus.New(o.Seed); err != nil {
		return nil, err
	}
	for name, parted := range map[string]bool{"sink": false, "parted": true} {
		dir, address, err := g.room(ctx, name)
		if err != nil {
			return nil, err
		}
		s, err := openSink(ctx, dir, address, parted, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		g.ends = append(g.ends, s.stop)
		run.sinks[parted] = s
	}
	dir, address, err := g.room(ctx, "centre")
	if err != nil {
		return nil, err
	}
	if run.centre, err = openCentre(ctx, opening{dir: dir, address: address, paused: allLanes()}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, run.centre.stop(ctx)) }()
	fmt.Fprintf(o.Out, "%d rounds of %d mails from %d senders, %s\n", o.Rounds, o.Messages, o.Senders, run.centre.Parts().DB.Engine())
	for i := range o.Rounds {
		if err := run.round(ctx, i); err != nil {
			return nil, err
		}
	}
	run.print()
	return &run.result, nil
}

type intakeRun struct {
	IntakeOptions
	writer *corpus.Writer
	sinks  map[bool]*sink // by whether it is the parted one
	centre *centre
	result Intake
}

// round measures each kind once, in another order each time, so that what
// grows (a database, a cache's disorder) favours none.
func (r *intakeRun) round(ctx context.Context, i int) error {
	kinds := []func(context.Context) error{r.sinkRound, r.partedRound, r.acceptRound, r.throughRound}
	for k := range kinds {
		if err := kinds[(k+i)%len(kinds)](ctx); err != nil {
			return err
		}
	}
	p := func(p Phase) float64 { return p.rates[len(p.rates)-1] }
	fmt.Fprintf(r.Out, "round %d: sink %.0f/s, parted sink %.0f/s, accept %.0f/s, accept to assessment %.0f/s, assessment alone %.0f/s\n",
		i+1, p(r.result.Sink), p(r.result.Parted), p(r.result.Accept), p(r.result.Through), p(r.result.Assess))
	return nil
}

func (r *intakeRun) sinkRound(ctx context.Context) error {
	return r.toSink(ctx, "sink", r.sinks[false], &r.result.Sink)
}

func (r *intakeRun) partedRound(ctx context.Context) error {
	return r.toSink(ctx, "parted", r.sinks[true], &r.result.Parted)
}

func (r *intakeRun) toSink(ctx context.Context, name string, to *sink, p *Phase) error {
	letters := write(r.writer, r.Messages)
	return r.profiled(name, func() error {
		cpu := processorTime()
		s, err := send(ctx, to.addr(), letters, r.Senders, r.Limit)
		p.add(s.Sent, s.Took, processorTime()-cpu, s.Replies)
		return err
	})
}

// acceptRound sends while nothing is assessed, and has it assessed afterwards.
func (r *intakeRun) acceptRound(ctx context.Context) error {
	letters := write(r.writer, r.Messages)
	before, err := r.centre.assessed()
	if err != nil {
		return err
	}
	var s Sending
	if err := r.profiled("accept", func() (err error) {
		cpu := processorTime()
		s, err = send(ctx, r.centre.SMTP(), letters, r.Senders, r.Limit)
		r.result.Accept.add(s.Sent, s.Took, processorTime()-cpu, s.Replies)
		return err
	}); err != nil {
		return err
	}
	return r.profiled("assess", func() error {
		began, cpu := time.Now(), processorTime()
		r.centre.resume(parts.LaneAssess)
		err := await(ctx, before+s.Sent, r.centre.assessed)
		r.centre.pause(parts.LaneAssess)
		r.result.Assess.add(s.Sent, time.Since(began), processorTime()-cpu, nil)
		return err
	})
}

// throughRound sends while everything is assessed as it comes. Answers have
// their own measurement: their lane rests, but their jobs are stored.
func (r *intakeRun) throughRound(ctx context.Context) error {
	letters := write(r.writer, r.Messages)
	before, err := r.centre.assessed()
	if err != nil {
		return err
	}
	return r.profiled("through", func() error {
		r.centre.resume(parts.LaneAssess)
		defer r.centre.pause(parts.LaneAssess)
		began, cpu := time.Now(), processorTime()
		s, err := send(ctx, r.centre.SMTP(), letters, r.Senders, r.Limit)
		if err == nil {
			err = await(ctx, before+s.Sent, r.centre.assessed)
		}
		r.result.Through.add(s.Sent, time.Since(began), processorTime()-cpu, s.Replies)
		return err
	})
}

// profiled runs a round under the CPU profiler where a folder for it is given.
func (r *intakeRun) profiled(name string, do func() error) error {
	if r.Profile == "" {
		return do()
	}
	f, err := os.Create(filepath.Join(r.Profile, name+".pprof"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = do()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}

func (r *intakeRun) print() {
	x := &r.result
	for _, l := range []struct {
		name string
		p    *Phase
	}{
		{"bare sink", &x.Sink},
		{"bare sink, parted", &x.Parted},
		{"accept", &x.Accept},
		{"accept to assessment", &x.Through},
		{"assessment alone", &x.Assess},
	} {
		fmt.Fprintf(r.Out, "%-22s %6.0f a second, %7v of processor each", l.name, l.p.Rate(), l.p.perMail().Round(time.Microsecond))
		if len(l.p.Replies) > 0 {
			fmt.Fprintf(r.Out, ", 250 after %v", l.p.Replies)
		}
		fmt.Fprintln(r.Out)
	}
	for _, l := range []struct {
		name   string
		p      *Phase
		target float64
	}{{"accept", &x.Accept, AcceptTarget}, {"accept to assessment", &x.Through, ThroughTarget}} {
		fmt.Fprintf(r.Out, "%-22s of the bare sink: %s; of the parted one: %s\n", l.name,
			against(l.p.ratio(&x.Sink), l.target), against(l.p.ratio(&x.Parted), l.target))
	}
	fmt.Fprintln(r.Out, "(ratios are medians of the rounds)")
}

// against puts a ratio beside its target.
func against(got, want float64) string {
	word := "reached"
	if got < want {
		word = "MISSED"
	}
	return fmt.Sprintf("%.2f (target %.1f %s)", got, want, word)
}
