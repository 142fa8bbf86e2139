// Package mailfile reads messages from files: single ones (.eml, .msg),
// mailboxes in the mbox format (RFC 4155), and folders of these. It reads one
// message at a time, so that a mailbox of any size fits in memory, and never
// stops at a broken one.
package mailfile
