package report

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/web"
)

const (
	staffList = "/staff/reports"

	// maxCount is where a count stops: "1,000+".
	maxCount = 1000

	maxShown = 300 // characters of a foreign string in a table or a heading
	maxTitle = 120 // of a subject in the list
)

// staff is the pages for who may read reports.
type staff struct {
	*Capability
	list *web.Page[listData]
	one  *web.Page[oneData]
}

func (c *Capability) registerStaff(s *web.Server) (err error) {
	p := &staff{Capability: c}
	if p.list, err = web.NewPage[listData](s, pages, "pages/list.html"); err != nil {
		return err
	}
	if p.one, err = web.NewPage[oneData](s, pages, "pages/report.html"); err != nil {
		return err
	}
	s.Nav(web.NavItem{Key: "report.page.nav", Path: staffList, Needs: account.ReadReport})
	s.Handle("GET "+staffList, p.showList, web.Needs(account.ReadReport))
	s.Handle("GET "+staffList+"/{id}", p.showOne, web.Needs(account.ReadReport))
	s.Handle("POST "+staffList+"/{id}/assess", p.assessAgain, web.Needs(account.OperateJobs))
	return nil
}

// Tag is a word of a closed list with the colour that it has on pages.
type Tag struct {
	Key    string // of its text; empty is no tag
	Colour string // a class of the stylesheet: danger, warn, good, info or none
}

// colours are those of the words that have one.
var colours = map[string]string{
	"verdict.phishing": "danger", "verdict.malware": "danger", "verdict.scam": "danger", "verdict.spam": "warn",
	"verdict.legitimate": "good", "verdict.exercise": "info",
	"state.accepted": "info", "state.assessed": "info", "state.waiting": "warn", "state.answered": "good", "state.failed": "danger",
	"answer.pending": "info", "answer.sent": "good", "answer.unsent": "warn", "answer.failed": "danger",
}

// tag returns the tag for a value. One that has no text, as a newer version or
// another capability may have, says so.
func (c *Capability) tag(list, value string) Tag {
	if value == "" {
		return Tag{}
	}
	return Tag{Key: c.word(list, value), Colour: colours[list+"."+value]}
}

// word returns the key of the text for a value of a list.
func (c *Capability) word(list, value string) string {
	key := "report.page." + list + "." + value
	if !c.text.Has(key) {
		return "report.page." + list + ".unknown"
	}
	return key
}

// listData is a page of the list.
type listData struct {
	Query          string // a value that is searched for
	Verdict, State string // what the list is narrowed to
	Verdicts       []string
	States         []string
	Found          []foundValue // as what the value was understood and found
	Rows           []listRow
	Count          int    // of all that the filter lets through, at most maxCount
	More           bool   // there are more than Count
	Older          string // the next page's address; empty on the last one
	Later          bool   // this is not the first page

	problems []web.Problem
}

// Problems is what is wrong with what was searched for.
func (d listData) Problems() []web.Problem { return d.problems }

type foundValue struct {
	Type  string // key of its text
	Value string
}

type listRow struct {
	ID            database.ID
	At            time.Time
	Verdict       Tag
	Score         string
	Subject       string
	Name, From    string
	Channel       string // key of its text
	State, Answer Tag
	Messages      int
	Class         string // key of what sort of automatic mail it was; empty for a person's
}

func (p *staff) showList(w http.ResponseWriter, r *http.Request) error {
	private(w)
	visit := web.VisitOf(r.Context())
	q := r.URL.Query()
	d := listData{Query: clip(strings.TrimSpace(q.Get("q")), maxSearch)}
	query := Query{Verdict: verdict.Verdict(q.Get("verdict")), State: State(q.Get("state"))}
	if !slices.Contains(Verdicts(), query.Verdict) {
		query.Verdict = ""
	}
	if !slices.Contains(States(), query.State) {
		query.State = ""
	}
	for _, v := range Verdicts() {
		d.Verdicts = append(d.Verdicts, string(v))
	}
	for _, s := range States() {
		d.States = append(d.States, string(s))
	}
	var err error
	if query.After, err = after(q.Get("after")); err != nil {
		return err
	}
	d.Later = query.After != 0
	status := http.StatusOK
	var page Page
	if d.Query == "" {
		d.Verdict, d.State = string(query.Verdict), string(query.State)
		page, err = p.List(r.Context(), visit.Viewer, query)
		if err == nil {
			d.Count, err = p.count(r.Context(), query)
			d.Count, d.More = min(d.Count, maxCount), d.Count > maxCount
		}
	} else {
		var found Found
		found, err = p.Search(r.Context(), visit.Viewer, d.Query, query.After, 0)
		page = found.Page
		for _, o := range found.Observables {
			d.Found = append(d.Found, foundValue{p.word("type", string(o.Type)), shown(observable.Defang(o.Value), maxShown)})
		}
		d.Count, d.More = len(page.Items), page.Next != 0 || d.Later
		if fault.Is(err, fault.Invalid) {
			status, err = http.StatusUnprocessableEntity, nil
			d.problems = []web.Problem{{Field: "q", Text: p.text.Text(visit.Lang, "report.page.list.problem", nil)}}
		}
	}
	if err != nil {
		return err
	}
	if page.Next != 0 {
		next := url.Values{"after": {page.Next.String()}}
		for name, value := range map[string]string{"q": d.Query, "verdict": d.Verdict, "state": d.State} {
			if value != "" {
				next.Set(name, value)
			}
		}
		d.Older = staffList + "?" + next.Encode()
	}
	if d.Rows, err = p.rows(r.Context(), visit.Lang, page.Items); err != nil {
		return err
	}
	return p.list.Render(w, r, status, d)
}

// rows adds to the summaries what the list shows besides.
func (p *staff) rows(ctx context.Context, lang string, all []Summary) ([]listRow, error) {
	ids := make([]database.ID, len(all))
	for i, s := range all {
		ids[i] = s.ID
	}
	senders, err := p.senders(ctx, ids)
	if err != nil {
		return nil, err
	}
	answers := map[database.ID]string{}
	if p.o.Answers != nil && len(ids) > 0 {
		if answers, err = p.o.Answers.AnswerStates(ctx, ids); err != nil {
			return nil, err
		}
	}
	rows := make([]listRow, len(all))
	for i, s := range all {
		from := senders[s.ID]
		rows[i] = listRow{
			ID: s.ID, At: s.ReceivedAt, Verdict: p.tag("verdict", string(s.Verdict)), Score: p.score(lang, s.Verdict, s.Score),
			Subject: shown(s.Subject, maxTitle), Name: shown(from.FromName, maxTitle), From: shown(observable.Defang(from.From), maxTitle),
			Channel: p.word("channel", string(s.Channel)), State: p.tag("state", string(s.State)), Answer: p.tag("answer", answers[s.ID]),
			Messages: s.Messages, Class: p.tag("class", string(s.Class)).Key,
		}
	}
	return rows, nil
}

// score writes a probability, for what was assessed.
func (c *Capability) score(lang string, v verdict.Verdict, score float64) string {
	if v == "" {
		return ""
	}
	return c.text.Decimal(lang, score, 2)
}

// senders returns, for each report, the message whose subject stands in the
// list.
func (c *Capability) senders(ctx context.Context, ids []database.ID) (map[database.ID]Message, error) {
	all := make(map[database.ID]Message, len(ids))
	if len(ids) == 0 {
		return all, nil
	}
	err := c.db.View(ctx, func(tx *database.Tx) error {
		in, args := database.In(ids)
		rows, err := tx.Query(ctx, `SELECT m.report_id, m.from_name, m.from_address FROM message m
			JOIN report r ON r.id = m.report_id AND r.subject = m.subject
			WHERE m.report_id`+in+` ORDER BY m.report_id, m.number`, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id database.ID
			var m Message
			if err := rows.Scan(&id, &m.FromName, &m.From); err != nil {
				return err
			}
			if _, seen := all[id]; !seen {
				all[id] = m
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading senders: %w", err)
	}
	return all, nil
}

// count returns how many reports a query lets through, at most one more than
// maxCount, so that it costs the same however many there are.
func (c *Capability) count(ctx context.Context, q Query) (n int, err error) {
	var where []string
	var args []any
	narrow := func(column, value string) {
		if value != "" {
			args = append(args, value)
			where = append(where, column+" = $"+strconv.Itoa(len(args)))
		}
	}
	narrow("verdict", string(q.Verdict))
	narrow("state", string(q.State))
	query := "SELECT id FROM report"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	args = append(args, maxCount+1)
	err = c.db.View(ctx, func(tx *database.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM ("+query+" LIMIT $"+strconv.Itoa(len(args))+") AS bounded", args...).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("counting reports: %w", err)
	}
	return n, nil
}

// oneData is the page about one report.
type oneData struct {
	Report
	Subject     string
	ChannelKey  string
	ClassKey    string // empty for a person's mail
	VerdictTag  Tag
	StateTag    Tag
	ScoreText   string
	SeeReporter bool
	SenderSure  bool // the reporter is proved to have sent it
	Messages    []messageView
	Observables []observableView
	Cut         bool   // there were more values than are kept
	Answer      *Panel // nil while there is none
	AnswerTag   Tag
	Asked       bool // assessing again was just asked for
}

type messageView struct {
	Number     int
	How        string // key of its text
	Subject    string
	Name, From string
	Date       time.Time
	Words      string
	Verdict    Tag
	Score      string
	Automatic  bool
	Brand      string
	Language   string
	Rules      string
	At         time.Time
	Reasons    []reasonView
}

type reasonView struct {
	Code, Text, Words string
	Weight            string
	Against           bool // it speaks against fraud
}

type observableView struct {
	Message       int    // its Number
	Type          string // key of its text
	Value, Search string
	Where, Source string // key of its text, and what the mail calls the place
	Text          string
	Hidden        bool
	Count         int
}

func (p *staff) showOne(w http.ResponseWriter, r *http.Request) error {
	private(w)
	visit := web.VisitOf(r.Context())
	id, err := database.ParseID(r.PathValue("id"))
	if err != nil {
		return fault.New(fault.NotFound, "")
	}
	report, err := p.Get(r.Context(), visit.Viewer, id)
	if err != nil {
		return err
	}
	d := oneData{
		Report: report, Subject: shown(report.Subject, maxShown), Cut: len(report.Observables) == maxSightings,
		ChannelKey: p.word("channel", string(report.Channel)), ClassKey: p.tag("class", string(report.Class)).Key,
		VerdictTag: p.tag("verdict", string(report.Verdict)), StateTag: p.tag("state", string(report.State)),
		ScoreText:   p.score(visit.Lang, report.Verdict, report.Score),
		SeeReporter: visit.Viewer.May(account.SeeReporter), SenderSure: report.Proved(), Asked: r.URL.Query().Has("asked"),
	}
	d.Reporter = shown(report.Reporter, maxShown)
	for _, m := range report.Items {
		d.Messages = append(d.Messages, p.messageView(visit.Lang, m))
	}
	for _, o := range report.Observables {
		defanged := observable.Defang(o.Value)
		d.Observables = append(d.Observables, observableView{
			Message: o.Message + 1, Type: p.word("type", string(o.Type)), Value: shown(defanged, maxShown*5), Search: staffList + "?q=" + url.QueryEscape(defanged),
			Where: p.word("where", o.Where), Source: shown(o.Source, maxShown), Text: shown(observable.Defang(o.Observable.Text), maxShown), Hidden: o.Hidden, Count: o.Count,
		})
	}
	panel, told, err := p.Panel(r.Context(), visit.Viewer, id, visit.Lang)
	if err != nil {
		return err
	}
	if told {
		d.Answer, d.AnswerTag = &panel, p.tag("answer", panel.State)
	}
	return p.one.Render(w, r, http.StatusOK, d)
}

func (p *staff) messageView(lang string, m Message) messageView {
	a := m.Assessment
	v := messageView{
		Number: m.Index + 1, How: p.word("how", string(m.How)), Subject: shown(m.Subject, maxShown), Name: shown(m.FromName, maxShown),
		From: shown(observable.Defang(m.From), maxShown), Date: m.Date, Words: shownLines(m.Words, 4096),
		Verdict: p.tag("verdict", string(a.Verdict)), Score: p.score(lang, a.Verdict, a.Score),
		Automatic: a.Automatic, Brand: shown(a.Brand, maxShown), Language: a.Language, Rules: shown(a.Rules, maxTitle), At: a.At,
	}
	for _, r := range a.Reasons {
		one := reasonView{
			Code: shown(r.Code, maxTitle), Text: p.sentence(lang, r), Words: shown(observable.Defang(r.Evidence), maxShown),
			Weight: p.weight(lang, r.Weight), Against: r.Weight < 0,
		}
		if strings.Contains(one.Text, "“"+one.Words+"”") || strings.Contains(one.Text, "„"+one.Words+"“") || strings.Contains(one.Text, "« "+one.Words+" »") {
			one.Words = "" // the sentence quotes them already
		}
		v.Reasons = append(v.Reasons, one)
	}
	return v
}

// sentence puts a reason into words; "" for a code that this version does not
// know any more.
func (p *staff) sentence(lang string, r verdict.Reason) string {
	params := make(map[string]string, len(r.Params))
	for name, value := range r.Params {
		params[name] = strings.ReplaceAll(shown(observable.Defang(value), maxShown), "⟦", "[") // the mark of a broken text
	}
	key := "reason." + r.Code
	if !p.text.Has(key) {
		return ""
	}
	text := p.text.Text(lang, key, params)
	if locale.Broken(text) {
		return ""
	}
	return text
}

func (p *staff) weight(lang string, w float64) string {
	text := p.text.Decimal(lang, w, 1)
	if w > 0 {
		text = "+" + text
	}
	return text
}

// assessAgain has a report that failed assessed as if it were new.
func (p *staff) assessAgain(w http.ResponseWriter, r *http.Request) error {
	id, err := database.ParseID(r.PathValue("id"))
	if err != nil {
		return fault.New(fault.NotFound, "")
	}
	if err := p.AssessAgain(r.Context(), web.VisitOf(r.Context()).Viewer, id); err != nil {
		return err
	}
	return web.Redirect(w, r, staffList+"/"+id.String()+"?asked")
}

// shown makes a foreign string fit to stand on one line of a page, at most
// limit characters of it. Characters that turn the direction of what follows
// are named instead of used, for that is what an analyst looks for; all else
// that nobody can see is left out. The template escapes it.
func shown(s string, limit int) string {
	return visible(s, limit, func(rune) rune { return ' ' })
}

// shownLines is shown for text of several lines.
func shownLines(s string, limit int) string {
	return visible(strings.ReplaceAll(s, "\r\n", "\n"), limit, func(r rune) rune {
		if r == '\n' {
			return r
		}
		return ' '
	})
}

func visible(s string, limit int, space func(rune) rune) string {
	s = strings.ToValidUTF8(s[:min(len(s), 16*limit)], "\uFFFD")
	var b strings.Builder
	count, marks := 0, 0
	for _, r := range s {
		word := ""
		switch {
		case unicode.IsSpace(r):
			r = space(r)
		case unicode.Is(unicode.Bidi_Control, r):
			word = fmt.Sprintf("‹%U›", r)
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Variation_Selector):
			continue
		case unicode.Is(unicode.M, r):
			if marks++; marks > 3 {
				continue
			}
		default:
			marks = 0
		}
		if word == "" {
			word = string(r)
		}
		if count += utf8.RuneCountInString(word); count > limit {
			b.WriteRune('…')
			break
		}
		b.WriteString(word)
	}
	return strings.TrimSpace(b.String())
}
