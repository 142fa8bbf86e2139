// Package corpus writes mails such as people report, out of word lists and a
// seed: never the same bytes twice within a seed, always the same mails for the
// same seed.
//
// They are made after the measure of collections of real ones: 30 kB in the
// mean, the median far below, a few over 200 kB; text and HTML in Dutch,
// French, German and English; about thirteen observables in each, a few of
// which everybody sees and most of which nobody saw before. Three in four are
// forwarded as an attachment below a reporter's own words, the others come as
// they are; one in eight carries a file. Every mail has the header that the
// centre's own receiver would put on top.
package corpus
