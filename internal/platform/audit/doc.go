// Package audit keeps what staff and the program did in a log that shows when
// somebody has changed it.
//
// Entries are numbered 1, 2, 3, … without a gap, and each carries the hash of
// the one before. An entry refers to persons, reports and tokens by id and
// never copies a name, an address or a message: so erasing a person leaves
// the log whole.
//
// # The hash
//
// An entry's hash is the SHA-256 of these bytes, one after the other. Numbers
// are big-endian; a text is its length in bytes as 4 bytes, then its UTF-8.
//
//	"belfry-audit-1\n"
//	previous   32 bytes: the hash of entry seq-1, 32 zero bytes for the first
//	seq        8 bytes
//	at         8 bytes: microseconds since 1970-01-01T00:00:00Z
//	actor      text
//	act        text
//	object     text
//	detail     text: a JSON object of strings in the canonical form of RFC 8785
//
// # Seals
//
// A chain alone does not show that its end was cut off, or that it was written
// anew from some point on. So [Log.Seal] signs the head with an Ed25519 key
// (RFC 8032) in the data directory, writes it to a table, to a file beside the
// key, and returns it for the operator's own log. Who can change the database
// but not that file, or not that log, is found out by [Log.Verify]. What is
// signed is
//
//	"belfry-audit-seal-1\n", seq (8 bytes), at (8 bytes), hash (32 bytes)
package audit
