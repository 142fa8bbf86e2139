package markup

import "golang.org/x/net/html/atom"

// isTable reports whether an end tag from inside does not close an element.
func isTable(tag atom.Atom) bool {
	switch tag {
	case atom.Table, atom.Td, atom.Th, atom.Tr, atom.Tbody, atom.Body, atom.Html:
		return true
	}
	return false
}

// closeImplied closes the elements whose end tag may be left out before this
// one (WHATWG HTML section 13.1.2.4).
func (r *reader) closeImplied(tag atom.Atom) {
	if len(r.stack) == 0 || r.overflow > 0 {
		return
	}
	top := r.stack[len(r.stack)-1].tag
	closes := false
	switch top {
	case atom.P:
		closes = isBlock(tag)
	case atom.Li, atom.Option, atom.Td, atom.Th:
		closes = tag == top || (top == atom.Td || top == atom.Th) && (tag == atom.Td || tag == atom.Th || tag == atom.Tr)
	case atom.Dt, atom.Dd:
		closes = tag == atom.Dt || tag == atom.Dd
	case atom.Tr:
		closes = tag == atom.Tr
	case atom.Head:
		closes = tag == atom.Body
	}
	if closes {
		r.stack = r.stack[:len(r.stack)-1]
		if tag == atom.Tr && (top == atom.Td || top == atom.Th) {
			r.closeImplied(tag)
		}
	}
}

// isBlock reports whether an element stands on lines of its own.
func isBlock(tag atom.Atom) bool {
	switch tag {
	case atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Body, atom.Center, atom.Dd, atom.Details, atom.Dialog,
		atom.Dir, atom.Div, atom.Dl, atom.Dt, atom.Fieldset, atom.Figcaption, atom.Figure, atom.Footer, atom.Form,
		atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Header, atom.Hr, atom.Legend, atom.Li, atom.Listing, atom.Main,
		atom.Menu, atom.Nav, atom.Ol, atom.Optgroup, atom.Option, atom.P, atom.Plaintext, atom.Pre, atom.Section, atom.Summary,
		atom.Table, atom.Tbody, atom.Tfoot, atom.Thead, atom.Tr, atom.Ul, atom.Caption, atom.Xmp:
		return true
	}
	return false
}

// isParagraph reports whether an empty line sets an element apart.
func isParagraph(tag atom.Atom) bool {
	switch tag {
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Blockquote, atom.Pre:
		return true
	}
	return false
}

func (r *reader) breakBefore(tag atom.Atom) {
	switch {
	case tag == atom.Br:
		r.visible.lineBreak()
	case isParagraph(tag):
		r.visible.newline(2)
	case isBlock(tag):
		r.visible.newline(1)
	case tag == atom.Td || tag == atom.Th:
		r.visible.space = true
	default:
		return
	}
	r.hidden.space = true
}

func (r *reader) breakAfter(tag atom.Atom) {
	if tag != atom.Br {
		r.breakBefore(tag)
	}
}
