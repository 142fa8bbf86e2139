CREATE TABLE mail (
	id {{id}},
	received_at BIGINT NOT NULL,
	sender TEXT NOT NULL,
	data {{bytes}} NOT NULL
);
