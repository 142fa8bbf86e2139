// Package markup reads the HTML of a hostile mail once and says what a person
// sees in it and where it leads: the visible text, every link with its target
// and its words, images, forms, text that is hidden from the reader, and what
// its scripts are up to.
//
// It builds no tree and renders nothing: one pass of a tokenizer (WHATWG HTML
// section 13.2.5) with a bounded stack of open elements. Time and memory grow
// linearly with the input and stop at Limits. It never fails: HTML has no
// syntax errors, only surprises.
package markup
