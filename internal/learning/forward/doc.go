// Package forward renders a mail as a person forwards it: inline, with the
// header gone but for the few fields that the mail program shows, in the
// manner and language of that program. It exists to measure and to train on
// what a centre really gets, through the real search for the original.
package forward
