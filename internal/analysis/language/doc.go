// Package language tells in which language a short text is written.
//
// It exists for two questions: in which language does the reporter write, so
// that the answer is in it, and in which language is the bait. Both texts can
// be as short as a subject line, so the evidence is whole words first (function
// words and the vocabulary of mail) and letter sequences second, and the
// answer is "" rather than a guess.
//
// The data is written for this package: one file for each language in data/.
package language
