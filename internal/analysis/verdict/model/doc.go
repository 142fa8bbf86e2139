// Package model is what is learned from mail: how much each reason and each
// content word speaks for fraud.
//
// A model is linear: a message's log-odds of fraud are a prior and one term
// for each reason and word in it, so every part of a score can be shown and
// put into words. It sees nothing else of a message. The file format stands at
// [Parse].
package model
