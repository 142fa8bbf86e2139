-- One row for each content; one partition, raw_content_2026_11, for each
-- month. Statements name the partition, so that attaching or dropping one
-- month never waits for, nor stops, the traffic of another.
-- only: postgres
CREATE TABLE raw_content (
	month TEXT NOT NULL,
	sha256 BYTEA NOT NULL,
	size BIGINT NOT NULL,
	put_at BIGINT NOT NULL,
	data BYTEA NOT NULL,
	PRIMARY KEY (sha256, month)
) PARTITION BY LIST (month);
