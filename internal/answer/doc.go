// Package answer tells the reporter: what a reported message is, why, and what
// to do. In the loop it stands after assess and group; it is the reason why
// people report a second time.
//
// An answer goes out by itself to an address that a stranger may have written,
// about text that a stranger has certainly written. So the rules come first
// (answer.go): who is told everything, who gets a fixed acknowledgement, who
// gets nothing, and why. What is told is then kept as codes and parameters
// (content.go), with foreign words made harmless (quote.go), and put into the
// words of one language when it is shown: as a mail (mail.go) or on the
// report's follow page, which says the same even where no mail was sent.
//
// The store (store.go) holds one answer for each report and purpose, and no
// address: that is read when the mail goes out, and an erased one means that
// it no longer does. Mail is sent at least once, always under the Message-ID
// fixed when the answer was stored (jobs.go).
package answer
