//! RSA keys (RFC 8017), as far as they are more than bytes.

use pkcs1::der::{Decode as _, Encode as _};
use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};

use super::KeyError;

/// The smallest and the largest modulus that is accepted, in bits.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// 65537, the public exponent of practically every RSA key, as big-endian bytes.
const PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];

/// Checks size and exponent of an `RSAPublicKey` (appendix A.1.1), which the library's own refusal would not tell apart.
pub(super) fn check(der: &[u8]) -> Result<(), KeyError> {
    let rsa = RsaPublicKeyRef::from_der(der).map_err(|_| KeyError::Structure)?;
    let modulus = rsa.modulus.as_bytes();
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !MODULUS_BITS.contains(&bits) {
        return Err(KeyError::ModulusSize { bits });
    }
    if rsa.public_exponent.as_bytes() != PUBLIC_EXPONENT {
        return Err(KeyError::Exponent);
    }
    Ok(())
}

/// The `RSAPublicKey` in an `RSAPrivateKey` (appendix A.1.2).
pub(super) fn public_half(private: &[u8]) -> Result<Vec<u8>, KeyError> {
    let rsa = RsaPrivateKeyRef::from_der(private).map_err(|_| KeyError::Structure)?;
    rsa.public_key().to_der().map_err(|_| KeyError::Structure)
}
