package answer

import (
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/database"
)

// Kind is how much is told.
type Kind string

// The kinds of answers.
const (
	Full            Kind = "full"            // what it is, why, and what to do
	Careful         Kind = "careful"         // what was noticed, and that nobody is sure yet
	Acknowledgement Kind = "acknowledgement" // a fixed text without a foreign word
	None            Kind = "none"            // nothing
)

// Purpose is what an answer is for. A report has one answer for each purpose.
type Purpose string

// Assessed is the answer that follows the first assessment. The list is open:
// a decision that changes the verdict gets a purpose of its own.
const Assessed Purpose = "assessed"

// State is how far an answer has come.
type State string

// The states. Only Pending is not settled.
const (
	Pending  State = "pending"  // waits for the relay
	Sent     State = "sent"     // the relay has taken it
	Unsent   State = "unsent"   // no relay was configured; it stands on the follow page
	Failed   State = "failed"   // the relay refused it for good, or for four days
	Withheld State = "withheld" // no mail goes out: see Why
)

// Why says why an answer is of its kind. Each has a sentence for people in the
// catalogues, "answer.why.<why>".
type Why string

// The reasons for telling all that is known.
const (
	WhySure   Why = "sure"   // proved sender, and a verdict that is sure
	WhyUnsure Why = "unsure" // proved sender, and no verdict that is sure
)

// The reasons for an acknowledgement at most, once a day to an address.
const (
	WhyNotProved   Why = "not-proved"   // no aligned authentication shows that the sender is who the mail says
	WhyRateLimited Why = "rate-limited" // as many answers as one reporter gets in an hour or a day
	WhyMany        Why = "many"         // more reports in a day than one person sends
	WhyVariants    Why = "variants"     // the same message again and again: a trial of what passes
)

// The reasons for no mail at all.
const (
	WhyBounce     Why = "bounce"       // a delivery status notification (RFC 3464)
	WhyAutoReply  Why = "auto-reply"   // sent by a machine in answer to something (RFC 3834)
	WhyList       Why = "list"         // came through a mailing list
	WhyOwn        Why = "own"          // our own mail came back, or the sender is one of our own addresses
	WhyLoop       Why = "loop"         // it has been here before
	WhyNullSender Why = "null-sender"  // the envelope says that nobody wants an answer (RFC 5321, section 4.5.5)
	WhyRobot      Why = "robot"        // an address behind which nobody reads
	WhyNever      Why = "never"        // an address or domain that the configuration excludes
	WhyNoAddress  Why = "no-address"   // the reporter left none
	WhyBadAddress Why = "bad-address"  // what the reporter left is not one address
	WhyDeskOff    Why = "desk-off"     // the desk sends no answers
	WhyImported   Why = "imported"     // handed in from an archive: nobody waits
	WhyOnceADay   Why = "once-a-day"   // not proved, and acknowledged within a day already
	WhyBudget     Why = "budget"       // as many acknowledgements to unproved addresses as go out in one hour
	WhyErased     Why = "erased"       // the address was erased before the mail went out
	WhyNoAnswers  Why = "no-answering" // the centre has switched answers by mail off
)

// Whys returns every reason, for tests and documentation.
func Whys() []Why {
	return []Why{
		WhySure, WhyUnsure, WhyNotProved, WhyRateLimited, WhyMany, WhyVariants,
		WhyBounce, WhyAutoReply, WhyList, WhyOwn, WhyLoop, WhyNullSender, WhyRobot, WhyNever, WhyNoAddress,
		WhyBadAddress, WhyDeskOff, WhyImported, WhyOnceADay, WhyBudget, WhyErased, WhyNoAnswers,
	}
}

// Robot says what kind of automatic mail a report was.
type Robot string

// The kinds of automatic mail; the zero value is a person's mail.
const (
	Person      Robot = ""
	Bounce      Robot = "bounce"
	AutoReply   Robot = "auto-reply"
	List        Robot = "list"
	OwnMail     Robot = "own"
	MailLoop    Robot = "loop"
	OtherRobot  Robot = "robot"
	importation       = "import" // the channel of reports from an archive
)

// Subject is a report as this package needs it. Everything in it but IDs,
// verdicts and our own link is foreign and hostile.
type Subject struct {
	Report     database.ID
	ReceivedAt time.Time
	Channel    string // smtp, api, form, import, imap
	Desk       string // the address reported to; may be empty

	Address    string // of the reporter; empty when there was none or it was erased
	Erased     bool   // there was an address
	Proved     bool   // aligned authentication shows that Address sent it
	Robot      Robot
	NullSender bool   // the envelope's reverse-path was empty
	Network    string // from which a form came; empty for everything else

	// Of the reporter's own mail, for threading: with or without brackets.
	MessageID  string
	References []string
	Title      string // its subject

	// Languages, the best first: of the reporter's words, of the forward's
	// header, of the desk. Empty and unknown ones are passed over.
	Languages []string

	Items []Item // the messages in the report, at least one
	Total int    // how many there were, when Items is cut; 0 means len(Items)

	// FollowURL is the report's follow page, within the centre's own site.
	FollowURL     string
	FollowExpires time.Time // zero: not told
}

// Item is one message of a report and what it was found to be.
type Item struct {
	Verdict   verdict.Verdict
	Automatic bool   // the assessment is sure enough to act without a person
	Decided   bool   // a person has decided
	Brand     string // of the organisation that is imitated: its identifier in our list of brands, or its name; may be empty
	Reasons   []verdict.Reason
	Title     string // the message's subject
	Sender    string // the message's From address
}

// sure reports whether the verdict may be told as a fact.
func (i Item) sure() bool {
	return (i.Automatic || i.Decided) && known(i.Verdict) != string(verdict.Unclear)
}

// History is what came lately from a reporter who is proved, or from the
// network of a form, and what was told; this report left out.
type History struct {
	Hour, Day    int  // full and careful mails in the last hour and day
	Reports      int  // reports in the last day
	Alike        int  // of those, with a message of the same subject or the same sender
	Acknowledged bool // an acknowledgement went out in the last day
	Spent        bool // this hour's acknowledgements to unproved addresses have gone out, whoever got them
}

// Decision is who is told how much, and why. A reporter who must not learn
// more by mail for reasons of volume does not learn more on the page either.
type Decision struct {
	Mail Kind // what is sent
	Page Kind // what stands on the follow page; never None
	Why  Why
}

// decide says what a report is answered with. It is the whole policy: nothing
// else looks at who the reporter is.
func decide(s Subject, h History, r rules) Decision {
	told, why := Careful, WhyUnsure
	for _, i := range s.Items {
		if i.sure() {
			told, why = Full, WhySure
		}
	}
	if !s.Proved && r.tries(h) {
		told = Acknowledgement
	}
	if refused := refuse(s, r); refused != "" {
		return Decision{None, told, refused}
	}
	if !s.Proved {
		switch {
		case h.Acknowledged:
			return Decision{None, told, WhyOnceADay}
		case h.Spent:
			return Decision{None, told, WhyBudget}
		}
		return Decision{Acknowledgement, told, WhyNotProved}
	}
	if limit := r.exceeded(h); limit != "" {
		mail := Acknowledgement
		if h.Acknowledged {
			mail = None
		}
		return Decision{mail, Acknowledgement, limit}
	}
	return Decision{told, told, why}
}

// refuse returns why no mail may go to this reporter at all, or "".
func refuse(s Subject, r rules) Why {
	switch s.Robot {
	case Person:
	case Bounce:
		return WhyBounce
	case AutoReply:
		return WhyAutoReply
	case List:
		return WhyList
	case OwnMail:
		return WhyOwn
	case MailLoop:
		return WhyLoop
	default:
		return WhyRobot
	}
	switch {
	case s.NullSender:
		return WhyNullSender
	case s.Channel == importation:
		return WhyImported
	case r.off:
		return WhyNoAnswers
	case r.quiet[strings.ToLower(s.Desk)]:
		return WhyDeskOff
	case s.Address == "" && s.Erased:
		return WhyErased
	case s.Address == "":
		return WhyNoAddress
	}
	local, domain, ok := split(s.Address)
	switch {
	case !ok:
		return WhyBadAddress
	case r.own[local+"@"+domain]:
		return WhyOwn
	case r.excludes(local, domain):
		return WhyNever
	case nobodyReads(local):
		return WhyRobot
	}
	return ""
}

// rules are the Options in the form in which they are asked.
type rules struct {
	off                             bool
	perHour, perDay, reports, alike int
	quiet, own, never               map[string]bool // lower case; never also holds bare domains
}

// exceeded returns which limit the reporter is over, or "".
func (r rules) exceeded(h History) Why {
	switch {
	case h.Alike >= r.alike:
		return WhyVariants
	case h.Reports >= r.reports:
		return WhyMany
	case h.Hour >= r.perHour || h.Day >= r.perDay:
		return WhyRateLimited
	}
	return ""
}

// household is how many reporters one network may hold.
const household = 4

// tries reports whether so much came from the network of a form that somebody
// tries there what passes.
func (r rules) tries(h History) bool {
	return h.Alike >= household*r.alike || h.Reports >= r.reports
}

// excludes reports whether the configuration names the address, its domain or
// a domain above that.
func (r rules) excludes(local, domain string) bool {
	if r.never[local+"@"+domain] {
		return true
	}
	for domain != "" {
		if r.never[domain] {
			return true
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return false
}

// split takes an address apart, in lower case. ok is false for everything that
// is not one plain addr-spec (RFC 5321, section 4.1.2, within its lengths;
// quoted local parts are refused: no citizen has one).
func split(address string) (local, domain string, ok bool) {
	if len(address) > 254 {
		return "", "", false
	}
	i := strings.LastIndexByte(address, '@')
	if i < 1 || i > 64 || i+1 == len(address) {
		return "", "", false
	}
	local, domain = strings.ToLower(address[:i]), strings.ToLower(address[i+1:])
	if strings.ContainsFunc(local, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '\uFFFD' || strings.ContainsRune(`"(),:;<>@[\]`, r) || bare(r) < 0
	}) || strings.ContainsFunc(domain, func(r rune) bool {
		return r < 0x80 && !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '.') || r == '\uFFFD' || bare(r) < 0
	}) || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.Contains(domain, "..") {
		return "", "", false
	}
	return local, domain, true
}

// nobodyReads reports whether a local part is one of those that programs send
// from, or that lists and postmasters are run by (RFC 2142, RFC 3834).
func nobodyReads(local string) bool {
	name, _, _ := strings.Cut(local, "+")
	plain := strings.NewReplacer("-", "", "_", "", ".", "").Replace(name)
	switch plain {
	case "mailerdaemon", "postmaster", "noreply", "nepasrepondre", "nereply", "noresponder", "nietantwoorden",
		"donotreply", "dontreply", "nichtantworten", "keineantwort", "bounce", "bounces", "devnull", "nobody",
		"listserv", "majordomo", "autoreply", "autoresponder", "daemon", "root":
		return true
	}
	for _, prefix := range []string{"owner-", "bounce-", "bounces-", "noreply-", "no-reply-", "prvs=", "srs0=", "srs1=", "msprvs1="} {
		if strings.HasPrefix(local, prefix) {
			return true
		}
	}
	for _, suffix := range []string{"-request", "-owner", "-bounce", "-bounces", "-noreply", "-no-reply"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}
