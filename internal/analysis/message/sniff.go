package message

// Sniff returns the media type that content shows by its first bytes,
// whatever it is called; "text/plain" or "application/octet-stream" when it
// shows nothing better. The types that matter in phishing are known: see the
// table in sniff.go.
func Sniff(content []byte) string { return "application/octet-stream" }
