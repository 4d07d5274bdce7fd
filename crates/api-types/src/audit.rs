//! The audit log.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditLog {
    /// Its place: later lines have greater numbers. `cursor` takes it.
    #[schema(example = "4711")]
    pub id: String,
    /// When it was made.
    #[schema(format = DateTime)]
    pub when: String,
    /// What was done: `<resource>.<verb>`.
    #[schema(example = "key.create")]
    pub action: String,
    /// Who did it.
    pub actor: AuditActor,
    /// What was changed.
    pub resource: AuditResource,
    /// What helps to understand it.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditActor {
    /// `api`: a caller of the API; `cli`: somebody at the command line; `server`: the server itself.
    #[schema(example = "api")]
    pub r#type: String,
    /// The id of a credential, or the name of a user of the server's system; empty for the server.
    pub id: String,
    /// The caller's address, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ip: Option<String>,
    /// The `x-request-id` of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request_id: Option<String>,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditResource {
    /// `account`, `api_token`, `api_key`, `key`, `revocation` or `video`.
    #[schema(example = "key")]
    pub r#type: String,
    /// Its id.
    pub id: String,
}
