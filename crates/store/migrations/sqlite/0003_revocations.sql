-- Tokens that were taken back before their end.
CREATE TABLE revocation (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL CHECK (kind IN ('token', 'jti', 'viewer', 'video', 'kid')),
    -- What is taken back: an id, or the fingerprint of a token.
    subject TEXT NOT NULL,
    -- A hash of account and subject in hexadecimal digits, under which gates find it.
    mark TEXT NOT NULL,
    -- Of a viewer: this version and earlier ones; NULL is all.
    viewer_version BIGINT,
    -- Of a video: tokens that were issued before then.
    issued_before BIGINT,
    reason TEXT NOT NULL,
    created BIGINT NOT NULL,
    -- When the last token that it can concern is over; NULL where that is not known.
    until BIGINT
);
CREATE INDEX revocation_by_mark ON revocation (mark);
CREATE INDEX revocation_by_account ON revocation (account_id, created);
CREATE INDEX revocation_by_end ON revocation (until) WHERE until IS NOT NULL;

-- SQLite cannot change the CHECK of a column, so the log moves into a table that lists revocations too. Their subject is
-- the mark.
CREATE TABLE change_log_with_revocations (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('account', 'key', 'revocation', 'video')),
    subject TEXT NOT NULL
);
INSERT INTO change_log_with_revocations SELECT seq, kind, subject FROM change_log;
DROP TABLE change_log;
ALTER TABLE change_log_with_revocations RENAME TO change_log;
