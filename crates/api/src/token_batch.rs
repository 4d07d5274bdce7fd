//! The body of a request for many tokens: each is read by itself, and one that is wrong spoils no other.

use vidpass_token::json::Json;
use vidpass_token::{UnixTime, VideoId};

use crate::body::{Members, wrong_type};
use crate::config::ApiConfig;
use crate::problem::{Problem, ProblemKind, Problems};
use crate::token_request::{SuppliedKeys, TokenRequest};

/// How many tokens may be asked for at once.
pub(crate) const MAX_TOKENS: usize = 1000;

/// The requests, in the order in which they came.
pub(crate) type TokenBatch = Vec<Result<(VideoId, TokenRequest), Vec<Problem>>>;

/// Reads the body. Checking private keys takes milliseconds for each different one.
pub(crate) fn parse(body: Option<&Json>, config: &ApiConfig, now: UnixTime) -> Result<TokenBatch, Vec<Problem>> {
    let empty = Json::Object(Vec::new());
    let mut problems = Problems::default();
    let requests = Members::of(body.unwrap_or(&empty), "", &["tokens"], &mut problems)
        .and_then(|mut members| members.required("tokens", list));
    let requests = problems.unless_any(requests)?.expect("a list that cannot be read is a problem");
    let mut keys = SuppliedKeys::default();
    Ok(requests.iter().map(|request| TokenRequest::parse_with_video(request, &mut keys, config, now)).collect())
}

fn list<'j>(json: &'j Json<'j>) -> Result<&'j [Json<'j>], ProblemKind> {
    match json {
        Json::Array(requests) if requests.len() > MAX_TOKENS => {
            Err(ProblemKind::TokensTooMany { count: requests.len(), max: MAX_TOKENS })
        }
        Json::Array(requests) => Ok(requests),
        other => Err(wrong_type("an array", other)),
    }
}
