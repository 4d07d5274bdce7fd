-- The life of signing keys. An account may have several managed keys: of those whose time has come the one with the latest
-- `signs_from` signs.

-- From when a managed key signs; NULL for an account's own keys.
ALTER TABLE signing_key ADD COLUMN signs_from BIGINT;
-- No token that was signed here lives longer. Written before the token is signed, so no crash loses it.
ALTER TABLE signing_key ADD COLUMN latest_exp BIGINT;
-- Counted in memory and written every few seconds: a crash may lose some.
ALTER TABLE signing_key ADD COLUMN last_used BIGINT;
ALTER TABLE signing_key ADD COLUMN tokens_issued BIGINT NOT NULL DEFAULT 0;

-- What was signed with a key before this is not known: it counts as living until the year 9999.
UPDATE signing_key SET signs_from = created, latest_exp = 253402300799 WHERE managed = 1;

DROP INDEX one_managed_key_by_account;
-- No two of an account begin at once, so that there is always one that is the latest.
CREATE UNIQUE INDEX managed_key_by_start ON signing_key (account_id, signs_from) WHERE managed = 1 AND deleted IS NULL;

-- After how many seconds the managed key gets a successor; NULL is never.
ALTER TABLE account ADD COLUMN rotate_every BIGINT CHECK (rotate_every > 0);
