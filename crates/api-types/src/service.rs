//! The service itself, and the credentials of its callers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A credential that is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifiedCredential {
    /// Its id.
    pub id: String,
    /// Always `active`: any other credential is refused.
    #[schema(example = "active")]
    pub status: String,
    /// When it ends (RFC 3339); it is not there where it has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub expires_on: Option<String>,
}

/// That the server runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    pub status: String,
}

/// That the server can do its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Always `ready`; while it is not, the answer is a refusal.
    #[schema(example = "ready")]
    pub status: String,
}
