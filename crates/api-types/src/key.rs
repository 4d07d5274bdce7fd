//! Signing keys.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A signing key that was just made. Its private part is shown this once and not kept by the server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// Its id: the `kid` of the tokens that it signs.
    #[schema(max_length = 64)]
    pub id: String,
    /// The private key: base64 of a PKCS#1 PEM.
    #[schema(read_only)]
    pub pem: String,
    /// The private key: base64 of a JWK (RFC 7517).
    #[schema(read_only)]
    pub jwk: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created: String,
}

/// A signing key, without its private part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListedKey {
    /// Its id.
    #[schema(max_length = 64)]
    pub id: String,
    /// Its id again, under the name that newer clients look for.
    pub key_id: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created: String,
}

// A private key must not reach a log through `Debug`.
impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CreatedKey({})", self.id)
    }
}
