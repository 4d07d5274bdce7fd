//! The body of a rotation, read and checked as a whole.

use std::time::Duration;

use vidpass_store::RotateEvery;
use vidpass_token::Algorithm;
use vidpass_token::json::Json;

use crate::body::{Members, text, wrong_type};
use crate::problem::{Problem, ProblemKind, Problems};

const MEMBERS: [&str; 2] = ["alg", "every"];

/// What is to become of the account's managed key.
pub(crate) struct RotationRequest {
    pub(crate) algorithm: Option<Algorithm>,
    /// The schedule to be kept, where the request says anything of it.
    pub(crate) every: Option<Option<RotateEvery>>,
}

impl RotationRequest {
    pub(crate) fn parse(body: Option<&Json>) -> Result<Self, Vec<Problem>> {
        const EMPTY: &Json = &Json::Object(Vec::new());
        let mut problems = Problems::default();
        let body = body.filter(|body| **body != Json::Null).unwrap_or(EMPTY);
        let request = Members::of(body, "", &MEMBERS, &mut problems).map(|mut members| Self {
            algorithm: members.read("alg", |json| text(json)?.parse().map_err(ProblemKind::Algorithm)),
            every: members.read("every", every),
        });
        problems.unless_any(request).map(|request| request.expect("a body that is no object is a problem"))
    }
}

/// Seconds; 0 is never.
fn every(json: &Json) -> Result<Option<RotateEvery>, ProblemKind> {
    let Json::Number(number) = json else { return Err(wrong_type("a number of seconds", json)) };
    match number.as_u64() {
        Some(0) => Ok(None),
        seconds => {
            // So that the database can add it to any time.
            let seconds = seconds.filter(|seconds| *seconds <= u64::from(u32::MAX)).unwrap_or_default();
            RotateEvery::try_from(Duration::from_secs(seconds)).map(Some).map_err(ProblemKind::RotateEvery)
        }
    }
}
