//! What an issuer tells gates that have no database: one JSON object a line. An extension of vidpass.
//!
//! A gate must understand every word of it: a member that it does not know may be a restriction, so it refuses the whole answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum GateLine {
    /// An account, and what it says about its videos.
    Account {
        /// Its id.
        id: String,
        /// Null where it cannot be told, or it was deleted.
        policy: Option<GateAccount>,
    },
    /// A signing key.
    Key {
        /// Its id.
        id: String,
        /// Null where it was deleted.
        key: Option<GateKey>,
    },
    /// What is taken back of one subject's tokens.
    Revocation {
        /// The hash under which gates find the subject: 32 hexadecimal digits.
        mark: String,
        /// Empty where nothing is taken back any longer.
        taken: Vec<GateTaken>,
    },
    /// A video.
    Video {
        /// Its uid.
        uid: String,
        /// Null where it was deleted.
        video: Option<GateVideo>,
    },
    /// The last line. An answer without it was cut off.
    End {
        /// Where the answer ends: the `after` of the next question. Only the issuer knows what it means.
        cursor: String,
        /// Whether that is all that there was.
        complete: bool,
    },
}

/// What an account says about its videos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateAccount {
    /// Whether viewers are recorded and not refused.
    pub dry_run: bool,
    /// The origin with the files; null is the gate's own folder.
    pub origin: Option<String>,
}

/// A key that may sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateKey {
    /// Whose key it is.
    pub account: String,
    /// The public key: base64 of a DER `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    pub spki: String,
}

/// How many of a subject's tokens are taken back, and until when: all, where neither of the first two is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateTaken {
    /// Those of this version of the viewer, and of earlier ones.
    pub viewer_version: Option<u32>,
    /// Those that were issued before then, in Unix seconds.
    pub issued_before: Option<i64>,
    /// When the last of them is over, in Unix seconds.
    pub until: Option<i64>,
}

/// What a gate needs to know of a video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateVideo {
    /// Who owns it.
    pub account: String,
    /// Whether it needs a token.
    pub require_signed_urls: bool,
    /// The sites on which it may be embedded; none means all.
    pub allowed_origins: Vec<String>,
    /// Whether its MP4 is offered for download.
    pub downloads: bool,
    /// Whether viewers are recorded and not refused; null is as the account says.
    pub dry_run: Option<bool>,
    /// The origin with its files; null is as the account says.
    pub origin: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_it_is_and_nothing_that_a_gate_could_overlook() {
        let line = GateLine::Key { id: "k".to_owned(), key: None };
        assert_eq!(serde_json::to_string(&line).unwrap(), r#"{"type":"key","id":"k","key":null}"#);
        check(r#"{"type":"key","id":"k","key":null}"#, true);
        check(r#"{"type":"end","cursor":"7.0a","complete":true}"#, true);
        check(r#"{"type":"key","id":"k","key":null,"notBefore":1}"#, false);
        check(r#"{"type":"key","id":"k","key":{"account":"a","spki":"","notBefore":1}}"#, false);
        check(r#"{"type":"viewer","id":"k"}"#, false);
        check(r#"{"type":"revocation","mark":"00"}"#, false);
    }

    #[track_caller]
    fn check(line: &str, is_understood: bool) {
        assert_eq!(serde_json::from_str::<GateLine>(line).is_ok(), is_understood, "{line}");
    }
}
