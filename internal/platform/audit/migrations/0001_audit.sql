-- What staff and the program itself did, one row for each act, chained by
-- hash: see the package's documentation. Rows are only ever added.
CREATE TABLE audit_entry (
	seq BIGINT PRIMARY KEY,
	at BIGINT NOT NULL,
	actor TEXT NOT NULL,
	act TEXT NOT NULL,
	object TEXT NOT NULL,
	detail TEXT NOT NULL,
	previous {{bytes}} NOT NULL,
	hash {{bytes}} NOT NULL
);

-- The last entry. Its one row is what appends take turns on.
CREATE TABLE audit_head (
	one BIGINT PRIMARY KEY CHECK (one = 1),
	seq BIGINT NOT NULL,
	hash {{bytes}} NOT NULL
);

-- Signed heads.
CREATE TABLE audit_seal (
	seq BIGINT NOT NULL,
	at BIGINT NOT NULL,
	hash {{bytes}} NOT NULL,
	public_key {{bytes}} NOT NULL,
	signature {{bytes}} NOT NULL,
	PRIMARY KEY (seq, at, public_key)
);
