package answer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/job"
)

// maxLookBack bounds how many of a reporter's latest messages are looked at.
const maxLookBack = 500

// row is an answer as it is stored.
type row struct {
	id        database.ID
	report    database.ID
	purpose   Purpose
	decision  Decision
	language  string
	messageID string
	content   told
	state     State
	attempts  int
	code      string
	createdAt time.Time
	settledAt time.Time
}

const columns = `id, report, purpose, mail, page, why, language, message_id, content, state, attempts, code, created_at, settled_at`

func (r *row) scan(from interface{ Scan(...any) error }) error {
	var content string
	var created, settled int64
	if err := from.Scan(&r.id, &r.report, &r.purpose, &r.decision.Mail, &r.decision.Page, &r.decision.Why, &r.language,
		&r.messageID, &content, &r.state, &r.attempts, &r.code, &created, &settled); err != nil {
		return err
	}
	r.createdAt, r.settledAt = database.Time(created), database.Time(settled)
	if err := json.Unmarshal([]byte(content), &r.content); err != nil {
		return fmt.Errorf("content of answer %v: %w", r.id, err)
	}
	return nil
}

// insert stores the answer; fresh is false, and nothing has changed, when the
// report has one for that purpose already.
func (r *row) insert(ctx context.Context, tx *database.Tx) (fresh bool, err error) {
	content, err := json.Marshal(r.content)
	if err != nil {
		return false, err
	}
	res, err := tx.Exec(ctx, `INSERT INTO answer (id, report, purpose, mail, page, why, language, message_id, content,
		state, attempts, next_at, code, created_at, settled_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, '', $11, $12) ON CONFLICT DO NOTHING`,
		r.id, r.report, r.purpose, r.decision.Mail, r.decision.Page, r.decision.Why, r.language, r.messageID,
		database.Clean(string(content)), r.state, database.Micros(r.createdAt), database.Micros(r.settledAt))
	if err != nil {
		return false, fmt.Errorf("storing an answer: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// load reads one answer; sql.ErrNoRows when it is gone.
func (c *Capability) load(ctx context.Context, id database.ID) (r row, err error) {
	err = c.db.View(ctx, func(tx *database.Tx) error {
		return r.scan(tx.QueryRow(ctx, "SELECT "+columns+" FROM answer WHERE id = $1", id))
	})
	return r, err
}

// settle moves a pending answer to its end and tells it. done is false when it
// was there already.
func (c *Capability) settle(ctx context.Context, tx *database.Tx, r row, to State, why Why, code string, attempts int) (done bool, err error) {
	res, err := tx.Exec(ctx, `UPDATE answer SET state = $1, why = $2, code = $3, attempts = $4, next_at = 0, settled_at = $5
		WHERE id = $6 AND state = 'pending'`, to, why, code, attempts, database.Micros(tx.Now), r.id)
	if err != nil {
		return false, fmt.Errorf("settling an answer: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	return true, c.publish(ctx, tx, r, to)
}

func (c *Capability) publish(ctx context.Context, tx *database.Tx, r row, s State) error {
	tx.OnCommit(func() { c.metrics.settled.WithLabelValues(string(s)).Inc() })
	return Settled.Publish(ctx, c.events, tx, SettledEvent{Report: r.report, Answer: r.id, Purpose: r.purpose, State: s})
}

// person is a reporter as the history knows one.
type person []byte

// keyed returns the first bytes of the HMAC of the parts under the centre's
// secret, for one use of it.
func (c *Capability) keyed(use string, parts ...string) []byte {
	h := hmac.New(sha256.New, c.centre.Secret)
	for _, p := range append([]string{"answer " + use}, parts...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)[:16]
}

// pseudonym returns who the address is: the same for all spellings that reach
// one mailbox by the widespread custom of "+". Nil for what is no address.
func (c *Capability) pseudonym(address string) person {
	local, domain, ok := split(address)
	if !ok {
		return nil
	}
	if name, _, found := strings.Cut(local, "+"); found && name != "" {
		local = name
	}
	return c.keyed("reporter", local+"@"+domain)
}

// counted returns under whom a report counts: the reporter when he is proved;
// for a form the network it came from, which its sender cannot choose; nobody
// otherwise. Under an address that a stranger has written nothing may count, or
// he could use up what its owner would be told.
func (c *Capability) counted(s Subject) person {
	switch {
	case s.Proved:
		return c.pseudonym(s.Address)
	case s.Network != "":
		return c.keyed("network", s.Network)
	}
	return nil
}

// likeness is by what two messages of one reporter are the same; 0 is nothing.
type likeness struct{ subject, sender int64 }

func (c *Capability) likeness(p person, i Item, own string) likeness {
	hash := func(use, s string) int64 {
		if s == "" {
			return 0
		}
		return int64(binary.BigEndian.Uint64(c.keyed(use, string(p), s)) >> 1)
	}
	words := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, title(i.Title, 200))
	sender := strings.ToLower(strings.TrimSpace(i.Sender))
	if strings.EqualFold(sender, own) {
		sender = ""
	}
	return likeness{hash("subject", words), hash("sender", sender)}
}

// messageID returns the answer's Message-ID: the same on every attempt, and not
// to be guessed by who has not got the mail.
func (c *Capability) messageID(id database.ID) string {
	tag := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(c.keyed("message-id", id.String()))
	return "<" + id.String() + "." + strings.ToLower(tag) + "@" + c.centre.Domain + ">"
}

// lock holds the person until the transaction ends, so that no two decisions
// count the same room, and tells whether an acknowledgement went out to him in
// the last day.
func (c *Capability) lock(ctx context.Context, tx *database.Tx, p person) (acknowledged bool, err error) {
	var at int64
	err = tx.QueryRow(ctx, `INSERT INTO answer_reporter (reporter, acknowledged_at, seen_at) VALUES ($1, 0, $2)
		ON CONFLICT (reporter) DO UPDATE SET seen_at = excluded.seen_at RETURNING acknowledged_at`,
		[]byte(p), database.Micros(tx.Now)).Scan(&at)
	if err != nil {
		return false, fmt.Errorf("locking a reporter: %w", err)
	}
	return at > database.Micros(tx.Now.Add(-day)), nil
}

// acknowledge notes that an acknowledgement goes out to the person.
func (c *Capability) acknowledge(ctx context.Context, tx *database.Tx, p person) error {
	_, err := tx.Exec(ctx, "UPDATE answer_reporter SET acknowledged_at = $1 WHERE reporter = $2", database.Micros(tx.Now), []byte(p))
	return err
}

// history locks the person and returns what he reported and was told lately.
func (c *Capability) history(ctx context.Context, tx *database.Tx, p person, now []likeness) (h History, err error) {
	if _, err := c.lock(ctx, tx, p); err != nil {
		return h, err
	}
	rows, err := tx.Query(ctx, `SELECT id, answer, told, subject, sender FROM answer_history
		WHERE reporter = $1 AND id >= $2 ORDER BY id DESC LIMIT $3`,
		[]byte(p), database.FirstID(tx.Now.Add(-day)), maxLookBack)
	if err != nil {
		return h, fmt.Errorf("reading a reporter's history: %w", err)
	}
	defer rows.Close()
	hour := database.FirstID(tx.Now.Add(-time.Hour))
	n, last, alike := 0, database.ID(0), make([]int, len(now))
	matched := make([]database.ID, len(now)) // the answer that was counted last, so that each counts once
	for ; rows.Next(); n++ {
		var id, answer database.ID
		var wasTold int
		var l likeness
		if err := rows.Scan(&id, &answer, &wasTold, &l.subject, &l.sender); err != nil {
			return h, err
		}
		if answer != last {
			last = answer
			h.Reports++
			h.Day += wasTold
			if id >= hour {
				h.Hour += wasTold
			}
		}
		for i, m := range now {
			same := m.subject != 0 && m.subject == l.subject || m.sender != 0 && m.sender == l.sender
			if same && matched[i] != answer {
				matched[i] = answer
				alike[i]++
			}
		}
	}
	if n == maxLookBack { // there is more than we look at
		h.Reports = maxLookBack
	}
	if len(alike) > 0 {
		h.Alike = slices.Max(alike)
	}
	return h, rows.Err()
}

// remember adds to the history what was decided.
func (c *Capability) remember(ctx context.Context, tx *database.Tx, p person, r row, now []likeness) error {
	wasTold := 0
	if r.decision.Mail == Full || r.decision.Mail == Careful {
		wasTold = 1
	}
	if len(now) == 0 {
		now = []likeness{{}}
	}
	for _, l := range now {
		if _, err := tx.Exec(ctx, `INSERT INTO answer_history (id, reporter, answer, told, subject, sender)
			VALUES ($1, $2, $3, $4, $5, $6)`,
			database.NewID(tx.Now), []byte(p), r.id, wasTold, l.subject, l.sender); err != nil {
			return fmt.Errorf("storing a reporter's history: %w", err)
		}
	}
	return nil
}

// spend takes one of the hour's acknowledgements to unproved addresses, and
// reports whether there was one.
func (c *Capability) spend(ctx context.Context, tx *database.Tx) (bool, error) {
	var used int
	err := tx.QueryRow(ctx, `INSERT INTO answer_budget (hour, used) VALUES ($1, 1)
		ON CONFLICT (hour) DO UPDATE SET used = answer_budget.used + 1 RETURNING used`,
		tx.Now.Unix()/3600).Scan(&used)
	return used <= c.opt.AcknowledgementsPerHour, err
}

// Panel is an answer as a page shows it.
type Panel struct {
	Answer    database.ID
	Mail      Kind // what was or will be sent
	State     State
	Why       Why
	WhyText   string  // the sentence for Why
	StateText string  // the sentence for State
	Code      string  // of the relay's refusal, when Failed: for staff only
	Content   Content // the same that the mail says; Content.Kind may differ from Mail
	CreatedAt time.Time
	SettledAt time.Time // zero while Pending
}

// Panel returns the report's latest answer in that language; an unknown one, or
// "", means the answer's own. The bool is false while there is none. The caller
// has made sure that its viewer may see the report: by the follow link, or by
// account.ReadReport.
func (c *Capability) Panel(ctx context.Context, report database.ID, language string) (Panel, bool, error) {
	var r row
	err := c.db.View(ctx, func(tx *database.Tx) error {
		return r.scan(tx.QueryRow(ctx, "SELECT "+columns+" FROM answer WHERE report = $1 ORDER BY id DESC LIMIT 1", report))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Panel{}, false, nil
	}
	if err != nil {
		return Panel{}, false, fmt.Errorf("reading the answer to report %v: %w", report, err)
	}
	w := c.writer(choose(language, r.language))
	return Panel{
		Answer: r.id, Mail: r.decision.Mail, State: r.state, Why: r.decision.Why, Code: r.code,
		WhyText: w.say("why."+string(r.decision.Why), nil), StateText: w.say("state."+string(r.state), nil),
		Content: w.compose(r.content), CreatedAt: r.createdAt, SettledAt: r.settledAt,
	}, true, nil
}

// States returns the state of the latest answer of each of the reports, at most
// 500, for a list of them; a report without one is left out.
func (c *Capability) States(ctx context.Context, reports []database.ID) (map[database.ID]State, error) {
	states := make(map[database.ID]State, len(reports))
	reports = reports[:min(len(reports), 500)]
	if len(reports) == 0 {
		return states, nil
	}
	args := make([]any, len(reports))
	for i, id := range reports {
		args[i] = id
	}
	err := c.db.View(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(ctx, "SELECT report, state FROM answer WHERE report IN ("+
			database.Placeholders(1, len(args))+") ORDER BY id", args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var report database.ID
			var state State
			if err := rows.Scan(&report, &state); err != nil {
				return err
			}
			states[report] = state
		}
		return rows.Err()
	})
	return states, err
}

// Listed is one line of a list of answers.
type Listed struct {
	Answer, Report database.ID
	Mail           Kind
	Why            Why
	Code           string
	Attempts       int
	CreatedAt      time.Time
}

// List returns up to limit answers of mails in a state that is not the end
// (Pending, Unsent or Failed), the oldest first, with an ID over after. It
// needs account.ReadReport.
func (c *Capability) List(ctx context.Context, v account.Viewer, s State, after database.ID, limit int) ([]Listed, error) {
	if err := account.Require(v, account.ReadReport); err != nil {
		return nil, err
	}
	var all []Listed
	err := c.db.View(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, report, mail, why, code, attempts, created_at FROM answer
			WHERE state = $1 AND state IN ('pending', 'unsent', 'failed') AND id > $2 ORDER BY id LIMIT $3`,
			s, after, min(max(limit, 1), 500))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var l Listed
			var created int64
			if err := rows.Scan(&l.Answer, &l.Report, &l.Mail, &l.Why, &l.Code, &l.Attempts, &created); err != nil {
				return err
			}
			l.CreatedAt = database.Time(created)
			all = append(all, l)
		}
		return rows.Err()
	})
	return all, err
}

// OnErased forgets the answers to reports that were removed whole; app
// subscribes it to the report's topic. Of reports that only lost their address,
// the answers stay for the follow page, and what still waits is withheld when
// its turn comes.
func (c *Capability) OnErased(ctx context.Context, task *job.Task, reports []database.ID, removed bool) error {
	return task.Finish(ctx, func(tx *database.Tx) error {
		if !removed {
			return nil
		}
		for _, id := range reports {
			if err := c.Erase(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Erase removes all answers to the report, in the caller's transaction: the
// erasure of a person. What still waits is not sent.
func (c *Capability) Erase(ctx context.Context, tx *database.Tx, report database.ID) error {
	_, err := tx.Exec(ctx, "DELETE FROM answer WHERE report = $1", report)
	return err
}

// EraseReporter removes what the limits remember of an address.
func (c *Capability) EraseReporter(ctx context.Context, tx *database.Tx, address string) error {
	p := c.pseudonym(address)
	if p == nil {
		return nil
	}
	if _, err := tx.Exec(ctx, "DELETE FROM answer_history WHERE reporter = $1", []byte(p)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM answer_reporter WHERE reporter = $1", []byte(p))
	return err
}
