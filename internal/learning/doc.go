// Package learning builds the learned model of package verdict from labelled
// mail, and measures what it is worth on mail that it has not seen.
//
// Every mail is looked at twice: as it came, and as a person forwards it. What
// belongs together stays together: a cluster of near-duplicates is on one side
// of every split, and the figures that count are those on a source of honest
// mail that was left out as a whole, with thresholds chosen on the others.
package learning
