// Package verdict judges a message: it weighs the reasons that package reason
// finds, and says what the message is, how sure that is, and whether it is
// sure enough to act without a person.
//
// The rules stand in three places, each readable alone: the table of reasons
// with their weights (table.go), the judgement (judge.go), and the words for
// people (wording/, one catalogue for each language). Decision 0004 tells why
// they are as they are.
package verdict
