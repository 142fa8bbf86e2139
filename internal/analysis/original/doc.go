// Package original finds, in what a reporter sent, the message that the
// reporter received: attached, redirected, or the report itself.
package original
