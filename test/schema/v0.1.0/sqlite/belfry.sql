PRAGMA auto_vacuum = 2;
PRAGMA application_id = 0;
PRAGMA user_version = 0;
CREATE TABLE schema_version (
	owner TEXT NOT NULL, version BIGINT NOT NULL, name TEXT NOT NULL, applied_at BIGINT NOT NULL,
	PRIMARY KEY (owner, version));
CREATE TABLE centre (
	name TEXT PRIMARY KEY,
	value TEXT NOT NULL
);
CREATE TABLE job (
	id INTEGER PRIMARY KEY,
	lane TEXT NOT NULL,
	kind TEXT NOT NULL,
	unique_key TEXT UNIQUE,
	payload TEXT NOT NULL,
	run_at BIGINT NOT NULL,
	attempt BIGINT NOT NULL DEFAULT 0,
	leased BIGINT NOT NULL DEFAULT 0,
	error TEXT NOT NULL DEFAULT ''
);
CREATE TABLE job_dead (
	id INTEGER PRIMARY KEY,
	lane TEXT NOT NULL,
	kind TEXT NOT NULL,
	payload TEXT NOT NULL,
	attempt BIGINT NOT NULL,
	error TEXT NOT NULL,
	died_at BIGINT NOT NULL
);
CREATE TABLE job_slot (
	kind TEXT PRIMARY KEY,
	slot BIGINT NOT NULL
);
CREATE TABLE audit_entry (
	seq BIGINT PRIMARY KEY,
	at BIGINT NOT NULL,
	actor TEXT NOT NULL,
	act TEXT NOT NULL,
	object TEXT NOT NULL,
	detail TEXT NOT NULL,
	previous BLOB NOT NULL,
	hash BLOB NOT NULL
);
CREATE TABLE audit_head (
	one BIGINT PRIMARY KEY CHECK (one = 1),
	seq BIGINT NOT NULL,
	hash BLOB NOT NULL
);
CREATE TABLE audit_seal (
	seq BIGINT NOT NULL,
	at BIGINT NOT NULL,
	hash BLOB NOT NULL,
	public_key BLOB NOT NULL,
	signature BLOB NOT NULL,
	PRIMARY KEY (seq, at, public_key)
);
CREATE TABLE account_token (
	id         INTEGER PRIMARY KEY,
	secret     BLOB NOT NULL UNIQUE, -- SHA-256
	role       TEXT   NOT NULL,
	label      TEXT   NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,           -- 0: never
	revoked_at BIGINT NOT NULL,           -- 0: not
	used_at    BIGINT NOT NULL            -- to the hour; 0: never
);
CREATE TABLE account_session (
	id         INTEGER PRIMARY KEY,
	secret     BLOB NOT NULL UNIQUE, -- SHA-256
	token_id   BIGINT NOT NULL REFERENCES account_token (id),
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,           -- to the minute
	expires_at BIGINT NOT NULL
);
CREATE TABLE report (
	id INTEGER PRIMARY KEY,
	received_at BIGINT NOT NULL,
	channel TEXT NOT NULL,
	state TEXT NOT NULL,
	desk TEXT NOT NULL,
	organisation TEXT NOT NULL,
	chosen TEXT NOT NULL,
	raw_month TEXT,
	raw_sha256 BLOB,
	raw_size BIGINT NOT NULL,
	reporter TEXT,
	reporter_key BLOB,
	erased_at BIGINT NOT NULL DEFAULT 0,
	envelope TEXT,
	origin TEXT,
	follow BLOB,
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
CREATE TABLE receipt (
	hash BLOB PRIMARY KEY,
	content BLOB NOT NULL,
	report_id BIGINT NOT NULL
) WITHOUT ROWID;
CREATE TABLE reporter (
	reporter_key BLOB NOT NULL,
	report_id BIGINT NOT NULL,
	PRIMARY KEY (reporter_key, report_id)
) WITHOUT ROWID;
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
CREATE TABLE assessment (
	id INTEGER PRIMARY KEY,
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
CREATE TABLE observable (
	id INTEGER PRIMARY KEY,
	hash BLOB NOT NULL UNIQUE,
	type TEXT NOT NULL,
	value TEXT NOT NULL
);
CREATE TABLE sighting (
	report_id BIGINT NOT NULL,
	message BIGINT NOT NULL,
	observable_id BIGINT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (report_id, message, observable_id)
) WITHOUT ROWID;
CREATE TABLE report_hold (
	report_id INTEGER PRIMARY KEY,
	since BIGINT NOT NULL,
	actor TEXT NOT NULL
);
CREATE TABLE report_retention (
	rule TEXT PRIMARY KEY,
	upto BIGINT NOT NULL
);
CREATE TABLE answer (
	id INTEGER PRIMARY KEY,
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
CREATE TABLE answer_history (
	id INTEGER PRIMARY KEY,
	reporter BLOB NOT NULL,
	answer BIGINT NOT NULL,
	told BIGINT NOT NULL,
	subject BIGINT NOT NULL,
	sender BIGINT NOT NULL
);
CREATE TABLE answer_reporter (
	reporter BLOB PRIMARY KEY,
	acknowledged_at BIGINT NOT NULL,
	seen_at BIGINT NOT NULL
);
CREATE TABLE answer_budget (
	hour BIGINT PRIMARY KEY,
	used BIGINT NOT NULL
);
CREATE INDEX job_due ON job (lane, run_at, id);
CREATE INDEX job_dead_kind ON job_dead (kind, id);
CREATE INDEX account_session_token ON account_session (token_id);
CREATE INDEX account_session_expires ON account_session (expires_at);
CREATE INDEX report_state ON report (state, id);
CREATE INDEX report_verdict ON report (verdict, id) WHERE verdict IS NOT NULL;
CREATE INDEX report_verdict_state ON report (verdict, state, id) WHERE verdict IS NOT NULL;
CREATE INDEX receipt_report ON receipt (report_id);
CREATE INDEX assessment_report ON assessment (report_id, id);
CREATE INDEX sighting_observable ON sighting (observable_id, report_id);
CREATE UNIQUE INDEX answer_report ON answer (report, purpose);
CREATE INDEX answer_open ON answer (state, id) WHERE state IN ('pending', 'unsent', 'failed');
CREATE INDEX answer_history_reporter ON answer_history (reporter, id);
CREATE INDEX answer_reporter_seen ON answer_reporter (seen_at);
INSERT INTO account_token VALUES (250030227702965959, X'1CB89C7885C9A0EFBA607CCE01CCAAFD37AE281E9A94583630317D087486FCB6', 'analyst', '', 1795301451621548, 1826837451621518, 0, 1795301451666202);
INSERT INTO answer VALUES (250030227965890113, 250030227883730409, 'assessed', 'careful', 'careful', 'unsure', 'nl', '<250030227965890113.siih3uxhtkdcm3h6o5v2sj5a3y@localhost>', '{"kind":"careful","items":[{"verdict":"phishing","brand":"bpost","asks":["bank","clicked"],"reasons":[{"code":"brand-foreign-sender","params":{"Brand":"bpost","Domain":"pakket-herlevering[.]example"}},{"code":"words-delivery","params":{"Words":"Uw pakket"}}]}]}', 'sent', 1, 0, '', 1795301451684062, 1795301451687208);
INSERT INTO answer VALUES (250030228201005452, 250030228137960251, 'assessed', 'acknowledgement', 'careful', 'not-proved', 'en', '<250030228201005452.52kfawdj2hfqeb4ys57imexq7y@localhost>', '{"kind":"careful","items":[{"verdict":"unclear","asks":["clicked"],"reasons":[{"code":"auth-failed","params":{"Domain":"unproved[.]example"},"words":"\u003ctom[@]unproved[.]example\u003e"}]}]}', 'sent', 1, 0, '', 1795301451740443, 1795301451742915);
INSERT INTO answer VALUES (250030228431196734, 250030228381211067, 'assessed', 'none', 'careful', 'bounce', 'en', '<250030228431196734.wcvtxljvf2phizvzkkekafko5i@localhost>', '{"kind":"careful","items":[{"verdict":"unclear","asks":["clicked"],"reasons":[{"code":"auth-failed","params":{"Domain":"citizens[.]example"},"words":"\u003cMAILER-DAEMON[@]citizens[.]example\u003e"},{"code":"model-words","params":{"Words":"user"}}]}]}', 'withheld', 0, 0, '', 1795301451795334, 1795301451795334);
INSERT INTO answer_budget VALUES (498694, 1);
INSERT INTO answer_history VALUES (250030227966846798, X'A47F24D0E3923389C12BD396A57995E8', 250030227965890113, 1, 5185450646994309079, 7363686886889451964);
INSERT INTO answer_reporter VALUES (X'A47F24D0E3923389C12BD396A57995E8', 0, 1795301451684062);
INSERT INTO answer_reporter VALUES (X'198352BD2254498CFA7A66AF6D23D141', 1795301451740443, 1795301451740443);
INSERT INTO answer_reporter VALUES (X'52D2D362ABEBA44312D1B48BC33D269B', 0, 1795301451795334);
INSERT INTO assessment VALUES (250030227954409230, 250030227883730409, 0, 1795301451681541, 'phishing', 0.9811, 0, 'bpost', 'nl', '2026-11-2', '2026-11-22', '[{"code":"brand-foreign-sender","weight":3.7,"params":{"Brand":"bpost","Domain":"pakket-herlevering.example"},"evidence":"bpost","part":"from","end":5},{"code":"links-own","weight":-1.86,"params":{"Domain":"pakket-herlevering.example"}},{"code":"words-delivery","weight":1.64,"params":{"Words":"Uw pakket"},"evidence":"Uw pakket","part":"subject","end":9},{"code":"lookalike-subdomain","weight":1.54,"params":{"Brand":"bpost","Domain":"bpost.pakket-herlevering.example"},"evidence":"http://bpost.pakket-herlevering.example/betaling/login.php?id=83121","part":"body","start":129,"end":160},{"code":"words-urgency","weight":0.65,"params":{"Words":"binnen 24 uur"},"evidence":"binnen 24 uur","part":"body","start":51,"end":64},{"code":"words-greeting","weight":0.51,"params":{"Words":"Beste klant"},"evidence":"Beste klant","part":"body","end":11},{"code":"link-text-differs","weight":0.34,"params":{"Domain":"bpost.pakket-herlevering.example","Shown":"track.bpost.be"},"evidence":"http://bpost.pakket-herlevering.example/betaling/login.php?id=83121","part":"body","start":129,"end":160},{"code":"model-words-honest","weight":-0.23,"params":{"Words":"binnen"},"evidence":"binnen","part":"body","start":51,"end":57}]');
INSERT INTO assessment VALUES (250030228155362297, 250030228137960251, 0, 1795301451729097, 'unclear', 0.3338, 0, '', 'en', '2026-11-2', '2026-11-22', '[{"code":"auth-failed","weight":0.91,"params":{"Domain":"unproved.example"},"evidence":"\u003ctom@unproved.example\u003e","part":"from","end":22}]');
INSERT INTO assessment VALUES (250030228403836163, 250030228381211067, 0, 1795301451788357, 'unclear', 0.3677, 0, '', 'en', '2026-11-2', '2026-11-22', '[{"code":"auth-failed","weight":0.91,"params":{"Domain":"citizens.example"},"evidence":"\u003cMAILER-DAEMON@citizens.example\u003e","part":"from","end":32},{"code":"model-words","weight":0.15,"params":{"Words":"user"},"evidence":"user","part":"body","start":8,"end":12}]');
INSERT INTO audit_entry VALUES (1, 1795301451471060, 'system', 'server.started', 'centre', '{"configuration":"57d33be21e4f0fe3","version":"development"}', X'0000000000000000000000000000000000000000000000000000000000000000', X'33D04D5B0980E8CBE7AFD36E5180A73A52CAD372642F8AEF8DC15D68AFDC9716');
INSERT INTO audit_entry VALUES (2, 1795301451621548, 'system:command-line', 'token.create', 'token:250030227702965959', '{"role":"analyst"}', X'33D04D5B0980E8CBE7AFD36E5180A73A52CAD372642F8AEF8DC15D68AFDC9716', X'0B63AC776EA63ECF30F190964EF0BE06D184B6B49F750A41B35B945CABD6939A');
INSERT INTO audit_entry VALUES (3, 1795301451666202, 'token:250030227702965959', 'token.use', 'token:250030227702965959', '{}', X'0B63AC776EA63ECF30F190964EF0BE06D184B6B49F750A41B35B945CABD6939A', X'93B71FCE92F79A1EF543A043DC35994151043C16DA33B0C07D8AEB8F33B482B9');
INSERT INTO audit_head VALUES (1, 3, X'93B71FCE92F79A1EF543A043DC35994151043C16DA33B0C07D8AEB8F33B482B9');
INSERT INTO audit_seal VALUES (1, 1795301451547015, X'33D04D5B0980E8CBE7AFD36E5180A73A52CAD372642F8AEF8DC15D68AFDC9716', X'33A1ECEB516A24AB588175B2E4BA2CC0F6A0453BDCF2D90AF439CB663C9CB4FE', X'76578B63A4B5D7A265FF26E76AACCB6A36755C4CD1A3479CDE6C07AFCC694D3FB8502E6EBF9C1B586376EB3291632688B95840F483DD4C85E15AEFCAAD41A807');
INSERT INTO centre VALUES ('secret_check', '64b084a125ab2140b1506380c574019c7c7a6bae1eda37440eac32c81e88fb1f');
INSERT INTO job_slot VALUES ('report.retain', 1795298400000000);
INSERT INTO job_slot VALUES ('report.sweep', 1795219200000000);
INSERT INTO job_slot VALUES ('answer.purge', 1795298400000000);
INSERT INTO job_slot VALUES ('audit.seal', 1795298400000000);
INSERT INTO job_slot VALUES ('account.sweep', 1795298400000000);
INSERT INTO message VALUES (250030227883730409, 0, 'attached', 'Uw pakket', 'bpost klantendienst', 'info@pakket-herlevering.example', 1795158725000000, 'Is dit echt van bpost? Ik verwacht geen pakket.');
INSERT INTO message VALUES (250030228137960251, 0, 'itself', 'lunch', '', 'tom@unproved.example', 0, '');
INSERT INTO message VALUES (250030228381211067, 0, 'itself', 'Undelivered', '', 'MAILER-DAEMON@citizens.example', 0, '');
INSERT INTO observable VALUES (250030227954754772, X'3018F74F8C08DE2B47182A4445792D2F', 'domain', 'pakket-herlevering.example');
INSERT INTO observable VALUES (250030227954754773, X'35761C61CD43E7511566183D9237DCD6', 'url', 'http://bpost.pakket-herlevering.example/betaling/login.php?id=83121');
INSERT INTO observable VALUES (250030227954754774, X'4A7C0173E8A70EE2F2D0B8D99DC3A5B1', 'domain', 'bpost.pakket-herlevering.example');
INSERT INTO observable VALUES (250030227954754775, X'E6F4671770C452F3E47768480D156C21', 'email', 'info@pakket-herlevering.example');
INSERT INTO receipt VALUES (X'78AF41F1E77D44C57BA9419A93A48718', X'D1DB82E88F10B55DE212C47316EA3F0C', 250030228381211067);
INSERT INTO receipt VALUES (X'ED58C1477DDD4E813DE056360208C2F5', X'CB184237DBF6A6A27D0A61F6F519601E', 250030228137960251);
INSERT INTO receipt VALUES (X'F07B03D634514B4ABBB45ACAD6686654', X'1B98987D7BF7D7D5CED3571753C61099', 250030227883730409);
INSERT INTO report VALUES (250030227883730409, 1795301451664202, 'smtp', 'waiting', 'suspicious@localhost', '', '', '2026-11', X'1B98987D7BF7D7D5CED3571753C61099AF793E8CDF94B615D3710D00FD0B60F7', 1048, 'an@citizens.example', X'45B8405ED8B7087DDEA21A727D9EAD73', 0, '{"from":"an@citizens.example","to":["suspicious@localhost"],"remote_ip":"127.0.0.1","helo":"mx.citizens.example"}', '{"message_id":"fwd-an@citizens.example","subject":"Fwd: Uw pakket","words_language":"nl","proof":{"proved":true,"how":"spf","from":"an@citizens.example","domain":"citizens.example","by":"citizens.example","spf":{"outcome":"pass","domain":"citizens.example","aligned":true},"dmarc":{"outcome":"pass","domain":"citizens.example","policy":"reject"}}}', X'940566EE00CEE30A87A1E28D7B2E077F36501273501B08051770F046858FF656', 1803077451664202, '', 1, 'Uw pakket', 'nl', 'phishing', 0.9811, 0, 1795301451681541);
INSERT INTO report VALUES (250030228137960251, 1795301451725463, 'smtp', 'waiting', 'suspicious@localhost', '', '', '2026-11', X'CB184237DBF6A6A27D0A61F6F519601EEF1B1264FD7F349DE08857628752C663', 132, 'tom@unproved.example', X'056B3AA7F190E16786591AE1DD6D4EEA', 0, '{"from":"tom@unproved.example","to":["suspicious@localhost"],"remote_ip":"127.0.0.1","helo":"mx.citizens.example"}', '{"message_id":"lunch@unproved.example","subject":"lunch","proof":{"proved":false,"why":"nothing","from":"tom@unproved.example","domain":"unproved.example","spf":{"outcome":"fail","domain":"unproved.example","aligned":true},"dmarc":{"outcome":"none"}}}', X'EF5ED73AC2DF42435F5F2D8249F88BB5E3D19E52226FC6540994AF2E78AFF8DB', 1803077451725463, '', 1, 'lunch', 'en', 'unclear', 0.3338, 0, 1795301451729097);
INSERT INTO report VALUES (250030228381211067, 1795301451783460, 'smtp', 'closed', 'suspicious@localhost', '', '', '2026-11', X'D1DB82E88F10B55DE212C47316EA3F0CC6AB1267DAB2DEC44968A0269254E8A7', 107, 'MAILER-DAEMON@citizens.example', X'0CFDE1783A6916FDE91729B566F3E586', 0, '{"null":true,"to":["suspicious@localhost"],"remote_ip":"127.0.0.1","helo":"mx.citizens.example"}', '{"subject":"Undelivered","proof":{"proved":false,"why":"nothing","from":"MAILER-DAEMON@citizens.example","domain":"citizens.example","spf":{"outcome":"none","domain":"mx.citizens.example","aligned":true},"dmarc":{"outcome":"fail","domain":"citizens.example","policy":"reject"}},"null_sender":true}', X'E29726B8A969D925558B26A80DBF8708A034015F75B65B37E4FA6B300C979C02', 1803077451783460, 'bounce', 1, 'Undelivered', 'en', 'unclear', 0.3677, 0, 1795301451788357);
INSERT INTO report_retention VALUES ('addresses', 239158591116804096);
INSERT INTO report_retention VALUES ('follow', 217415319180804096);
INSERT INTO report_retention VALUES ('raw', 209097798451200000);
INSERT INTO reporter VALUES (X'056B3AA7F190E16786591AE1DD6D4EEA', 250030228137960251);
INSERT INTO reporter VALUES (X'0CFDE1783A6916FDE91729B566F3E586', 250030228381211067);
INSERT INTO reporter VALUES (X'45B8405ED8B7087DDEA21A727D9EAD73', 250030227883730409);
INSERT INTO schema_version VALUES ('app', 1, 'centre', 1795301451373458);
INSERT INTO schema_version VALUES ('job', 1, 'job', 1795301451383290);
INSERT INTO schema_version VALUES ('audit', 1, 'audit', 1795301451390940);
INSERT INTO schema_version VALUES ('account', 1, 'token', 1795301451391940);
INSERT INTO schema_version VALUES ('report', 1, 'report', 1795301451395714);
INSERT INTO schema_version VALUES ('answer', 1, 'answer', 1795301451402457);
INSERT INTO sighting VALUES (250030227883730409, 0, 250030227954754772, '{"where":"header","source":"From","count":2}');
INSERT INTO sighting VALUES (250030227883730409, 0, 250030227954754773, '{"where":"html","source":"a href","text":"https://track.bpost.be/betaling","count":1}');
INSERT INTO sighting VALUES (250030227883730409, 0, 250030227954754774, '{"where":"html","source":"a href","count":1}');
INSERT INTO sighting VALUES (250030227883730409, 0, 250030227954754775, '{"where":"header","source":"From","text":"bpost klantendienst","count":2}');
