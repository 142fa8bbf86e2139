// Package reference holds the lists that judging needs: the organisations
// whose names are used to deceive and their true domains, the hosts that
// anybody can use, and the words of fraud in four languages. The lists are
// data files (data/, lexicon/) that carry their sources; they are read once,
// on first use, and never change after that.
package reference
