-- The state of vidpass. Times are whole seconds since 1970; truth values are 0 and 1.
-- The other engine's file differs in nothing but the names of types.

-- Facts about the store itself, such as the value that tells whether the master key is the right one.
CREATE TABLE store_meta (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    -- When it was deleted. The row stays, so that its id is never given out again.
    deleted BIGINT
);

-- What callers of the API present. Only a SHA-256 of the secret is here.
CREATE TABLE credential (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL CHECK (kind IN ('api_token', 'api_key')),
    name TEXT NOT NULL,
    -- In lower case; only an API key has one.
    email TEXT,
    secret_hash BYTEA NOT NULL,
    created BIGINT NOT NULL,
    last_used BIGINT
);
CREATE INDEX credential_by_account ON credential (account_id);
CREATE INDEX credential_by_email ON credential (email) WHERE email IS NOT NULL;

CREATE TABLE signing_key (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    -- A DER SubjectPublicKeyInfo.
    public_key BYTEA NOT NULL,
    -- The private key, sealed. Only a key that vidpass itself signs with has one, until it is deleted.
    sealed_private_key BYTEA,
    managed BIGINT NOT NULL CHECK (managed IN (0, 1)),
    created BIGINT NOT NULL,
    deleted BIGINT,
    CHECK ((sealed_private_key IS NOT NULL) = (managed = 1 AND deleted IS NULL))
);
CREATE INDEX signing_key_by_account ON signing_key (account_id);
CREATE UNIQUE INDEX one_managed_key_by_account ON signing_key (account_id) WHERE managed = 1 AND deleted IS NULL;

CREATE TABLE video (
    uid TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    require_signed_urls BIGINT NOT NULL CHECK (require_signed_urls IN (0, 1)),
    -- A JSON array of texts.
    allowed_origins TEXT NOT NULL,
    downloads BIGINT NOT NULL CHECK (downloads IN (0, 1)),
    -- A JSON object.
    meta TEXT NOT NULL,
    -- The `name` of `meta`, in lower case, to search in.
    search_name TEXT NOT NULL,
    creator TEXT,
    scheduled_deletion BIGINT,
    thumbnail_timestamp_pct DOUBLE PRECISION NOT NULL,
    created BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    -- The change that registered it: the order of videos of one second.
    registered BIGINT NOT NULL,
    deleted BIGINT
);
CREATE INDEX video_by_account ON video (account_id, created, registered);
CREATE INDEX video_by_scheduled_deletion ON video (scheduled_deletion) WHERE scheduled_deletion IS NOT NULL;

-- One row. Whoever changes it holds its lock until the commit: numbers follow the order of commits, without a gap.
CREATE TABLE change_counter (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL
);
INSERT INTO change_counter (one, seq) VALUES (1, 0);

-- What gates must look at again. It names the subject; its state is in its own table.
CREATE TABLE change_log (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('key', 'video')),
    subject TEXT NOT NULL
);
