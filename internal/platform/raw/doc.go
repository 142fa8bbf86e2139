// Package raw keeps the bytes that people sent in, exactly as they came.
//
// One [Store] has one place for each month: a SQLite file with a folder for
// what is large ([Embedded]), a partition of a PostgreSQL table, or a prefix
// in S3-compatible storage. Bytes are found by month and SHA-256 ([Ref]), are
// compressed with zstd (RFC 8878), and are verified each time they are read.
//
// # What a Put promises
//
// When Put returns, the bytes survive a power cut. The caller then commits
// the row that names them; so every row's bytes exist, and a crash between
// the two leaves bytes without a row, which [Sweep] removes an hour later.
// A row must therefore be committed within [Grace] of its Put.
//
// # Deleting
//
// The same bytes are kept once a month, so several rows may name one Ref, and
// only the rows' owner can count them. Who erases removes its row first,
// commits, looks whether another row names the Ref, and then calls
// DeleteIdle with the time an hour before it looked: bytes that came in again
// meanwhile, whose row is perhaps not committed yet, are spared. Delete asks
// nothing and is for bytes that must go whoever names them.
package raw
