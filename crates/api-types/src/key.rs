//! Signing keys.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which signing key an account is to have. All of it is an extension of vidpass: without a body a new RS256 key is made.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// What the key signs with: `RS256`, `ES256` or `EdDSA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = "RS256", nullable = false, pattern = "^(RS256|ES256|EdDSA)$")]
    pub alg: Option<String>,
    /// The id of a key that is brought along: the `kid` of its tokens. The server chooses one where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub id: Option<String>,
    /// A key that is brought along, as PEM or base64 of one. The public half is enough; a private one is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only, nullable = false)]
    pub pem: Option<String>,
    /// The same as a JWK (RFC 7517), as JSON text or base64 of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only, nullable = false)]
    pub jwk: Option<String>,
}

/// A signing key that was just made or brought along. The private part of a new one is shown this once and not kept by
/// the server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// Its id: the `kid` of the tokens that it signs.
    #[schema(max_length = 64)]
    pub id: String,
    /// The private key of a new one: base64 of a PEM, PKCS#1 for RS256 and PKCS#8 for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(read_only, nullable = false)]
    pub pem: Option<String>,
    /// The private key of a new one: base64 of a JWK (RFC 7517).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(read_only, nullable = false)]
    pub jwk: Option<String>,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created: String,
    /// What it signs with. An extension of vidpass.
    pub alg: String,
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
    /// What it signs with. An extension of vidpass.
    pub alg: String,
}

impl fmt::Debug for CreateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CreateKey({:?}, {:?})", self.alg, self.id)
    }
}

// A private key must not reach a log through `Debug`.
impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CreatedKey({})", self.id)
    }
}
