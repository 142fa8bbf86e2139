// Package mailout composes mail, signs it with DKIM and hands it to one SMTP
// relay over a pool of connections.
//
// Compose writes a message whose every foreign string is cleaned: a subject
// or a name cannot add a header field, hide behind bidirectional controls or
// smuggle an encoded word. Relay.Send takes bytes and tells whether a failure
// will pass (try again) or not (give up): what is wrong with the relay or its
// configuration passes, only an answer about this message does not.
//
// Passwords and addresses stand in no error and no log.
package mailout
