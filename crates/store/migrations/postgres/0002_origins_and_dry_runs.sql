-- Where the files of videos are, and whether viewers are only recorded and not refused: for an account, and for a video
-- that differs from its account (where it does not, the value is NULL).

ALTER TABLE account ADD COLUMN dry_run BIGINT NOT NULL DEFAULT 0 CHECK (dry_run IN (0, 1));
-- The name of an origin of the configuration.
ALTER TABLE account ADD COLUMN origin TEXT;
ALTER TABLE video ADD COLUMN dry_run BIGINT CHECK (dry_run IN (0, 1));
ALTER TABLE video ADD COLUMN origin TEXT;

ALTER TABLE change_log DROP CONSTRAINT change_log_kind_check;
ALTER TABLE change_log ADD CONSTRAINT change_log_kind_check CHECK (kind IN ('account', 'key', 'video'));
