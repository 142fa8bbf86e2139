// Package original finds, in what a reporter sent, the message that the
// reporter received, and the words that the reporter added.
//
// An attached message is whole; a redirected one, too. A message that was
// forwarded inline is what the mail program left of it: the fields it showed,
// the text, and the targets of the links below. A text message or a chat that
// the reporter pasted is that text. Everything else is the report itself.
//
// What stands in a report is hostile, so a header in the text proves nothing
// about who wrote what is below it. Callers weigh an inline original
// accordingly.
package original
