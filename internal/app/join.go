package app

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/belfry-centre/belfry/internal/answer"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/mailauth"
	"github.com/belfry-centre/belfry/internal/report"
	"github.com/belfry-centre/belfry/internal/report/keep"
)

func (a *App) buildReport() (registrar, error) {
	o := a.settings.Report
	o.Receivers = a.settings.Trust.Receivers
	o.MaxSize = int64(a.settings.Intake.MaxSize)
	o.Senders = a.checker()
	o.Answers = panels{a}
	a.report = report.New(o)
	return a.report, nil
}

// checker proves who sent a mail; without a resolver it believes our own
// receivers only.
func (a *App) checker() *mailauth.Checker {
	c := &mailauth.Checker{}
	switch r := a.settings.Trust.Resolver; r {
	case "":
	case "system":
		c.Resolver = &net.Resolver{}
	default:
		c.Resolver = mailauth.NewResolver(r)
	}
	return c
}

func (a *App) buildAnswer() (registrar, error) {
	relay, err := a.relay()
	if err != nil {
		return nil, fmt.Errorf("the relay: %w", err)
	}
	o := a.settings.Answer
	if relay != nil {
		o.Sender = relay
	}
	o.Reports = subjects{a}
	a.answer = answer.New(o)
	return a.answer, nil
}

// join lets capabilities hear of each other. It reads as the loop does.
func (a *App) join() {
	bus := a.parts.Events
	// Deciding an answer is not sending it: a relay that hangs must not keep
	// the follow pages empty.
	event.Subscribe(bus, report.Assessed, "answer", parts.LaneDecide,
		func(ctx context.Context, t *job.Task, e report.AssessedEvent) error {
			return a.answer.OnAssessed(ctx, t, e.Report)
		})
	event.Subscribe(bus, answer.Settled, "report", parts.LaneDecide,
		func(ctx context.Context, t *job.Task, e answer.SettledEvent) error {
			return t.Finish(ctx, func(tx *database.Tx) error { return a.report.MarkAnswered(ctx, tx, e.Report) })
		})
	event.Subscribe(bus, keep.Erased, "answer", parts.LaneBulk,
		func(ctx context.Context, t *job.Task, e keep.ErasedEvent) error {
			return a.answer.OnErased(ctx, t, e.Reports, e.Removed)
		})
	a.housekeeping()
}

// housekeeping is what the platform's services need done now and then.
func (a *App) housekeeping() {
	for _, h := range []struct {
		kind  string
		every time.Duration
		do    func(context.Context) error
	}{
		{"audit.seal", time.Hour, func(ctx context.Context) error {
			s, err := a.parts.Audit.Seal(ctx)
			if err == nil && s.Seq > 0 {
				a.log.Info("sealed the audit log", "seq", s.Seq, "hash", fmt.Sprintf("%x", s.Hash))
			}
			return err
		}},
		{"account.sweep", time.Hour, func(ctx context.Context) error {
			_, err := a.parts.Accounts.Sweep(ctx)
			return err
		}},
	} {
		a.parts.Jobs.Handle(job.Kind{Name: h.kind, Lane: parts.LaneBulk, Timeout: 5 * time.Minute},
			func(ctx context.Context, _ *job.Task) error { return h.do(ctx) })
		a.parts.Jobs.Periodic(h.kind, h.every)
	}
}

// subjects tells answer what report knows.
type subjects struct{ app *App }

func (s subjects) Subject(ctx context.Context, id database.ID) (answer.Subject, error) {
	f, err := s.app.report.Facts(ctx, id)
	if err != nil {
		return answer.Subject{}, err
	}
	subject := answer.Subject{
		Report: f.ID, ReceivedAt: f.ReceivedAt, Channel: string(f.Channel), Desk: f.Desk,
		Address: f.Reporter, Erased: f.Erased, Proved: f.Proved,
		Robot: answer.Robot(f.Class), NullSender: f.Origin.NullSender, Network: f.Origin.Network,
		MessageID: f.Origin.MessageID, References: f.Origin.References, Title: f.Origin.Subject,
		Languages: f.Languages, Total: f.Total, FollowURL: f.Follow, FollowExpires: f.Expires,
	}
	for _, m := range f.Items {
		subject.Items = append(subject.Items, answer.Item{
			Verdict: m.Assessment.Verdict, Automatic: m.Assessment.Automatic, Brand: m.Assessment.Brand,
			Reasons: m.Assessment.Reasons, Title: m.Subject, Sender: m.From,
		})
	}
	return subject, nil
}

// panels shows on report's pages what answer has told.
type panels struct{ app *App }

func (p panels) AnswerFor(ctx context.Context, id database.ID, language string) (report.Panel, bool, error) {
	panel, ok, err := p.app.answer.Panel(ctx, id, language)
	if err != nil || !ok {
		return report.Panel{}, false, err
	}
	content := panel.Content
	out := report.Panel{
		State: string(panel.State), StateText: panel.StateText, Kind: string(content.Kind),
		Why: string(panel.Why), WhyText: panel.WhyText,
		Language: content.Language, Subject: content.Title, Intro: content.Intro, Closing: content.Closing,
		Text: content.Plain(), SentAt: panel.SettledAt,
	}
	for _, s := range content.Sections {
		section := report.PanelSection{Heading: s.Heading, About: s.About, Text: s.Text, Steps: s.Steps}
		for _, point := range s.Points {
			section.Points = append(section.Points, report.PanelPoint(point))
		}
		out.Sections = append(out.Sections, section)
	}
	return out, true, nil
}

func (p panels) AnswerStates(ctx context.Context, reports []database.ID) (map[database.ID]string, error) {
	states, err := p.app.answer.States(ctx, reports)
	out := make(map[database.ID]string, len(states))
	for id, s := range states {
		out[id] = string(s)
	}
	return out, err
}

// noteStart writes into the audit log with which configuration we run.
func (a *App) noteStart(ctx context.Context) error {
	return a.note(ctx, "server.started", map[string]string{"version": a.version, "configuration": a.settings.fingerprint()})
}
