-- One answer for each report and purpose. No address stands here: it is read
-- from the report when the mail goes out. content is what is told, as codes
-- and parameters, with foreign words already made harmless.
CREATE TABLE answer (
	id {{id}},
	report BIGINT NOT NULL,
	purpose TEXT NOT NULL,
	mail TEXT NOT NULL,
	page TEXT NOT NULL,
	why TEXT NOT NULL,
	language TEXT NOT NULL,
	message_id TEXT NOT NULL,
	content TEXT NOT NULL,
	state TEXT NOT NULL,
	attempts BIGINT NOT NULL,
	next_at BIGINT NOT NULL,
	code TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	settled_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX answer_report ON answer (report, purpose);
CREATE INDEX answer_open ON answer (state, id) WHERE state IN ('pending', 'unsent', 'failed');

-- What a reporter, under a pseudonym, got in the last two days: for the limits
-- only. One row for each message of the report.
CREATE TABLE answer_history (
	id {{id}},
	reporter {{bytes}} NOT NULL,
	answer BIGINT NOT NULL,
	told BIGINT NOT NULL,
	subject BIGINT NOT NULL,
	sender BIGINT NOT NULL
);
CREATE INDEX answer_history_reporter ON answer_history (reporter, id);

-- One row for each of them: the lock under which a decision is made, and when
-- the last acknowledgement went out.
CREATE TABLE answer_reporter (
	reporter {{bytes}} PRIMARY KEY,
	acknowledged_at BIGINT NOT NULL,
	seen_at BIGINT NOT NULL
);
CREATE INDEX answer_reporter_seen ON answer_reporter (seen_at);

-- Acknowledgements to unproved addresses in each hour since 1970.
CREATE TABLE answer_budget (
	hour BIGINT PRIMARY KEY,
	used BIGINT NOT NULL
);
