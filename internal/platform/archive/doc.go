// Package archive copies a centre while it runs, brings a copy back, and says
// whether a centre or a copy is whole.
//
// # A backup
//
// [Backup] makes one folder, belfry-20261107T101500.000Z, in a folder of
// backups. While it is being made its name ends in .partial; the manifest,
// which lists every file with its SHA-256, is written last, and only then the
// folder gets its name. So a half backup cannot be taken for a whole one. A
// closed month of raw bytes is copied once: a later backup in the same folder
// links to the file of the one before, and each folder may still be deleted
// on its own. A backup holds secrets and personal data: guard it like the
// data directory.
//
// The order makes it fit together. The raw store is held (nothing is deleted
// from it), then the database is copied as of one instant, then the raw bytes.
// Bytes are always there before the row that names them, so every row in the
// copy has its bytes in the copy; bytes that came in meanwhile are orphans,
// which the next sweep removes.
//
// # Copying a SQLite file that is being written
//
// [BackupDatabase] reads the file's pages one after the other in one read
// transaction (through the sqlite_dbpage table) and writes them out. That was
// measured against the alternatives: VACUUM INTO rebuilds every index and takes
// twice as long, in which the write-ahead log cannot be recycled; the online
// backup interface begins anew whenever another connection writes, which at
// 100 reports a second is always; reading the file past SQLite drops its POSIX
// locks when it is closed. The log's growth is watched, and a copy that would
// let it pass a limit gives up with Busy.
//
// # PostgreSQL
//
// The database, raw partitions included, goes through pg_dump and pg_restore,
// which must be installed on the machine that makes the backup, in the server's
// version or a later one. Raw bytes in S3 are not copied: version or replicate
// the bucket.
package archive
