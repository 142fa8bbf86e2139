package original

import "github.com/belfry-centre/belfry/internal/analysis/message"

// How says in what way the original stood in the report. The enumeration is
// part of the published interface ("how" in belfry assess --json).
type How string

const (
	// Itself: the report is the suspicious message; nothing else was found in it.
	Itself How = "itself"
	// Attached: a message/rfc822 part or a mail file (.eml, .msg, TNEF, in a
	// zip archive or not) attached to the report; in an abuse report perhaps its
	// header only.
	Attached How = "attached"
	// Inline: the text of the original under a forward header in the report's body.
	Inline How = "inline"
	// Redirected: the original with Resent-* fields added (RFC 5322, section 3.6.6).
	Redirected How = "redirected"
	// Pasted: text that the reporter copied into the report: an SMS, a chat, a URL.
	Pasted How = "pasted"
	// Pictured: a picture of the original, such as a screenshot.
	Pictured How = "pictured"
)

// Original is one suspicious message found in a report.
type Original struct {
	How     How
	Message *message.Message // the innermost suspicious message; never nil
	// Chain holds the messages that carried it, from the report inwards,
	// without Message itself. It is empty for Itself and Redirected.
	Chain []*message.Message
	// Words are the reporter's own: the report's body without signature,
	// quotation and forwarded text. Empty when the report is the message.
	Words string
	// ForwardHeader is the line that the reporter's mail program put above
	// the forwarded text ("Van: …", "---------- Forwarded message"), for
	// telling the language of a report without words. Often empty.
	ForwardHeader string
	// Claim is what the reporter's button or program said of the message; empty
	// without one.
	Claim Claim
	// Index counts the originals of one report from 0, in their order.
	Index int
}
