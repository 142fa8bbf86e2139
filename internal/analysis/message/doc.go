// Package message reads an Internet message of any quality and says what it
// is: header, addresses, text, HTML, attachments and the messages inside it.
//
// Parse follows RFC 5322 and MIME (RFC 2045 to 2049, 2231) where the message
// does, and otherwise does what mail programs do, because that is what the
// victim saw. It never fails and never panics. What was wrong is listed in
// Message.Defects, and limits keep a mail that was made to hurt within
// bounds: time is linear in the size of the mail, memory a small multiple.
//
// Package message does no I/O and keeps no state.
package message
