//! PEM and DER, in and out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pkcs1::der::Decode as _;
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{Document, LineEnding, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use super::signing::Pair;
use super::{KeyError, PublicKey};

/// `rsaEncryption` (RFC 8017, appendix C).
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// `id-ecPublicKey`, and `secp256r1` as its parameter (RFC 5480, section 2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// `id-Ed25519` (RFC 8410, section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The curves and algorithms beside these: X25519, X448, Ed448 (RFC 8410, section 3).
const OTHER_CURVES: [ObjectIdentifier; 3] = [
    ObjectIdentifier::new_unwrap("1.3.101.110"),
    ObjectIdentifier::new_unwrap("1.3.101.111"),
    ObjectIdentifier::new_unwrap("1.3.101.113"),
];

const PKCS1_PRIVATE: &str = "RSA PRIVATE KEY";
const PKCS8_PRIVATE: &str = "PRIVATE KEY";
const SEC1_PRIVATE: &str = "EC PRIVATE KEY";
const PKCS1_PUBLIC: &str = "RSA PUBLIC KEY";
const SPKI_PUBLIC: &str = "PUBLIC KEY";

/// What kind of key an algorithm identifier names.
enum Kind {
    Rsa,
    P256,
    Ed25519,
}

/// A public key as the library reads it.
pub(super) enum PublicDer {
    /// An `RSAPublicKey` (RFC 8017, appendix A.1.1).
    Rsa(Vec<u8>),
    /// A point (SEC 1, section 2.3.3).
    P256(Vec<u8>),
    /// A point (RFC 8032, section 5.1.2).
    Ed25519(Vec<u8>),
}

/// A private key as the library reads it.
pub(super) enum PrivateDer {
    /// An `RSAPrivateKey` (RFC 8017, appendix A.1.2).
    Rsa(Zeroizing<Vec<u8>>),
    /// An `ECPrivateKey` (SEC 1, appendix C.4), or PKCS#8 with one in it.
    P256(Zeroizing<Vec<u8>>),
    /// PKCS#8 (RFC 8410, section 7).
    Ed25519(Zeroizing<Vec<u8>>),
}

/// The private key in a PEM text.
pub(super) fn private_from_pem(text: &str) -> Result<PrivateDer, KeyError> {
    let expected = "give a private key, PKCS#8, PKCS#1 or SEC 1, without a passphrase";
    let (label, der) = read_pem(text)?;
    private_of(label, der)?.ok_or(KeyError::UnexpectedPem { label, expected })
}

/// The public key in a PEM text, be it of a public or of a private key.
pub(super) fn public_from_pem(text: &str) -> Result<PublicKey, KeyError> {
    match read_pem(text)? {
        (PKCS1_PUBLIC, der) => PublicKey::rsa(&der),
        (SPKI_PUBLIC, der) => PublicKey::from_spki_der(&der),
        (label, der) => {
            let expected = "give a public key, or a private one without a passphrase";
            let private = private_of(label, der)?.ok_or(KeyError::UnexpectedPem { label, expected })?;
            Pair::read(&private)?.public()
        }
    }
}

fn private_of(label: &str, der: Zeroizing<Vec<u8>>) -> Result<Option<PrivateDer>, KeyError> {
    match label {
        PKCS1_PRIVATE => Ok(Some(PrivateDer::Rsa(der))),
        PKCS8_PRIVATE => private_in_pkcs8(&der).map(Some),
        SEC1_PRIVATE => Ok(Some(PrivateDer::P256(der))),
        _ => Ok(None),
    }
}

pub(super) fn private_in_pkcs8(der: &[u8]) -> Result<PrivateDer, KeyError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Structure)?;
    Ok(match kind(&info.algorithm)? {
        Kind::Rsa => PrivateDer::Rsa(Zeroizing::new(info.private_key.as_bytes().to_vec())),
        Kind::P256 => PrivateDer::P256(Zeroizing::new(der.to_vec())),
        Kind::Ed25519 => PrivateDer::Ed25519(Zeroizing::new(der.to_vec())),
    })
}

pub(super) fn public_in_spki(der: &[u8]) -> Result<PublicDer, KeyError> {
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Structure)?;
    let key = info.subject_public_key.as_bytes().map(<[u8]>::to_vec).ok_or(KeyError::Structure)?;
    Ok(match kind(&info.algorithm)? {
        Kind::Rsa => PublicDer::Rsa(key),
        Kind::P256 => PublicDer::P256(key),
        Kind::Ed25519 => PublicDer::Ed25519(key),
    })
}

fn kind(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Kind, KeyError> {
    match algorithm.oid {
        RSA_ENCRYPTION => Ok(Kind::Rsa),
        EC_PUBLIC_KEY if algorithm.parameters_oid() == Ok(P256) => Ok(Kind::P256),
        EC_PUBLIC_KEY => Err(KeyError::Curve),
        ED25519 => Ok(Kind::Ed25519),
        other if OTHER_CURVES.contains(&other) => Err(KeyError::Curve),
        _ => Err(KeyError::Kind),
    }
}

/// PKCS#1.
pub(super) fn rsa_private_pem(rsa: &[u8]) -> Zeroizing<String> {
    secret_pem(PKCS1_PRIVATE, rsa)
}

/// PKCS#8.
pub(super) fn private_pem(pkcs8: &[u8]) -> Zeroizing<String> {
    secret_pem(PKCS8_PRIVATE, pkcs8)
}

fn secret_pem(label: &'static str, der: &[u8]) -> Zeroizing<String> {
    let document = SecretDocument::try_from(der).expect("a key that was parsed is DER");
    let pem = document.to_pem(label, LineEnding::LF).expect("the label is ASCII");
    Zeroizing::new(pem.to_string())
}

pub(super) fn public_pem(spki: &[u8]) -> String {
    let document = Document::try_from(spki).expect("a key that was parsed is DER");
    document.to_pem(SPKI_PUBLIC, LineEnding::LF).expect("the label is ASCII")
}

/// The label and the bytes of the one PEM block (RFC 7468) in `text`, which may be wrapped in base64.
fn read_pem(text: &str) -> Result<(&'static str, Zeroizing<Vec<u8>>), KeyError> {
    let unwrapped = unwrap_base64(text);
    let pem = unwrapped.as_deref().map_or(text, String::as_str).trim();
    if !pem.starts_with("-----BEGIN ") {
        return Err(KeyError::NotPem);
    }
    let (label, document) = SecretDocument::from_pem(pem).map_err(|_| KeyError::NotPem)?;
    let known = [PKCS1_PRIVATE, PKCS8_PRIVATE, SEC1_PRIVATE, PKCS1_PUBLIC, SPKI_PUBLIC];
    let others = ["CERTIFICATE", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"];
    // Only a label that we know is repeated to the sender; any other text could be anything.
    let label = known.into_iter().chain(others).find(|known| *known == label).unwrap_or("(unknown)");
    Ok((label, Zeroizing::new(document.as_bytes().to_vec())))
}

/// The text inside standard base64, padded, where `text` is that; the API wraps every key so.
pub(super) fn unwrap_base64(text: &str) -> Option<Zeroizing<String>> {
    let bytes = BASE64.decode(text.trim()).ok()?;
    String::from_utf8(bytes).ok().map(Zeroizing::new)
}

/// Standard base64, padded.
pub(super) fn wrap_base64(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(BASE64.encode(bytes))
}
