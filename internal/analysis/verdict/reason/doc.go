// Package reason looks for the pieces of evidence that a message is fraud, or
// is not: one file for each family of evidence, one code for each reason.
//
// It only finds. What a reason weighs, and what follows from all of them
// together, is decided in package verdict. Everything here is pure: a message
// goes in, reasons come out, in the same order every time.
//
// Some things never reach a reason, because they tell where a message was
// collected and not what it is: the receiver's own headers, the recipient,
// dates, message and boundary identifiers, mailer names and whether there is
// an HTML part at all. A test in package verdict scrambles them and expects
// the same score.
package reason

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
)

// Case is one message to be judged.
type Case struct {
	// Original is the message and the way it was found.
	Original original.Original
	// Observables are those of the original.
	Observables []observable.Observable
	// Language is the original's (ISO 639-1), or empty.
	Language string
}

// Facts is what the caller knows from outside the message. The zero value
// means: nothing.
type Facts struct {
	// Now is the time of judging. No reason of today reads it; indicators
	// with a validity will.
	Now time.Time
	// Auth is the result of the caller's own check of the outer message; it
	// says something about the original only where that is the outer message
	// itself.
	Auth *Checked
	// TrustedReceivers are the authserv-ids (RFC 8601 section 2.2) whose
	// Authentication-Results are believed.
	TrustedReceivers []string
	// OCRText is the text read from the message's pictures, or empty.
	OCRText string
	// Model is the learned model that judges; nil means the one that is built
	// in. Find does not read it.
	Model *model.Model
	// Known answers what is known of a value; nil means nothing is. It must
	// be pure for the duration of a call, and fast: it is asked for every
	// observable.
	Known func(t observable.Type, value string) Known
}

// Known is what is known of a value beforehand.
type Known string

// What can be known of a value. The zero value is: nothing.
const (
	// KnownMalicious is a value that an indicator calls malicious.
	KnownMalicious Known = "malicious"
	// KnownTrusted is a value on an allow-list.
	KnownTrusted Known = "trusted"
)

// Family is a kind of evidence. Two reasons of one family are one kind of
// evidence; fraud is only said on at least two kinds.
type Family string

// The families, in the order in which they are looked at.
const (
	// Authentication is what a trusted receiver saw of SPF, DKIM and DMARC.
	Authentication Family = "authentication"
	// Sender is who the message says it is from, and where answers go.
	Sender Family = "sender"
	// Brand is a known organisation's name in a foreign hand.
	Brand Family = "brand"
	// Link is where the message's links lead and how they hide it.
	Link Family = "link"
	// Markup is what HTML shows and what it hides.
	Markup Family = "markup"
	// Attachment is what files come along.
	Attachment Family = "attachment"
	// Words is what the text says.
	Words Family = "words"
	// Learned is what a model has learned of the words of fraud and of honest
	// mail, beyond the phrases of Words.
	Learned Family = "learned"
	// Knowledge is what is known of a value from elsewhere: indicators.
	Knowledge Family = "knowledge"
)

// Reason is one piece of evidence for or against fraud.
type Reason struct {
	// Code names the reason; the wording catalogue has "reason.<code>".
	Code string
	// Weight is what the reason adds to the log-odds of fraud: above zero
	// evidence of fraud, below zero evidence of innocence. Find leaves it zero.
	Weight float64
	// Strength says how strongly the reason holds, above 0 up to 1; what a
	// reason weighs is its row's weight times its strength.
	Strength float64
	// Brand is the identifier of the organisation concerned, or empty.
	Brand string
	// Params fill the placeholders of the wording. Every value is foreign
	// text of at most MaxEvidence bytes.
	Params map[string]string
	// Evidence is the quoted excerpt that shows it, at most MaxEvidence
	// bytes of valid UTF-8. Foreign text: escape and defang before showing.
	Evidence string
	// Span is where Evidence stands; nil where it is not one place.
	Span *Span
}

// Span is a place in a text of the message, in bytes.
type Span struct {
	// Part names the text: "subject", "from" and "reply-to" (the
	// display name, a space, and the address in angle brackets: see Mailbox),
	// "body" (what message.Body returns), "html" (the text of Markup, where
	// that is not the body), "picture" (Facts.OCRText) or "attachment:N" (the
	// name of the Nth, counted from 0).
	Part string
	// Start and End are byte offsets with Start < End.
	Start, End int
}

// MaxEvidence bounds an excerpt and a parameter, in bytes.
const MaxEvidence = 160

// Found is everything that the families found.
type Found struct {
	// Reasons in the order of the families, each code at most once.
	Reasons []Reason
	// Checked is what is believed about the sender; nil when nothing is.
	Checked *Checked
	// Sender is the From address's registrable domain, or empty.
	Sender string
	// Claimed is the brand that the message speaks for; nil when none.
	Claimed *reference.Brand
	// Readable says that there was anything to judge by: words, a link, a
	// picture's text or a file.
	Readable bool
	// Links counts the links that a reader can follow; OwnLinks those of them
	// that lead to the sender's own organisation.
	Links, OwnLinks int
	// Texts are what a reader sees, the subject first.
	Texts []Text
}

// Text is one readable text of a message; Part names it as Span.Part does.
type Text struct{ Part, Value string }

// Find looks for every reason in the case.
func Find(c Case, f Facts) Found {
	x := newExam(&c, &f)
	x.authentication()
	x.sender()
	x.brand()
	x.link()
	x.markup()
	x.attachment()
	x.words()
	x.known()
	return x.found
}

// exam is one message while it is looked at.
type exam struct {
	c       *Case
	f       *Facts
	m       *message.Message
	checked *Checked

	from     message.Address
	fromHost string // folded
	links    []link // what a reader can follow
	texts    []text // what a reader sees, the subject first
	pages    int    // attached HTML read so far
	found    Found
	seen     map[string]bool
}

// text is one readable text of the message, with the phrases found in it.
type text struct {
	part    string
	value   string
	matches []reference.Match
}

func newExam(c *Case, f *Facts) *exam {
	m := c.Original.Message
	if m == nil {
		m = new(message.Message)
	}
	x := &exam{c: c, f: f, m: m, seen: make(map[string]bool, 16)}
	x.checked = check(c, f)
	x.from = author(m.From)
	x.fromHost, _, _ = observable.FoldDomain(x.from.Domain())
	sender, _ := observable.RegistrableDomain(x.fromHost)
	x.found.Sender, x.found.Checked = sender, x.checked
	x.read("subject", m.Subject)
	body := m.Body()
	x.read("body", body)
	if m.Markup != nil && m.Markup.Text != body && len(m.Text) > 0 {
		x.read("html", m.Markup.Text)
	}
	x.read("picture", f.OCRText)
	x.gather()
	words := 0
	for _, t := range x.texts {
		words += len(strings.TrimSpace(t.value))
	}
	x.found.Readable = words > 0 || len(x.links) > 0 || len(m.Attachments) > 0
	return x
}

// author makes one sender of the From field. An unquoted comma in a display
// name splits it into mailboxes of which only the last has an address; what
// stood before it was still shown to the reader.
func author(from []message.Address) message.Address {
	var names []string
	for i := range from {
		if i == 10 {
			break
		}
		if from[i].Domain() != "" {
			a := from[i]
			if a.Name != "" || len(names) == 0 {
				names = append(names, a.Name)
			}
			a.Name = strings.Join(names, ", ")
			return a
		}
		if name := strings.TrimSpace(from[i].Name + " " + from[i].Address); name != "" {
			names = append(names, name)
		}
	}
	if len(from) == 0 {
		return message.Address{}
	}
	return from[0]
}

func (x *exam) read(part, value string) {
	if value != "" {
		x.texts = append(x.texts, text{part, value, reference.Scan(value)})
		x.found.Texts = append(x.found.Texts, Text{part, value})
	}
}

// add keeps a reason, the first of each code.
func (x *exam) add(r Reason) {
	if x.seen[r.Code] {
		return
	}
	x.seen[r.Code] = true
	if r.Strength <= 0 || r.Strength > 1 {
		r.Strength = 1
	}
	x.found.Reasons = append(x.found.Reasons, r)
}

// At makes the reason that a place in one of the texts shows.
func At(code string, t Text, start, end int, pairs ...string) Reason {
	return at(code, t.Part, t.Value, start, end, params(pairs...))
}

// at makes the reason that a place in a text shows.
func at(code, part, whole string, start, end int, params map[string]string) Reason {
	start, end = max(start, 0), min(end, len(whole))
	if start >= end {
		return Reason{Code: code, Params: params}
	}
	for start > 0 && !utf8.RuneStart(whole[start]) {
		start--
	}
	return Reason{
		Code: code, Params: params,
		Evidence: cut(whole[start:end]), Span: &Span{Part: part, Start: start, End: end},
	}
}

// cut makes an excerpt of s: valid UTF-8 on one line, at most MaxEvidence bytes.
func cut(s string) string {
	const dots = "…"
	short := s
	if len(short) > 4*MaxEvidence {
		short = short[:4*MaxEvidence]
	}
	short = strings.Join(strings.Fields(strings.ToValidUTF8(short, "")), " ")
	if len(short) <= MaxEvidence && len(s) <= 4*MaxEvidence {
		return short
	}
	end := min(len(short), MaxEvidence-len(dots))
	for end > 0 && end < len(short) && !utf8.RuneStart(short[end]) {
		end--
	}
	return short[:end] + dots
}

// params makes parameters of names and values in turn.
func params(pairs ...string) map[string]string {
	p := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		p[pairs[i]] = cut(pairs[i+1])
	}
	return p
}

// Mailbox writes an address as the parts "from" and "reply-to" have it.
func Mailbox(a message.Address) string {
	switch {
	case a.Name == "":
		return "<" + a.Address + ">"
	case a.Address == "":
		return a.Name
	}
	return a.Name + " <" + a.Address + ">"
}

func (x *exam) fromText() string { return cut(Mailbox(x.from)) }

func (x *exam) fromSpan() *Span {
	if x.from == (message.Address{}) {
		return nil
	}
	return &Span{Part: "from", Start: 0, End: len(Mailbox(x.from))}
}

// fromReason makes a reason that the From field shows.
func (x *exam) fromReason(code string, params map[string]string) Reason {
	return Reason{Code: code, Params: params, Evidence: x.fromText(), Span: x.fromSpan()}
}
