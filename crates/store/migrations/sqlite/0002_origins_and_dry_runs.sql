-- Where the files of videos are, and whether viewers are only recorded and not refused: for an account, and for a video
-- that differs from its account (where it does not, the value is NULL).

ALTER TABLE account ADD COLUMN dry_run BIGINT NOT NULL DEFAULT 0 CHECK (dry_run IN (0, 1));
-- The name of an origin of the configuration.
ALTER TABLE account ADD COLUMN origin TEXT;
ALTER TABLE video ADD COLUMN dry_run BIGINT CHECK (dry_run IN (0, 1));
ALTER TABLE video ADD COLUMN origin TEXT;

-- SQLite cannot change the CHECK of a column, so the log moves into a table that lists accounts too.
CREATE TABLE change_log_with_accounts (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('account', 'key', 'video')),
    subject TEXT NOT NULL
);
INSERT INTO change_log_with_accounts SELECT seq, kind, subject FROM change_log;
DROP TABLE change_log;
ALTER TABLE change_log_with_accounts RENAME TO change_log;
