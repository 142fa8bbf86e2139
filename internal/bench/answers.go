package bench

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/bench/corpus"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/config"
)

// AnswersOptions say how answering is measured.
type AnswersOptions struct {
	Place
	Reports     int
	Connections int // to the relay
	Seed        uint64
	Out         io.Writer
}

// Answers is what was measured.
type Answers struct {
	Decided Phase // deciding, composing and storing
	Sent    Phase // signing, handing over to the relay and noting it
	Whole   Phase // both at once, from the first decision to the last mail
}

// AnswersTarget is how many answers a second are to go out at least.
const AnswersTarget = 200

// MeasureAnswers has reports assessed, then answers them over a relay that
// takes everything: each answer decided, composed in full, stored, signed with
// RSA of 2048 bits, sent and settled.
func MeasureAnswers(ctx context.Context, o AnswersOptions) (_ *Answers, err error) {
	if o.Reports < 2 {
		return nil, errors.New("wants at least two reports")
	}
	g, err := o.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.end(ctx)) }()
	relay, err := openCounter(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, relay.server.Stop(context.WithoutCancel(ctx))) }()
	dir, address, err := g.room(ctx, "centre")
	if err != nil {
		return nil, err
	}
	key := filepath.Join(dir, "dkim.pem")
	if err := writeKey(key); err != nil {
		return nil, err
	}
	relayURL, err := config.ParseURL("smtp://" + relay.server.Addr().String())
	if err != nil {
		return nil, err
	}
	c, err := openCentre(ctx, opening{dir: dir, address: address, paused: allLanes(), settings: func(s *app.Settings) {
		s.Relay = relayURL
		s.Outgoing.Connections = o.Connections
		s.Outgoing.DKIMDomain, s.Outgoing.DKIMSelector, s.Outgoing.DKIMKey = s.Centre.Domain, "bench", key
	}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop(ctx)) }()
	run := answersRun{o: o, centre: c, relay: relay}
	if run.writer, err = corpus.New(o.Seed); err != nil {
		return nil, err
	}
	if err := run.apart(ctx, o.Reports/2); err != nil {
		return nil, err
	}
	if err := run.whole(ctx, o.Reports-o.Reports/2); err != nil {
		return nil, err
	}
	return &run.result, run.print()
}

type answersRun struct {
	o      AnswersOptions
	centre *centre
	relay  *counter
	writer *corpus.Writer
	result Answers
}

// assess has n new reports assessed, which leaves n decisions to be made.
func (r *answersRun) assess(ctx context.Context, n int) error {
	before, err := r.centre.assessed()
	if err != nil {
		return err
	}
	if _, err := send(ctx, r.centre.SMTP(), write(r.writer, n), min(n, 20), 0); err != nil {
		return err
	}
	r.centre.resume(parts.LaneAssess)
	defer r.centre.pause(parts.LaneAssess)
	return await(ctx, before+n, r.centre.assessed)
}

// timed runs lanes until value has grown by n.
func (r *answersRun) timed(ctx context.Context, p *Phase, n int, value func() (int, error), lanes ...string) error {
	before, err := value()
	if err != nil {
		return err
	}
	began, cpu := time.Now(), processorTime()
	for _, lane := range lanes {
		r.centre.resume(lane)
		defer r.centre.pause(lane)
	}
	err = await(ctx, before+n, value)
	p.add(n, time.Since(began), processorTime()-cpu, nil)
	return err
}

func (r *answersRun) decided() (int, error) { return r.centre.count("belfry_answers_total") }
func (r *answersRun) sent() (int, error)    { return int(r.relay.taken.Load()), nil }

// apart measures the decisions of n reports, then the sending.
func (r *answersRun) apart(ctx context.Context, n int) error {
	if err := r.assess(ctx, n); err != nil {
		return err
	}
	if err := r.timed(ctx, &r.result.Decided, n, r.decided, parts.LaneDecide); err != nil {
		return fmt.Errorf("deciding answers: %w", err)
	}
	if err := r.timed(ctx, &r.result.Sent, n, r.sent, parts.LaneAnswer); err != nil {
		return fmt.Errorf("sending answers: %w", err)
	}
	return nil
}

// whole measures both at once.
func (r *answersRun) whole(ctx context.Context, n int) error {
	if err := r.assess(ctx, n); err != nil {
		return err
	}
	if err := r.timed(ctx, &r.result.Whole, n, r.sent, parts.LaneDecide, parts.LaneAnswer); err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	return nil
}

func (r *answersRun) print() error {
	taken, signed := r.relay.taken.Load(), r.relay.signed.Load()
	fmt.Fprintf(r.o.Out, "%d answers taken by the relay over %d connections, %d signed, %d bytes in the mean, %s\n",
		taken, r.o.Connections, signed, r.relay.bytes.Load()/max(taken, 1), r.centre.Parts().DB.Engine())
	for _, l := range []struct {
		name string
		p    *Phase
	}{{"deciding, composing", &r.result.Decided}, {"signing, sending", &r.result.Sent}, {"answering (both)", &r.result.Whole}} {
		fmt.Fprintf(r.o.Out, "%-22s %6.0f a second, %7v of processor each\n", l.name, l.p.Rate(), l.p.perMail().Round(time.Microsecond))
	}
	word := "reached"
	if r.result.Whole.Rate() < AnswersTarget {
		word = "MISSED"
	}
	fmt.Fprintf(r.o.Out, "target %d a second: %s\n", AnswersTarget, word)
	if signed < taken {
		return fmt.Errorf("%d of %d answers were not signed", taken-signed, taken)
	}
	return nil
}

// writeKey draws an RSA key of 2048 bits.
func writeKey(name string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
