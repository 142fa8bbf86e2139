-- One secret that opens the API. Revoked and expired tokens stay: the audit
-- log refers to them.
CREATE TABLE account_token (
	id         {{id}},
	secret     {{bytes}} NOT NULL UNIQUE, -- SHA-256
	role       TEXT   NOT NULL,
	label      TEXT   NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,           -- 0: never
	revoked_at BIGINT NOT NULL,           -- 0: not
	used_at    BIGINT NOT NULL            -- to the hour; 0: never
);

-- One browser that is signed in with a token.
CREATE TABLE account_session (
	id         {{id}},
	secret     {{bytes}} NOT NULL UNIQUE, -- SHA-256
	token_id   BIGINT NOT NULL REFERENCES account_token (id),
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,           -- to the minute
	expires_at BIGINT NOT NULL
);

CREATE INDEX account_session_token ON account_session (token_id);
CREATE INDEX account_session_expires ON account_session (expires_at);
