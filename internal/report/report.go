// Package report takes in what people send, keeps it, has it assessed, and
// lets its reporter follow it. In the loop it is the first step and half of
// the second: report, then assess.
//
// The way of one report: every door (SMTP, API, form, import) calls
// [Capability.Accept], which makes the raw bytes durable and then commits a
// receipt, a row and a job in one transaction (intake.go). The job reads the
// bytes, examines them with the pure package analysis, and stores messages,
// assessments and observables together with its own completion, exactly once
// (jobs.go). The event [Assessed] lets others go on: answer tells the reporter.
//
// # What it costs
//
// Accepting writes three rows. Their keys grow with time, so the cost does not
// grow with the table; the one random key is that of the receipts, which are
// kept for seven days only. The indexes by reporter and by observable are
// written when the report is assessed. A follow link carries the report's id
// beside its secret, so that no index over secrets is needed.
//
// # Below
//
// Package keep takes away what was kept long enough, or what a person wants
// gone; package submission makes one message of what a form or the API hands
// in; package fill invents reports to measure by. None of them imports this one.
package report

import (
	"embed"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/mailauth"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is this package's tables.
var Schema = database.Schema{Owner: "report", Files: migrations}

// Locales are this package's texts, with keys that begin with "report.".
//
//go:embed locales/*.toml
var Locales embed.FS

// State says how far a report has come.
type State string

// The states. What a report can become next stands in the table next.
const (
	StateAccepted State = "accepted" // its bytes and row are safe; it waits to be assessed
	StateAssessed State = "assessed" // its verdict is sure enough to act on; it waits for its answer
	StateWaiting  State = "waiting"  // its verdict is not sure: a person has to decide
	StateAnswered State = "answered" // its reporter has been told, or needs not be
	StateClosed   State = "closed"   // nothing more will be done: settled by a person, an automatic mail, or erased
	StateFailed   State = "failed"   // assessing was given up; it is kept, and can be tried again
)

// States returns every state, in the order in which a report goes through them.
func States() []State {
	return []State{StateAccepted, StateAssessed, StateWaiting, StateAnswered, StateClosed, StateFailed}
}

// next is the only place that says what a state may become.
var next = map[State][]State{
	StateAccepted: {StateAssessed, StateWaiting, StateClosed, StateFailed},
	StateAssessed: {StateWaiting, StateAnswered, StateClosed},
	StateWaiting:  {StateAssessed, StateClosed},
	StateAnswered: {StateAssessed, StateWaiting, StateClosed}, // a decision or correction opens it again
	StateClosed:   {StateAssessed, StateWaiting},
	StateFailed:   {StateAssessed, StateWaiting, StateClosed},
}

// Becomes reports whether a report in state s may go on to state t.
func (s State) Becomes(t State) bool { return slices.Contains(next[s], t) }

// Channel is the door through which a report came.
type Channel string

// The channels.
const (
	SMTP   Channel = "smtp"   // mail to a desk address
	API    Channel = "api"    // POST /api/v1/reports
	Form   Channel = "form"   // the public web form
	Import Channel = "import" // an archive on the command line; nobody waits for an answer
	IMAP   Channel = "imap"   // a mailbox that is fetched
)

// Channels returns every channel.
func Channels() []Channel { return []Channel{SMTP, API, Form, Import, IMAP} }

// mail reports whether what comes through the channel is the reporter's own
// mail, whose header says who the reporter is.
func (c Channel) mail() bool { return c == SMTP || c == IMAP }

// Class says what sort of mail a report came in. The list is open.
type Class string

// The classes. Only a person's mail is ever answered.
const (
	Personal  Class = ""           // a person wrote or forwarded it, for all that can be seen
	Bounce    Class = "bounce"     // a delivery status notification (RFC 3464)
	AutoReply Class = "auto-reply" // sent by a machine in answer to something (RFC 3834)
	List      Class = "list"       // it came through a mailing list (RFC 2919, RFC 2369)
	Own       Class = "own"        // a mail of our own came back
	Loop      Class = "loop"       // it has passed through here, or through too many hosts, before
	Robot     Class = "robot"      // another automatic mail
)

// Verdicts returns every verdict that a report can have.
func Verdicts() []verdict.Verdict {
	return []verdict.Verdict{
		verdict.Phishing, verdict.Malware, verdict.Scam, verdict.Spam,
		verdict.Legitimate, verdict.Exercise, verdict.Unclear,
	}
}

// Submission is what a door hands in.
type Submission struct {
	Channel Channel
	// Content is one message (RFC 5322), at most Options.MaxSize bytes. What
	// is not a message, package submission makes one of. It is not kept after
	// Accept returns.
	Content  []byte
	Envelope Envelope
	Desk     parts.Desk // the desk it was sent to; the zero Desk is the centre's first
	Language string     // nl, fr, de or en, when the reporter chose one; else empty
	// Reporter is the reporter's address as far as the door knows it: the
	// envelope's sender, or what was typed into a form. For mail, assessing
	// puts the address from the header in its place. Empty: anonymous.
	Reporter string
	// Key names the submission, so that a second one under the same key is
	// recognised for seven days. The door scopes it ("api/<account>/<key>").
	// Empty: for mail and imports the sender, desk and bytes themselves; for
	// all else nothing, each submission is a report.
	Key string
	// ReceivedAt is when the centre got it; zero is now. Retention counts from
	// now in any case.
	ReceivedAt time.Time
}

// Envelope is what the SMTP conversation told. It is stored as JSON and erased
// with the reporter's address.
type Envelope struct {
	From     string     `json:"from,omitempty"`
	Null     bool       `json:"null,omitempty"` // the reverse-path was <>: nobody wants an answer (RFC 5321, section 4.5.5)
	To       []string   `json:"to,omitempty"`
	RemoteIP netip.Addr `json:"remote_ip,omitzero"`
	Helo     string     `json:"helo,omitempty"`
	TLS      bool       `json:"tls,omitempty"`
	Relay    bool       `json:"relay,omitempty"` // the client is one of our own relays
}

// Accepted is the answer to a Submission.
type Accepted struct {
	ID        database.ID
	Duplicate bool // it was here before: ID is the first one's, and nothing was stored
	// FollowToken opens the follow page. It is empty for a duplicate that was
	// recognised by its bytes alone, for then somebody else may have sent it.
	FollowToken string
}

// AssessedEvent is told when a report has been assessed, or has failed to be.
type AssessedEvent struct {
	Report database.ID `json:"report"`
}

// Assessed is this package's topic; that of removal is keep.Erased.
var Assessed = event.New[AssessedEvent]("report.assessed")

// Summary is a report as it stands in a list.
type Summary struct {
	ID         database.ID
	ReceivedAt time.Time
	Channel    Channel
	Subject    string // of the message, not of the mail that carried it
	Language   string // of the message (ISO 639-1), or empty
	Verdict    verdict.Verdict
	Score      float64
	Automatic  bool
	State      State
	Class      Class
	Messages   int // how many messages it held
}

// Report is one report with all that is known of it.
type Report struct {
	Summary
	Desk         string
	Organisation string
	Chosen       string // the language that the reporter chose, or the desk's
	Size         int64  // of what was sent, in bytes
	RawKept      bool   // the bytes are still there
	Held         bool   // under legal hold
	Reporter     string // the address; empty when there is none, it was erased, or the viewer may not see it
	Erased       bool   // there was an address, or may have been
	Origin       Origin
	Items        []Message
	Observables  []Sighting
}

// Proved reports whether aligned authentication shows that the reporter sent
// it.
func (r *Report) Proved() bool {
	p := r.Origin.Proof
	return p.Proved && r.Reporter != "" && strings.EqualFold(p.From, r.Reporter)
}

// Origin is what is known of the reporter's own mail, or form. It is stored as JSON and
// erased with the reporter's address.
type Origin struct {
	MessageID       string          `json:"message_id,omitempty"`
	References      []string        `json:"references,omitempty"`
	Subject         string          `json:"subject,omitempty"`
	WordsLanguage   string          `json:"words_language,omitempty"`   // of the reporter's own words
	ForwardLanguage string          `json:"forward_language,omitempty"` // of the labels above the forwarded text
	Proof           mailauth.Result `json:"proof"`
	NullSender      bool            `json:"null_sender,omitempty"`
	Network         string          `json:"network,omitempty"` // from which a form came
}

// Message is one suspicious message found in a report.
type Message struct {
	Index      int // from 0, in the order in which they stand in the report
	How        original.How
	Subject    string
	FromName   string
	From       string
	Date       time.Time // zero when absent
	Words      string    // the reporter's own, cut to 4 kB; erased with the address
	Assessment Assessment
}

// Assessment is what the program concluded about one message. Assessments are
// only ever added; the latest counts.
type Assessment struct {
	ID database.ID
	At time.Time
	verdict.Assessment
}

// Sighting is one value seen in one message of a report.
type Sighting struct {
	ObservableID database.ID
	Message      int // its Index
	observable.Observable
}

// Facts are what other capabilities need to know of a report.
type Facts struct {
	ID         database.ID
	ReceivedAt time.Time
	Channel    Channel
	Desk       string
	State      State
	// Languages that the reporter probably reads, the best first: chosen, of
	// the words, of the forward's header, of the desk. None is empty.
	Languages []string
	Reporter  string // the address; empty when there is none or it was erased
	Erased    bool
	Proved    bool // aligned authentication shows that Reporter sent it
	Class     Class
	Origin    Origin
	Verdict   verdict.Verdict
	Automatic bool
	Score     float64
	Items     []Message // 1 to 20, the gravest first; one unclear one when nothing could be found
	Total     int       // how many messages there were
	Follow    string    // the follow page's address; empty when it has expired
	Expires   time.Time // when the follow page does
}

// Query asks for a page of the list, newest first. Zero fields do not narrow.
type Query struct {
	Verdict verdict.Verdict
	State   State
	After   database.ID // the last ID of the page before
	Limit   int         // 1 to 500; 0 is 50
}

// Page is one page of a list.
type Page struct {
	Items []Summary
	Next  database.ID // for Query.After; 0 on the last page
}

// Observable is one value, once for all reports.
type Observable struct {
	ID    database.ID
	Type  observable.Type
	Value string
}

// Found is what a search for a value found: the value in each way that it can
// be read, and a page of the reports in which it was seen, newest first.
type Found struct {
	Observables []Observable
	Page
}

// Panel is what has been answered, for a page about the report. All of it is
// plain text in which foreign words are defanged; whoever shows it escapes it.
type Panel struct {
	State     string // how far the answer has come
	StateText string // the same in words
	Kind      string // full, careful, acknowledgement or none
	Why       string // a code; for staff only, as is its sentence
	WhyText   string
	Language  string
	Subject   string // the whole in one line
	Intro     []string
	Sections  []PanelSection
	Closing   []string
	Text      string // Intro, Sections and Closing laid out as text
	SentAt    time.Time
}

// PanelSection is one part of an answer; whatever is empty is left out.
type PanelSection struct {
	Heading string
	About   string // the subject of the message that the section is about
	Text    []string
	Points  []PanelPoint // reasons
	Steps   []string     // what to do, in this order
}

// PanelPoint is one reason, and the message's own words that show it.
type PanelPoint struct{ Text, Words string }

// Followed is what the holder of a follow link may see: no score, no code.
type Followed struct {
	ID         database.ID
	ReceivedAt time.Time
	Until      time.Time // when the link stops working
	State      State
	Language   string // in which the reporter is addressed
	Panel      *Panel // nil while there is no answer
}
