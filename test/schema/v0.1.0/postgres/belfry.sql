CREATE TABLE account_session (
    id bigint NOT NULL,
    secret bytea NOT NULL,
    token_id bigint NOT NULL,
    created_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE account_token (
    id bigint NOT NULL,
    secret bytea NOT NULL,
    role text NOT NULL,
    label text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint NOT NULL,
    used_at bigint NOT NULL
);
CREATE TABLE answer (
    id bigint NOT NULL,
    report bigint NOT NULL,
    purpose text NOT NULL,
    mail text NOT NULL,
    page text NOT NULL,
    why text NOT NULL,
    language text NOT NULL,
    message_id text NOT NULL,
    content text NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL,
    next_at bigint NOT NULL,
    code text NOT NULL,
    created_at bigint NOT NULL,
    settled_at bigint NOT NULL
);
CREATE TABLE answer_budget (
    hour bigint NOT NULL,
    used bigint NOT NULL
);
CREATE TABLE answer_history (
    id bigint NOT NULL,
    reporter bytea NOT NULL,
    answer bigint NOT NULL,
    told bigint NOT NULL,
    subject bigint NOT NULL,
    sender bigint NOT NULL
);
CREATE TABLE answer_reporter (
    reporter bytea NOT NULL,
    acknowledged_at bigint NOT NULL,
    seen_at bigint NOT NULL
);
CREATE TABLE assessment (
    id bigint NOT NULL,
    report_id bigint NOT NULL,
    message bigint NOT NULL,
    at bigint NOT NULL,
    verdict text NOT NULL,
    score double precision NOT NULL,
    automatic bigint NOT NULL,
    brand text NOT NULL,
    language text NOT NULL,
    rules text NOT NULL,
    model text NOT NULL,
    reasons text NOT NULL
);
CREATE TABLE audit_entry (
    seq bigint NOT NULL,
    at bigint NOT NULL,
    actor text NOT NULL,
    act text NOT NULL,
    object text NOT NULL,
    detail text NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL
);
CREATE TABLE audit_head (
    one bigint NOT NULL,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_head_one_check CHECK ((one = 1))
);
CREATE TABLE audit_seal (
    seq bigint NOT NULL,
    at bigint NOT NULL,
    hash bytea NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL
);
CREATE TABLE centre (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE job (
    id bigint NOT NULL,
    lane text NOT NULL,
    kind text NOT NULL,
    unique_key text,
    payload text NOT NULL,
    run_at bigint NOT NULL,
    attempt bigint DEFAULT 0 NOT NULL,
    leased bigint DEFAULT 0 NOT NULL,
    error text DEFAULT ''::text NOT NULL
);
CREATE TABLE job_dead (
    id bigint NOT NULL,
    lane text NOT NULL,
    kind text NOT NULL,
    payload text NOT NULL,
    attempt bigint NOT NULL,
    error text NOT NULL,
    died_at bigint NOT NULL
);
CREATE TABLE job_slot (
    kind text NOT NULL,
    slot bigint NOT NULL
);
CREATE TABLE message (
    report_id bigint NOT NULL,
    number bigint NOT NULL,
    how text NOT NULL,
    subject text NOT NULL,
    from_name text NOT NULL,
    from_address text NOT NULL,
    sent_at bigint NOT NULL,
    words text NOT NULL
);
CREATE TABLE observable (
    id bigint NOT NULL,
    hash bytea NOT NULL,
    type text NOT NULL,
    value text NOT NULL
);
CREATE TABLE raw_content (
    month text NOT NULL,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    put_at bigint NOT NULL,
    data bytea NOT NULL
)
PARTITION BY LIST (month);
CREATE TABLE raw_content_2026_11 (
    month text NOT NULL,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    put_at bigint NOT NULL,
    data bytea NOT NULL
);
ALTER TABLE ONLY raw_content_2026_11 ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE receipt (
    hash bytea NOT NULL,
    content bytea NOT NULL,
    report_id bigint NOT NULL
);
CREATE TABLE report (
    id bigint NOT NULL,
    received_at bigint NOT NULL,
    channel text NOT NULL,
    state text NOT NULL,
    desk text NOT NULL,
    organisation text NOT NULL,
    chosen text NOT NULL,
    raw_month text,
    raw_sha256 bytea,
    raw_size bigint NOT NULL,
    reporter text,
    reporter_key bytea,
    erased_at bigint DEFAULT 0 NOT NULL,
    envelope text,
    origin text,
    follow bytea,
    follow_until bigint NOT NULL,
    class text DEFAULT ''::text NOT NULL,
    messages bigint DEFAULT 0 NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    language text DEFAULT ''::text NOT NULL,
    verdict text,
    score double precision DEFAULT 0 NOT NULL,
    automatic bigint DEFAULT 0 NOT NULL,
    assessed_at bigint DEFAULT 0 NOT NULL
);
CREATE TABLE report_hold (
    report_id bigint NOT NULL,
    since bigint NOT NULL,
    actor text NOT NULL
);
CREATE TABLE report_retention (
    rule text NOT NULL,
    upto bigint NOT NULL
);
CREATE TABLE reporter (
    reporter_key bytea NOT NULL,
    report_id bigint NOT NULL
);
CREATE TABLE schema_version (
    owner text NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    applied_at bigint NOT NULL
);
CREATE TABLE sighting (
    report_id bigint NOT NULL,
    message bigint NOT NULL,
    observable_id bigint NOT NULL,
    detail text NOT NULL
);
ALTER TABLE ONLY raw_content ATTACH PARTITION raw_content_2026_11 FOR VALUES IN ('2026-11');
INSERT INTO account_token VALUES (250030235059663392, '\x3718cb92ef938349a168b45fb4c9dab5b64013bcad4dabbde51efe7fb72c41ba', 'analyst', '', 1795301453375352, 1826837453369225, 0, 1795301453415728);
INSERT INTO answer VALUES (250030235345399917, 250030235209245157, 'assessed', 'careful', 'careful', 'unsure', 'nl', '<250030235345399917.e4jeqmqewgrtckkys655nrpwnm@localhost>', '{"kind":"careful","items":[{"verdict":"phishing","brand":"bpost","asks":["bank","clicked"],"reasons":[{"code":"brand-foreign-sender","params":{"Brand":"bpost","Domain":"pakket-herlevering[.]example"}},{"code":"words-delivery","params":{"Words":"Uw pakket"}}]}]}', 'sent', 1, 0, '', 1795301453443709, 1795301453451822);
INSERT INTO answer VALUES (250030235513025170, 250030235474045193, 'assessed', 'acknowledgement', 'careful', 'not-proved', 'en', '<250030235513025170.vioelfxefot6st7xxwxpqaybtu@localhost>', '{"kind":"careful","items":[{"verdict":"unclear","asks":["clicked"],"reasons":[{"code":"auth-failed","params":{"Domain":"unproved[.]example"},"words":"\u003ctom[@]unproved[.]example\u003e"}]}]}', 'sent', 1, 0, '', 1795301453483017, 1795301453490539);
INSERT INTO answer VALUES (250030235817639449, 250030235754966046, 'assessed', 'none', 'careful', 'bounce', 'en', '<250030235817639449.qipht4aflwvztlra5434b6vgxi@localhost>', '{"kind":"careful","items":[{"verdict":"unclear","asks":["clicked"],"reasons":[{"code":"auth-failed","params":{"Domain":"citizens[.]example"},"words":"\u003cMAILER-DAEMON[@]citizens[.]example\u003e"},{"code":"model-words","params":{"Words":"user"}}]}]}', 'withheld', 0, 0, '', 1795301453556657, 1795301453556657);
INSERT INTO answer_budget VALUES (498694, 1);
INSERT INTO answer_history VALUES (250030235345399918, '\x33448a40e7e6c7a21c6fad11375f786f', 250030235345399917, 1, 7376515733643024955, 390850797627377637);
INSERT INTO answer_reporter VALUES ('\x33448a40e7e6c7a21c6fad11375f786f', 0, 1795301453443709);
INSERT INTO answer_reporter VALUES ('\xb810ee2e59ae0048196f661260758632', 1795301453483017, 1795301453483017);
INSERT INTO answer_reporter VALUES ('\xf3ae8df2b4ad655e923b4b2203fa6c5a', 0, 1795301453556657);
INSERT INTO assessment VALUES (250030235293612708, 250030235209245157, 0, 1795301453431466, 'phishing', 0.9811, 0, 'bpost', 'nl', '2026-11-2', '2026-11-22', '[{"code":"brand-foreign-sender","weight":3.7,"params":{"Brand":"bpost","Domain":"pakket-herlevering.example"},"evidence":"bpost","part":"from","end":5},{"code":"links-own","weight":-1.86,"params":{"Domain":"pakket-herlevering.example"}},{"code":"words-delivery","weight":1.64,"params":{"Words":"Uw pakket"},"evidence":"Uw pakket","part":"subject","end":9},{"code":"lookalike-subdomain","weight":1.54,"params":{"Brand":"bpost","Domain":"bpost.pakket-herlevering.example"},"evidence":"http://bpost.pakket-herlevering.example/betaling/login.php?id=83121","part":"body","start":129,"end":160},{"code":"words-urgency","weight":0.65,"params":{"Words":"binnen 24 uur"},"evidence":"binnen 24 uur","part":"body","start":51,"end":64},{"code":"words-greeting","weight":0.51,"params":{"Words":"Beste klant"},"evidence":"Beste klant","part":"body","end":11},{"code":"link-text-differs","weight":0.34,"params":{"Domain":"bpost.pakket-herlevering.example","Shown":"track.bpost.be"},"evidence":"http://bpost.pakket-herlevering.example/betaling/login.php?id=83121","part":"body","start":129,"end":160},{"code":"model-words-honest","weight":-0.23,"params":{"Words":"binnen"},"evidence":"binnen","part":"body","start":51,"end":57}]');
INSERT INTO assessment VALUES (250030235500599850, 250030235474045193, 0, 1795301453480297, 'unclear', 0.3338, 0, '', 'en', '2026-11-2', '2026-11-22', '[{"code":"auth-failed","weight":0.91,"params":{"Domain":"unproved.example"},"evidence":"\u003ctom@unproved.example\u003e","part":"from","end":22}]');
INSERT INTO assessment VALUES (250030235805314421, 250030235754966046, 0, 1795301453553079, 'unclear', 0.3677, 0, '', 'en', '2026-11-2', '2026-11-22', '[{"code":"auth-failed","weight":0.91,"params":{"Domain":"citizens.example"},"evidence":"\u003cMAILER-DAEMON@citizens.example\u003e","part":"from","end":32},{"code":"model-words","weight":0.15,"params":{"Words":"user"},"evidence":"user","part":"body","start":8,"end":12}]');
INSERT INTO audit_entry VALUES (1, 1795301453286827, 'system', 'server.started', 'centre', '{"configuration":"8c3900a2184d7719","version":"development"}', '\x0000000000000000000000000000000000000000000000000000000000000000', '\x8d3a14bcb1ac9bfa076bf94eb004b81f5bd9fc1047e1a1a6a0088f7d7af3a267');
INSERT INTO audit_entry VALUES (2, 1795301453375352, 'system:command-line', 'token.create', 'token:250030235059663392', '{"role":"analyst"}', '\x8d3a14bcb1ac9bfa076bf94eb004b81f5bd9fc1047e1a1a6a0088f7d7af3a267', '\xeef5bc075a305bbca0a3f2b05d616dd12f714aee0b88157bc6f19d93f31f7fa6');
INSERT INTO audit_entry VALUES (3, 1795301453415728, 'token:250030235059663392', 'token.use', 'token:250030235059663392', '{}', '\xeef5bc075a305bbca0a3f2b05d616dd12f714aee0b88157bc6f19d93f31f7fa6', '\x5235ad589b941c5adb79c578fc1bfc6fac9e803b9e015967ec534230836cd738');
INSERT INTO audit_head VALUES (1, 3, '\x5235ad589b941c5adb79c578fc1bfc6fac9e803b9e015967ec534230836cd738');
INSERT INTO audit_seal VALUES (1, 1795301453321751, '\x8d3a14bcb1ac9bfa076bf94eb004b81f5bd9fc1047e1a1a6a0088f7d7af3a267', '\xe7d448c74cd2405f9986bceb6416200fcddc37cd64b444a3a843a97560812a11', '\x6562524fb585cb2cb6f180ab35f8c1dd1af0fc948c433413fff921b5bb2b81340b51e36d0a3783380523aecd61980326b42ae251b9ec887d25434b0f530d9e0d');
INSERT INTO centre VALUES ('secret_check', 'eef83310e7bec0d3fbf3d7441357d6038e17d6e6bda757e1c4614f61326dced2');
INSERT INTO job_slot VALUES ('report.sweep', 1795219200000000);
INSERT INTO job_slot VALUES ('account.sweep', 1795298400000000);
INSERT INTO job_slot VALUES ('audit.seal', 1795298400000000);
INSERT INTO job_slot VALUES ('answer.purge', 1795298400000000);
INSERT INTO job_slot VALUES ('report.retain', 1795298400000000);
INSERT INTO message VALUES (250030235209245157, 0, 'attached', 'Uw pakket', 'bpost klantendienst', 'info@pakket-herlevering.example', 1795158725000000, 'Is dit echt van bpost? Ik verwacht geen pakket.');
INSERT INTO message VALUES (250030235474045193, 0, 'itself', 'lunch', '', 'tom@unproved.example', 0, '');
INSERT INTO message VALUES (250030235754966046, 0, 'itself', 'Undelivered', '', 'MAILER-DAEMON@citizens.example', 0, '');
INSERT INTO observable VALUES (250030235293820181, '\x3018f74f8c08de2b47182a4445792d2f', 'domain', 'pakket-herlevering.example');
INSERT INTO observable VALUES (250030235293820182, '\x35761c61cd43e7511566183d9237dcd6', 'url', 'http://bpost.pakket-herlevering.example/betaling/login.php?id=83121');
INSERT INTO observable VALUES (250030235293820183, '\x4a7c0173e8a70ee2f2d0b8d99dc3a5b1', 'domain', 'bpost.pakket-herlevering.example');
INSERT INTO observable VALUES (250030235293820184, '\xe6f4671770c452f3e47768480d156c21', 'email', 'info@pakket-herlevering.example');
INSERT INTO raw_content_2026_11 VALUES ('2026-11', '\x1b98987d7bf7d7d5ced3571753c61099af793e8cdf94b615d3710d00fd0b60f7', 1048, 1795301453404767, '\x28b52ffd6018030d1100f2a672250091e8015bc4e636616cd80a42fe43ff6577f25f7c7fabd9c8c9eab73314eda8aa6e0e1a42ac39274deba3e344ac49ce313b072041279a9a0a05ed3bcebbf53f4acc037a0840229544a8b1362e29743a1497137e4f4ef397d6c9715efd8f4c64d236328c9aca5ed7dfa6502edb7ff157965ef8daae1cb2c3fb2fad54de1bb62d4cedd56c60e078b0bd2e1e80d8db5d4e3c21fc56e0e669ed8aaf5376c91f297861a946ac49d5891cfdb715a41a491a159d22695a1fa3697d743ea3df5d2a089e073d1e8452307fbd65e5fd0e6785ffd23a311497b62d3d6d479740272e237ef16184737b7d4bb0c61a33ad6e98485bd07bca091fbcb71529f80ff939952f2fad57324010849a58c76abc9bc21f2978b16de18a8411fed23ab1430b7fa49a5f567c25acb1067193bf22dfd7c248f1814b38abf319fd7f11718e35d698bf8830110d0b2bbfe8c407556748cb790babfc7959fcba6a50b8f77ea70bac3dcd839f53796d5bb88607c983ab2e93881f83c43505dedb0fac3dcfe309e0e779cff30c1e2e801e882d14821f881dd23af0eb870cac7d572ab0f2a5825f7571e0f754634cd7046bd25f1a27a4e84cb8179594acf7ba113f4ac19ad4b35a30a39bebbd215f52090e237e16b50e011d002ea5148f1da90f99aeeecb27862262add887d6888b629456ba881d98f24a6e808cc0340184800df88cfd12d85f1ab8200b5e08c2da8b41ef9ac41f869bd7fc08b6cd6cc399511971376e245b91a33028060d');
INSERT INTO raw_content_2026_11 VALUES ('2026-11', '\xcb184237dbf6a6a27d0a61f6f519601eef1b1264fd7f349de08857628752c663', 132, 1795301453474193, '\x28b52ffd0000550300d286171a706b3ae8edc62451a4ad8c3618dfca237953a3de00aa3880030176846d12e13a90395162673740aa9e05780a07c032d27d117648d5331e46b7a1f8c48ef1469cda8cf8b7a2caf2773c9db05b5e291f1b586cd3cb528fa466f0a45e0c01021006802160d21c05');
INSERT INTO raw_content_2026_11 VALUES ('2026-11', '\xd1db82e88f10b55de212c47316ea3f0cc6ab1267dab2dec44968a0269254e8a7', 107, 1795301453538007, '\x28b52ffd000059030046726f6d3a204d41494c45522d4441454d4f4e40636974697a656e732e6578616d706c650d0a5375626a6563743a20556e64656c6976657265640d0a4175746f2d5375626d69747465643a206175746f2d7265706c6965640d0a0d0a4e6f207375636820757365722e0d0a');
INSERT INTO receipt VALUES ('\xf0cadb104db9806a2299f19f9eae16ce', '\x1b98987d7bf7d7d5ced3571753c61099', 250030235209245157);
INSERT INTO receipt VALUES ('\x77bb75e9126837abf21bfe27512d1df7', '\xcb184237dbf6a6a27d0a61f6f519601e', 250030235474045193);
INSERT INTO receipt VALUES ('\xba70f98c907e390a8a0c221c819da5ad', '\xd1db82e88f10b55de212c47316ea3f0c', 250030235754966046);
INSERT INTO report VALUES (250030235209245157, 1795301453411963, 'smtp', 'waiting', 'suspicious@localhost', '', '', '2026-11', '\x1b98987d7bf7d7d5ced3571753c61099af793e8cdf94b615d3710d00fd0b60f7', 1048, 'an@citizens.example', '\x0a79bffbfae60f196e0d17366e6237b4', 0, '{"from":"an@citizens.example","to":["suspicious@localhost"],"remote_ip":"127.0.0.1","helo":"mx.citizens.example"}', '{"message_id":"fwd-an@citizens.example","subject":"Fwd: Uw pakket","words_language":"nl","proof":{"proved":true,"how":"spf","from":"an@citizens.example","domain":"citizens.example","by":"citizens.example","spf":{"outcome":"pass","domain":"citizens.example","aligned":true},"dmarc":{"outcome":"pass","domain":"citizens.example","policy":"reject"}}}', '\x82441d14d9240d867804314aa22cb96e5fd0b31b9c6dd2f20e65c69a1e157421', 1803077453411963, '', 1, 'Uw pakket', 'nl', 'phishing', 0.9811, 0, 1795301453431466);
INSERT INTO report VALUES (250030235474045193, 1795301453474866, 'smtp', 'waiting', 'suspicious@localhost', '', '', '2026-11', '\xcb184237dbf6a6a27d0a61f6f519601eef1b1264fd7f349de08857628752c663', 132, 'tom@unproved.example', '\x726e70a92646cab4f51de7413d70dbb8', 0, '{"from":"tom@unproved.example","to":["suspicious@localhost"],"remote_ip":"127.0.0.1","helo":"mx.citizens.example"}', '{"message_id":"lunch@unproved.example","subject":"lunch","proof":{"proved":false,"why":"nothing","from":"tom@unproved.example","domain":"unproved.example","spf":{"outcome":"fail","domain":"unproved.example","aligned":true},"dmarc":{"outcome":"none"}}}', '\x37a7a24e3ceb292b165ba0ca09506e37ebd6fbd001956f81c597bd058190bb0a', 1803077453474866, '', 1, 'lunch', 'en', 'unclear', 0.3338, 0, 1795301453480297);
INSERT INTO report VALUES (250030235754966046, 1795301453541215, 'smtp', 'closed', 'suspicious@localhost', '', '', '2026-11', '\xd1db82e88f10b55de212c47316ea3f0cc6ab1267dab2dec44968a0269254e8a7', 107, 'MAILER-DAEMON@citizens.example', '\x9b365571a019f0f241679bebb323d05b', 0, '{"null":true,"to":["suspicious@localhost"],"remote_ip":"127.0.0.1","helo":"mx.citizens.example"}', '{"subject":"Undelivered","proof":{"proved":false,"why":"nothing","from":"MAILER-DAEMON@citizens.example","domain":"citizens.example","spf":{"outcome":"none","domain":"mx.citizens.example","aligned":true},"dmarc":{"outcome":"fail","domain":"citizens.example","policy":"reject"}},"null_sender":true}', '\xa01338ac56947b3079405dee28a2dbd45092b47096c826a12ff11f14024b2e64', 1803077453541215, 'bounce', 1, 'Undelivered', 'en', 'unclear', 0.3677, 0, 1795301453553079);
INSERT INTO report_retention VALUES ('addresses', 239158598914015232);
INSERT INTO report_retention VALUES ('follow', 217415326978015232);
INSERT INTO report_retention VALUES ('raw', 209097798451200000);
INSERT INTO reporter VALUES ('\x0a79bffbfae60f196e0d17366e6237b4', 250030235209245157);
INSERT INTO reporter VALUES ('\x726e70a92646cab4f51de7413d70dbb8', 250030235474045193);
INSERT INTO reporter VALUES ('\x9b365571a019f0f241679bebb323d05b', 250030235754966046);
INSERT INTO schema_version VALUES ('app', 1, 'centre', 1795301452688156);
INSERT INTO schema_version VALUES ('job', 1, 'job', 1795301452716344);
INSERT INTO schema_version VALUES ('audit', 1, 'audit', 1795301452880583);
INSERT INTO schema_version VALUES ('account', 1, 'token', 1795301452910564);
INSERT INTO schema_version VALUES ('report', 1, 'report', 1795301452981425);
INSERT INTO schema_version VALUES ('answer', 1, 'answer', 1795301453153504);
INSERT INTO schema_version VALUES ('raw', 1, 'content', 1795301453194627);
INSERT INTO sighting VALUES (250030235209245157, 0, 250030235293820181, '{"where":"header","source":"From","count":2}');
INSERT INTO sighting VALUES (250030235209245157, 0, 250030235293820182, '{"where":"html","source":"a href","text":"https://track.bpost.be/betaling","count":1}');
INSERT INTO sighting VALUES (250030235209245157, 0, 250030235293820183, '{"where":"html","source":"a href","count":1}');
INSERT INTO sighting VALUES (250030235209245157, 0, 250030235293820184, '{"where":"header","source":"From","text":"bpost klantendienst","count":2}');
ALTER TABLE ONLY account_session
    ADD CONSTRAINT account_session_pkey PRIMARY KEY (id);
ALTER TABLE ONLY account_session
    ADD CONSTRAINT account_session_secret_key UNIQUE (secret);
ALTER TABLE ONLY account_token
    ADD CONSTRAINT account_token_pkey PRIMARY KEY (id);
ALTER TABLE ONLY account_token
    ADD CONSTRAINT account_token_secret_key UNIQUE (secret);
ALTER TABLE ONLY answer_budget
    ADD CONSTRAINT answer_budget_pkey PRIMARY KEY (hour);
ALTER TABLE ONLY answer_history
    ADD CONSTRAINT answer_history_pkey PRIMARY KEY (id);
ALTER TABLE ONLY answer
    ADD CONSTRAINT answer_pkey PRIMARY KEY (id);
ALTER TABLE ONLY answer_reporter
    ADD CONSTRAINT answer_reporter_pkey PRIMARY KEY (reporter);
ALTER TABLE ONLY assessment
    ADD CONSTRAINT assessment_pkey PRIMARY KEY (id);
ALTER TABLE ONLY audit_entry
    ADD CONSTRAINT audit_entry_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY audit_head
    ADD CONSTRAINT audit_head_pkey PRIMARY KEY (one);
ALTER TABLE ONLY audit_seal
    ADD CONSTRAINT audit_seal_pkey PRIMARY KEY (seq, at, public_key);
ALTER TABLE ONLY centre
    ADD CONSTRAINT centre_pkey PRIMARY KEY (name);
ALTER TABLE ONLY job_dead
    ADD CONSTRAINT job_dead_pkey PRIMARY KEY (id);
ALTER TABLE ONLY job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);
ALTER TABLE ONLY job_slot
    ADD CONSTRAINT job_slot_pkey PRIMARY KEY (kind);
ALTER TABLE ONLY job
    ADD CONSTRAINT job_unique_key_key UNIQUE (unique_key);
ALTER TABLE ONLY message
    ADD CONSTRAINT message_pkey PRIMARY KEY (report_id, number);
ALTER TABLE ONLY observable
    ADD CONSTRAINT observable_hash_key UNIQUE (hash);
ALTER TABLE ONLY observable
    ADD CONSTRAINT observable_pkey PRIMARY KEY (id);
ALTER TABLE ONLY raw_content
    ADD CONSTRAINT raw_content_pkey PRIMARY KEY (sha256, month);
ALTER TABLE ONLY raw_content_2026_11
    ADD CONSTRAINT raw_content_2026_11_pkey PRIMARY KEY (sha256, month);
ALTER TABLE ONLY receipt
    ADD CONSTRAINT receipt_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY report_hold
    ADD CONSTRAINT report_hold_pkey PRIMARY KEY (report_id);
ALTER TABLE ONLY report
    ADD CONSTRAINT report_pkey PRIMARY KEY (id);
ALTER TABLE ONLY report_retention
    ADD CONSTRAINT report_retention_pkey PRIMARY KEY (rule);
ALTER TABLE ONLY reporter
    ADD CONSTRAINT reporter_pkey PRIMARY KEY (reporter_key, report_id);
ALTER TABLE ONLY schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (owner, version);
ALTER TABLE ONLY sighting
    ADD CONSTRAINT sighting_pkey PRIMARY KEY (report_id, message, observable_id);
CREATE INDEX account_session_expires ON account_session USING btree (expires_at);
CREATE INDEX account_session_token ON account_session USING btree (token_id);
CREATE INDEX answer_history_reporter ON answer_history USING btree (reporter, id);
CREATE INDEX answer_open ON answer USING btree (state, id) WHERE (state = ANY (ARRAY['pending'::text, 'unsent'::text, 'failed'::text]));
CREATE UNIQUE INDEX answer_report ON answer USING btree (report, purpose);
CREATE INDEX answer_reporter_seen ON answer_reporter USING btree (seen_at);
CREATE INDEX assessment_report ON assessment USING btree (report_id, id);
CREATE INDEX job_dead_kind ON job_dead USING btree (kind, id);
CREATE INDEX job_due ON job USING btree (lane, run_at, id);
CREATE INDEX receipt_report ON receipt USING btree (report_id);
CREATE INDEX report_state ON report USING btree (state, id);
CREATE INDEX report_verdict ON report USING btree (verdict, id) WHERE (verdict IS NOT NULL);
CREATE INDEX report_verdict_state ON report USING btree (verdict, state, id) WHERE (verdict IS NOT NULL);
CREATE INDEX sighting_observable ON sighting USING btree (observable_id, report_id);
ALTER INDEX raw_content_pkey ATTACH PARTITION raw_content_2026_11_pkey;
ALTER TABLE ONLY account_session
    ADD CONSTRAINT account_session_token_id_fkey FOREIGN KEY (token_id) REFERENCES account_token(id);
