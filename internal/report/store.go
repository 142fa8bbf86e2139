package report

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/raw"
	"github.com/belfry-centre/belfry/internal/report/fill"
	"github.com/belfry-centre/belfry/internal/report/keep"
)

// pending is what an examination needs to know of its report.
type pending struct {
	id       database.ID
	channel  Channel
	state    State
	ref      raw.Ref // zero when the bytes are no longer kept
	reporter string
	erasedAt int64
	envelope Envelope
}

// load reads a report that is to be examined. The error is NotFound when it is
// gone.
func (c *Capability) load(ctx context.Context, id database.ID) (pending, error) {
	p := pending{id: id}
	var month, reporter, envelope sql.NullString
	var sum []byte
	err := c.db.View(ctx, func(tx *database.Tx) error {
		return notFound(tx.QueryRow(ctx, `SELECT channel, state, raw_month, raw_sha256, raw_size, reporter, erased_at, envelope
			FROM report WHERE id = $1`, id).
			Scan(&p.channel, &p.state, &month, &sum, &p.ref.Size, &reporter, &p.erasedAt, &envelope))
	})
	if err != nil {
		return pending{}, err
	}
	p.reporter = reporter.String
	p.ref = keep.RefOf(month, sum, p.ref.Size)
	if envelope.String != "" {
		err = json.Unmarshal([]byte(envelope.String), &p.envelope)
	}
	return p, err
}

// storeFindings stores what an examination found. It returns errChanged, and
// stores nothing, when the report is not as it was: erased, or settled by
// another run.
func (c *Capability) storeFindings(ctx context.Context, tx *database.Tx, p pending, f findings) error {
	if f.state != p.state && !p.state.Becomes(f.state) {
		return fmt.Errorf("report: %s cannot become %s", p.state, f.state)
	}
	origin, err := json.Marshal(f.origin)
	if err != nil {
		return err
	}
	var reporter, key, stored any
	if p.erasedAt == 0 {
		stored = database.Clean(string(origin))
		if f.reporter != "" {
			reporter, key = f.reporter, c.reporterKey(f.reporter)
		}
	}
	subject, score, automatic := "", 0.0, 0
	if len(f.messages) > 0 {
		m := f.messages[f.gravest]
		subject, score, automatic = m.Subject, m.Assessment.Score, flag(m.Assessment.Automatic)
	}
	res, err := tx.Exec(ctx, `UPDATE report SET state = $1, class = $2, messages = $3, subject = $4, language = $5, verdict = $6,
		score = $7, automatic = $8, assessed_at = $9, reporter = $10, reporter_key = $11, origin = $12
		WHERE id = $13 AND state = $14 AND erased_at = $15`,
		string(f.state), string(f.class), len(f.messages), subject, f.language, string(f.verdict),
		score, automatic, database.Micros(tx.Now), reporter, key, stored, p.id, string(p.state), p.erasedAt)
	if err != nil {
		return fmt.Errorf("storing an assessment: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		return errChanged
	}
	if key != nil {
		if _, err := tx.Exec(ctx, "INSERT INTO reporter (reporter_key, report_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", key, p.id); err != nil {
			return fmt.Errorf("storing a reporter: %w", err)
		}
	}
	for _, m := range f.messages {
		if p.erasedAt != 0 {
			m.Words = ""
		}
		if err := storeMessage(ctx, tx, p.id, m); err != nil {
			return err
		}
	}
	return storeSightings(ctx, tx, p.id, f.sightings)
}

func storeMessage(ctx context.Context, tx *database.Tx, report database.ID, m Message) error {
	if _, err := tx.Exec(ctx, `INSERT INTO message (report_id, number, how, subject, from_name, from_address, sent_at, words)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		report, m.Index, string(m.How), m.Subject, m.FromName, m.From, database.Micros(m.Date), m.Words); err != nil {
		return fmt.Errorf("storing a message: %w", err)
	}
	reasons, err := marshalReasons(m.Assessment.Reasons)
	if err != nil {
		return err
	}
	a := m.Assessment
	if _, err := tx.Exec(ctx, `INSERT INTO assessment (id, report_id, message, at, verdict, score, automatic, brand, language, rules, model, reasons)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		database.NewID(tx.Now), report, m.Index, database.Micros(tx.Now), string(a.Verdict), a.Score, flag(a.Automatic),
		a.Brand, a.Language, clip(a.Rules, maxName), clip(a.Model, maxName), reasons); err != nil {
		return fmt.Errorf("storing an assessment: %w", err)
	}
	return nil
}

// storedReason is a reason as it stands in the database.
type storedReason struct {
	Code     string            `json:"code"`
	Weight   float64           `json:"weight"`
	Params   map[string]string `json:"params,omitempty"`
	Evidence string            `json:"evidence,omitempty"`
	Part     string            `json:"part,omitempty"`
	Start    int               `json:"start,omitempty"`
	End      int               `json:"end,omitempty"`
}

func marshalReasons(reasons []verdict.Reason) (string, error) {
	all := make([]storedReason, len(reasons))
	for i, r := range reasons {
		all[i] = storedReason{Code: r.Code, Weight: r.Weight, Evidence: clip(r.Evidence, maxText), Params: map[string]string{}}
		for k, v := range r.Params {
			all[i].Params[clip(k, maxName)] = clip(v, maxText)
		}
		if r.Span != nil {
			all[i].Part, all[i].Start, all[i].End = clip(r.Span.Part, maxName), r.Span.Start, r.Span.End
		}
	}
	b, err := json.Marshal(all)
	return string(b), err
}

func unmarshalReasons(s string) ([]verdict.Reason, error) {
	var all []storedReason
	if err := json.Unmarshal([]byte(s), &all); err != nil {
		return nil, fmt.Errorf("stored reasons: %w", err)
	}
	reasons := make([]verdict.Reason, len(all))
	for i, r := range all {
		reasons[i] = verdict.Reason{Code: r.Code, Weight: r.Weight, Params: r.Params, Evidence: r.Evidence}
		if r.Part != "" {
			reasons[i].Span = &verdict.Span{Part: r.Part, Start: r.Start, End: r.End}
		}
	}
	return reasons, nil
}

// observableHash is the key of a value: what is unique needs no more than 16
// bytes of a SHA-256.
func observableHash(t observable.Type, value string) []byte {
	sum := sha256.Sum256([]byte(string(t) + "\x00" + value))
	return sum[:16]
}

// sightingBatch is how many values one statement takes. Lists are filled up to
// a power of two by repeating their last value, so that few statements differ.
const sightingBatch = 64

// storeSightings stores values and where they were seen: three statements for
// each 64 values.
func storeSightings(ctx context.Context, tx *database.Tx, report database.ID, seen []Sighting) error {
	type row struct {
		Sighting
		hash []byte
	}
	rows := make([]row, len(seen))
	for i, s := range seen {
		rows[i] = row{s, observableHash(s.Type, s.Value)}
	}
	// In one order for all, so that two transactions never wait for each other.
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(bytes.Compare(a.hash, b.hash), cmp.Compare(a.Message, b.Message))
	})
	for batch := range slices.Chunk(rows, sightingBatch) {
		var distinct []row
		for i, r := range batch {
			if i == 0 || !bytes.Equal(r.hash, batch[i-1].hash) {
				distinct = append(distinct, r)
			}
		}
		ids, err := observableIDs(ctx, tx, len(distinct), func(i int) (observable.Type, string, []byte) {
			return distinct[i].Type, distinct[i].Value, distinct[i].hash
		})
		if err != nil {
			return err
		}
		n := database.Padded(len(batch))
		args := make([]any, 0, 4*n)
		for i := range n {
			r := batch[min(i, len(batch)-1)]
			detail, err := marshalDetail(r.Observable)
			if err != nil {
				return err
			}
			args = append(args, report, r.Message, ids[string(r.hash)], detail)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO sighting (report_id, message, observable_id, detail) VALUES `+
			database.Tuples(n, 4)+` ON CONFLICT DO NOTHING`, args...); err != nil {
			return fmt.Errorf("storing sightings: %w", err)
		}
	}
	return nil
}

// observableIDs returns the IDs of n distinct values by their hash, sorted by
// hash, and stores those that are new. On PostgreSQL the rows are locked
// against removal until the transaction ends.
func observableIDs(ctx context.Context, tx *database.Tx, n int, at func(int) (observable.Type, string, []byte)) (map[string]database.ID, error) {
	size := database.Padded(n)
	insert, hashes := make([]any, 0, 4*size), make([][]byte, size)
	for i := range size {
		t, value, hash := at(min(i, n-1))
		insert = append(insert, database.NewID(tx.Now), hash, string(t), value)
		hashes[i] = hash
	}
	lock := ""
	if tx.Engine() == database.Postgres {
		lock = " FOR KEY SHARE"
	}
	ids := make(map[string]database.ID, n)
	read := func(rows *sql.Rows, err error) error {
		if err != nil {
			return err
		}
		for rows.Next() {
			var id database.ID
			var hash []byte
			if err := rows.Scan(&id, &hash); err != nil {
				return errors.Join(err, rows.Close())
			}
			ids[string(hash)] = id
		}
		return errors.Join(rows.Err(), rows.Close())
	}
	// A value that was there may be removed before it is locked; then it is
	// stored again.
	for range 3 {
		if err := read(tx.Query(ctx, `INSERT INTO observable (id, hash, type, value) VALUES `+database.Tuples(size, 4)+
			` ON CONFLICT (hash) DO NOTHING RETURNING id, hash`, insert...)); err != nil {
			return nil, fmt.Errorf("storing observables: %w", err)
		}
		old := hashes[:0:0]
		for _, hash := range hashes[:n] {
			if _, fresh := ids[string(hash)]; !fresh {
				old = append(old, hash)
			}
		}
		if len(old) == 0 {
			return ids, nil
		}
		args := make([]any, database.Padded(len(old)))
		for i := range args {
			args[i] = old[min(i, len(old)-1)]
		}
		if err := read(tx.Query(ctx, `SELECT id, hash FROM observable WHERE hash IN (`+database.Placeholders(1, len(args))+`)`+lock, args...)); err != nil {
			return nil, fmt.Errorf("reading observables: %w", err)
		}
		if len(ids) == n {
			return ids, nil
		}
	}
	return nil, fault.New(fault.Busy, "")
}

// sightingDetail is how a value was seen, as it is stored.
type sightingDetail struct {
	Raw    string `json:"raw,omitempty"`
	Where  string `json:"where,omitempty"`
	Source string `json:"source,omitempty"`
	Text   string `json:"text,omitempty"`
	Hidden bool   `json:"hidden,omitempty"`
	Via    string `json:"via,omitempty"`
	Count  int    `json:"count,omitempty"`
}

func marshalDetail(o observable.Observable) (string, error) {
	b, err := json.Marshal(sightingDetail{
		Raw: clip(o.Raw, maxText), Where: clip(o.Where, maxName), Source: clip(o.Source, maxName), Text: clip(o.Text, maxText),
		Hidden: o.Hidden, Via: clip(o.Via, maxName), Count: o.Count,
	})
	return string(b), err
}

// closeUnread settles a report whose bytes went before it was assessed.
func (c *Capability) closeUnread(ctx context.Context, tx *database.Tx, p pending) error {
	_, err := tx.Exec(ctx, "UPDATE report SET state = $1, verdict = $2, assessed_at = $3 WHERE id = $4 AND state = $5",
		string(StateClosed), string(verdict.Unclear), database.Micros(tx.Now), p.id, string(p.state))
	return err
}

// MarkAnswered notes, in the transaction of the one who answered, that the
// reporter has been told. A report that waits for a person goes on waiting: an
// acknowledgement settles nothing. Doing it twice is no error.
func (c *Capability) MarkAnswered(ctx context.Context, tx *database.Tx, id database.ID) error {
	_, err := tx.Exec(ctx, "UPDATE report SET state = $1 WHERE id = $2 AND state = $3",
		string(StateAnswered), id, string(StateAssessed))
	return err
}

// Fill stores n invented reports, to measure a full store by. progress, which
// may be nil, is told how many are done.
func (c *Capability) Fill(ctx context.Context, v account.Viewer, n int, progress func(done int)) error {
	if err := account.Require(v, account.OperateJobs); err != nil {
		return err
	}
	keys := fill.Keys{
		Reporter: c.reporterKey, Observable: observableHash,
		Follow: func(id database.ID) []byte { return followHash(c.followToken(id)) },
	}
	return fill.Store(ctx, c.db, keys, n, progress)
}

// flag is how a bool is stored, alike on both engines.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// notFound gives a missing row its kind.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "There is no such report.")
	}
	return err
}
