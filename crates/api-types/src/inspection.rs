//! Why a token would let a viewer in, or would not.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::token::Rule;

/// A token to explain, and the request to rehearse with it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InspectToken {
    /// The token.
    #[schema(write_only)]
    pub token: String,
    /// A viewer's request. Without it only what the token alone decides is looked at, as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request: Option<RehearsedRequest>,
}

/// A viewer's request that nobody makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RehearsedRequest {
    /// The viewer's address.
    pub ip: String,
    /// The file, below the video.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = "manifest/video.m3u8", nullable = false)]
    pub path: Option<String>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = "GET", nullable = false)]
    pub method: Option<String>,
    /// The viewer's country, ISO 3166-1 (two letters); null for one that is not known. Where it is left out, what the
    /// country database says of `ip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The site that the player is on, such as `https://example.com`: the header `Origin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub origin: Option<String>,
    /// When, RFC 3339. Now where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub at: Option<String>,
}

/// What would become of the request, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenInspection {
    /// Whether the viewer would be let in; without a request, whether the token alone refuses nobody.
    pub admitted: bool,
    /// The code that the gate would answer with; null where the viewer is let in.
    pub code: Option<String>,
    /// Whether the signature is good. Nothing that the token says is told before.
    pub verified: bool,
    /// Every check, in the order in which a gate asks. The first that failed is its answer.
    pub checks: Vec<InspectedCheck>,
    /// The first access rule that matches the viewer; null where none does, or no request was given.
    pub rule: Option<InspectedRule>,
    /// From when on the token's time is good, RFC 3339; null where only its end bounds it.
    pub valid_from: Option<String>,
    /// Until when it is good, RFC 3339; null where the signature is not good.
    pub valid_until: Option<String>,
    /// What the token says; null where the signature is not good.
    pub claims: Option<InspectedClaims>,
    /// What would let the viewer in, or is worth knowing, in sentences for people.
    pub hints: Vec<String>,
}

/// One check, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InspectedCheck {
    /// Its stable name.
    pub name: String,
    /// `passed`, `failed` or `skipped`.
    #[schema(pattern = "^(passed|failed|skipped)$")]
    pub outcome: String,
    /// What is wrong, or why it was skipped; null where it passed.
    pub detail: Option<String>,
}

/// The access rule that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InspectedRule {
    /// Its place in the token, from 0.
    pub index: usize,
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InspectedClaims {
    /// The video.
    pub sub: String,
    /// The key that signed.
    pub kid: String,
    /// When it is over, in Unix seconds.
    pub exp: i64,
    /// When it begins, in Unix seconds.
    pub nbf: Option<i64>,
    /// When it was issued, in Unix seconds.
    pub iat: Option<i64>,
    /// Its own name.
    pub jti: Option<String>,
    /// Whether it opens downloads.
    pub downloadable: bool,
    /// Who may use it.
    pub access_rules: Vec<Rule>,
}

// A token must not reach a log through `Debug`.
impl fmt::Debug for InspectToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectToken").field("request", &self.request).finish_non_exhaustive()
    }
}
