-- Gates that are not issuers.

-- What a gate may read, and nothing else: operators make it a login with CREATE ROLE name LOGIN PASSWORD '…' IN ROLE
-- vidpass_gate. Roles belong to the whole server, so it may be there already, also because another database is brought up to
-- date at this moment. Who may not make roles is told; docs/gates.md has these statements for an administrator. A later
-- migration that gives gates more to read has to grant it.
DO $$
BEGIN
    CREATE ROLE vidpass_gate NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'the role vidpass_gate was not made: % may not make roles', current_user;
END
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vidpass_gate') THEN
        RETURN;
    END IF;
    GRANT SELECT (version) ON _sqlx_migrations TO vidpass_gate;
    GRANT SELECT (seq) ON change_counter TO vidpass_gate;
    GRANT SELECT (seq, mark, kind, subject) ON change_log TO vidpass_gate;
    GRANT SELECT (id, dry_run, origin, deleted) ON account TO vidpass_gate;
    GRANT SELECT (id, account_id, public_key, deleted) ON signing_key TO vidpass_gate;
    GRANT SELECT (uid, account_id, require_signed_urls, allowed_origins, downloads, dry_run, origin, deleted) ON video
        TO vidpass_gate;
    GRANT SELECT (mark, kind, viewer_version, issued_before, until) ON revocation TO vidpass_gate;
END
$$;

-- Everybody may use the schema `public` of a new database. Of another one only its owner can say so.
DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO vidpass_gate', current_schema());
EXCEPTION
    WHEN undefined_object THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'vidpass_gate was not granted the use of schema %: % does not own it', current_schema(), current_user;
END
$$;

-- What a gate without a database presents to an issuer. Only a SHA-256 of the secret is here.
CREATE TABLE gate_credential (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    created BIGINT NOT NULL
);
