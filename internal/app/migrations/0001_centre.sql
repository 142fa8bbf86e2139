-- What all processes of one centre must agree on.
CREATE TABLE centre (
	name TEXT PRIMARY KEY,
	value TEXT NOT NULL
);
