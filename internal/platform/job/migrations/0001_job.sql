CREATE TABLE job (
	id {{id}},
	lane TEXT NOT NULL,
	kind TEXT NOT NULL,
	unique_key TEXT UNIQUE,
	payload TEXT NOT NULL,
	run_at BIGINT NOT NULL,
	attempt BIGINT NOT NULL DEFAULT 0,
	leased BIGINT NOT NULL DEFAULT 0,
	error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX job_due ON job (lane, run_at, id);

CREATE TABLE job_dead (
	id {{id}},
	lane TEXT NOT NULL,
	kind TEXT NOT NULL,
	payload TEXT NOT NULL,
	attempt BIGINT NOT NULL,
	error TEXT NOT NULL,
	died_at BIGINT NOT NULL
);
CREATE INDEX job_dead_kind ON job_dead (kind, id);

CREATE TABLE job_slot (
	kind TEXT PRIMARY KEY,
	slot BIGINT NOT NULL
);
