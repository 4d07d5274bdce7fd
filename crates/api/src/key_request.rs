//! The body of a request for a signing key, read and checked as a whole.

use vidpass_token::json::Json;
use vidpass_token::{Algorithm, KeyError, KeyId, PublicKey};

use crate::body::{Members, text};
use crate::problem::{Problem, ProblemKind, Problems};

const MEMBERS: [&str; 4] = ["alg", "id", "pem", "jwk"];

/// Which key the account is to have.
pub(crate) enum KeyRequest {
    /// A new one.
    Make(Algorithm),
    /// One that the account has. Its private half, where it was sent along, is not kept.
    Import { id: KeyId, public: PublicKey },
}

impl KeyRequest {
    /// Reads a body; an absent one asks for a new RS256 key. Looking for weaknesses takes milliseconds of CPU.
    pub(crate) fn parse(body: Option<&Json>) -> Result<Self, Vec<Problem>> {
        let empty = Json::Object(Vec::new());
        let mut problems = Problems::default();
        let request =
            Members::of(body.filter(|body| **body != Json::Null).unwrap_or(&empty), "", &MEMBERS, &mut problems)
                .map(|mut members| read(&mut members));
        problems.unless_any(request).map(|request| request.expect("a body that is no object is a problem"))
    }
}

fn read(members: &mut Members<'_, '_>) -> KeyRequest {
    let algorithm = members.read("alg", |json| text(json)?.parse().map_err(ProblemKind::Algorithm));
    let id: Option<KeyId> = members.read("id", |json| text(json)?.parse().map_err(ProblemKind::KeyId));
    if members.has("pem") && members.has("jwk") {
        members.add("jwk", ProblemKind::KeyTwice);
    }
    let from_pem =
        members.read("pem", |json| usable(PublicKey::from_pem(text(json)?).map(|key| (None, key)), ProblemKind::Pem));
    let from_jwk = members.read("jwk", |json| usable(PublicKey::named_by_jwk(text(json)?), ProblemKind::Jwk));
    let Some((kid, public)) = from_pem.or(from_jwk) else {
        if members.has("id") && !members.has("pem") && !members.has("jwk") {
            members.add("id", ProblemKind::IdWithoutKey);
        }
        return KeyRequest::Make(algorithm.unwrap_or(Algorithm::Rs256));
    };
    if let Some(algorithm) = algorithm.filter(|algorithm| *algorithm != public.algorithm()) {
        members.add("alg", ProblemKind::AlgorithmMismatch { given: algorithm, key: public.algorithm() });
    }
    KeyRequest::Import { id: id.or(kid).unwrap_or_else(KeyId::random), public }
}

/// A key, with the id that it brings.
type Named = (Option<KeyId>, PublicKey);

fn usable(read: Result<Named, KeyError>, problem: impl FnOnce(KeyError) -> ProblemKind) -> Result<Named, ProblemKind> {
    let named = read.map_err(|error| match error {
        KeyError::Inconsistent => ProblemKind::KeyInconsistent,
        other => problem(other),
    })?;
    named.1.weakness().map_or(Ok(named), |weakness| Err(ProblemKind::KeyWeak(weakness)))
}
