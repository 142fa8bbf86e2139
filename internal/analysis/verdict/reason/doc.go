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
	// Knowledge is what is known of a value from elsewhere: indicators.
	Knowledge Family = "knowledge"
)

// Reason is one piece of evidence for or against fraud.
type Reason struct {
	// Code names the reason; the wording catalogue has "reason.<code>".
	Code string
	// Weight is what the reason adds to the log-odds of fraud: above zero
	// evidence of fraud, below zero evidence of innocence.
	Weight float64
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
	// Part names the text: "subject", "from", "reply-to", "body" (what
	// message.Body returns) or "attachment:N" (the name of the Nth,
	// counted from 0).
	Part string
	// Start and End are byte offsets with Start < End.
	Start, End int
}

// MaxEvidence bounds an excerpt and a parameter, in bytes.
const MaxEvidence = 160
