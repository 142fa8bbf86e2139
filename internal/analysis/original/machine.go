package original

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/message"
)

// Claim is what a reporter said of the message by pressing a button, in the
// words of the program behind it. It is no more than that: a claim.
type Claim string

// The claims. The zero value is none.
const (
	ClaimSpam       Claim = "spam"
	ClaimPhishing   Claim = "phishing"
	ClaimMalware    Claim = "malware"
	ClaimLegitimate Claim = "legitimate" // "not junk"
)

// buttonClaim reads the subject of a report by a button in the format that
// Microsoft 365 asks of them: "1|" or "Junk:" for spam, "2|" or "Not Junk:" for
// what was taken for spam, "3|" or "Phishing:"; what follows is free. Microsoft's
// own button puts ids there, with more bars between.
func buttonClaim(subject string) (claim Claim, ids bool) {
	for _, known := range [...]struct {
		prefix string
		claim  Claim
	}{
		{"1|", ClaimSpam},
		{"2|", ClaimLegitimate},
		{"3|", ClaimPhishing},
		{"junk:", ClaimSpam},
		{"not junk:", ClaimLegitimate},
		{"phishing:", ClaimPhishing},
	} {
		if len(subject) >= len(known.prefix) && strings.EqualFold(subject[:len(known.prefix)], known.prefix) {
			return known.claim, strings.HasSuffix(known.prefix, "|") && strings.Count(subject, "|") > 2
		}
	}
	return "", false
}

// machineReport finds the messages in a report that a program wrote: an abuse
// report in ARF (RFC 5965) or X-ARF. It reports false for any other message.
func machineReport(m *message.Message) (found []*message.Message, claim Claim, ok bool) {
	for i := range m.Notices {
		if m.Notices[i].Type == "message/feedback-report" {
			claim, ok = feedbackClaim(&m.Notices[i]), true
		}
	}
	xarf := m.Header.Has("X-ARF") || m.Header.Has("X-XARF")
	if !ok && !xarf {
		return nil, "", false
	}
	if found = messagesIn(m); len(found) > 0 {
		return found, claim, true
	}
	// The header alone, where the text is kept back.
	for i := range m.Notices {
		if n := &m.Notices[i]; n.Type == "text/rfc822-headers" && len(n.Groups) > 0 {
			found = append(found, message.Parse(n.Content, message.Limits{}))
		}
	}
	if xarf && len(found) == 0 {
		for i := range m.Attachments {
			found = append(found, evidence(&m.Attachments[i])...)
		}
	}
	return found, claim, len(found) > 0
}

// feedbackClaim reads the Feedback-Type (RFC 5965 section 7.3).
func feedbackClaim(n *message.Notice) Claim {
	for _, group := range n.Groups {
		switch strings.ToLower(group.Get("Feedback-Type")) {
		case "abuse":
			return ClaimSpam
		case "fraud":
			return ClaimPhishing
		case "virus":
			return ClaimMalware
		case "not-spam":
			return ClaimLegitimate
		}
	}
	return ""
}

// sample is a piece of evidence in the JSON of X-ARF, in the fields of its
// third and its fourth version.
type sample struct {
	ContentType  string `json:"ContentType"`
	ContentType4 string `json:"content_type"`
	Base64       *bool  `json:"Base64Encoded"`
	Payload      string `json:"payload"`
}

// maxEvidence bounds the JSON of an X-ARF report, in bytes.
const maxEvidence = 8 << 20

// evidence returns the mails in one attachment of an X-ARF report: a mail kept
// as text, or those in its JSON.
func evidence(a *message.Attachment) []*message.Message {
	switch {
	case len(a.Content) > maxEvidence:
		return nil
	case a.Type == "message/rfc822":
		return []*message.Message{message.Parse(a.Content, message.Limits{})}
	case a.Declared != "application/json" && !strings.HasSuffix(a.Name, ".json"):
		return nil
	}
	var report struct {
		Evidence []sample `json:"evidence"`
		Report   struct {
			Samples []sample `json:"Samples"`
		} `json:"Report"`
	}
	if json.Unmarshal(a.Content, &report) != nil {
		return nil
	}
	var found []*message.Message
	for _, s := range append(report.Evidence, report.Report.Samples...) {
		kind := strings.ToLower(s.ContentType + s.ContentType4)
		if !strings.HasPrefix(kind, "message/rfc822") && !strings.HasPrefix(kind, "text/rfc822-headers") || len(found) == maxOriginals {
			continue
		}
		raw := []byte(s.Payload)
		if s.Base64 == nil || *s.Base64 {
			if decoded, err := base64.StdEncoding.DecodeString(s.Payload); err == nil {
				raw = decoded
			}
		}
		if m := message.Parse(raw, message.Limits{}); !empty(m) {
			found = append(found, m)
		}
	}
	return found
}
