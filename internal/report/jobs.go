package report

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/analysis/language"
	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/mailauth"
	"github.com/belfry-centre/belfry/internal/platform/raw"
	"github.com/belfry-centre/belfry/internal/platform/web"
)

const (
	kindAssess       = "report.assess"
	kindReassess     = "report.reassess"
	kindReassessOpen = "report.reassess-open"

	assessAttempts = 5
	examineTimeout = 20 * time.Second
	assessTimeout  = time.Minute // the sender's check, the examination, the store

	// examineRoom is how many bytes of reports are examined at a time. An
	// examination needs a few times the memory of what it looks at, and those
	// who hand in hand in many.
	examineRoom = 32 << 20

	// A DNS that does not answer gets a second chance, once, after this long.
	proofAgain = 10 * time.Second

	// Limits of what is kept of one report.
	maxMessages  = analysis.MaxItems
	maxSightings = 300
	maxReasons   = 40  // of one message
	maxRefs      = 20  // message identifiers in References
	maxText      = 998 // bytes of a subject, a name, an identifier: a line (RFC 5322, section 2.1.1)
	maxWords     = 4096

	reassessBatch = 200
)

type assessPayload struct {
	Report database.ID `json:"report"`
}

func (c *Capability) registerJobs() {
	c.jobs.Handle(job.Kind{
		Name: kindAssess, Lane: parts.LaneAssess, MaxAttempts: assessAttempts, Timeout: assessTimeout, Dead: c.giveUp,
	}, c.assess)
	c.jobs.Handle(job.Kind{Name: kindReassess, Lane: parts.LaneBulk, MaxAttempts: 3, Timeout: assessTimeout}, c.reassess)
	c.jobs.Handle(job.Kind{Name: kindReassessOpen, Lane: parts.LaneBulk}, c.reassessOpen)
}

// assess examines a report for the first time, or again after it had failed.
func (c *Capability) assess(ctx context.Context, t *job.Task) error {
	// An examination that kills the process never returns to be counted out.
	if t.Attempt > assessAttempts {
		return job.Permanent(errors.New("each attempt ended with the process"))
	}
	return c.examineTask(ctx, t, StateAccepted, StateFailed)
}

// reassess examines an open report again, under newer rules.
func (c *Capability) reassess(ctx context.Context, t *job.Task) error {
	return c.examineTask(ctx, t, StateWaiting, StateFailed)
}

// examineTask examines the task's report if it is in one of those states, and
// stores all that follows together with the task's completion.
func (c *Capability) examineTask(ctx context.Context, t *job.Task, from ...State) error {
	var payload assessPayload
	if err := t.Decode(&payload); err != nil {
		return err
	}
	p, err := c.load(ctx, payload.Report)
	switch {
	case fault.Is(err, fault.NotFound): // removed meanwhile
		return nil
	case err != nil:
		return err
	case !slices.Contains(from, p.state): // done already
		return nil
	case p.ref.IsZero(): // erased or past its time before anybody looked
		return t.Finish(ctx, func(tx *database.Tx) error { return c.closeUnread(ctx, tx, p) })
	}
	size := min(p.ref.Size, examineRoom)
	if err := c.room.Acquire(ctx, size); err != nil {
		return err
	}
	defer c.room.Release(size)
	content, err := c.raw.Get(ctx, p.ref)
	if errors.Is(err, raw.ErrMissing) || errors.Is(err, raw.ErrDamaged) {
		return job.Permanent(err)
	} else if err != nil {
		return err
	}
	f, err := c.find(ctx, p, content)
	if err != nil {
		return err
	}
	err = t.Finish(ctx, func(tx *database.Tx) error {
		if err := c.storeFindings(ctx, tx, p, f); err != nil {
			return err
		}
		tx.OnCommit(func() {
			c.metrics.assessed.WithLabelValues(string(f.verdict), string(f.state)).Inc()
			c.metrics.latency.Observe(tx.Now.Sub(p.id.Time()).Seconds())
		})
		if f.state == p.state {
			return nil
		}
		return Assessed.Publish(ctx, c.events, tx, AssessedEvent{Report: p.id})
	})
	if errors.Is(err, errChanged) {
		return job.Snooze(time.Second)
	}
	return err
}

// errChanged says that a report is not as it was when its examination began.
var errChanged = errors.New("report: changed during its examination")

// giveUp marks a report that cannot be assessed, when its job becomes a dead
// letter. It stays listed, and its reporter gets an acknowledgement.
func (c *Capability) giveUp(ctx context.Context, t *job.Task, _ error) error {
	var payload assessPayload
	if err := t.Decode(&payload); err != nil {
		return nil //nolint:nilerr // the dead letter tells it
	}
	return c.db.Update(ctx, func(tx *database.Tx) error {
		res, err := tx.Exec(ctx, `UPDATE report SET state = $1, verdict = $2, assessed_at = $3 WHERE id = $4 AND state = $5`,
			string(StateFailed), string(verdict.Unclear), database.Micros(tx.Now), payload.Report, string(StateAccepted))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		tx.OnCommit(func() {
			c.metrics.assessed.WithLabelValues(string(verdict.Unclear), string(StateFailed)).Inc()
		})
		return Assessed.Publish(ctx, c.events, tx, AssessedEvent(payload))
	})
}

// AssessAgain lets a report that failed be assessed as if it were new. Errors:
// NotFound, and Conflict for one that has not failed.
func (c *Capability) AssessAgain(ctx context.Context, v account.Viewer, id database.ID) error {
	if err := account.Require(v, account.OperateJobs); err != nil {
		return err
	}
	return c.db.Update(ctx, func(tx *database.Tx) error {
		var state State
		if err := notFound(tx.QueryRow(ctx, "SELECT state FROM report WHERE id = $1", id).Scan(&state)); err != nil {
			return err
		}
		if state != StateFailed {
			return fault.New(fault.Conflict, "Only a report that failed can be assessed again.")
		}
		return c.jobs.Enqueue(ctx, tx, job.New{Kind: kindAssess, Payload: assessPayload{id}, Key: kindAssess + "/" + id.String()})
	})
}

// ReassessOpen has every report that waits for a person, or failed, examined
// again in the bulk lane: for after the rules have changed. What has been
// answered stays as it is; a change there is for people to decide.
func (c *Capability) ReassessOpen(ctx context.Context, v account.Viewer) error {
	if err := account.Require(v, account.OperateJobs); err != nil {
		return err
	}
	return c.db.Update(ctx, func(tx *database.Tx) error {
		for _, s := range []State{StateWaiting, StateFailed} {
			p := reassessPayload{State: s, Before: database.NewID(tx.Now)}
			if err := c.jobs.Enqueue(ctx, tx, job.New{Kind: kindReassessOpen, Payload: p, Key: kindReassessOpen + "/" + string(s)}); err != nil {
				return err
			}
		}
		return nil
	})
}

type reassessPayload struct {
	State  State       `json:"state"`
	Before database.ID `json:"before"`
}

// reassessOpen enqueues a batch and itself for the rest, newest first.
func (c *Capability) reassessOpen(ctx context.Context, t *job.Task) error {
	var p reassessPayload
	if err := t.Decode(&p); err != nil {
		return err
	}
	return t.Finish(ctx, func(tx *database.Tx) error {
		ids, err := database.Column[database.ID](tx.Query(ctx, `SELECT id FROM report WHERE state = $1 AND id < $2
			ORDER BY id DESC LIMIT $3`, string(p.State), p.Before, reassessBatch))
		if err != nil {
			return err
		}
		for _, id := range ids {
			n := job.New{Kind: kindReassess, Payload: assessPayload{id}, Key: kindReassess + "/" + id.String()}
			if err := c.jobs.Enqueue(ctx, tx, n); err != nil {
				return err
			}
		}
		if len(ids) < reassessBatch {
			return nil
		}
		rest := reassessPayload{State: p.State, Before: ids[len(ids)-1]}
		return c.jobs.Enqueue(ctx, tx, job.New{
			Kind: kindReassessOpen, Payload: rest, Key: fmt.Sprintf("%s/%s/%d", kindReassessOpen, p.State, rest.Before),
		})
	})
}

// findings are what an examination leaves to be stored.
type findings struct {
	state     State
	class     Class
	origin    Origin
	reporter  string
	messages  []Message // in the report's order
	gravest   int       // its index
	verdict   verdict.Verdict
	language  string
	sightings []Sighting
}

// find examines the content, outside of any transaction.
func (c *Capability) find(ctx context.Context, p pending, content []byte) (findings, error) {
	now := c.db.Now()
	ev := analysis.Evidence{Now: now, TrustedReceivers: c.o.Receivers}
	var proof mailauth.Result
	if c.o.Senders != nil && p.channel.mail() {
		proof = c.o.Senders.Check(ctx, mailauth.CheckInput{
			RemoteIP: p.envelope.RemoteIP, Helo: p.envelope.Helo, MailFrom: p.envelope.From, Raw: content,
			TrustedReceivers: c.o.Receivers, FromTrustedRelay: p.envelope.Relay, Ours: func(a string) bool { return c.ours(p.envelope, a) },
		})
		if err := ctx.Err(); err != nil {
			return findings{}, err
		}
		if proof.Why == mailauth.WhyTemporary && now.Sub(p.id.Time()) < proofAgain {
			return findings{}, job.Snooze(proofAgain)
		}
		ev.Auth = checked(proof)
	}
	began := time.Now()
	x, err := c.examineWithin(ctx, content, ev)
	c.metrics.assess.Observe(time.Since(began).Seconds())
	if err != nil {
		return findings{}, err
	}
	return c.digest(p, x, proof), nil
}

// examineWithin runs the examination with a limit of time. It has no context
// to end it by, so one that is over its time is left behind; its own limits
// end it. A panic is an error; neither is worth another attempt.
func (c *Capability) examineWithin(ctx context.Context, content []byte, ev analysis.Evidence) (analysis.Examination, error) {
	type outcome struct {
		x   analysis.Examination
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				c.log.Error("an examination panicked", "panic", p, "stack", string(debug.Stack()))
				o.err = job.Permanent(errors.New("the examination panicked"))
			}
			done <- o
		}()
		o.x = c.examine(content, ev)
	}()
	timer := time.NewTimer(c.patience)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.x, o.err
	case <-timer.C:
		return analysis.Examination{}, job.Permanent(fmt.Errorf("the examination took longer than %v", c.patience))
	case <-ctx.Done():
		return analysis.Examination{}, ctx.Err()
	}
}

// ours reports whether people report to that address: one of a desk, or of the
// mailbox that the report lay in.
func (c *Capability) ours(e Envelope, address string) bool {
	_, desk := c.centre.Desk(address)
	return desk || slices.ContainsFunc(e.To, func(to string) bool { return strings.EqualFold(to, address) })
}

// checked puts a check of the sender into the words of the analysis; nil when
// nothing could be checked.
func checked(r mailauth.Result) *verdict.Checked {
	if r.Why == mailauth.WhyNoNetwork || r.Why == mailauth.WhyTemporary {
		return nil
	}
	v := &verdict.Checked{
		By: r.Receiver, Domain: r.Domain, SPF: string(r.SPF.Outcome), DMARC: string(r.DMARC.Outcome), Aligned: r.Authentic(),
	}
	if v.By == "" {
		v.By = "self"
	}
	for _, d := range r.DKIM {
		if v.DKIM == "" || d.Outcome == mailauth.Pass {
			v.DKIM = string(d.Outcome)
		}
	}
	return v
}

// digest turns an examination into rows: bounded, cleaned, and without the
// reporter among the suspects.
func (c *Capability) digest(p pending, x analysis.Examination, proof mailauth.Result) findings {
	f := findings{class: c.classOf(p, x), reporter: p.reporter, verdict: verdict.Unclear, state: StateWaiting}
	f.origin = Origin{Proof: proof, NullSender: p.envelope.Null}
	if p.channel == Form && p.envelope.RemoteIP.IsValid() {
		f.origin.Network = web.ClientNetwork(p.envelope.RemoteIP)
	}
	if m := x.Outer; m != nil {
		f.origin.MessageID, f.origin.Subject = clip(m.MessageID, maxText), clip(m.Subject, maxText)
		for _, ref := range strings.Fields(m.Header.Raw("References")) {
			f.origin.References = append(f.origin.References, clip(ref, maxText))
		}
		if n := len(f.origin.References); n > maxRefs {
			f.origin.References = f.origin.References[n-maxRefs:]
		}
		if p.channel.mail() {
			f.reporter = reporterOf(m, x, p.reporter)
		}
	}
	sure := len(x.Items) > 0
	for i, item := range x.Items[:min(len(x.Items), maxMessages)] {
		msg := digestMessage(i, item)
		if i == 0 {
			f.origin.WordsLanguage = wordsLanguage(msg.Words)
			f.origin.ForwardLanguage = language.FromForwardHeader(item.Original.ForwardHeader)
		}
		sure = sure && msg.Assessment.Automatic
		f.messages = append(f.messages, msg)
		if graver(msg.Assessment, f.messages[f.gravest].Assessment) {
			f.gravest = i
		}
		f.addSightings(i, item)
	}
	if len(f.messages) > 0 {
		f.verdict = f.messages[f.gravest].Assessment.Verdict
		f.language = f.messages[f.gravest].Assessment.Language
	}
	switch {
	case f.class != Personal && f.class != List && !f.verdict.Malicious():
		f.state = StateClosed // a machine's mail, and nothing bad in it
	case sure:
		f.state = StateAssessed
	}
	return f
}

// reporterOf returns the address of who reported by mail: its author, or who
// redirected it last, for the author of a redirected mail is the suspect. The
// envelope's sender stands in where neither can be told.
func reporterOf(m *message.Message, x analysis.Examination, envelope string) string {
	from := m.From
	if len(x.Items) > 0 && x.Items[0].Original.How == original.Redirected {
		from = m.Header.Addresses("Resent-From")
		from = from[:min(len(from), 1)]
	}
	if len(from) == 1 && strings.Contains(from[0].Address, "@") {
		return clip(from[0].Address, maxAddress)
	}
	return envelope
}

func digestMessage(i int, item analysis.Item) Message {
	a := item.Assessment
	if !slices.Contains(Verdicts(), a.Verdict) {
		a.Verdict = verdict.Unclear
	}
	if math.IsNaN(a.Score) {
		a.Score = 0
	}
	a.Score = min(max(a.Score, 0), 1)
	a.Reasons = a.Reasons[:min(len(a.Reasons), maxReasons)]
	a.Brand, a.Language = clip(a.Brand, maxName), clip(a.Language, 8)
	msg := Message{
		Index: i, How: item.Original.How, Words: clip(item.Original.Words, maxWords),
		Assessment: Assessment{Assessment: a},
	}
	if m := item.Original.Message; m != nil {
		msg.Subject, msg.Date = clip(m.Subject, maxText), m.Date
		if len(m.From) > 0 {
			msg.FromName, msg.From = clip(m.From[0].Name, maxText), clip(m.From[0].Address, maxAddress)
		}
	}
	return msg
}

// graver orders assessments by what needs attention first.
func graver(a, b Assessment) bool {
	if am, bm := a.Verdict.Malicious(), b.Verdict.Malicious(); am != bm {
		return am
	}
	return a.Score > b.Score
}

// wordsLanguage returns the language of the reporter's own words when it is
// one of which that can be said.
func wordsLanguage(words string) string {
	lang, _ := language.Detect(words)
	return lang
}

// addSightings takes the item's observables over. A report that is itself the
// message comes from its reporter, so the reporter's address is no suspect.
func (f *findings) addSightings(i int, item analysis.Item) {
	own := ""
	if item.Original.How == original.Itself {
		own = strings.ToLower(f.reporter)
	}
	for _, o := range item.Observables {
		if len(f.sightings) == maxSightings {
			return
		}
		if own != "" && (o.Type == observable.Email && o.Value == own ||
			o.Type == observable.Domain && o.Where == observable.InHeader && strings.HasSuffix(own, "@"+o.Value)) {
			continue
		}
		if o.Value = database.Clean(o.Value); o.Value != "" {
			f.sightings = append(f.sightings, Sighting{Message: i, Observable: o})
		}
	}
}

// classOf says what sort of mail the report came in. Only a mail channel's own
// header can say that; elsewhere it is the suspicious message's.
func (c *Capability) classOf(p pending, x analysis.Examination) Class {
	if !p.channel.mail() || x.Outer == nil {
		return Personal
	}
	for _, from := range x.Outer.From {
		if _, ours := c.centre.Desk(from.Address); ours {
			return Own
		}
	}
	return Class(x.Class)
}
