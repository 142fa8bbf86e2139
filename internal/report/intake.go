package report

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/report/submission"
)

const (
	// duplicateFor is how long a second try finds the first one.
	duplicateFor = 7 * 24 * time.Hour

	// maxPutOff is how long a report of a flood waits at most for its turn.
	maxPutOff = 15 * time.Minute

	// Limits of what a submission says of itself, in bytes.
	maxAddress   = 320 // 64 @ 255 (RFC 5321, section 4.5.3.1)
	maxName      = 255
	maxKey       = 512
	maxRecipient = 100
)

// Accept takes one submission in. When it returns without an error, the bytes
// and the report's row are durable and its assessment is certain to follow.
//
// A submission that was here in the last seven days (see Submission.Key)
// answers with the first one's ID and stores nothing. Errors: Invalid for an
// empty or unknown one, TooLarge over Options.MaxSize, Conflict for a key that
// was used for other bytes, Busy when the store cannot take it now; the sender
// may try again after that one.
func (c *Capability) Accept(ctx context.Context, s Submission) (Accepted, error) {
	began := time.Now()
	n, err := c.prepare(s)
	if err != nil {
		return Accepted{}, err
	}
	now := c.db.Now()
	ref, err := c.raw.Put(ctx, now, s.Content)
	if err != nil {
		return Accepted{}, fmt.Errorf("keeping the bytes: %w", err)
	}
	n.month, n.sha256 = ref.Month, ref.SHA256[:]
	n.receipt = c.receiptOf(s, ref.SHA256)
	n.putOff = c.putOff(s, n.reporterKey)
	var done Accepted
	err = c.db.Update(ctx, func(tx *database.Tx) error {
		done, err = c.insert(ctx, tx, &n)
		return err
	})
	if err != nil {
		return Accepted{}, err
	}
	if !done.Duplicate || s.Key != "" {
		done.FollowToken = c.followToken(done.ID)
	}
	if done.Duplicate {
		c.metrics.duplicates.WithLabelValues(string(s.Channel)).Inc()
	} else {
		c.metrics.accepted.WithLabelValues(string(s.Channel)).Inc()
	}
	c.metrics.accept.Observe(time.Since(began).Seconds())
	return done, nil
}

// Submit is Accept for a viewer, who must be allowed to hand in reports.
func (c *Capability) Submit(ctx context.Context, v account.Viewer, s Submission) (Accepted, error) {
	if err := account.Require(v, account.SubmitReport); err != nil {
		return Accepted{}, err
	}
	return c.Accept(ctx, s)
}

// submissionOf makes a submission of a request's body.
func (c *Capability) submissionOf(contentType string, body []byte) (Submission, error) {
	s := Submission{Channel: API, Content: body}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = ""
	}
	if kind != "multipart/form-data" && int64(len(body)) > c.o.MaxSize {
		return Submission{}, fault.New(fault.TooLarge, "")
	}
	switch kind {
	case submission.TypeMail:
	case submission.TypeOutlook:
		f := submission.Form{Files: []submission.File{{Name: "message.msg", Type: submission.TypeOutlook, Content: body}}}
		if err := f.Check(); err != nil {
			return Submission{}, err
		}
		s.Content = f.Compose()
	case "multipart/form-data":
		f, err := submission.Parse(contentType, bytes.NewReader(body))
		if err != nil {
			return Submission{}, err
		}
		s.Content, s.Reporter, s.Language = f.Compose(), f.Email, f.Language
	default:
		return Submission{}, fault.New(fault.Unsupported, "Send message/rfc822, application/vnd.ms-outlook or multipart/form-data.")
	}
	return s, nil
}

// intake is a submission made ready to be stored.
type intake struct {
	channel      Channel
	receivedAt   time.Time
	desk         parts.Desk
	chosen       string
	month        string
	sha256       []byte
	size         int64
	reporter     any // string, or nil for none
	reporterKey  []byte
	envelope     string
	receipt      []byte // see receiptOf
	putOff       time.Duration
	followBefore time.Duration
}

// prepare checks a submission and cleans every foreign string of it.
func (c *Capability) prepare(s Submission) (intake, error) {
	switch {
	case !slices.Contains(Channels(), s.Channel):
		return intake{}, fault.New(fault.Invalid, "There is no such channel.")
	case len(bytes.TrimSpace(s.Content[:min(len(s.Content), 4096)])) == 0:
		return intake{}, fault.New(fault.Invalid, "There is nothing in it.")
	case int64(len(s.Content)) > c.sizeLimit(s.Channel):
		return intake{}, fault.Errorf(fault.TooLarge, "A report of more than %d MiB is not taken.", c.o.MaxSize>>20)
	case len(s.Key) > maxKey:
		return intake{}, fault.Errorf(fault.Invalid, "An idempotency key is at most %d bytes long.", maxKey)
	}
	if s.Desk.Address == "" && len(c.centre.Desks) > 0 {
		s.Desk = c.centre.Desks[0]
	}
	n := intake{
		channel: s.Channel, receivedAt: s.ReceivedAt, desk: s.Desk, size: int64(len(s.Content)),
		followBefore: time.Duration(c.o.FollowDays) * 24 * time.Hour,
	}
	n.desk.Address, n.desk.Organisation = clip(s.Desk.Address, maxAddress), clip(s.Desk.Organisation, maxName)
	if locale.Known(s.Language) {
		n.chosen = s.Language
	}
	e := s.Envelope
	if reporter := clip(s.Reporter, maxAddress); reporter != "" {
		n.reporter, n.reporterKey = reporter, c.reporterKey(reporter)
	}
	e.From, e.Helo = clip(e.From, maxAddress), clip(e.Helo, maxName)
	e.To = slices.Clone(e.To[:min(len(e.To), maxRecipient)])
	for i := range e.To {
		e.To[i] = clip(e.To[i], maxAddress)
	}
	b, err := json.Marshal(e)
	n.envelope = string(b)
	return n, err
}

// receiptOf returns the key under which a second try finds the first; nil where
// each submission is a report.
func (c *Capability) receiptOf(s Submission, content [32]byte) []byte {
	switch {
	case s.Key != "":
		return c.mac("receipt", []byte(s.Channel), []byte(s.Key))[:16]
	case s.Channel.mail() || s.Channel == Import:
		return c.mac("receipt-content", []byte(s.Channel), []byte(s.Envelope.From), []byte(s.Desk.Address), content[:])[:16]
	}
	return nil
}

// sizeLimit is MaxSize, with room for the base64 in which a container carries
// files.
func (c *Capability) sizeLimit(ch Channel) int64 {
	if ch == API || ch == Form {
		return c.o.MaxSize + c.o.MaxSize/2
	}
	return c.o.MaxSize
}

// insert commits a new report, or finds the first one. It is three statements
// for a new one: receipt, row, job.
func (c *Capability) insert(ctx context.Context, tx *database.Tx, n *intake) (Accepted, error) {
	id := database.NewID(tx.Now)
	if n.receipt != nil {
		first, err := takeReceipt(ctx, tx, n, id)
		if err != nil {
			return Accepted{}, err
		}
		if first != id {
			return Accepted{ID: first, Duplicate: true}, nil
		}
	}
	received := n.receivedAt
	if received.IsZero() {
		received = tx.Now
	}
	if _, err := tx.Exec(ctx, `INSERT INTO report (id, received_at, channel, state, desk, organisation, chosen,
		raw_month, raw_sha256, raw_size, reporter, reporter_key, envelope, follow, follow_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		id, database.Micros(received), string(n.channel), string(StateAccepted), n.desk.Address, n.desk.Organisation, n.chosen,
		n.month, n.sha256, n.size, n.reporter, orNull(n.reporterKey), n.envelope, followHash(c.followToken(id)),
		database.Micros(tx.Now.Add(n.followBefore))); err != nil {
		return Accepted{}, fmt.Errorf("storing a report: %w", err)
	}
	err := c.jobs.Enqueue(ctx, tx, job.New{Kind: kindAssess, Payload: assessPayload{Report: id}, RunAt: tx.Now.Add(n.putOff)})
	return Accepted{ID: id}, err
}

// takeReceipt stores the receipt and returns id, or returns the ID of the
// report that has it. A receipt past its time is taken over.
func takeReceipt(ctx context.Context, tx *database.Tx, n *intake, id database.ID) (database.ID, error) {
	res, err := tx.Exec(ctx, `INSERT INTO receipt (hash, content, report_id) VALUES ($1, $2, $3)
		ON CONFLICT (hash) DO UPDATE SET content = excluded.content, report_id = excluded.report_id
		WHERE receipt.report_id < $4`,
		n.receipt, n.sha256[:16], id, database.FirstID(tx.Now.Add(-duplicateFor)))
	if err != nil {
		return 0, fmt.Errorf("storing a receipt: %w", err)
	}
	if taken, err := res.RowsAffected(); err != nil || taken > 0 {
		return id, err
	}
	var first database.ID
	var content []byte
	err = tx.QueryRow(ctx, "SELECT report_id, content FROM receipt WHERE hash = $1", n.receipt).Scan(&first, &content)
	switch {
	case errors.Is(err, sql.ErrNoRows): // swept away between the two statements
		return 0, fault.New(fault.Busy, "")
	case err != nil:
		return 0, fmt.Errorf("reading a receipt: %w", err)
	case !bytes.Equal(content, n.sha256[:16]):
		return 0, fault.New(fault.Conflict, "This idempotency key was used for another report.")
	}
	return first, nil
}

// putOff returns how long a report waits so that a flood from one reporter
// does not delay others: above Options.PerMinute each waits for its turn at
// that rate, for a quarter of an hour at most. What has no reporter comes from
// an account of ours or, by form, from a door that limits by network address.
// Who names somebody else as the reporter, from another network, does not
// delay that one's reports; all that a relay of ours brings counts together.
func (c *Capability) putOff(s Submission, reporter []byte) time.Duration {
	if reporter == nil || s.Channel == Import {
		return 0
	}
	key := string(reporter)
	if s.Envelope.RemoteIP.IsValid() && !s.Envelope.Relay {
		key += web.ClientNetwork(s.Envelope.RemoteIP)
	}
	wait, err := c.pace.Take(key)
	if err != nil {
		return maxPutOff
	}
	return wait
}

// followToken returns the secret of a report's follow link: the report's id,
// by which it is found, and 128 bits that nobody can guess, in 32 letters of
// base64url (RFC 4648, section 5). It is derived, so that the answer can hold
// the link although only a hash of it is stored.
func (c *Capability) followToken(id database.ID) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(id))
	b = append(b, c.mac("follow", b)[:16]...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// followHash is what is stored of a token.
func followHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// tokenID returns the report's id that stands in a token, if it has the shape
// of one. It proves nothing: see checkFollow.
func tokenID(token string) (database.ID, bool) {
	if len(token) != 32 {
		return 0, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return 0, false
	}
	id := binary.BigEndian.Uint64(b)
	return database.ID(id), id > 0 && id < 1<<63
}

// checkFollow reports whether the token is the one of which hash is stored.
func checkFollow(token string, hash []byte) bool {
	return subtle.ConstantTimeCompare(followHash(token), hash) == 1
}

// orNull stores no bytes as NULL.
func orNull(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// clip cleans a foreign string and cuts it to that many bytes, never within a
// character.
func clip(s string, limit int) string {
	if len(s) > 4*limit {
		s = s[:4*limit] // what is cut off anyway need not be cleaned
	}
	s = database.Clean(s)
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
