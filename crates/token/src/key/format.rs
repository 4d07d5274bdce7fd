//! PEM and DER, in and out. What comes out of here is always PKCS#1 (RFC 8017, appendix A.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pkcs1::RsaPrivateKeyRef;
use pkcs1::der::{Decode as _, Encode as _};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{Document, LineEnding, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use super::KeyError;

/// `rsaEncryption` (RFC 8017, appendix C).
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

const PKCS1_PRIVATE: &str = "RSA PRIVATE KEY";
const PKCS8_PRIVATE: &str = "PRIVATE KEY";
const PKCS1_PUBLIC: &str = "RSA PUBLIC KEY";
const SPKI_PUBLIC: &str = "PUBLIC KEY";

/// The `RSAPrivateKey` in a PEM text.
pub(super) fn private_from_pem(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let expected = "give an RSA private key, PKCS#1 or PKCS#8, without a passphrase";
    match read_pem(text)? {
        (PKCS1_PRIVATE, der) => Ok(der),
        (PKCS8_PRIVATE, der) => rsa_in_pkcs8(&der),
        (label, _) => Err(KeyError::UnexpectedPem { label, expected }),
    }
}

/// The `RSAPublicKey` in a PEM text, be it of a public or of a private key.
pub(super) fn public_from_pem(text: &str) -> Result<Vec<u8>, KeyError> {
    match read_pem(text)? {
        (PKCS1_PUBLIC, der) => Ok(der.to_vec()),
        (SPKI_PUBLIC, der) => rsa_in_spki(&der),
        (PKCS1_PRIVATE, der) => public_half(&der),
        (PKCS8_PRIVATE, der) => public_half(&rsa_in_pkcs8(&der)?),
        (label, _) => Err(KeyError::UnexpectedPem { label, expected: "give an RSA public or private key" }),
    }
}

fn public_half(private: &[u8]) -> Result<Vec<u8>, KeyError> {
    let rsa = RsaPrivateKeyRef::from_der(private).map_err(|_| KeyError::Structure)?;
    rsa.public_key().to_der().map_err(|_| KeyError::Structure)
}

pub(super) fn rsa_in_pkcs8(der: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Structure)?;
    if info.algorithm.oid != RSA_ENCRYPTION {
        return Err(KeyError::NotRsa);
    }
    Ok(Zeroizing::new(info.private_key.as_bytes().to_vec()))
}

pub(super) fn rsa_in_spki(der: &[u8]) -> Result<Vec<u8>, KeyError> {
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Structure)?;
    if info.algorithm.oid != RSA_ENCRYPTION {
        return Err(KeyError::NotRsa);
    }
    info.subject_public_key.as_bytes().map(<[u8]>::to_vec).ok_or(KeyError::Structure)
}

/// Wraps an `RSAPublicKey` into a `SubjectPublicKeyInfo`.
pub(super) fn spki_of(rsa: &[u8]) -> Result<Vec<u8>, KeyError> {
    let wrap = || {
        let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(pkcs8::der::asn1::Null.into()) };
        let subject_public_key = pkcs8::der::asn1::BitStringRef::from_bytes(rsa)?;
        SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der()
    };
    wrap().map_err(|_| KeyError::Structure)
}

pub(super) fn private_pem(rsa: &[u8]) -> Zeroizing<String> {
    let document = SecretDocument::try_from(rsa).expect("a key that was parsed is DER");
    let pem = document.to_pem(PKCS1_PRIVATE, LineEnding::LF).expect("the label is ASCII");
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
    let known = [PKCS1_PRIVATE, PKCS8_PRIVATE, PKCS1_PUBLIC, SPKI_PUBLIC];
    let others = ["CERTIFICATE", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"];
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
