package report

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// MaxPage is the most that one page of a list holds.
const MaxPage = 500

const (
	defaultPage = 50
	maxFacts    = 20   // messages in Facts
	maxHistory  = 500  // assessments looked at for the latest of each message
	maxSearch   = 8192 // bytes of a value searched for
)

const summaryColumns = `r.id, r.received_at, r.channel, r.subject, r.language, r.verdict, r.score, r.automatic, r.state, r.class, r.messages`

func scanSummary(row interface{ Scan(...any) error }, more ...any) (Summary, error) {
	var s Summary
	var at int64
	var automatic int
	var v sql.NullString
	err := row.Scan(append([]any{
		&s.ID, &at, &s.Channel, &s.Subject, &s.Language, &v, &s.Score, &automatic, &s.State, &s.Class, &s.Messages,
	}, more...)...)
	s.ReceivedAt, s.Verdict, s.Automatic = database.Time(at), verdict.Verdict(v.String), automatic != 0
	return s, err
}

// List returns a page of reports, newest first. It costs the same on every
// page and however many there are.
func (c *Capability) List(ctx context.Context, v account.Viewer, q Query) (Page, error) {
	if err := account.Require(v, account.ReadReport); err != nil {
		return Page{}, err
	}
	limit, err := pageSize(q.Limit)
	if err != nil {
		return Page{}, err
	}
	var where []string
	var args []any
	narrow := func(condition string, value any) {
		args = append(args, value)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if q.Verdict != "" {
		narrow("r.verdict = $%d", string(q.Verdict))
	}
	if q.State != "" {
		narrow("r.state = $%d", string(q.State))
	}
	if q.After != 0 {
		narrow("r.id < $%d", q.After)
	}
	query := "SELECT " + summaryColumns + " FROM report r"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	args = append(args, limit+1)
	query += fmt.Sprintf(" ORDER BY r.id DESC LIMIT $%d", len(args))
	var page Page
	err = c.db.View(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		page.Items, err = scanSummaries(rows)
		return err
	})
	if err != nil {
		return Page{}, fmt.Errorf("listing reports: %w", err)
	}
	page.cut(limit)
	return page, nil
}

func scanSummaries(rows *sql.Rows) ([]Summary, error) {
	defer rows.Close()
	var all []Summary
	for rows.Next() {
		s, err := scanSummary(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// cut keeps limit items of one more that were asked for, and so knows whether
// there is a next page.
func (p *Page) cut(limit int) {
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		p.Next = p.Items[limit-1].ID
	}
}

func pageSize(n int) (int, error) {
	switch {
	case n == 0:
		return defaultPage, nil
	case n < 0 || n > MaxPage:
		return 0, fault.Errorf(fault.Invalid, "A page holds 1 to %d reports.", MaxPage)
	}
	return n, nil
}

// Get returns one report with its messages, the latest assessment of each, and
// its observables. The reporter's address is in it for those who may see it.
func (c *Capability) Get(ctx context.Context, v account.Viewer, id database.ID) (Report, error) {
	if err := account.Require(v, account.ReadReport); err != nil {
		return Report{}, err
	}
	var r Report
	err := c.db.View(ctx, func(tx *database.Tx) (err error) {
		if r, _, err = getReport(ctx, tx, id); err != nil {
			return err
		}
		if r.Items, err = getMessages(ctx, tx, id); err != nil {
			return err
		}
		r.Observables, err = getSightings(ctx, tx, id)
		return err
	})
	if err != nil {
		return Report{}, err
	}
	if !v.May(account.SeeReporter) {
		r.Reporter, r.Origin = "", Origin{}
	}
	return r, nil
}

// follow is what the row says about its follow link.
type follow struct {
	hash  []byte
	until int64
}

func getReport(ctx context.Context, tx *database.Tx, id database.ID) (Report, follow, error) {
	var r Report
	var f follow
	var sum []byte
	var reporter, origin sql.NullString
	var erased int64
	var held int
	s, err := scanSummary(tx.QueryRow(ctx, `SELECT `+summaryColumns+`, r.desk, r.organisation, r.chosen, r.raw_size, r.raw_sha256,
		r.reporter, r.origin, r.erased_at, r.follow, r.follow_until, (SELECT count(*) FROM report_hold h WHERE h.report_id = r.id)
		FROM report r WHERE r.id = $1`, id),
		&r.Desk, &r.Organisation, &r.Chosen, &r.Size, &sum, &reporter, &origin, &erased, &f.hash, &f.until, &held)
	if err != nil {
		return Report{}, follow{}, notFound(err)
	}
	r.Summary, r.RawKept, r.Reporter, r.Erased, r.Held = s, len(sum) > 0, reporter.String, erased != 0, held > 0
	if origin.String != "" {
		if err := json.Unmarshal([]byte(origin.String), &r.Origin); err != nil {
			return Report{}, follow{}, fmt.Errorf("stored origin: %w", err)
		}
	}
	return r, f, nil
}

// getMessages reads the messages with the latest assessment of each.
func getMessages(ctx context.Context, tx *database.Tx, id database.ID) ([]Message, error) {
	latest, err := latestAssessments(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT number, how, subject, from_name, from_address, sent_at, words FROM message
		WHERE report_id = $1 ORDER BY number`, id)
	if err != nil {
		return nil, fmt.Errorf("reading messages: %w", err)
	}
	defer rows.Close()
	var all []Message
	for rows.Next() {
		var m Message
		var sent int64
		if err := rows.Scan(&m.Index, &m.How, &m.Subject, &m.FromName, &m.From, &sent, &m.Words); err != nil {
			return nil, err
		}
		m.Date, m.Assessment = database.Time(sent), latest[m.Index]
		all = append(all, m)
	}
	return all, rows.Err()
}

func latestAssessments(ctx context.Context, tx *database.Tx, id database.ID) (map[int]Assessment, error) {
	rows, err := tx.Query(ctx, `SELECT id, message, at, verdict, score, automatic, brand, language, rules, model, reasons
		FROM assessment WHERE report_id = $1 ORDER BY id DESC LIMIT $2`, id, maxHistory)
	if err != nil {
		return nil, fmt.Errorf("reading assessments: %w", err)
	}
	defer rows.Close()
	latest := map[int]Assessment{}
	for rows.Next() {
		var a Assessment
		var at int64
		var number, automatic int
		var reasons string
		if err := rows.Scan(&a.ID, &number, &at, &a.Verdict, &a.Score, &automatic, &a.Brand, &a.Language, &a.Rules, &a.Model, &reasons); err != nil {
			return nil, err
		}
		if _, newer := latest[number]; newer {
			continue
		}
		a.At, a.Automatic = database.Time(at), automatic != 0
		if a.Reasons, err = unmarshalReasons(reasons); err != nil {
			return nil, err
		}
		latest[number] = a
	}
	return latest, rows.Err()
}

func getSightings(ctx context.Context, tx *database.Tx, id database.ID) ([]Sighting, error) {
	rows, err := tx.Query(ctx, `SELECT s.message, s.observable_id, s.detail, o.type, o.value
		FROM sighting s JOIN observable o ON o.id = s.observable_id WHERE s.report_id = $1
		ORDER BY s.message, s.observable_id LIMIT $2`, id, maxSightings)
	if err != nil {
		return nil, fmt.Errorf("reading sightings: %w", err)
	}
	defer rows.Close()
	var all []Sighting
	for rows.Next() {
		var s Sighting
		var text string
		var d sightingDetail
		if err := rows.Scan(&s.Message, &s.ObservableID, &text, &s.Type, &s.Value); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return nil, fmt.Errorf("stored sighting: %w", err)
		}
		s.Raw, s.Where, s.Source, s.Text, s.Hidden, s.Via, s.Count = d.Raw, d.Where, d.Source, d.Text, d.Hidden, d.Via, d.Count
		all = append(all, s)
	}
	return all, rows.Err()
}

// Raw returns what was sent, byte for byte. The error is NotFound when it is
// no longer kept.
func (c *Capability) Raw(ctx context.Context, v account.Viewer, id database.ID) ([]byte, error) {
	if err := account.Require(v, account.ReadRaw); err != nil {
		return nil, err
	}
	p, err := c.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if p.ref.IsZero() {
		return nil, fault.New(fault.NotFound, "The original bytes are no longer kept.")
	}
	return c.raw.Get(ctx, p.ref)
}

// Panel returns what the report was answered, for staff; false while it was
// not. The language is nl, fr, de, en, or "" for the answer's own.
func (c *Capability) Panel(ctx context.Context, v account.Viewer, id database.ID, language string) (Panel, bool, error) {
	if err := account.Require(v, account.ReadReport); err != nil {
		return Panel{}, false, err
	}
	return c.answerFor(ctx, id, language)
}

func (c *Capability) answerFor(ctx context.Context, id database.ID, language string) (Panel, bool, error) {
	if c.o.Answers == nil {
		return Panel{}, false, nil
	}
	return c.o.Answers.AnswerFor(ctx, id, language)
}

// Follow returns what the holder of a follow link may see, with the answer in
// that language; "" is the answer's own. It changes nothing. The error is
// NotFound for a token that is wrong, or not any more valid.
func (c *Capability) Follow(ctx context.Context, token, language string) (Followed, error) {
	gone := fault.New(fault.NotFound, "There is no such report, or its link has expired.")
	id, ok := tokenID(token)
	if !ok {
		return Followed{}, gone
	}
	var r Report
	var f follow
	now := c.db.Now()
	err := c.db.View(ctx, func(tx *database.Tx) (err error) {
		r, f, err = getReport(ctx, tx, id)
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound):
		return Followed{}, gone
	case err != nil:
		return Followed{}, err
	case !checkFollow(token, f.hash) || !now.Before(database.Time(f.until)):
		return Followed{}, gone
	}
	out := Followed{ID: id, ReceivedAt: r.ReceivedAt, Until: database.Time(f.until), State: r.State}
	if langs := r.languages(c.deskLanguage(r.Desk)); len(langs) > 0 {
		out.Language = langs[0]
	}
	p, told, err := c.answerFor(ctx, id, language)
	if err != nil {
		return Followed{}, err
	}
	if told {
		p.Why, p.WhyText = "", ""
		out.Panel = &p
	}
	return out, nil
}

// FollowURL returns the address of a follow page.
func (c *Capability) FollowURL(token string) string { return c.centre.BaseURL + "/follow/" + token }

// Facts returns what other capabilities need to know of a report, for the
// program itself. The error is NotFound when the report is gone.
func (c *Capability) Facts(ctx context.Context, id database.ID) (Facts, error) {
	var r Report
	var f follow
	err := c.db.View(ctx, func(tx *database.Tx) (err error) {
		if r, f, err = getReport(ctx, tx, id); err != nil {
			return err
		}
		r.Items, err = getMessages(ctx, tx, id)
		return err
	})
	if err != nil {
		return Facts{}, err
	}
	slices.SortStableFunc(r.Items, func(a, b Message) int {
		switch {
		case graver(a.Assessment, b.Assessment):
			return -1
		case graver(b.Assessment, a.Assessment):
			return 1
		}
		return 0
	})
	facts := Facts{
		ID: id, ReceivedAt: r.ReceivedAt, Channel: r.Channel, Desk: r.Desk, State: r.State,
		Languages: r.languages(c.deskLanguage(r.Desk)), Reporter: r.Reporter, Erased: r.Erased,
		Proved: r.Proved(),
		Class:  r.Class, Origin: r.Origin, Verdict: r.Verdict, Automatic: r.Automatic, Score: r.Score,
		Total: len(r.Items), Items: r.Items[:min(len(r.Items), maxFacts)],
	}
	if facts.Total == 0 { // not assessed, or not to be assessed: nobody can say what it is
		facts.Total, facts.Items = 1, []Message{{How: original.Itself, Assessment: Assessment{Assessment: verdict.Assessment{Verdict: verdict.Unclear}}}}
	}
	if until := database.Time(f.until); c.db.Now().Before(until) && len(f.hash) > 0 {
		facts.Follow, facts.Expires = c.FollowURL(c.followToken(id)), until
	}
	return facts, nil
}

func (c *Capability) deskLanguage(address string) string {
	d, _ := c.centre.Desk(address)
	return d.Language
}

// languages returns those that the reporter probably reads, the best first.
func (r *Report) languages(desk string) []string {
	var all []string
	for _, l := range []string{r.Chosen, r.Origin.WordsLanguage, r.Origin.ForwardLanguage, desk} {
		if l != "" && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// Search finds a value as an analyst may write it, defanged or not: a URL, a
// domain, an address, an IP address or a SHA-256. The error is Invalid for
// what is none of these.
func (c *Capability) Search(ctx context.Context, v account.Viewer, value string, after database.ID, limit int) (Found, error) {
	if err := account.Require(v, account.ReadSighting); err != nil {
		return Found{}, err
	}
	limit, err := pageSize(limit)
	if err != nil {
		return Found{}, err
	}
	wanted := readings(value)
	if len(wanted) == 0 {
		return Found{}, fault.New(fault.Invalid, "That is no URL, domain, address, IP address or SHA-256.")
	}
	var found Found
	err = c.db.View(ctx, func(tx *database.Tx) error {
		for _, o := range wanted {
			err := tx.QueryRow(ctx, "SELECT id FROM observable WHERE hash = $1", observableHash(o.Type, o.Value)).Scan(&o.ID)
			if err == sql.ErrNoRows { //nolint:errorlint // Scan returns it bare
				continue
			} else if err != nil {
				return err
			}
			found.Observables = append(found.Observables, o)
		}
		reports, err := c.seenIn(ctx, tx, found.Observables, after, limit+1)
		if err != nil || len(reports) == 0 {
			return err
		}
		in, args := database.In(reports)
		rows, err := tx.Query(ctx, "SELECT "+summaryColumns+" FROM report r WHERE r.id"+in+" ORDER BY r.id DESC", args...)
		if err != nil {
			return err
		}
		found.Items, err = scanSummaries(rows)
		return err
	})
	if err != nil {
		return Found{}, fmt.Errorf("searching an observable: %w", err)
	}
	found.cut(limit)
	return found, nil
}

// seenIn returns the newest reports below after in which one of the values was
// seen. Each value is read along its own index, so that a common one costs no
// more than a rare one.
func (c *Capability) seenIn(ctx context.Context, tx *database.Tx, values []Observable, after database.ID, limit int) ([]database.ID, error) {
	if after == 0 {
		after = 1<<63 - 1
	}
	var all []database.ID
	for _, o := range values {
		ids, err := database.Column[database.ID](tx.Query(ctx, `SELECT DISTINCT report_id FROM sighting
			WHERE observable_id = $1 AND report_id < $2 ORDER BY report_id DESC LIMIT $3`, o.ID, after, limit))
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
	}
	slices.Sort(all)
	slices.Reverse(all)
	all = slices.Compact(all)
	return all[:min(len(all), limit)], nil
}

// readings returns the values that the text may mean, in canonical form.
func readings(text string) []Observable {
	text = observable.Refang(strings.TrimSpace(database.Clean(text)))
	if text == "" || len(text) > maxSearch {
		return nil
	}
	var all []Observable
	put := func(t observable.Type, value string) { all = append(all, Observable{Type: t, Value: value}) }
	if b, err := hex.DecodeString(text); err == nil && len(b) == 32 {
		put(observable.SHA256, strings.ToLower(text))
		return all
	}
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		put(observable.IP, ip.Unmap().WithZone("").String())
		return all
	}
	if t, value, ok := observable.ParseContact(text); ok {
		put(t, value)
		return all
	}
	if strings.Contains(text, "://") {
		if l, ok := observable.ParseURL(text); ok {
			put(observable.URL, l.Value)
		}
		return all
	}
	if local, host, ok := cutLast(text, "@"); ok && !strings.ContainsAny(text, "/ ") {
		if ascii, _, ok := observable.FoldDomain(host); ok && local != "" {
			put(observable.Email, strings.ToLower(local)+"@"+ascii)
		}
		return all
	}
	if strings.ContainsAny(text, "/:?#") {
		for _, scheme := range []string{"https://", "http://"} {
			if l, ok := observable.ParseURL(scheme + text); ok {
				put(observable.URL, l.Value)
			}
		}
		return all
	}
	if ascii, _, ok := observable.FoldDomain(text); ok && strings.Contains(ascii, ".") {
		put(observable.Domain, ascii)
	}
	return all
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
