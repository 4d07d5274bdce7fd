-- A random number, so that a change which is given the number of another one, after the database went back in time, is not
-- taken for it.
ALTER TABLE change_log ADD COLUMN mark BIGINT NOT NULL DEFAULT 0;
