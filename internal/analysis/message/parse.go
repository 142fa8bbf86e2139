package message

// Parse reads a message. It never fails; what was wrong is in Defects.
// The result shares raw's memory, so raw must not be changed afterwards.
func Parse(raw []byte, limits Limits) *Message {
	limits = limits.withDefaults()
	return &Message{Raw: raw, Text: string(raw)}
}
