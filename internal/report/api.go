package report

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/report/submission"
)

// formRoom is what a body may have over MaxSize for the form around the files.
const formRoom = 512 << 10

func (c *Capability) registerAPI(api huma.API) {
	tags := []string{"reports"}
	body := &huma.RequestBody{
		Required: true,
		Description: "A mail as message/rfc822, an Outlook mail as application/vnd.ms-outlook, or a form as multipart/form-data " +
			"with files, pasted text or a URL.",
		Content: map[string]*huma.MediaType{},
	}
	for _, kind := range []string{submission.TypeMail, submission.TypeOutlook, "multipart/form-data"} {
		body.Content[kind] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
	huma.Register(api, web.Protected(account.SubmitReport, huma.Operation{
		OperationID: "submitReport", Method: http.MethodPost, Path: "/reports", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Hand in a report", RequestBody: body, MaxBodyBytes: c.o.MaxSize + formRoom, BodyReadTimeout: -1,
		Description: "The report is safe when the answer comes. With an Idempotency-Key, a second try within seven days finds the first one.",
		Errors: []int{
			http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
			http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable,
		},
	}), c.apiSubmit)
	// Registering takes every body as bytes; this says what a form's are.
	body.Content["multipart/form-data"].Schema = formSchema()

	huma.Register(api, web.Protected(account.ReadReport, huma.Operation{
		OperationID: "listReports", Method: http.MethodGet, Path: "/reports", Tags: tags,
		Summary: "List reports, newest first", Errors: []int{http.StatusUnprocessableEntity},
	}), c.apiList)
	huma.Register(api, web.Protected(account.ReadReport, huma.Operation{
		OperationID: "getReport", Method: http.MethodGet, Path: "/reports/{id}", Tags: tags,
		Summary: "Read one report", Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}), c.apiGet)
	huma.Register(api, web.Protected(account.ReadSighting, huma.Operation{
		OperationID: "searchObservables", Method: http.MethodGet, Path: "/observables", Tags: []string{"observables"},
		Summary:     "Find the reports in which a value was seen",
		Description: "The value may be defanged (hxxps://example[.]org). It is brought to its canonical form before it is looked up.",
		Errors:      []int{http.StatusUnprocessableEntity},
	}), c.apiSearch)
}

func formSchema() *huma.Schema {
	text := func(doc string, limit int) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: doc, MaxLength: &limit}
	}
	files := submission.MaxFiles
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{
		"files[]": {
			Type: huma.TypeArray, MaxItems: &files, Items: &huma.Schema{Type: huma.TypeString, Format: "binary"},
			Description: "Mails, screenshots, whatever came.",
		},
		"text":     text("Pasted text.", submission.MaxText),
		"url":      text("The address of a page.", submission.MaxURL),
		"email":    text("Where to send the answer; without it there is only the follow page.", submission.MaxEmail),
		"language": text("Language of the answer: nl, fr, de or en.", 2),
	}}
}

type submitInput struct {
	Key     string `header:"Idempotency-Key" maxLength:"200" doc:"Names this submission. The same key with the same body finds the first report; with another body it is a conflict."`
	RawBody []byte

	contentType string
}

// Resolve takes the header that says what the body is.
func (i *submitInput) Resolve(ctx huma.Context) []error {
	i.contentType = ctx.Header("Content-Type")
	return nil
}

type submitOutput struct {
	Location string `header:"Location" doc:"The report in this API."`
	Body     struct {
		ID     database.ID `json:"id" type:"string" doc:"The report."`
		Follow string      `json:"follow" doc:"The page on which the reporter follows it. Whoever has the link sees the answer."`
	}
}

func (c *Capability) apiSubmit(ctx context.Context, in *submitInput) (*submitOutput, error) {
	v := web.VisitOf(ctx).Viewer
	s, err := c.submissionOf(in.contentType, in.RawBody)
	if err != nil {
		return nil, err
	}
	s.Envelope.RemoteIP = web.VisitOf(ctx).Client
	if in.Key != "" {
		s.Key = v.Account.String() + "/" + in.Key
	}
	done, err := c.Submit(ctx, v, s)
	if err != nil {
		return nil, err
	}
	out := &submitOutput{Location: "/api/v1/reports/" + done.ID.String()}
	out.Body.ID, out.Body.Follow = done.ID, c.FollowURL(done.FollowToken)
	return out, nil
}

// after reads the cursor of a page; empty is the first one.
func after(s string) (database.ID, error) {
	if s == "" {
		return 0, nil
	}
	return database.ParseID(s)
}

type listInput struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many reports at most."`
	After   string `query:"after" maxLength:"20" doc:"What next said on the page before."`
	Verdict string `query:"verdict" maxLength:"20" doc:"Only reports with this verdict: phishing, malware, scam, spam, legitimate, exercise or unclear."`
	State   string `query:"state" maxLength:"20" doc:"Only reports in this state: accepted, assessed, waiting, answered, closed or failed."`
}

// ReportItem is a report in the lists of the API. It is exported because it is
// embedded in what the API describes.
type ReportItem struct {
	ID         database.ID `json:"id" type:"string"`
	ReceivedAt time.Time   `json:"received_at"`
	Channel    string      `json:"channel" doc:"smtp, api, form, import, imap; the list is open."`
	Subject    string      `json:"subject" doc:"Of the message that was reported. Hostile text."`
	Language   string      `json:"language" doc:"Of the message (ISO 639-1); empty when unknown."`
	Verdict    string      `json:"verdict" doc:"phishing, malware, scam, spam, legitimate, exercise, unclear; the list is open. Empty until the report is assessed."`
	Score      float64     `json:"score" doc:"Estimated probability of fraud, 0 to 1."`
	State      string      `json:"state" doc:"accepted, assessed, waiting, answered, closed, failed; the list is open."`
	Campaign   string      `json:"campaign" doc:"The campaign that the report belongs to; empty for none."`
}

func itemOf(s Summary) ReportItem {
	return ReportItem{
		ID: s.ID, ReceivedAt: s.ReceivedAt, Channel: string(s.Channel), Subject: s.Subject, Language: s.Language,
		Verdict: string(s.Verdict), Score: s.Score, State: string(s.State),
	}
}

// ReportPage is a page of reports in the API; see ReportItem.
type ReportPage struct {
	Items []ReportItem `json:"items" nullable:"false"`
	Next  string       `json:"next" doc:"For after, to get the next page; empty on the last one."`
}

func pageOf(p Page) ReportPage {
	out := ReportPage{Items: make([]ReportItem, len(p.Items))}
	for i, s := range p.Items {
		out.Items[i] = itemOf(s)
	}
	if p.Next != 0 {
		out.Next = p.Next.String()
	}
	return out
}

type listOutput struct{ Body ReportPage }

func (c *Capability) apiList(ctx context.Context, in *listInput) (*listOutput, error) {
	last, err := after(in.After)
	if err != nil {
		return nil, err
	}
	q := Query{Verdict: verdict.Verdict(in.Verdict), State: State(in.State), After: last, Limit: in.Limit}
	if q.Verdict != "" && !slices.Contains(Verdicts(), q.Verdict) {
		return nil, fault.New(fault.Invalid, "There is no such verdict.")
	}
	if q.State != "" && !slices.Contains(States(), q.State) {
		return nil, fault.New(fault.Invalid, "There is no such state.")
	}
	page, err := c.List(ctx, web.VisitOf(ctx).Viewer, q)
	if err != nil {
		return nil, err
	}
	return &listOutput{pageOf(page)}, nil
}

type getInput struct {
	ID string `path:"id" maxLength:"20"`
}

type reportDetail struct {
	ReportItem
	Automatic   bool             `json:"automatic" doc:"The verdict is sure enough to act without a person."`
	Class       string           `json:"class" doc:"Empty for a person's mail; bounce, auto-reply, list, own, loop; the list is open."`
	Desk        string           `json:"desk"`
	Size        int64            `json:"size" doc:"Of what was sent, in bytes."`
	RawKept     bool             `json:"raw_kept" doc:"What was sent is still kept."`
	Held        bool             `json:"held" doc:"The report is under legal hold."`
	Reporter    string           `json:"reporter,omitempty" doc:"The reporter's address, while it is kept."`
	Proved      bool             `json:"proved" doc:"Aligned authentication shows that the reporter sent it."`
	Messages    []messageItem    `json:"messages" nullable:"false"`
	Observables []observableItem `json:"observables" nullable:"false"`
	Answer      *answerItem      `json:"answer,omitempty" doc:"Missing while there is none."`
}

type messageItem struct {
	Index      int          `json:"index"`
	How        string       `json:"how" doc:"itself, attached, inline, redirected, pasted, pictured; the list is open."`
	Subject    string       `json:"subject"`
	FromName   string       `json:"from_name"`
	From       string       `json:"from"`
	Date       *time.Time   `json:"date,omitempty"`
	Words      string       `json:"words" doc:"The reporter's own words, while they are kept."`
	Verdict    string       `json:"verdict"`
	Malicious  bool         `json:"malicious"`
	Score      float64      `json:"score"`
	Automatic  bool         `json:"automatic"`
	Brand      string       `json:"brand" doc:"Who is imitated; empty for nobody."`
	Language   string       `json:"language"`
	Rules      string       `json:"rules" doc:"Version of the rules that judged."`
	Model      string       `json:"model" doc:"Version of the model that judged; empty for none."`
	AssessedAt *time.Time   `json:"assessed_at,omitempty"`
	Reasons    []reasonItem `json:"reasons" nullable:"false"`
}

type reasonItem struct {
	Code     string            `json:"code" doc:"The list is open."`
	Weight   float64           `json:"weight" doc:"What it adds to the log-odds of fraud."`
	Evidence string            `json:"evidence" doc:"Quoted from the message. Hostile text."`
	Span     *spanItem         `json:"span,omitempty"`
	Text     map[string]string `json:"text" doc:"The reason in words, by language: nl, fr, de, en."`
}

type spanItem struct {
	Part  string `json:"part"`
	Start int    `json:"start" doc:"In bytes."`
	End   int    `json:"end"`
}

type observableItem struct {
	Type    string `json:"type" doc:"url, domain, email, ip, sha256, phone, iban, wallet; the list is open."`
	Value   string `json:"value" doc:"In canonical form. Hostile: do not open it."`
	Message int    `json:"message" doc:"The index of the message in which it was seen."`
	Where   string `json:"where"`
	Source  string `json:"source,omitempty"`
	Text    string `json:"text,omitempty" doc:"What a reader sees on the link."`
	Hidden  bool   `json:"hidden,omitempty"`
	Via     string `json:"via,omitempty"`
	Count   int    `json:"count"`
}

type answerItem struct {
	State    string     `json:"state"`
	Kind     string     `json:"kind"`
	Why      string     `json:"why"`
	Language string     `json:"language"`
	Subject  string     `json:"subject"`
	Text     string     `json:"text"`
	SentAt   *time.Time `json:"sent_at,omitempty"`
}

type getOutput struct{ Body reportDetail }

func (c *Capability) apiGet(ctx context.Context, in *getInput) (*getOutput, error) {
	id, err := database.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	v := web.VisitOf(ctx).Viewer
	r, err := c.Get(ctx, v, id)
	if err != nil {
		return nil, err
	}
	p, answered, err := c.Panel(ctx, v, id, "")
	if err != nil {
		return nil, err
	}
	d := reportDetail{
		ReportItem: itemOf(r.Summary), Automatic: r.Automatic, Class: string(r.Class), Desk: r.Desk, Size: r.Size, RawKept: r.RawKept,
		Held: r.Held, Reporter: r.Reporter, Proved: r.Proved(), Messages: make([]messageItem, len(r.Items)),
		Observables: make([]observableItem, len(r.Observables)),
	}
	for i, m := range r.Items {
		d.Messages[i] = c.messageItem(m)
	}
	for i, s := range r.Observables {
		d.Observables[i] = observableItem{
			Type: string(s.Type), Value: s.Value, Message: s.Message, Where: s.Where, Source: s.Source,
			Text: s.Observable.Text, Hidden: s.Hidden, Via: s.Via, Count: s.Count,
		}
	}
	if answered {
		d.Answer = &answerItem{p.State, p.Kind, p.Why, p.Language, p.Subject, p.Text, timeOrNil(p.SentAt)}
	}
	return &getOutput{d}, nil
}

func (c *Capability) messageItem(m Message) messageItem {
	a := m.Assessment
	out := messageItem{
		Index: m.Index, How: string(m.How), Subject: m.Subject, FromName: m.FromName, From: m.From, Date: timeOrNil(m.Date), Words: m.Words,
		Verdict: string(a.Verdict), Malicious: a.Verdict.Malicious(), Score: a.Score, Automatic: a.Automatic, Brand: a.Brand,
		Language: a.Language, Rules: a.Rules, Model: a.Model, AssessedAt: timeOrNil(a.At), Reasons: make([]reasonItem, len(a.Reasons)),
	}
	for i, r := range a.Reasons {
		out.Reasons[i] = reasonItem{Code: r.Code, Weight: r.Weight, Evidence: r.Evidence, Text: c.ReasonText(r)}
		if r.Span != nil {
			out.Reasons[i].Span = &spanItem{r.Span.Part, r.Span.Start, r.Span.End}
		}
	}
	return out
}

// ReasonText puts a reason into words, by language. A code that this version
// does not know any more has none.
func (c *Capability) ReasonText(r verdict.Reason) map[string]string {
	text := map[string]string{}
	key := "reason." + r.Code
	if c.text == nil || !c.text.Has(key) {
		return text
	}
	for _, lang := range locale.Languages() {
		if t := c.text.Text(lang, key, r.Params); !locale.Broken(t) || strings.Contains(r.Evidence, "⟦") {
			text[lang] = t
		}
	}
	return text
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type searchInput struct {
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many reports at most."`
	After string `query:"after" maxLength:"20" doc:"What next said on the page before."`
	Value string `query:"value" required:"true" minLength:"1" maxLength:"8192" doc:"A URL, domain, address, IP address or SHA-256, defanged or not."`
}

type searchOutput struct {
	Body struct {
		Observables []foundItem `json:"observables" nullable:"false" doc:"The value, in each way in which it was seen; empty when it never was."`
		ReportPage
	}
}

type foundItem struct {
	ID    database.ID `json:"id" type:"string"`
	Type  string      `json:"type"`
	Value string      `json:"value"`
}

func (c *Capability) apiSearch(ctx context.Context, in *searchInput) (*searchOutput, error) {
	last, err := after(in.After)
	if err != nil {
		return nil, err
	}
	found, err := c.Search(ctx, web.VisitOf(ctx).Viewer, in.Value, last, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &searchOutput{}
	out.Body.ReportPage = pageOf(found.Page)
	out.Body.Observables = make([]foundItem, len(found.Observables))
	for i, o := range found.Observables {
		out.Body.Observables[i] = foundItem{o.ID, string(o.Type), o.Value}
	}
	return out, nil
}
