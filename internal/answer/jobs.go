package answer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/mailout"
)

const day = 24 * time.Hour

// The kinds of jobs.
const (
	kindSend  = "answer.send"
	kindPurge = "answer.purge"
)

// waits are the pauses after each failed attempt, the last one again and again:
// a restart of the relay is over in minutes, its greylisting in an hour, its
// broken disk in days. RFC 5321, section 4.5.4.1, asks for four to five days.
var waits = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 4 * time.Hour, 6 * time.Hour,
}

// maxAttempts makes the pauses add up to a little over four days.
const maxAttempts = 25

func pause(attempt int) time.Duration { return waits[min(max(attempt, 1), len(waits))-1] }

// payload is what an answer.send job carries.
type payload struct {
	Answer database.ID `json:"answer"`
}

func (c *Capability) handle() {
	c.jobs.Handle(job.Kind{
		Name: kindSend, Lane: parts.LaneAnswer, MaxAttempts: maxAttempts, Timeout: time.Minute, Backoff: pause, Dead: c.giveUp,
	}, c.send)
	c.jobs.Handle(job.Kind{Name: kindPurge, Lane: parts.LaneBulk, Timeout: 10 * time.Minute}, c.purge)
	c.jobs.Periodic(kindPurge, time.Hour)
}

// OnAssessed decides the answer to a report that was assessed, stores it and
// lets it be sent. A second call for the same report changes nothing.
func (c *Capability) OnAssessed(ctx context.Context, task *job.Task, report database.ID) error {
	s, err := c.opt.Reports.Subject(ctx, report)
	if fault.Is(err, fault.NotFound) {
		return nil // erased in the meantime
	}
	if err != nil {
		return fmt.Errorf("reading report %v: %w", report, err)
	}
	s.Report = report
	var r row
	var fresh bool
	err = task.Finish(ctx, func(tx *database.Tx) (err error) {
		r, fresh, err = c.decide(ctx, tx, s)
		return err
	})
	if err == nil && fresh {
		c.metrics.decided.WithLabelValues(string(r.decision.Mail), string(r.decision.Why)).Inc()
		c.log.Debug("answer decided", "report", report, "answer", r.id, "mail", r.decision.Mail, "why", r.decision.Why)
	}
	return err
}

// decide decides and stores, in one transaction. fresh is false when the report
// was answered already.
func (c *Capability) decide(ctx context.Context, tx *database.Tx, s Subject) (r row, fresh bool, err error) {
	var there int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM answer WHERE report = $1 AND purpose = $2", s.Report, Assessed).
		Scan(&there); err != nil || there > 0 {
		return r, false, err
	}
	a, p := c.pseudonym(s.Address), c.counted(s)
	var now []likeness
	for _, i := range s.Items[:min(len(s.Items), maxItems)] {
		now = append(now, c.likeness(p, i, s.Address))
	}
	var h History
	if p != nil {
		if h, err = c.history(ctx, tx, p, now); err != nil {
			return r, false, err
		}
	}
	if a != nil {
		if h.Acknowledged, err = c.lock(ctx, tx, a); err != nil {
			return r, false, err
		}
	}
	d := decide(s, h, c.rules)
	if d.Mail == Acknowledgement && d.Why == WhyNotProved {
		left, err := c.spend(ctx, tx)
		if err != nil {
			return r, false, err
		}
		if h.Spent = !left; h.Spent {
			d = decide(s, h, c.rules)
		}
	}
	r = row{
		id: database.NewID(tx.Now), report: s.Report, purpose: Assessed, decision: d, language: choose(s.Languages...),
		content: c.pick(s, d.Page), createdAt: tx.Now, state: Pending,
	}
	r.messageID = c.messageID(r.id)
	switch {
	case d.Mail == None:
		r.state, r.settledAt = Withheld, tx.Now
	case c.opt.Sender == nil:
		r.state, r.settledAt = Unsent, tx.Now
	}
	if fresh, err = r.insert(ctx, tx); err != nil || !fresh {
		return r, false, err
	}
	if p != nil {
		if err := c.remember(ctx, tx, p, r, now); err != nil {
			return r, false, err
		}
	}
	if a != nil && d.Mail == Acknowledgement {
		if err := c.acknowledge(ctx, tx, a); err != nil {
			return r, false, err
		}
	}
	if r.state != Pending {
		return r, true, c.publish(ctx, tx, r, r.state)
	}
	return r, true, c.enqueue(ctx, tx, r.id)
}

func (c *Capability) enqueue(ctx context.Context, tx *database.Tx, answer database.ID) error {
	return c.jobs.Enqueue(ctx, tx, job.New{Kind: kindSend, Payload: payload{answer}, Key: kindSend + ":" + answer.String()})
}

// send sends one answer. The relay may get it twice, when the program dies
// between its reply and our commit, but always under one Message-ID.
func (c *Capability) send(ctx context.Context, task *job.Task) error {
	var p payload
	if err := task.Decode(&p); err != nil {
		return err
	}
	r, err := c.load(ctx, p.Answer)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil // erased in the meantime
	case err != nil:
		return fmt.Errorf("reading answer %v: %w", p.Answer, err)
	case r.state != Pending:
		return nil
	}
	end := func(to State, why Why, code string) error {
		return task.Finish(ctx, func(tx *database.Tx) error {
			_, err := c.settle(ctx, tx, r, to, why, code, task.Attempt)
			return err
		})
	}
	s, err := c.opt.Reports.Subject(ctx, r.report)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && s.Address == "":
		return end(Withheld, WhyErased, "")
	case err != nil:
		return fmt.Errorf("reading report %v: %w", r.report, err)
	case c.opt.Sender == nil:
		return end(Unsent, r.decision.Why, "")
	}
	if _, _, ok := split(s.Address); !ok {
		return end(Withheld, WhyBadAddress, "")
	}
	letter, err := c.mail(r, s)
	if err != nil {
		return job.Permanent(fmt.Errorf("writing answer %v: %w", r.id, err))
	}
	msg, err := mailout.Compose(letter)
	if err != nil {
		return job.Permanent(fmt.Errorf("composing answer %v: %w", r.id, err))
	}
	// The null sender, so that nothing answers our answer (RFC 3834, section 3.3).
	err = c.opt.Sender.Send(ctx, "", []string{s.Address}, msg)
	if err == nil {
		return end(Sent, r.decision.Why, "")
	}
	code, permanent := refusal(err)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // we are being stopped: the attempt does not count
	}
	if permanent {
		c.log.Warn("the relay refused an answer for good", "answer", r.id, "code", code)
		return end(Failed, r.decision.Why, code)
	}
	if err := c.failed(ctx, r.id, task.Attempt, code); err != nil {
		c.log.Error("a failed attempt could not be noted", "answer", r.id, "error", err)
	}
	return fmt.Errorf("sending answer %v: %w", r.id, scrubbed{err, code})
}

// scrubbed is an error whose text may be logged and stored: a relay's words
// often repeat the address.
type scrubbed struct {
	error
	code string
}

func (s scrubbed) Error() string { return "the relay did not take it: " + s.code }
func (s scrubbed) Unwrap() error { return s.error }

// refusal reads what a Sender's error says: a reply as "450 4.2.0", or a word,
// and whether trying again is of no use.
func refusal(err error) (code string, permanent bool) {
	e, ok := errors.AsType[*mailout.Error](err)
	switch {
	case ok && e.Code == 0 && e.Permanent:
		return "unsendable", true
	case ok && e.Code != 0:
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout", false
	default:
		return "unreachable", false
	}
	code = strconv.Itoa(e.Code)
	if e.Enhanced != "" && len(e.Enhanced) <= 12 {
		code += " " + e.Enhanced
	}
	return code, e.Permanent
}

// failed notes an attempt after which another one follows.
func (c *Capability) failed(ctx context.Context, id database.ID, attempt int, code string) error {
	return c.db.Update(context.WithoutCancel(ctx), func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE answer SET attempts = $1, code = $2, next_at = $3 WHERE id = $4 AND state = 'pending'",
			attempt, code, database.Micros(tx.Now.Add(pause(attempt))), id)
		return err
	})
}

// giveUp settles an answer whose job has failed for the last time.
func (c *Capability) giveUp(ctx context.Context, task *job.Task, cause error) error {
	var p payload
	if err := task.Decode(&p); err != nil {
		return nil // nobody can tell which answer it was
	}
	r, err := c.load(ctx, p.Answer)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	code := "internal"
	if s, ok := errors.AsType[scrubbed](cause); ok {
		code = s.code
	}
	return c.db.Update(ctx, func(tx *database.Tx) error {
		_, err := c.settle(ctx, tx, r, Failed, r.decision.Why, code, task.Attempt)
		return err
	})
}

// batch is how many rows one transaction changes.
const batch = 300

// Requeue lets the answers that stood without a relay, and are younger than
// that, be sent now: for when a relay has been configured. Older ones would
// only surprise. It returns how many, also with an error, and needs
// account.SendAnswer. Without a relay it is a fault.Conflict.
func (c *Capability) Requeue(ctx context.Context, v account.Viewer, younger time.Duration) (n int, err error) {
	if err := account.Require(v, account.SendAnswer); err != nil {
		return 0, err
	}
	if c.opt.Sender == nil {
		return 0, fault.New(fault.Conflict, "No relay is configured, so nothing can be sent.")
	}
	after := database.FirstID(c.db.Now().Add(-younger)) - 1
	for {
		var ids []database.ID
		err := c.db.Update(ctx, func(tx *database.Tx) (err error) {
			ids, err = c.unsent(ctx, tx, after)
			if err != nil || len(ids) == 0 {
				return err
			}
			for _, id := range ids {
				if _, err := tx.Exec(ctx, "UPDATE answer SET state = 'pending', settled_at = 0 WHERE id = $1 AND state = 'unsent'", id); err != nil {
					return err
				}
				if err := c.enqueue(ctx, tx, id); err != nil {
					return err
				}
			}
			if c.audit == nil {
				return nil
			}
			return c.audit.Append(ctx, tx, audit.Entry{
				Actor: v.Actor(), Act: string(account.SendAnswer), Object: "answer:" + ids[0].String(),
				Detail: map[string]string{"count": strconv.Itoa(len(ids)), "last": ids[len(ids)-1].String()},
			})
		})
		if err != nil || len(ids) == 0 {
			return n, err
		}
		n, after = n+len(ids), ids[len(ids)-1]
	}
}

func (c *Capability) unsent(ctx context.Context, tx *database.Tx, after database.ID) (ids []database.ID, err error) {
	rows, err := tx.Query(ctx, "SELECT id FROM answer WHERE state = 'unsent' AND id > $1 ORDER BY id LIMIT $2", after, batch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id database.ID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// purge forgets what has served: the limits' history after two days, answers
// after the days that the configuration keeps them.
func (c *Capability) purge(ctx context.Context, _ *job.Task) error {
	now := c.db.Now()
	old := now.Add(-2 * day)
	for _, p := range []struct {
		what, query string
		bound       any
	}{
		{"history", "DELETE FROM answer_history WHERE id IN (SELECT id FROM answer_history WHERE id < $1 ORDER BY id LIMIT $2)", database.FirstID(old)},
		{"reporters", "DELETE FROM answer_reporter WHERE reporter IN (SELECT reporter FROM answer_reporter WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)", database.Micros(old)},
		{"budget", "DELETE FROM answer_budget WHERE hour IN (SELECT hour FROM answer_budget WHERE hour < $1 ORDER BY hour LIMIT $2)", old.Unix() / 3600},
		{"answers", "DELETE FROM answer WHERE id IN (SELECT id FROM answer WHERE id < $1 ORDER BY id LIMIT $2)", database.FirstID(now.Add(-time.Duration(c.opt.KeepDays) * day))},
	} {
		total := int64(0)
		for {
			var n int64
			err := c.db.Update(ctx, func(tx *database.Tx) error {
				res, err := tx.Exec(ctx, p.query, p.bound, batch)
				if err == nil {
					n, err = res.RowsAffected()
				}
				return err
			})
			if total += n; err != nil {
				return fmt.Errorf("purging %s: %w", p.what, err)
			}
			if n < batch {
				break
			}
		}
		if total > 0 {
			c.log.Info("purged", "of", "answer", "what", p.what, "count", total)
		}
	}
	return nil
}
