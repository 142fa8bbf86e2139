// Package corpus reads collections of labelled mail from folders, the
// material that a model is trained on and judged by.
//
// It knows the traps of such collections: a folder's name is no label, many
// mails are copies of one campaign, and publishers leave traces that give a
// mail's origin away. So every mail comes with its label, its source, the
// cluster of near-duplicates that it belongs to, and without those traces.
package corpus
