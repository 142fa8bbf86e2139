package corpus

import (
	"bytes"
	"regexp"
)

// trap is how the publisher of one collection rewrote every recipient, and
// what stands for it here: an address like any other.
var trap = regexp.MustCompile(`(?i)phish(?:ing)?(@|%40|=40|&#64;)pot\b`)

// Neutral takes the publisher's traces out of a mail: the field that marks a
// made mail, and the address that stands for all recipients.
func Neutral(raw []byte) []byte {
	raw = withoutField(raw, "X-Belfry-Corpus")
	if !bytes.Contains(raw, []byte("hish")) && !bytes.Contains(raw, []byte("HISH")) {
		return raw
	}
	return trap.ReplaceAll(raw, []byte("an.peeters${1}example.net"))
}

// withoutField removes every header field of a name, folded lines included.
func withoutField(raw []byte, name string) []byte {
	if !bytes.Contains(raw, []byte(name)) {
		return raw
	}
	out := make([]byte, 0, len(raw))
	dropping, header := false, true
	for line := range bytes.Lines(raw) {
		if header {
			bare := bytes.TrimRight(line, "\r\n")
			folded := len(bare) > 0 && (bare[0] == ' ' || bare[0] == '\t')
			switch {
			case len(bare) == 0:
				header, dropping = false, false
			case !folded:
				field, _, _ := bytes.Cut(bare, []byte(":"))
				dropping = bytes.EqualFold(bytes.TrimSpace(field), []byte(name))
			}
		}
		if !dropping {
			out = append(out, line...)
		}
	}
	return out
}
