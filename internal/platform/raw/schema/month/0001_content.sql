-- One row for each content of the month. A content over 1 MiB has no data
-- here: it is the file raw-MONTH/ab/HASH.zst. The id only grows, so that
-- (count, greatest id) changes whenever what is kept changes.
CREATE TABLE content (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	sha256 BLOB NOT NULL UNIQUE,
	size BIGINT NOT NULL,
	put_at BIGINT NOT NULL,
	data BLOB
);
