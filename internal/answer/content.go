package answer

import (
	"slices"
	"strconv"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/locale"
)

// Ask is something that a message wants of its victim, and that the victim may
// have done already.
type Ask string

// What victims do. Each has a heading and steps in the catalogues.
const (
	Clicked    Ask = "clicked"    // opened a link
	Password   Ask = "password"   // typed a password
	Bank       Ask = "bank"       // gave codes of a bank, or of a card
	Paid       Ask = "paid"       // paid
	Opened     Ask = "opened"     // opened a file or installed something
	Threatened Ask = "threatened" // was threatened with pictures or secrets
)

// asks are all of them, the most urgent first.
var asks = []Ask{Bank, Paid, Password, Opened, Threatened, Clicked}

// How much one answer tells.
const (
	maxItems  = 5 // messages of one report
	maxAsks   = 4 // sorts of victims' steps
	maxParams = 8 // parameters of one reason
)

// told is what an answer tells, without words: codes, and foreign words that
// quote has made harmless. It is stored as JSON.
type told struct {
	Kind  Kind       `json:"kind"` // never None
	Items []toldItem `json:"items,omitempty"`
	More  int        `json:"more,omitempty"` // messages of the report that are left out
}

type toldItem struct {
	Verdict verdict.Verdict `json:"verdict"`
	Sure    bool            `json:"sure,omitempty"`
	Brand   string          `json:"brand,omitempty"`
	About   string          `json:"about,omitempty"`
	Asks    []Ask           `json:"asks,omitempty"`
	Reasons []toldReason    `json:"reasons,omitempty"`
}

// certain reports whether the verdict is told as a fact: it is sure, and there
// are words for it.
func (i toldItem) certain() bool { return i.Sure && known(i.Verdict) != string(verdict.Unclear) }

type toldReason struct {
	Code   string            `json:"code"`
	Params map[string]string `json:"params,omitempty"`
	Words  string            `json:"words,omitempty"`
}

// pick takes out of the subject what an answer of that kind tells. Of an
// acknowledgement that is nothing at all.
func (c *Capability) pick(s Subject, k Kind) told {
	t := told{Kind: k}
	if k != Full && k != Careful {
		return t
	}
	items := s.Items[:min(len(s.Items), maxItems)]
	t.More = max(s.Total, len(s.Items)) - len(items)
	reasons := 3
	switch {
	case len(items) > 3:
		reasons = 1
	case len(items) > 1:
		reasons = 2
	}
	for _, i := range items {
		one := toldItem{Verdict: i.Verdict, Sure: i.sure(), Brand: c.brand(i), Asks: asksOf(i)}
		if one.Verdict == "" {
			one.Verdict = verdict.Unclear
		}
		if len(items) > 1 || t.More > 0 {
			one.About = title(i.Title, maxTitle)
		}
		for _, r := range i.Reasons {
			if len(one.Reasons) == reasons || !one.Sure && len(one.Reasons) == 2 {
				break
			}
			// Only what speaks for the verdict; what is not worded is for staff.
			if (r.Weight < 0) != (one.Verdict == verdict.Legitimate) || r.Weight == 0 || !c.text.Has("reason."+r.Code) {
				continue
			}
			if reason, ok := c.reason(r); ok {
				one.Reasons = append(one.Reasons, reason)
			}
		}
		t.Items = append(t.Items, one)
	}
	return t
}

// reason takes over what the reason's wording asks for. ok is false when some
// of that is missing: a sentence with a hole convinces nobody.
func (c *Capability) reason(r verdict.Reason) (told toldReason, ok bool) {
	names, plural := c.text.Placeholders("reason." + r.Code)
	if plural || len(names) > maxParams {
		return told, false
	}
	told = toldReason{Code: r.Code, Words: quote(r.Evidence, maxWords)}
	for _, n := range names {
		value := quote(r.Params[n], maxParam)
		if value == "" {
			return told, false
		}
		if told.Params == nil {
			told.Params = make(map[string]string, len(names))
		}
		told.Params[n] = value
		if r.Params[n] == r.Evidence {
			told.Words = "" // the sentence quotes it
		}
	}
	return told, true
}

// brand returns the name of an imitated organisation, whether the item gives
// that or its identifier in the list of brands.
func (c *Capability) brand(i Item) string {
	if name, ok := c.brands[i.Brand]; ok {
		return name
	}
	return brandName(i.Brand)
}

// Content is an answer in words, before it is laid out as a mail or a page. It
// is plain text throughout: whoever shows it escapes it. Foreign words stand
// only in About and Words, and as parameters in a Point's Text; all have been
// made harmless.
type Content struct {
	Kind     Kind
	Language string
	Title    string   // what the answer says, in one line
	Intro    []string // paragraphs
	Sections []Section
	Closing  []string // paragraphs
}

// Section is one part of an answer. Whatever is empty is left out.
type Section struct {
	Heading string
	About   string // foreign: the subject of the message that the section is about, in quotation marks
	Text    []string
	Points  []Point  // reasons
	Steps   []string // in this order
}

// Point is one reason: our sentence, and the message's own words that show it.
type Point struct {
	Text  string
	Words string // foreign, in quotation marks; may be empty
}

// writer puts what is told into the words of one language.
type writer struct {
	text     *locale.Catalogue
	lang     string
	centre   string
	contacts []Contact
}

func (c *Capability) writer(lang string) writer {
	return writer{c.text, lang, c.centre.Name, c.opt.Contacts}
}

// choose returns the first that is a language we write, or English.
func choose(languages ...string) string {
	for _, l := range languages {
		if locale.Known(l) {
			return l
		}
	}
	return "en"
}

func (w writer) say(key string, params map[string]string) string {
	return w.text.Text(w.lang, "answer."+key, params)
}

// all returns the texts key.1, key.2 … as many as the catalogue has.
func (w writer) all(key string) (texts []string) {
	for n := 1; w.text.Has("answer." + key + "." + strconv.Itoa(n)); n++ {
		texts = append(texts, w.say(key+"."+strconv.Itoa(n), nil))
	}
	return texts
}

// quoted puts the language's quotation marks around foreign words.
func (w writer) quoted(words string) string {
	if words == "" {
		return ""
	}
	return w.say("quoted", map[string]string{"Words": words})
}

// compose puts it into words. The same told always gives the same Content.
func (w writer) compose(t told) Content {
	out := Content{Kind: t.Kind, Language: w.lang, Title: w.title(t), Intro: []string{w.say("thanks", nil)}}
	if t.Kind == Acknowledgement || len(t.Items) == 0 {
		out.Kind = Acknowledgement
		out.Intro = append(out.Intro, w.all("received")...)
		return out
	}
	several := len(t.Items) > 1 || t.More > 0
	for n, i := range t.Items {
		s := w.item(i)
		if several {
			s.Heading = w.say("message", map[string]string{"Number": strconv.Itoa(n + 1), "Total": strconv.Itoa(len(t.Items) + t.More)})
			s.About = w.quoted(i.About)
		}
		out.Sections = append(out.Sections, s)
	}
	if t.More > 0 {
		out.Sections = append(out.Sections, Section{Text: []string{w.text.Plural(w.lang, "answer.more", t.More, nil)}})
	}
	out.Sections = append(out.Sections, w.steps(t)...)
	out.Closing = w.all("closing")
	return out
}

// title says the whole in one line.
func (w writer) title(t told) string {
	switch {
	case t.Kind == Acknowledgement || len(t.Items) == 0:
		return w.say("title.acknowledgement", nil)
	case len(t.Items)+t.More > 1:
		return w.say("title.several", map[string]string{"Total": strconv.Itoa(len(t.Items) + t.More)})
	case !t.Items[0].certain():
		return w.say("title.careful", nil)
	}
	return w.say("title."+known(t.Items[0].Verdict), nil)
}

// known returns the verdict for the catalogue's keys: one that we have no words
// for is unclear.
func known(v verdict.Verdict) string {
	switch v {
	case verdict.Phishing, verdict.Malware, verdict.Scam, verdict.Spam, verdict.Legitimate, verdict.Exercise:
		return string(v)
	}
	return string(verdict.Unclear)
}

// item says what one message is, and why.
func (w writer) item(i toldItem) Section {
	var s Section
	v := known(i.Verdict)
	if !i.certain() {
		s.Text = w.all("careful")
	} else {
		s.Text = []string{w.say("is."+v, nil)}
		if i.Brand != "" && i.Verdict.Malicious() {
			s.Text = append(s.Text, w.say("brand", map[string]string{"Brand": i.Brand}))
		}
	}
	for _, r := range i.Reasons {
		if text := w.text.Text(w.lang, "reason."+r.Code, r.Params); !locale.Broken(text) {
			s.Points = append(s.Points, Point{text, w.quoted(r.Words)})
		}
	}
	if len(s.Points) > 0 {
		lead := "because"
		if !i.certain() {
			lead = "noticed"
		}
		s.Text = append(s.Text, w.say(lead, nil))
	}
	return s
}

// steps says what to do, once for each verdict in the report, and what to do
// for who has done something already.
func (w writer) steps(t told) (all []Section) {
	var seen []string
	var wanted []Ask
	for _, i := range t.Items {
		v := known(i.Verdict)
		if !i.certain() {
			v = "careful"
		}
		if slices.Contains(seen, v) {
			continue
		}
		seen = append(seen, v)
	}
	for _, v := range seen {
		s := Section{Heading: w.say("todo", nil), Steps: w.all("do." + v)}
		if len(seen) > 1 {
			s.Heading = w.say("todo_"+v, nil)
		}
		all = append(all, s)
	}
	for _, a := range asks {
		if len(wanted) < maxAsks && slices.ContainsFunc(t.Items, func(i toldItem) bool { return slices.Contains(i.Asks, a) }) {
			wanted = append(wanted, a)
		}
	}
	for _, a := range wanted {
		s := Section{Heading: w.say("after."+string(a)+".heading", nil), Steps: w.all("after." + string(a))}
		for _, contact := range w.contacts {
			if slices.Contains(contact.After, string(a)) {
				s.Steps = append(s.Steps, contact.in(w.lang))
			}
		}
		all = append(all, s)
	}
	return all
}

// asksOfCode names the reasons that show what a message wants. A code that is
// not here shows nothing of that kind.
var asksOfCode = map[string]Ask{
	"html-password": Password, "link-form": Password,
	"words-credentials": Password, "words-suspension": Password, "words-helpdesk": Password,
	"words-bank": Bank, "words-delivery": Bank, "words-refund": Bank, "words-government": Bank,
	"words-payment": Paid, "words-invoice": Paid, "words-reward": Paid, "words-advance": Paid,
	"words-job": Paid, "words-friend": Paid, "words-romance": Paid, "words-crypto": Paid,
	"words-extortion": Threatened,
	"html-smuggling":  Opened, "link-program": Opened, "attachment-program": Opened, "attachment-container": Opened,
	"attachment-macros": Opened, "attachment-double-ending": Opened, "attachment-type-differs": Opened,
	"attachment-locked": Opened, "attachment-archived-program": Opened,
}

// asksOf tells what the victims of such a message may have done.
func asksOf(i Item) (found []Ask) {
	if i.sure() && !i.Verdict.Malicious() {
		return nil
	}
	add := func(a Ask) {
		if !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	for _, r := range i.Reasons {
		if a, ok := asksOfCode[r.Code]; ok && r.Weight > 0 {
			add(a)
		}
	}
	switch {
	case !i.sure():
	case i.Verdict == verdict.Malware:
		add(Opened)
	case i.Verdict == verdict.Scam:
		add(Paid)
	case len(found) == 0: // phishing that does not show what for
		add(Password)
		add(Bank)
	}
	if i.Verdict != verdict.Scam {
		add(Clicked)
	}
	return found
}
