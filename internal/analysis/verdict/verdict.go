package verdict

import "github.com/belfry-centre/belfry/internal/analysis/verdict/reason"

// Verdict says what a message is.
type Verdict string

// The verdicts. The list is open: exercise is said by the exercise capability,
// never by Judge.
const (
	// Phishing wants to take something by a false face: credentials, card
	// data, a click.
	Phishing Verdict = "phishing"
	// Malware wants the victim to run what it carries or links to.
	Malware Verdict = "malware"
	// Scam talks the victim into paying or answering: advance fee,
	// extortion, job, friend in need.
	Scam Verdict = "scam"
	// Spam is unwanted advertising, not fraud.
	Spam Verdict = "spam"
	// Legitimate is what its sender says it is, on positive evidence.
	Legitimate Verdict = "legitimate"
	// Exercise is a training mail of one's own organisation.
	Exercise Verdict = "exercise"
	// Unclear is everything that needs a person.
	Unclear Verdict = "unclear"
)

// Malicious reports whether v is phishing, malware or scam.
func (v Verdict) Malicious() bool {
	return v == Phishing || v == Malware || v == Scam
}

// Case is one message to be judged; see package reason.
type Case = reason.Case

// Evidence is what the caller knows from outside the message; see package reason.
type Evidence = reason.Facts

// Checked is the result of checking a sender; see package reason.
type Checked = reason.Checked

// Knowledge is what is known of a value beforehand; see package reason.
type Knowledge = reason.Known

// Reason is one piece of evidence; see package reason.
type Reason = reason.Reason

// Span is the place in the message that shows a reason.
type Span = reason.Span

// Assessment is what the program concludes about one message.
type Assessment struct {
	Verdict Verdict
	// Score is the estimated probability of fraud, 0 to 1.
	Score float64
	// Automatic is true where the verdict is sure enough to act on without a
	// person.
	Automatic bool
	// Reasons are the evidence, the heaviest first.
	Reasons []Reason
	// Rules and Model name the versions that judged.
	Rules, Model string
	// Brand is the identifier of the organisation that is imitated, or empty.
	Brand string
	// Language is the message's language (ISO 639-1), or empty.
	Language string
}
