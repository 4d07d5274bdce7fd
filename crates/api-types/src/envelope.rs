//! What every answer is wrapped in.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::reason::Reason;

/// What every answer is wrapped in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Envelope<T> {
    /// What was asked for; null where it was refused.
    #[schema(required = true)]
    pub result: Option<T>,
    /// Whether it was done.
    pub success: bool,
    /// Why it was not done: every problem of the request that was found. Empty where it was done.
    #[serde(default, deserialize_with = "null_as_empty")]
    #[schema(required = true)]
    pub errors: Vec<Item>,
    /// What is worth knowing besides.
    // Cloudflare's own failures carry `null` here; a client of both must read it.
    #[serde(default, deserialize_with = "null_as_empty")]
    #[schema(required = true)]
    pub messages: Vec<Item>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// Always null.
    #[schema(value_type = Option<Object>, required = true)]
    pub result: Option<()>,
    /// Always false.
    #[schema(example = false)]
    pub success: bool,
    /// Every problem of the request that was found; at least one.
    pub errors: Vec<Item>,
    /// Empty.
    #[serde(default, deserialize_with = "null_as_empty")]
    #[schema(required = true)]
    pub messages: Vec<Item>,
}

/// One reason why a request was refused, or something worth knowing about one that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// Cloudflare's number for this family of problems; 10100 for most notes.
    #[schema(minimum = 1000, example = 10005)]
    pub code: u32,
    /// What is wrong or worth knowing, for people.
    pub message: String,
    /// Where the reason is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub documentation_url: Option<String>,
    /// Which part of the request it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub source: Option<Source>,
    /// The message, for programs: a stable name. An extension of vidpass; Cloudflare sends none.
    // Text, so that a client can read the answers of a newer server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Reason, required = false)]
    pub reason: Option<String>,
}

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// A JSON pointer (RFC 6901) into the body; empty for the body as a whole.
    #[serde(default)]
    #[schema(required = true, example = "/accessRules/0/ip/1")]
    pub pointer: String,
}

impl<T> Envelope<T> {
    /// The answer to a request that was done.
    #[must_use]
    pub fn done(result: T, messages: Vec<Item>) -> Self {
        Self { result: Some(result), success: true, errors: Vec::new(), messages }
    }
}

impl Failure {
    /// The answer to a request that was refused.
    #[must_use]
    pub fn new(errors: Vec<Item>) -> Self {
        Self { result: None, success: false, errors, messages: Vec::new() }
    }
}

fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_the_order_of_the_original() {
        let text = serde_json::to_string(&Envelope::done("x", Vec::new())).unwrap();
        assert_eq!(text, r#"{"result":"x","success":true,"errors":[],"messages":[]}"#);
        let text = serde_json::to_string(&Failure::new(Vec::new())).unwrap();
        assert_eq!(text, r#"{"result":null,"success":false,"errors":[],"messages":[]}"#);
    }

    #[test]
    fn failures_of_cloudflare_itself_are_read_too() {
        let text = r#"{"result":null,"success":false,"errors":[{"code":10003,"message":"Not Found"}],"messages":null}"#;
        let envelope: Envelope<String> = serde_json::from_str(text).unwrap();
        assert_eq!(envelope.errors[0].code, 10003);
        assert_eq!(envelope.errors[0].reason, None);
        assert!(envelope.messages.is_empty());
    }
}
