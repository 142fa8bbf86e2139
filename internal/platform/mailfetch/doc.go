// Package mailfetch takes messages out of a mailbox on an IMAP server
// (RFC 9051, RFC 3501) for a program that must not lose one of them.
//
// A Watcher watches one folder, by IDLE (RFC 2177) where the server offers it
// and by asking now and then in any case. It hands each message, read or
// unread, to one function, and moves it only after that returned nil:
//
//	Accept returns               the message goes to
//	nil                          Processed
//	Invalid, Unsupported,
//	TooLarge, Conflict (fault)   Failed: it will never be taken
//	anything else                nowhere; it is offered again, later and later
//
// It marks nothing as read and removes nothing. A message that is marked
// \Deleted, or older than MaxAge, is left alone.
//
// # Twice is possible, never is not
//
// Between Accept and the move the program may be killed, and another one may
// watch the same folder: then a message is offered again, with the same
// Mailbox, UIDValidity and UID. Who accepts recognises it by these. That a
// message to be moved is gone is no error.
//
// Without MOVE (RFC 6851) a message is copied, marked \Deleted, and expunged by
// its UID (RFC 4315); a server without that too keeps the marked message, for
// a plain EXPUNGE would remove what others marked.
//
// # A hostile server
//
// Each question has a limit of time and of bytes for its answer; more ends the
// connection. At most one batch of messages is in memory, see Limits. What a
// server says reaches logs cut and cleaned, and not at all while it is told the
// password. Authentication uses forms that need no answer from the server in
// between: LOGIN, and AUTHENTICATE with an initial response (RFC 4959).
package mailfetch
