//! Taking tokens back before their end.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Tokens to be taken back: by exactly one of `token`, `jti`, `viewer`, `video` and `kid`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revoke {
    /// This token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only, nullable = false)]
    pub token: Option<String>,
    /// Every token of this `jti`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub jti: Option<String>,
    /// Every token of this viewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128, nullable = false)]
    pub viewer: Option<String>,
    /// With `viewer`: only tokens of this `viewerVersion`, of earlier ones and of none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_u32, nullable = false)]
    pub version: Option<u32>,
    /// Every token for this video.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32, nullable = false)]
    pub video: Option<String>,
    /// With `video`: only tokens that were issued before then, RFC 3339, and those that do not say when. Where it is left
    /// out, the end of this second.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub issued_before: Option<String>,
    /// Every token that this key signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub kid: Option<String>,
    /// Why, for people.
    #[schema(min_length = 1, max_length = 256)]
    pub reason: String,
    /// When the last token that this can concern is over, RFC 3339: then the revocation goes. A `token` says it itself;
    /// without it others stay until they are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub until: Option<String>,
}

/// Tokens that are taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// Its id.
    pub id: String,
    /// By what: `token`, `jti`, `viewer`, `video` or `kid`.
    pub kind: String,
    /// By which one; of a token its fingerprint, as the log of denials has it.
    pub subject: String,
    /// Of a viewer: tokens of this version, of earlier ones and of none. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, nullable = false)]
    pub version: Option<u32>,
    /// Of a video: tokens that were issued before then (RFC 3339), and those that do not say when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub issued_before: Option<String>,
    /// Why.
    pub reason: String,
    /// Since when (RFC 3339).
    #[schema(format = DateTime)]
    pub created: String,
    /// When it goes (RFC 3339); null where it stays until it is deleted.
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

// A token must not reach a log through `Debug`.
impl fmt::Debug for Revoke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revoke({})", self.reason)
    }
}
