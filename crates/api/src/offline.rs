//! Requests for tokens that no server is asked for: they are read as the API reads them, and refused for the same reasons.

use std::time::Duration;

use vidpass_api_types::Item;
use vidpass_token::json::Json;
use vidpass_token::{Claims, UnixTime, restricts_nobody};

use crate::config::{ApiConfig, PublicUrl};
use crate::error::ApiError;
use crate::token_request::TokenRequest;

/// Whoever has the key may sign for as long as they like.
const MAX_LIFETIME: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Reads requests for tokens that are signed with a key at hand.
pub struct OfflineRequests(ApiConfig);

/// What a token is to say.
#[derive(Debug)]
pub struct OfflineRequest {
    /// Its claims.
    pub claims: Claims,
    /// Whether it has access rules that let everybody in.
    pub restricts_nobody: bool,
}

impl OfflineRequests {
    /// Tokens live for `lifetime` where their request does not say, and have at most so many rules.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn new(lifetime: Duration, max_access_rules: usize) -> Self {
        // The address is for answers, of which there are none.
        let nowhere: PublicUrl = "http://localhost".parse().expect("this is an address");
        Self(ApiConfig {
            default_token_lifetime: lifetime,
            max_token_lifetime: MAX_LIFETIME,
            max_access_rules,
            ..ApiConfig::new(nowhere)
        })
    }

    /// Reads one of the requests for many tokens, without `id` and `pem`.
    ///
    /// # Errors
    /// Every problem that it has, as the API tells them.
    pub fn read(&self, request: &[u8], now: UnixTime) -> Result<OfflineRequest, Vec<Item>> {
        let json = Json::parse(request).map_err(|error| ApiError::BodyNotJson(error).to_items())?;
        let (video, request) = TokenRequest::parse_offline(&json, &self.0, now)
            .map_err(|problems| ApiError::Invalid(problems).to_items())?;
        let restricts_nobody = restricts_nobody(&request.access_rules);
        let (_none, claims) = request.into_claims(video, now);
        Ok(OfflineRequest { claims, restricts_nobody })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    #[test]
    fn a_line_is_read_as_the_api_reads_it() {
        check(r#"{"uid":"v1"}"#, Ok((60, false)));
        check(
            r#"{"uid":"v1","exp":2000000000,"accessRules":[{"type":"any","action":"allow"}]}"#,
            Ok((200_000_000, true)),
        );
        check(r#"{"exp":1}"#, Err("/uid member_missing, /exp exp_in_past"));
        check(r#"{"uid":"v1","id":"k","pem":""}"#, Err("/id member_unknown, /pem member_unknown, /pem pem_invalid"));
        check("v1", Err("- body_not_json"));
        check("[]", Err(" member_wrong_type"));

        #[track_caller]
        fn check(line: &str, expected: Result<(i64, bool), &str>) {
            let read = OfflineRequests::new(Duration::from_secs(60), 5).read(line.as_bytes(), NOW);
            let said = |item: &Item| {
                let pointer = item.source.as_ref().map_or("-", |source| source.pointer.as_str());
                format!("{pointer} {}", item.reason.as_deref().unwrap())
            };
            let read = read
                .map(|request| (NOW.seconds_until(request.claims.expires), request.restricts_nobody))
                .map_err(|items| items.iter().map(said).collect::<Vec<_>>().join(", "));
            assert_eq!(read, expected.map_err(str::to_owned), "{line}");
        }
    }
}
