-- One submission. Its id grows with time, so a list by id is a list by age.
CREATE TABLE report (
	id {{id}},
	received_at BIGINT NOT NULL,
	channel TEXT NOT NULL,
	state TEXT NOT NULL,
	desk TEXT NOT NULL,
	organisation TEXT NOT NULL,
	chosen TEXT NOT NULL,
	raw_month TEXT,
	raw_sha256 {{bytes}},
	raw_size BIGINT NOT NULL,
	reporter TEXT,
	reporter_key {{bytes}},
	erased_at BIGINT NOT NULL DEFAULT 0,
	envelope TEXT,
	origin TEXT,
	follow {{bytes}},
	follow_until BIGINT NOT NULL,
	class TEXT NOT NULL DEFAULT '',
	messages BIGINT NOT NULL DEFAULT 0,
	subject TEXT NOT NULL DEFAULT '',
	language TEXT NOT NULL DEFAULT '',
	verdict TEXT,
	score DOUBLE PRECISION NOT NULL DEFAULT 0,
	automatic BIGINT NOT NULL DEFAULT 0,
	assessed_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX report_state ON report (state, id);
-- Accepting does not pay for these: a new report has no verdict.
CREATE INDEX report_verdict ON report (verdict, id) WHERE verdict IS NOT NULL;
CREATE INDEX report_verdict_state ON report (verdict, state, id) WHERE verdict IS NOT NULL;

-- What was accepted in the last seven days, to recognise a second try.
-- only: sqlite
CREATE TABLE receipt (
	hash BLOB PRIMARY KEY,
	content BLOB NOT NULL,
	report_id BIGINT NOT NULL
) WITHOUT ROWID;
-- only: postgres
CREATE TABLE receipt (
	hash BYTEA PRIMARY KEY,
	content BYTEA NOT NULL,
	report_id BIGINT NOT NULL
);
CREATE INDEX receipt_report ON receipt (report_id);

-- Which reports a reporter's pseudonym has; written when a report is assessed.
-- only: sqlite
CREATE TABLE reporter (
	reporter_key BLOB NOT NULL,
	report_id BIGINT NOT NULL,
	PRIMARY KEY (reporter_key, report_id)
) WITHOUT ROWID;
-- only: postgres
CREATE TABLE reporter (
	reporter_key BYTEA NOT NULL,
	report_id BIGINT NOT NULL,
	PRIMARY KEY (reporter_key, report_id)
);

-- A suspicious message found in a report.
-- only: sqlite
CREATE TABLE message (
	report_id BIGINT NOT NULL,
	number BIGINT NOT NULL,
	how TEXT NOT NULL,
	subject TEXT NOT NULL,
	from_name TEXT NOT NULL,
	from_address TEXT NOT NULL,
	sent_at BIGINT NOT NULL,
	words TEXT NOT NULL,
	PRIMARY KEY (report_id, number)
) WITHOUT ROWID;
-- only: postgres
CREATE TABLE message (
	report_id BIGINT NOT NULL,
	number BIGINT NOT NULL,
	how TEXT NOT NULL,
	subject TEXT NOT NULL,
	from_name TEXT NOT NULL,
	from_address TEXT NOT NULL,
	sent_at BIGINT NOT NULL,
	words TEXT NOT NULL,
	PRIMARY KEY (report_id, number)
);

-- What the program concluded about a message. Rows are only added; the one
-- with the highest id counts.
CREATE TABLE assessment (
	id {{id}},
	report_id BIGINT NOT NULL,
	message BIGINT NOT NULL,
	at BIGINT NOT NULL,
	verdict TEXT NOT NULL,
	score DOUBLE PRECISION NOT NULL,
	automatic BIGINT NOT NULL,
	brand TEXT NOT NULL,
	language TEXT NOT NULL,
	rules TEXT NOT NULL,
	model TEXT NOT NULL,
	reasons TEXT NOT NULL
);
CREATE INDEX assessment_report ON assessment (report_id, id);

-- A value, once. hash is that of its type and value.
CREATE TABLE observable (
	id {{id}},
	hash {{bytes}} NOT NULL UNIQUE,
	type TEXT NOT NULL,
	value TEXT NOT NULL
);

-- One value seen in one message.
-- only: sqlite
CREATE TABLE sighting (
	report_id BIGINT NOT NULL,
	message BIGINT NOT NULL,
	observable_id BIGINT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (report_id, message, observable_id)
) WITHOUT ROWID;
-- only: postgres
CREATE TABLE sighting (
	report_id BIGINT NOT NULL,
	message BIGINT NOT NULL,
	observable_id BIGINT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (report_id, message, observable_id)
);
CREATE INDEX sighting_observable ON sighting (observable_id, report_id);

-- Reports that must be kept as they are.
CREATE TABLE report_hold (
	report_id {{id}},
	since BIGINT NOT NULL,
	actor TEXT NOT NULL
);

-- How far each rule of retention has come: every report with a smaller id is done.
CREATE TABLE report_retention (
	rule TEXT PRIMARY KEY,
	upto BIGINT NOT NULL
);
