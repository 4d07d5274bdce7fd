//! The token itself: a compact JWS (RFC 7515, section 7.1) of exactly one accepted spelling.

use std::fmt;

// Refuses padding, white space, the other alphabet, and trailing bits that are not zero.
use base64_simd::{AsOut as _, URL_SAFE_NO_PAD as BASE64URL};
use memchr::memchr_iter;

use crate::access::RuleProblem;
use crate::claims::{self, Claims, SignedClaims};
use crate::id::KeyId;
use crate::json::{Json, JsonError};
use crate::key::{Algorithm, Message, PublicKey, SigningKey};
use crate::time::UnixTime;

/// The longest token that is read, in bytes.
pub const MAX_TOKEN_LENGTH: usize = 4096;

/// How many members a token's header may have.
const MAX_HEADER_MEMBERS: usize = 16;

/// A signed token. It is a secret: whoever has it can watch.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What tells a token from every other: the first half of the SHA-256 of what was signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 16]);

/// A name for a token that gives nothing away: the first 8 hex digits of the SHA-256 of what was signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenFingerprint([u8; 4]);

/// A token that lacks its signature, and the key that is to make it.
#[derive(Clone)]
pub struct UnsignedToken {
    /// What is signed: header and payload.
    text: String,
    key: SigningKey,
}

/// A token whose signature nobody has checked. All that it tells is which key to check it with.
pub struct UnverifiedToken<'a> {
    message: Message<'a>,
    signature: Vec<u8>,
    /// `None` where it is none of ours.
    algorithm: Option<Algorithm>,
    kid: KeyIds,
    claims: Claims,
}

/// The `kid` of a token: some signers write it in the header, some in the payload, most in both.
struct KeyIds {
    /// That of the header, if it has one.
    first: KeyId,
    /// That of the payload, if it is another.
    other: Option<Box<KeyId>>,
}

/// Why a text is not a token that we read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedToken {
    /// A part is not canonical base64url without padding.
    #[error("the {part} is not canonical base64url")]
    Base64 {
        /// `header`, `payload` or `signature`.
        part: &'static str,
    },
    /// A claim that we need is not as it must be.
    #[error("`{claim}` {rule}")]
    Claim {
        /// The claim's name.
        claim: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// A header member is not as it must be, or must not be there.
    #[error("header `{}` {rule}", .member.escape_debug())]
    Header {
        /// The member's name.
        member: String,
        /// What it must be.
        rule: &'static str,
    },
    /// A part is not JSON that we read.
    #[error("the {part} is not acceptable JSON: {problem}")]
    Json {
        /// `header` or `payload`.
        part: &'static str,
        /// Where and why.
        problem: JsonError,
    },
    /// Neither header nor payload names a key.
    #[error("neither header nor payload has a `kid`")]
    KeyMissing,
    /// A part is JSON and not an object.
    #[error("the {part} is not a JSON object")]
    NotAnObject {
        /// `header` or `payload`.
        part: &'static str,
    },
    /// It came more than once, and another reader might take another one.
    #[error("the request carries {count} tokens, not one")]
    Repeated {
        /// How many came.
        count: usize,
    },
    /// The access rules are not ones that we read.
    #[error("{0}")]
    Rule(RuleProblem),
    /// Not three parts.
    #[error("it has {count} parts, not 3")]
    Segments {
        /// How many parts the dots make.
        count: usize,
    },
    /// Longer than [`MAX_TOKEN_LENGTH`].
    #[error("it has {length} bytes, more than {MAX_TOKEN_LENGTH}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// More access rules than the gate accepts.
    #[error("it has {count} access rules, more than {max}")]
    TooManyRules {
        /// How many it has.
        count: usize,
        /// How many it may have.
        max: usize,
    },
}

/// Why a token is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Header and payload name two keys.
    #[error("the header names key `{header}` and the payload `{payload}`")]
    KidMismatch {
        /// The `kid` of the header.
        header: Box<KeyId>,
        /// The `kid` of the payload.
        payload: Box<KeyId>,
    },
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] MalformedToken),
    /// The signature is not one of this key, with the algorithm that is the key's.
    #[error("the signature is not one of key `{key}`")]
    SignatureInvalid {
        /// The `kid` that the token names.
        key: KeyId,
    },
}

/// Why claims could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// No signature came out, or one that is not good; the computation failed, and nothing of it may be shown.
    #[error("no good signature came out; what did was discarded")]
    Faulty,
    /// A time that no gate reads.
    #[error("`{claim}` is {value}; it {rule}")]
    Time {
        /// `exp`, `nbf` or `iat`.
        claim: &'static str,
        /// What it is.
        value: UnixTime,
        /// What it must be.
        rule: &'static str,
    },
    /// The token would be longer than a gate reads.
    #[error("the token would have {length} bytes, more than {MAX_TOKEN_LENGTH}; use fewer or shorter access rules")]
    TooLong {
        /// How long it would be, in bytes.
        length: usize,
    },
}

impl SigningKey {
    /// Signs `claims`. A signature that came out wrong is not given out: it could give the private key away.
    ///
    /// # Errors
    /// [`SignError`]
    pub fn sign(&self, claims: &Claims) -> Result<Token, SignError> {
        self.prepare(claims)?.sign()
    }

    /// Writes all of a token but its signature.
    ///
    /// # Errors
    /// [`SignError::Time`] and [`SignError::TooLong`]
    pub fn prepare(&self, claims: &Claims) -> Result<UnsignedToken, SignError> {
        claims.check_times()?;
        // Neither has anything to escape.
        let header = format!(r#"{{"alg":"{}","kid":"{}"}}"#, self.algorithm().name(), self.id().as_str());
        let payload = claims::payload(claims, self.id());
        let part = |bytes: usize| (bytes * 4).div_ceil(3);
        let length = part(header.len()) + 1 + part(payload.len()) + 1 + part(self.signature_length());
        if length > MAX_TOKEN_LENGTH {
            return Err(SignError::TooLong { length });
        }
        let mut text = String::with_capacity(length);
        BASE64URL.encode_append(header, &mut text);
        text.push('.');
        BASE64URL.encode_append(payload, &mut text);
        Ok(UnsignedToken { text, key: self.clone() })
    }
}

impl UnsignedToken {
    /// What is to be signed.
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The key that is to sign it.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Signs it. A signature that came out wrong is not given out.
    ///
    /// # Errors
    /// [`SignError::Faulty`]
    pub fn sign(self) -> Result<Token, SignError> {
        let signature = self.key.sign_message(self.signing_input()).map_err(|_| SignError::Faulty)?;
        Ok(self.with_checked_signature(&signature))
    }

    /// The token with a signature that was made elsewhere, and **checked** there with the public key: one that a fault spoilt
    /// can give the private key away.
    #[must_use]
    pub fn with_checked_signature(self, signature: &[u8]) -> Token {
        let mut token = self.text;
        token.push('.');
        BASE64URL.encode_append(signature, &mut token);
        Token(token)
    }
}

impl<'a> UnverifiedToken<'a> {
    /// Reads a token without checking its signature.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`]
    pub fn parse(token: &'a str) -> Result<Self, VerifyError> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(MalformedToken::TooLong { length: token.len() }.into());
        }
        let dots = || memchr_iter(b'.', token.as_bytes());
        let mut places = dots();
        let (Some(first), Some(second), None) = (places.next(), places.next(), places.next()) else {
            return Err(MalformedToken::Segments { count: dots().count() + 1 }.into());
        };
        let (signing_input, signature) = (&token[..second], &token[second + 1..]);
        let (header, payload) = (&token[..first], &token[first + 1..second]);
        // One piece of memory for all parts: three bytes for each begun four of a part.
        let mut decoded = vec![0; (token.len() / 4 + 3) * 3];
        let (header, rest) = decode("header", header, &mut decoded)?;
        let header = object("header", header)?;
        let algorithm = read_header(&header)?;
        let (payload, _) = decode("payload", payload, rest)?;
        let (kid, claims) = match claims::read_plain(payload) {
            Some((kid, claims)) => (KeyIds::of(key_id(&header)?, kid)?, claims),
            None => {
                let payload = object("payload", payload)?;
                (KeyIds::of(key_id(&header)?, key_id(&payload)?)?, claims::read(&payload)?)
            }
        };
        let length = decode("signature", signature, &mut decoded)?.0.len();
        decoded.truncate(length);
        let message = Message::new(signing_input.as_bytes());
        Ok(Self { message, signature: decoded, algorithm, kid, claims })
    }

    /// The key that the token says it was signed with.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.kid.first
    }

    /// A name for the token that may stand in a log.
    #[must_use]
    pub fn fingerprint(&self) -> TokenFingerprint {
        TokenDigest::of_message(&self.message).fingerprint()
    }

    /// Gives out the claims if `key` signed them.
    ///
    /// The algorithm is the key's; a token that names another is refused.
    ///
    /// # Errors
    /// [`VerifyError::SignatureInvalid`] or [`VerifyError::KidMismatch`].
    pub fn verify(self, key: &PublicKey) -> Result<SignedClaims, VerifyError> {
        let signed = || key.verifies(&self.message, &self.signature);
        if self.algorithm != Some(key.algorithm()) || !signed() {
            return Err(VerifyError::SignatureInvalid { key: self.kid.first });
        }
        let KeyIds { first, other } = self.kid;
        match other {
            Some(payload) => Err(VerifyError::KidMismatch { header: first.into(), payload }),
            None => Ok(SignedClaims::new(first, TokenDigest::of_message(&self.message), self.claims)),
        }
    }
}

/// Decodes to the beginning of `room`, which is enough; returns that, and what is left of it.
fn decode<'r>(
    part: &'static str,
    text: &str,
    room: &'r mut [u8],
) -> Result<(&'r mut [u8], &'r mut [u8]), MalformedToken> {
    let decoded = BASE64URL.decode(text.as_bytes(), room.as_out()).map_err(|_| MalformedToken::Base64 { part })?;
    let length = decoded.len();
    Ok(room.split_at_mut(length))
}

fn object<'t>(part: &'static str, text: &'t [u8]) -> Result<Json<'t>, MalformedToken> {
    let json = Json::parse(text).map_err(|problem| MalformedToken::Json { part, problem })?;
    match json {
        Json::Object(_) => Ok(json),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Array(_) => {
            Err(MalformedToken::NotAnObject { part })
        }
    }
}

/// Checks the header and returns its `alg`, which is only ever compared with the key's.
fn read_header(header: &Json<'_>) -> Result<Option<Algorithm>, MalformedToken> {
    let refused = |member: &str, rule| MalformedToken::Header { member: member.chars().take(64).collect(), rule };
    let Json::Object(members) = header else { return Err(MalformedToken::NotAnObject { part: "header" }) };
    if members.len() > MAX_HEADER_MEMBERS {
        return Err(refused("*", "has more than 16 members"));
    }
    for (name, _) in members {
        // These ask a reader to fetch a key, to unpack, or to apply rules that it may not know (RFC 7515, section
        // 4.1; RFC 7516, section 4.1; RFC 7797). Whoever ignores one reads another token than its signer wrote.
        let asks = ["crit", "b64", "zip", "enc", "jku", "jwk", "cty"].contains(&&**name) || name.starts_with("x5");
        if asks {
            return Err(refused(name, "is not accepted"));
        }
    }
    match header.get("typ") {
        None => {}
        Some(Json::Text(typ)) if typ.eq_ignore_ascii_case("JWT") => {}
        Some(_) => return Err(refused("typ", "must be `JWT` where it is given")),
    }
    let algorithm = header.get("alg").and_then(Json::as_text).ok_or_else(|| refused("alg", "must be a string"))?;
    Ok(algorithm.parse().ok())
}

/// The `kid` of a part, if it has one.
fn key_id(part: &Json<'_>) -> Result<Option<KeyId>, MalformedToken> {
    let Some(kid) = part.get("kid") else { return Ok(None) };
    let kid = kid.as_text().and_then(|text| text.parse().ok());
    let rule = "must be up to 64 letters, digits, `_` and `-`";
    kid.map(Some).ok_or(MalformedToken::Claim { claim: "kid", rule })
}

impl KeyIds {
    fn of(header: Option<KeyId>, payload: Option<KeyId>) -> Result<Self, MalformedToken> {
        match (header, payload) {
            (Some(header), payload) => {
                let other = payload.filter(|payload| *payload != header).map(Box::new);
                Ok(Self { first: header, other })
            }
            (None, Some(payload)) => Ok(Self { first: payload, other: None }),
            (None, None) => Err(MalformedToken::KeyMissing),
        }
    }
}

impl Token {
    /// The token as text, for the one it is meant for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name for the token that may stand in a log.
    #[must_use]
    pub fn fingerprint(&self) -> TokenFingerprint {
        TokenDigest::of(self.0.rsplit_once('.').map_or(&self.0, |(signed, _)| signed)).fingerprint()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.fingerprint())
    }
}

impl fmt::Debug for UnsignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnsignedToken({}, {:?})", TokenDigest::of(&self.text).fingerprint(), self.key)
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnverifiedToken({}, kid {})", self.fingerprint(), self.kid.first)
    }
}

impl TokenDigest {
    pub(crate) fn of(signing_input: &str) -> Self {
        Self::of_message(&Message::new(signing_input.as_bytes()))
    }

    fn of_message(message: &Message<'_>) -> Self {
        Self(message.sha256().as_ref()[..16].try_into().expect("SHA-256 has 32 bytes"))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A name for the token that may stand in a log.
    #[must_use]
    pub fn fingerprint(&self) -> TokenFingerprint {
        TokenFingerprint(self.0[..4].try_into().expect("it has 16 bytes"))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenDigest({}…)", self.fingerprint())
    }
}

impl fmt::Display for TokenFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TokenFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Lengths on both sides of what the processor takes at once.
        #[test]
        fn two_libraries_decode_the_same(
            bytes in prop::collection::vec(any::<u8>(), 0..150),
            edit in prop::option::of((any::<Index>(), prop::char::range('\0', '\u{ff}'))),
            cut in 0..4_usize,
            end in prop::sample::select(vec!["", "=", "==", "A", "B", "\n", " "]),
        ) {
            let mut text = URL_SAFE_NO_PAD.encode(&bytes);
            text.truncate(text.len().saturating_sub(cut));
            if let Some((at, character)) = edit {
                text.insert(at.index(text.len() + 1), character);
            }
            text.push_str(end);
            let mut room = vec![0; (text.len() / 4 + 1) * 3];
            let decoded = decode("payload", &text, &mut room).map(|(decoded, _)| decoded.to_vec());
            prop_assert_eq!(decoded.ok(), URL_SAFE_NO_PAD.decode(&text).ok(), "{:?}", text);
        }
    }
}
