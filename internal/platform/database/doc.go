// Package database is the one door to the relational store: SQLite in the
// embedded default, PostgreSQL where many processes share the work. The same
// SQL runs on both, within the portable subset that docs/decisions names.
//
// [DB.Update] is one durable write transaction and [DB.View] one read-only
// snapshot. A transaction carries the time, so that everything written in it
// bears the same instant and tests can set it.
//
// On SQLite there is one writer. Updates that wait for it share one commit:
// each runs in a savepoint of its own, and all return when the one fsync is
// done. So the price of durability is paid for each batch, not for each
// report, and an update that fails takes nobody else's down. On PostgreSQL
// updates run side by side and the server groups their commits.
package database
