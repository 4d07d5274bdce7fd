//! Keys that sign tokens, and their public halves that verify them. Each is parsed once and kept.

mod format;
mod jwk;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair};
use pkcs1::der::{Decode as _, Encode as _};
use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use zeroize::Zeroizing;

use crate::id::KeyId;

/// The one algorithm of RSA keys here: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3).
pub(crate) const ALGORITHM: &str = "RS256";

/// The smallest and the largest RSA modulus that is accepted, in bits.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// 65537, the public exponent of practically every RSA key, as big-endian bytes.
const PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];

/// Why something is not a key that we use. It never repeats any part of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A public exponent other than 65537.
    #[error("the RSA public exponent is not 65537")]
    Exponent,
    /// The private key does not fit together: its parts contradict one another.
    #[error("the private key is damaged: its parts do not fit together")]
    Inconsistent,
    /// The JWK is not as RFC 7517 says.
    #[error("not an RSA key as a JWK: {0}")]
    Jwk(&'static str),
    /// The key's `kid` is needed and not there, or is not an id.
    #[error("the JWK has no usable `kid`")]
    KeyId,
    /// The modulus is too small or too large.
    #[error("the RSA modulus has {bits} bits; 2048 to 8192 are accepted")]
    ModulusSize {
        /// Its size in bits.
        bits: usize,
    },
    /// Not PEM, and not base64 of PEM.
    #[error("not a PEM text, nor one in base64")]
    NotPem,
    /// A key of another kind than RSA.
    #[error("not an RSA key")]
    NotRsa,
    /// The system has no randomness or memory to make a key with.
    #[error("a key could not be generated")]
    Generate,
    /// Bytes that are not the structure which they should be.
    #[error("the key cannot be read: it is not the DER structure that it claims to be")]
    Structure,
    /// A PEM block that is not a key which can be used here.
    #[error("a PEM block `{label}` cannot be used here; {expected}")]
    UnexpectedPem {
        /// The label of the block.
        label: &'static str,
        /// What would do.
        expected: &'static str,
    },
}

/// The public half of a signing key, ready to verify with. Its algorithm is its own; a token cannot choose one.
#[derive(Clone)]
pub struct PublicKey(Arc<ParsedPublic>);

struct ParsedPublic {
    key: ParsedPublicKey,
    spki: Vec<u8>,
}

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo` (RFC 5280, section 4.1) of an RSA key.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, KeyError> {
        Self::from_pkcs1(&format::rsa_in_spki(spki)?)
    }

    /// Reads a PEM text, or base64 of one: a public key (SPKI or PKCS#1), or the public half of a private key.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_pkcs1(&format::public_from_pem(text)?)
    }

    /// Reads a JWK (RFC 7517) as JSON, or base64 of one: a public key, or the public half of a private key.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_jwk(text: &str) -> Result<Self, KeyError> {
        Self::from_pkcs1(&jwk::Jwk::read(text)?.public_der()?)
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

    /// Checks sizes and exponent, and keeps the parsed key. `der` is an `RSAPublicKey` (RFC 8017, appendix A.1.1).
    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let rsa = RsaPublicKeyRef::from_der(der).map_err(|_| KeyError::Structure)?;
        let modulus = rsa.modulus.as_bytes();
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !MODULUS_BITS.contains(&bits) {
            return Err(KeyError::ModulusSize { bits });
        }
        if rsa.public_exponent.as_bytes() != PUBLIC_EXPONENT {
            return Err(KeyError::Exponent);
        }
        let spki = format::spki_of(der)?;
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &spki).map_err(|_| KeyError::Inconsistent)?;
        Ok(Self(Arc::new(ParsedPublic { key, spki })))
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.key.verify_sig(message, signature).is_ok()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.spki == other.0.spki
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({ALGORITHM}, {} bytes)", self.0.spki.len())
    }
}

/// A key pair that signs tokens.
#[derive(Clone)]
pub struct SigningKey(Arc<ParsedPair>);

struct ParsedPair {
    id: KeyId,
    pair: RsaKeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a new RSA key of 2048 bits. This takes 50 to 300 ms of one core.
    ///
    /// # Errors
    /// [`KeyError::Generate`] where the system gives no randomness or memory.
    pub fn generate(id: KeyId) -> Result<Self, KeyError> {
        Self::new(id, RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generate)?)
    }

    /// Reads a private key in PEM, PKCS#1 or PKCS#8, or base64 of such a text.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_pem(id: KeyId, text: &str) -> Result<Self, KeyError> {
        Self::from_pkcs1(id, &format::private_from_pem(text)?)
    }

    /// Reads a private key as a JWK (RFC 7517), or base64 of one. Its `kid` is the id, where `id` is `None`.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_jwk(id: Option<KeyId>, text: &str) -> Result<Self, KeyError> {
        let jwk = jwk::Jwk::read(text)?;
        let id = id.or_else(|| jwk.kid()).ok_or(KeyError::KeyId)?;
        Self::from_pkcs1(id, &jwk.private_der()?)
    }

    /// Reads a private key in DER PKCS#8 (RFC 5208).
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_pkcs8(id: KeyId, der: &[u8]) -> Result<Self, KeyError> {
        Self::from_pkcs1(id, &format::rsa_in_pkcs8(der)?)
    }

    fn from_pkcs1(id: KeyId, der: &[u8]) -> Result<Self, KeyError> {
        let rsa = RsaPrivateKeyRef::from_der(der).map_err(|_| KeyError::Structure)?;
        // First what can be said precisely; the library's own refusal has no reason.
        PublicKey::from_pkcs1(&rsa.public_key().to_der().map_err(|_| KeyError::Structure)?)?;
        Self::new(id, RsaKeyPair::from_der(der).map_err(|_| KeyError::Inconsistent)?)
    }

    fn new(id: KeyId, pair: RsaKeyPair) -> Result<Self, KeyError> {
        let public = PublicKey::from_pkcs1(pair.public_key().as_ref())?;
        Ok(Self(Arc::new(ParsedPair { id, pair, public })))
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

    /// The private key in DER PKCS#8 (RFC 5208).
    #[must_use]
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let der: Pkcs8V1Der<'static> = self.0.pair.as_der().expect("a key that was parsed can be written");
        Zeroizing::new(der.as_ref().to_vec())
    }

    /// The private key as PKCS#1 PEM.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        format::private_pem(&self.to_pkcs1())
    }

    /// The private key as the API gives it out: base64 of [`Self::to_pem`].
    #[must_use]
    pub fn to_pem_base64(&self) -> Zeroizing<String> {
        format::wrap_base64(self.to_pem().as_bytes())
    }

    /// The private key as the API gives it out: base64 of a JWK.
    #[must_use]
    pub fn to_jwk_base64(&self) -> Zeroizing<String> {
        jwk::Jwk::private(self.id(), &self.to_pkcs1()).to_base64()
    }

    fn to_pkcs1(&self) -> Zeroizing<Vec<u8>> {
        format::rsa_in_pkcs8(&self.to_pkcs8()).expect("PKCS#8 of an RSA key holds a PKCS#1 key")
    }

    /// Fails where the system gives no randomness or memory, or where the library finds its own result wrong.
    pub(crate) fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut signature = vec![0; self.0.pair.public_modulus_len()];
        self.0.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
        Ok(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id())
    }
}

#[cfg(test)]
mod wycheproof;
