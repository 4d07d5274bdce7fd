//! Why: every check of a decision with its outcome, for whoever has to explain a refusal.
//!
//! It walks the same list that [`SignedClaims::admit`] walks and does not stop at the first failure, so that one look
//! shows all that is wrong. Nothing of a token is told before its signature was found good.

mod hints;
mod rehearsal;

pub use self::rehearsal::Rehearsal;
use crate::access::{self, AccessRule};
use crate::checks::{Case, Check, QUESTIONS};
use crate::claims::SignedClaims;
use crate::decision::Ask;
use crate::denial::Denial;
use crate::id::{AccountId, KeyId, VideoId};
use crate::jws::{UnverifiedToken, VerifyError};
use crate::key::PublicKey;
use crate::path::PathError;
use crate::policy::Terms;
use crate::revocation::Standing;
use crate::time::UnixTime;
use crate::viewer::{Country, Viewer};

/// A token that somebody asks about. First step: which key does it name?
pub struct Inspection<'t> {
    text: &'t str,
    parsed: Result<UnverifiedToken<'t>, VerifyError>,
}

/// The live key that a token names.
#[derive(Clone, Copy, Debug)]
pub struct KnownKey<'a> {
    /// The account that owns it.
    pub account: &'a AccountId,
    /// Its public half.
    pub public: &'a PublicKey,
}

/// A token whose signature was looked at. Second step: which video does it name?
pub struct Inspected<'t> {
    text: &'t str,
    findings: Vec<Finding>,
    claims: Option<(SignedClaims, AccountId)>,
}

/// One check, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed. The first check that fails is the answer of a gate.
    Failed(Failure),
    /// It could not be asked, and why.
    Skipped(&'static str),
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// As a gate denies it.
    #[error("{0}")]
    Denied(Denial),
    /// The method is not one of reading, which is no denial: nothing was decided.
    #[error("only GET and HEAD read a file, and `{}` does not", .0.escape_debug())]
    Method(String),
    /// The path is outside the grammar; a denial does not say where.
    #[error("{0}")]
    Path(PathError),
}

impl Failure {
    /// The code that a gate answers with.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(denial) => denial.code(),
            Self::Method(_) => "method_not_allowed",
            Self::Path(_) => Denial::PathRefused.code(),
        }
    }
}

/// The access rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedRule {
    /// Its place in the token, from 0.
    pub index: usize,
    /// The rule.
    pub rule: AccessRule,
}

/// What would become of a request with a token, and why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Every check, in the order in which a gate asks.
    pub findings: Vec<Finding>,
    /// The first access rule that matches the viewer.
    pub rule: Option<MatchedRule>,
    /// What the token says, if its signature is good.
    pub claims: Option<SignedClaims>,
    /// From when on a gate accepts the token's time, if anything but its end bounds that.
    pub valid_from: Option<UnixTime>,
    /// What would let the viewer in, or is worth knowing, in sentences.
    pub hints: Vec<String>,
}

const NO_REQUEST: &str = "no request was given";
const NOT_READ: &str = "the token cannot be read";
const NOT_VERIFIED: &str = "nothing is known of the token before its signature is good";
const NO_VIDEO: &str = "the video is not known";

impl<'t> Inspection<'t> {
    /// Reads a token.
    #[must_use]
    pub fn of(token: &'t str) -> Self {
        Self { text: token, parsed: UnverifiedToken::parse(token) }
    }

    /// The key that the token names, if it can be read.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.parsed.as_ref().ok().map(UnverifiedToken::key_id)
    }

    /// Checks the signature with the live key of that id; `None` where there is none.
    #[must_use]
    pub fn with_key(self, key: Option<KnownKey<'_>>) -> Inspected<'t> {
        let mut inspected = Inspected { text: self.text, findings: Vec::new(), claims: None };
        let unverified = match self.parsed {
            Ok(unverified) => unverified,
            Err(error) => {
                inspected.add(Check::Token, failed(error));
                inspected.skip(&[Check::Key, Check::Signature, Check::Kid], NOT_READ);
                return inspected;
            }
        };
        inspected.add(Check::Token, Outcome::Passed);
        let Some(key) = key else {
            inspected.add(Check::Key, failed(Denial::KeyUnknown { key: unverified.key_id().clone() }));
            inspected.skip(&[Check::Signature, Check::Kid], "there is no key to check it with");
            return inspected;
        };
        inspected.add(Check::Key, Outcome::Passed);
        match unverified.verify(key.public) {
            Ok(claims) => {
                inspected.add(Check::Signature, Outcome::Passed);
                inspected.add(Check::Kid, Outcome::Passed);
                inspected.claims = Some((claims, key.account.clone()));
            }
            Err(error @ VerifyError::KidMismatch { .. }) => {
                inspected.add(Check::Signature, Outcome::Passed);
                inspected.add(Check::Kid, failed(error));
            }
            Err(error @ (VerifyError::Malformed(_) | VerifyError::SignatureInvalid { .. })) => {
                inspected.add(Check::Signature, failed(error));
                inspected.skip(&[Check::Kid], NOT_VERIFIED);
            }
        }
        inspected
    }
}

impl Inspected<'_> {
    /// The video that the token opens, if its signature is good.
    #[must_use]
    pub fn video(&self) -> Option<&VideoId> {
        self.claims.as_ref().map(|(claims, _)| claims.video())
    }

    /// What the token says, if its signature is good.
    #[must_use]
    pub fn claims(&self) -> Option<&SignedClaims> {
        self.claims.as_ref().map(|(claims, _)| claims)
    }

    /// Explains what would become of `rehearsal` at `now`; without one, what the token alone decides. `terms` are those of
    /// [`Self::video`] and the account of the key, and `standing` is that of [`Self::claims`].
    #[must_use]
    pub fn explain(
        mut self,
        terms: &Terms<'_>,
        standing: Standing,
        rehearsal: Option<&Rehearsal<'_>>,
        now: UnixTime,
    ) -> Explanation {
        let (mut findings, asset) = rehearsal::of(self.text, rehearsal);
        findings.append(&mut self.findings);
        let nobody = Viewer::new([0, 0, 0, 0].into(), Country::Unknown, None);
        let viewer = rehearsal.map_or(&nobody, |rehearsal| rehearsal.viewer);
        let ask = Ask { viewer, named: None, asset, now };
        let mut rule = None;
        if let Some((claims, key_account)) = &self.claims {
            let case = Case { claims, key_account, terms, standing, ask: &ask };
            findings.push(finding(Check::Video, case.video().map(drop)));
            findings.extend(QUESTIONS.iter().map(|(check, question)| {
                let outcome = match skipped(*check, &case, rehearsal.is_none()) {
                    Some(because) => Outcome::Skipped(because),
                    None => outcome(question(&case)),
                };
                Finding { check: *check, outcome }
            }));
            rule = rehearsal.and_then(|rehearsal| matched(claims.access_rules(), rehearsal.viewer));
        } else {
            let unasked = std::iter::once(Check::Video).chain(QUESTIONS.map(|(check, _)| check));
            findings.extend(unasked.map(|check| Finding { check, outcome: Outcome::Skipped(NOT_VERIFIED) }));
        }
        let hints = hints::of(&findings, self.claims.as_ref().map(|(claims, _)| claims), terms, standing, &ask);
        let claims = self.claims.map(|(claims, _)| claims);
        let valid_from = claims.as_ref().and_then(|claims| valid_from(claims, terms));
        Explanation { findings, rule, claims, valid_from, hints }
    }

    fn add(&mut self, check: Check, outcome: Outcome) {
        self.findings.push(Finding { check, outcome });
    }

    fn skip(&mut self, checks: &[Check], because: &'static str) {
        self.findings.extend(checks.iter().map(|check| Finding { check: *check, outcome: Outcome::Skipped(because) }));
    }
}

impl Explanation {
    /// What a gate would refuse the request for; `None` where nothing fails.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.findings.iter().find_map(|finding| match &finding.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Passed | Outcome::Skipped(_) => None,
        })
    }

    /// The code of that.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        self.failure().map(Failure::code)
    }
}

fn finding(check: Check, result: Result<(), Denial>) -> Finding {
    Finding { check, outcome: outcome(result) }
}

fn outcome(result: Result<(), Denial>) -> Outcome {
    result.map_or_else(failed, |()| Outcome::Passed)
}

fn failed(denial: impl Into<Denial>) -> Outcome {
    Outcome::Failed(Failure::Denied(denial.into()))
}

/// Why a question cannot be asked, if it cannot.
fn skipped(check: Check, case: &Case<'_>, no_request: bool) -> Option<&'static str> {
    let needs_request =
        [Check::AccessRules, Check::AllowedOrigins, Check::Downloadable, Check::DownloadOffered].contains(&check);
    let needs_video = [Check::AllowedOrigins, Check::DownloadOffered].contains(&check);
    if no_request && needs_request {
        return Some(NO_REQUEST);
    }
    (needs_video && case.video().is_err()).then_some(NO_VIDEO)
}

fn matched(rules: &[AccessRule], viewer: &Viewer) -> Option<MatchedRule> {
    let index = access::first_match(rules, viewer).ok()??;
    Some(MatchedRule { index, rule: rules[index].clone() })
}

/// `nbf`, or the first moment at which `exp` is near enough for a gate that limits lifetimes, whichever is later.
fn valid_from(claims: &SignedClaims, terms: &Terms<'_>) -> Option<UnixTime> {
    let near_enough = terms.limits.max_token_lifetime.map(|max| claims.expires().minus(max));
    claims.not_before().max(near_enough)
}
