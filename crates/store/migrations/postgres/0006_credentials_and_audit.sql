-- What an API token may do: names of scopes with spaces in between; NULL is everything, as of an API key.
ALTER TABLE credential ADD COLUMN scopes TEXT;
-- From when on it is refused.
ALTER TABLE credential ADD COLUMN expires BIGINT;
-- The API token that a rotation made to take its place.
ALTER TABLE credential ADD COLUMN replaced_by TEXT;

-- What was changed, by whom. Rows are inserted and, when they are old, cleared; none is changed.
CREATE TABLE audit_log (
    -- From the counter below: numbers follow the order of commits, and none is given out again.
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    -- Whose it was; the account may be gone.
    account_id TEXT NOT NULL,
    action TEXT NOT NULL,
    -- The id of what was changed.
    subject TEXT NOT NULL,
    actor_kind TEXT NOT NULL CHECK (actor_kind IN ('api', 'cli', 'server')),
    -- The id of a credential, or the name of a user of the system.
    actor TEXT NOT NULL,
    address TEXT,
    request_id TEXT,
    -- A JSON object.
    details TEXT NOT NULL
);
CREATE INDEX audit_log_by_account ON audit_log (account_id, seq);
CREATE INDEX audit_log_by_time ON audit_log (at);

-- In the one row that each writer locks anyway.
ALTER TABLE change_counter ADD COLUMN audit BIGINT NOT NULL DEFAULT 0;
