package original

import (
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/message"
)

// Limits of Find. They bound what a hostile report costs, not what an honest
// one may hold.
const (
	maxOriginals = 200 // in one report
	maxDepth     = 8   // messages inside messages
	maxCover     = 600 // bytes of own words with which a message is only a carrier
)

// Find returns the suspicious messages in a report, in their order: at least
// one, which is the report itself when nothing else was found in it.
//
// A message attached to the report is the original; where that one is only a
// forward with a message attached, the inner one is, and Chain keeps the way
// to it. A message whose text stands below a forward header in the report's is
// the original as far as the mail program showed it. A message that was redirected (Resent-* fields) is the original as a
// whole, with all that is attached to it.
func Find(m *message.Message) []Original {
	if m == nil {
		m = &message.Message{}
	}
	if found, claim, ok := machineReport(m); ok {
		return attached(m, found, Original{Claim: claim})
	}
	if submission(m) {
		if inner := bareOutlook(m); inner != nil {
			return Find(inner)
		}
		if found := submitted(m, messagesIn(m)); len(found) > 0 {
			return found
		}
	}
	words, forward := ownWords(m.Body())
	switch carried := messagesIn(m); {
	case redirected(m) && (len(carried) == 0 || !carrier(m)):
		return []Original{{How: Redirected, Message: m}}
	case len(carried) > 0:
		claim, ids := buttonClaim(m.Subject)
		if ids {
			words = "" // the button's
		}
		return attached(m, carried, Original{Words: words, ForwardHeader: forward, Claim: claim})
	}
	if forward != "" {
		if inner := inline(m); inner != nil {
			return []Original{{How: Inline, Message: inner, Chain: []*message.Message{m}, Words: words, ForwardHeader: forward}}
		}
	}
	if o, ok := pasted(m, words); ok && forward == "" {
		return []Original{o}
	}
	return []Original{{How: Itself, Message: m}}
}

// attached returns the originals in the messages that m carries, each with what
// like says of all of them.
func attached(m *message.Message, carried []*message.Message, like Original) []Original {
	var found []Original
	for _, inner := range carried {
		found = innermost(found, inner, []*message.Message{m}, maxDepth)
	}
	for i := range found {
		o := &found[i]
		o.How, o.Words, o.ForwardHeader, o.Claim, o.Index = Attached, like.Words, like.ForwardHeader, like.Claim, i
	}
	return found
}

// innermost appends the originals that m is or carries.
func innermost(found []Original, m *message.Message, chain []*message.Message, depth int) []Original {
	if len(found) >= maxOriginals {
		return found
	}
	if carried := messagesIn(m); depth > 1 && len(carried) > 0 && !redirected(m) && carrier(m) {
		chain = append(chain[:len(chain):len(chain)], m)
		for _, inner := range carried {
			found = innermost(found, inner, chain, depth-1)
		}
		return found
	}
	return append(found, Original{Message: m, Chain: chain})
}

// messagesIn returns the messages attached to m. Delivery reports carry the
// mail they are about, too: whether m is one is not decided here.
func messagesIn(m *message.Message) []*message.Message {
	var inner []*message.Message
	for i := range m.Attachments {
		if a := &m.Attachments[i]; a.Message != nil && !empty(a.Message) && len(inner) < maxOriginals {
			inner = append(inner, a.Message)
		}
	}
	return inner
}

// empty reports whether nothing can be said about m: an attached file that
// only has the name of a message.
func empty(m *message.Message) bool {
	return len(m.Header) == 0 && strings.TrimSpace(m.Body()) == "" && len(m.Attachments) == 0
}

// carrier reports whether m only brings the message attached to it: its
// subject says so, or what it says itself is short and leads nowhere.
func carrier(m *message.Message) bool {
	words, forward := ownWords(m.Body())
	if claim, _ := buttonClaim(m.Subject); forward != "" || claim != "" {
		return true
	}
	if m.Markup != nil {
		for i := range m.Markup.Links {
			if m.Markup.Links[i].Clickable() && !strings.HasPrefix(strings.ToLower(m.Markup.Links[i].URL), "mailto:") {
				return forwardSubject(m.Subject)
			}
		}
	}
	if leads(words) {
		return forwardSubject(m.Subject)
	}
	return len(words) <= maxCover || forwardSubject(m.Subject)
}

// redirected reports whether somebody sent m on unchanged (RFC 5322, section
// 3.6.6). Resent-From and one more field are asked for: gateways leave single
// ones behind.
func redirected(m *message.Message) bool {
	return m.Header.Has("Resent-From") && (m.Header.Has("Resent-To") || m.Header.Has("Resent-Date") || m.Header.Has("Resent-Message-ID"))
}

// forwardSubject reports whether a subject begins as forwards do ("FW:",
// "TR :", "[Fwd: …]").
func forwardSubject(subject string) bool {
	subject = strings.TrimLeft(subject, " [")
	for range 4 {
		i := strings.IndexAny(subject, ":：")
		if i <= 0 || i > 32 {
			return false
		}
		prefix := strings.ToLower(strings.TrimSpace(subject[:i]))
		if phrases().prefixes[prefix] {
			return true
		}
		if prefix != "re" && prefix != "aw" && prefix != "antw" && prefix != "sv" {
			return false
		}
		subject = strings.TrimLeft(strings.TrimPrefix(subject[i:], ":"), "： ")
	}
	return false
}
