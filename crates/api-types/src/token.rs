//! Issuing tokens.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a token is to say. Everything may be left out, and the body as a whole too.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueToken {
    /// The id of the signing key in `pem`. Both or neither; without them the account's managed key signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, min_length = 1, pattern = "^[A-Za-z0-9_-]+$", nullable = false)]
    pub id: Option<String>,
    /// The private key to sign with: PEM (PKCS#1 or PKCS#8), or base64 of such a text. It is used and forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only, nullable = false)]
    pub pem: Option<String>,
    /// When the token is over, in Unix seconds. In one hour where it is left out or 0; at most 24 hours from now,
    /// unless the server is set to another limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub exp: Option<i64>,
    /// When the token begins, in Unix seconds. One hour ago where it is left out or 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, nullable = false)]
    pub nbf: Option<i64>,
    /// Whether the token opens the video's download too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = false, nullable = false)]
    pub downloadable: Option<bool>,
    /// Who may use the token: tried from the first to the last, and the first that matches decides. Where none
    /// matches, the viewer is let in; end with `any` and `block` to let in only those whom a rule allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 5, nullable = false)]
    pub access_rules: Option<Vec<Rule>>,
    /// Switches of Cloudflare Stream, carried along in the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub flags: Option<TokenFlags>,
    /// Who the token is for, by a name of yours: their tokens can be taken back together. An extension of vidpass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128, nullable = false)]
    pub viewer: Option<String>,
    /// Which of the viewer's tokens it is: those up to one can be taken back together. An extension of vidpass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_u32, nullable = false)]
    pub viewer_version: Option<u32>,
}

/// Many tokens. An extension of vidpass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueTokens {
    /// One request for each token.
    #[schema(max_items = 1000)]
    pub tokens: Vec<IssueTokenFor>,
}

/// What one of many tokens is to say, and which video it opens.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IssueTokenFor {
    /// The video.
    #[schema(max_length = 32, min_length = 1)]
    pub uid: String,
    /// All else, as in a request for one token.
    #[serde(flatten)]
    pub request: IssueToken,
}

/// One access rule. Of `ip` and `country` only the one that the type uses is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whom it matches: `any`, `ip.src` or `ip.geoip.country`.
    #[schema(pattern = r"^(any|ip\.src|ip\.geoip\.country)$")]
    pub r#type: String,
    /// What happens to whom it matches: `allow` or `block`.
    #[schema(pattern = "^(allow|block)$")]
    pub action: String,
    /// With `ip.src`: addresses and networks (CIDR), IPv4 or IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ip: Option<Vec<String>>,
    /// With `ip.geoip.country`: country codes of ISO 3166-1 (two letters).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub country: Option<Vec<String>>,
}

/// Switches of Cloudflare Stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenFlags {
    /// Ask for the video as it was uploaded.
    #[serde(default)]
    #[schema(default = false)]
    pub original: bool,
}

/// A token that was issued.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// The token: put it where the video's id would stand in the path.
    pub token: String,
}

// A private key or a token must not reach a log through `Debug`.
impl fmt::Debug for IssueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssueToken").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for IssueTokenFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssueTokenFor").field("uid", &self.uid).field("request", &self.request).finish()
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuedToken(redacted)")
    }
}
