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
#[serde(rename_all = "camelCase")]
pub struct ListedKey {
    /// Its id.
    #[schema(max_length = 64)]
    pub id: String,
    /// Its id again, under the name that newer clients look for.
    #[serde(rename = "key_id")]
    pub key_id: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created: String,
    /// What it signs with. This and the following are extensions of vidpass.
    pub alg: String,
    /// Whether the server holds its private part, and signs with it where a token request brings no key.
    pub managed: bool,
    /// `pending`, `active` or `retired`. A key that is not managed is active until it is deleted.
    #[schema(pattern = "^(pending|active|retired)$")]
    pub state: String,
    /// From when it signs, if it is managed (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub signs_from: Option<String>,
    /// When the server last signed with it (RFC 3339). A crash may lose the last seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub last_used: Option<String>,
    /// How many tokens the server has signed with it. A crash may lose the last seconds.
    #[schema(value_type = i64, minimum = 0)]
    pub tokens_issued: u64,
    /// No token that the server signed with it lives longer (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub latest_exp: Option<String>,
    /// From when its deletion refuses no token any more that the server signed with it (RFC 3339); absent while it signs on.
    /// What is signed elsewhere with a key that is not managed, the server does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub safe_to_delete_from: Option<String>,
}

/// How the managed key is to be rotated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKeys {
    /// What the new key signs with: `RS256`, `ES256` or `EdDSA`. Where it is left out, the same as the one before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^(RS256|ES256|EdDSA)$")]
    pub alg: Option<String>,
    /// How often to rotate by itself from now on, in seconds: an hour or more, or 0 for never. A key is made now only if the
    /// newest one is that old. Where it is left out, one is made now and the schedule stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_u32, nullable = false)]
    pub every: Option<u64>,
}

/// What became of a rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotatedKeys {
    /// How often the managed key is rotated by itself, in seconds; 0 is never.
    #[schema(value_type = i64, minimum = 0)]
    pub every: u64,
    /// The new key, where one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub key: Option<NewManagedKey>,
}

/// A managed key that takes the place of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewManagedKey {
    /// Its id.
    #[schema(max_length = 64)]
    pub id: String,
    /// What it signs with.
    pub alg: String,
    /// When it begins to sign (RFC 3339): when every gate knows it.
    #[schema(format = DateTime)]
    pub signs_from: String,
    /// The key that signs until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub replaces: Option<String>,
    /// From when the deletion of that one refuses no token any more, at the latest (RFC 3339). It is deleted by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub replaced_safe_to_delete_from: Option<String>,
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
