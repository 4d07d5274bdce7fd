-- Gates that are not issuers. A file has no users, so there is no role to make: whoever may read the file may read all of it.

-- What a gate without a database presents to an issuer. Only a SHA-256 of the secret is here.
CREATE TABLE gate_credential (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    created BIGINT NOT NULL
);
