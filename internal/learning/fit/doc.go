// Package fit finds the weights of linear models: logistic regression with a
// normal prior and bounds on every weight. It is deterministic, and small
// enough to be read.
package fit
