// Package account knows who asks and what they may do.
//
// A Viewer is what the rest of the program sees of a user. What a role may do
// stands in one table (rights.go), and every store that holds something to
// protect takes the viewer and asks Require.
//
// Tokens open the API, and, through a session, the staff pages. Of a token or
// a session only the SHA-256 of its secret is stored; a secret is shown once,
// when it is made. Making, using and revoking a token is written to the audit
// log in the transaction that does it.
package account
