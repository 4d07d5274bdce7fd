//! The half that verifies.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};

use super::format::{self, PublicDer};
use super::jwk::Jwk;
use super::weak::{self, Weakness};
use super::{Algorithm, KeyError, rsa};
use crate::id::KeyId;

/// The public half of a signing key, ready to verify with. Its algorithm is its own; a token cannot choose one.
#[derive(Clone)]
pub struct PublicKey(Arc<Parsed>);

/// What was signed, and its hash, which names a token too.
#[derive(Clone)]
pub(crate) struct Message<'a> {
    bytes: &'a [u8],
    sha256: Digest,
}

struct Parsed {
    algorithm: Algorithm,
    key: ParsedPublicKey,
    spki: Vec<u8>,
}

impl<'a> Message<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, sha256: digest(&SHA256, bytes) }
    }

    pub(crate) fn sha256(&self) -> &Digest {
        &self.sha256
    }
}

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, KeyError> {
        match format::public_in_spki(spki)? {
            PublicDer::Rsa(der) => Self::rsa(&der),
            PublicDer::P256(point) => Self::p256(&point),
            PublicDer::Ed25519(bytes) => Self::ed25519(&bytes),
        }
    }

    /// Reads a PEM text, or base64 of one: a public key (SPKI or PKCS#1), or the public half of a private key.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        format::public_from_pem(text)
    }

    /// Reads a JWK (RFC 7517) as JSON, or base64 of one: a public key, or the public half of a private key.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_jwk(text: &str) -> Result<Self, KeyError> {
        Jwk::read(text)?.public_key()
    }

    /// The same, with the `kid` where there is one.
    ///
    /// # Errors
    /// [`KeyError`]; [`KeyError::KeyId`] where the `kid` is not an id.
    pub fn named_by_jwk(text: &str) -> Result<(Option<KeyId>, Self), KeyError> {
        let jwk = Jwk::read(text)?;
        Ok((jwk.named()?, jwk.public_key()?))
    }

    /// What it verifies.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// The key as a DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// The key as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        format::public_pem(self.spki_der())
    }

    /// The key as a JWK (RFC 7517).
    #[must_use]
    pub fn to_jwk(&self, id: &KeyId) -> serde_json::Value {
        serde_json::to_value(Jwk::public(id, self)).expect("a JWK has only text keys")
    }

    /// Why others can find the private half, if they can. Whoever adds a key asks once; it takes milliseconds.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        weak::weakness(self.spki_der())
    }

    /// `der` is an `RSAPublicKey` (RFC 8017, appendix A.1.1).
    pub(super) fn rsa(der: &[u8]) -> Result<Self, KeyError> {
        rsa::check(der)?;
        let key = parse(&RSA_PKCS1_2048_8192_SHA256, der)?;
        Self::new(Algorithm::Rs256, key)
    }

    /// `point` is a point of the curve P-256 (SEC 1, section 2.3.3).
    pub(super) fn p256(point: &[u8]) -> Result<Self, KeyError> {
        Self::new(Algorithm::Es256, parse(&ECDSA_P256_SHA256_FIXED, point)?)
    }

    /// `bytes` are a public key of Ed25519 (RFC 8032, section 5.1.5).
    pub(super) fn ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::new(Algorithm::EdDsa, parse(&ED25519, bytes)?)
    }

    fn new(algorithm: Algorithm, key: ParsedPublicKey) -> Result<Self, KeyError> {
        let spki = key.as_der().map_err(|_| KeyError::Inconsistent)?.as_ref().to_vec();
        Ok(Self(Arc::new(Parsed { algorithm, key, spki })))
    }

    pub(crate) fn verifies(&self, message: &Message<'_>, signature: &[u8]) -> bool {
        let key = &self.0.key;
        let verified = match self.0.algorithm {
            Algorithm::Rs256 | Algorithm::Es256 => key.verify_digest_sig(&message.sha256, signature),
            // It hashes the message in a way of its own (RFC 8032, section 5.1.7).
            Algorithm::EdDsa => key.verify_sig(message.bytes, signature),
        };
        verified.is_ok()
    }
}

fn parse(algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]) -> Result<ParsedPublicKey, KeyError> {
    ParsedPublicKey::new(algorithm, bytes).map_err(|_| KeyError::Inconsistent)
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.spki == other.0.spki
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {} bytes)", self.0.algorithm, self.0.spki.len())
    }
}
