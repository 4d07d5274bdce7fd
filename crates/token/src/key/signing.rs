//! The pair that signs.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _, Curve25519SeedBin, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use zeroize::Zeroizing;

use super::format::{self, PrivateDer};
use super::jwk::Jwk;
use super::{Algorithm, KeyError, Message, PublicKey, RsaParts, rsa};
use crate::id::KeyId;

/// A key pair that signs tokens.
#[derive(Clone)]
pub struct SigningKey(Arc<Parsed>);

struct Parsed {
    id: KeyId,
    pair: Pair,
    public: PublicKey,
    /// Taken apart when somebody asks for them first.
    parts: OnceLock<Option<RsaParts>>,
}

/// A key pair as the library has it.
pub(super) enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Makes a new key. An RSA key has 2048 bits, and takes 50 to 300 ms of one core; others take microseconds.
    ///
    /// # Errors
    /// [`KeyError::Generate`] where the system gives no randomness or memory.
    pub fn generate(algorithm: Algorithm, id: KeyId) -> Result<Self, KeyError> {
        Self::new(id, Pair::generate(algorithm).map_err(|Unspecified| KeyError::Generate)?)
    }

    /// Reads a private key in PEM (PKCS#8, PKCS#1 or SEC 1), or base64 of such a text.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_pem(id: KeyId, text: &str) -> Result<Self, KeyError> {
        Self::new(id, Pair::read(&format::private_from_pem(text)?)?)
    }

    /// Reads a private key as a JWK (RFC 7517), or base64 of one. Its `kid` is the id, where `id` is `None`.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_jwk(id: Option<KeyId>, text: &str) -> Result<Self, KeyError> {
        let jwk = Jwk::read(text)?;
        let id = id.or_else(|| jwk.kid()).ok_or(KeyError::KeyId)?;
        Self::new(id, jwk.pair()?)
    }

    /// Reads a private key in DER PKCS#8 (RFC 5208).
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_pkcs8(id: KeyId, der: &[u8]) -> Result<Self, KeyError> {
        Self::new(id, Pair::read(&format::private_in_pkcs8(der)?)?)
    }

    fn new(id: KeyId, pair: Pair) -> Result<Self, KeyError> {
        let public = pair.public()?;
        Ok(Self(Arc::new(Parsed { id, pair, public, parts: OnceLock::new() })))
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.0.id
    }

    /// The half that verifies.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.0.public
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public().algorithm()
    }

    /// The private key in DER PKCS#8 (RFC 5208).
    #[must_use]
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.0.pair.to_pkcs8()
    }

    /// The private key as PEM: PKCS#1 of an RSA key, as Cloudflare Stream gives it out, and PKCS#8 of others.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        match &self.0.pair {
            Pair::Rsa(pair) => format::rsa_private_pem(&pkcs1_of(pair)),
            pair @ (Pair::P256(_) | Pair::Ed25519(_)) => format::private_pem(&pair.to_pkcs8()),
        }
    }

    /// The private key as the API gives it out: base64 of [`Self::to_pem`].
    #[must_use]
    pub fn to_pem_base64(&self) -> Zeroizing<String> {
        format::wrap_base64(self.to_pem().as_bytes())
    }

    /// The private key as the API gives it out: base64 of a JWK.
    #[must_use]
    pub fn to_jwk_base64(&self) -> Zeroizing<String> {
        Jwk::private(self.id(), self.public(), &self.0.pair).to_base64()
    }

    /// The numbers of an RSA key; `None` of other keys, and of one whose primes are of unequal length.
    #[must_use]
    pub fn rsa_parts(&self) -> Option<&RsaParts> {
        let parts = || match &self.0.pair {
            Pair::Rsa(pair) => RsaParts::of(&pkcs1_of(pair)),
            Pair::P256(_) | Pair::Ed25519(_) => None,
        };
        self.0.parts.get_or_init(parts).as_ref()
    }

    /// How many bytes its signatures have.
    #[must_use]
    pub fn signature_length(&self) -> usize {
        match &self.0.pair {
            Pair::Rsa(pair) => pair.public_modulus_len(),
            // Two numbers of 32 bytes each (RFC 7518, section 3.4; RFC 8032, section 5.1.6).
            Pair::P256(_) | Pair::Ed25519(_) => 64,
        }
    }

    /// Fails where the system gives no randomness or memory, or where the result is wrong.
    ///
    /// Of RSA the library checks each result (a wrong one gives the factors away), and of ECDSA no two share a nonce. But
    /// Ed25519 signs one message in one way alone: a wrong signature beside the right one gives the key away.
    pub(crate) fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let signature = self.0.pair.sign(message)?;
        let is_wrong = || !self.public().verifies(&Message::new(message), &signature);
        if self.algorithm() == Algorithm::EdDsa && is_wrong() { Err(Unspecified) } else { Ok(signature) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.id(), self.algorithm())
    }
}

impl Pair {
    fn generate(algorithm: Algorithm) -> Result<Self, Unspecified> {
        match algorithm {
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Box::new).map(Self::Rsa),
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::P256),
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Self::Ed25519),
        }
    }

    pub(super) fn read(der: &PrivateDer) -> Result<Self, KeyError> {
        let pair = match der {
            PrivateDer::Rsa(pkcs1) => {
                // First what can be said precisely; the library's own refusal has no reason.
                rsa::check(&rsa::public_half(pkcs1)?)?;
                RsaKeyPair::from_der(pkcs1).map(Box::new).map(Self::Rsa)
            }
            PrivateDer::P256(der) => {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Self::P256)
            }
            PrivateDer::Ed25519(pkcs8) => Ed25519KeyPair::from_pkcs8(pkcs8).map(Self::Ed25519),
        };
        pair.map_err(|_| KeyError::Inconsistent)
    }

    pub(super) fn public(&self) -> Result<PublicKey, KeyError> {
        match self {
            Self::Rsa(pair) => PublicKey::rsa(pair.public_key().as_ref()),
            Self::P256(pair) => PublicKey::p256(pair.public_key().as_ref()),
            Self::Ed25519(pair) => PublicKey::ed25519(pair.public_key().as_ref()),
        }
    }

    fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let written = "a key that was parsed can be written";
        match self {
            Self::Rsa(pair) => {
                let der: Pkcs8V1Der<'static> = pair.as_der().expect(written);
                Zeroizing::new(der.as_ref().to_vec())
            }
            Self::P256(pair) => Zeroizing::new(pair.to_pkcs8v1().expect(written).as_ref().to_vec()),
            Self::Ed25519(pair) => Zeroizing::new(pair.to_pkcs8v1().expect(written).as_ref().to_vec()),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            Self::P256(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
        }
    }
}

/// An `RSAPrivateKey` (RFC 8017, appendix A.1.2).
pub(super) fn pkcs1_of(pair: &RsaKeyPair) -> Zeroizing<Vec<u8>> {
    let der: Pkcs8V1Der<'static> = pair.as_der().expect("a key that was parsed can be written");
    match format::private_in_pkcs8(der.as_ref()) {
        Ok(PrivateDer::Rsa(pkcs1)) => pkcs1,
        Ok(PrivateDer::P256(_) | PrivateDer::Ed25519(_)) | Err(_) => unreachable!("PKCS#8 of an RSA key holds one"),
    }
}

/// The private scalar, 32 bytes, big-endian (RFC 7518, section 6.2.2.1).
pub(super) fn scalar_of(pair: &EcdsaKeyPair) -> Zeroizing<Vec<u8>> {
    let scalar: EcPrivateKeyBin<'static> =
        pair.private_key().as_be_bytes().expect("a key that was parsed can be written");
    Zeroizing::new(scalar.as_ref().to_vec())
}

/// The seed, 32 bytes (RFC 8032, section 5.1.5).
pub(super) fn seed_of(pair: &Ed25519KeyPair) -> Zeroizing<Vec<u8>> {
    let seed = pair.seed().expect("a key that was parsed can be written");
    let bytes: Curve25519SeedBin<'static> = seed.as_be_bytes().expect("a key that was parsed can be written");
    Zeroizing::new(bytes.as_ref().to_vec())
}
