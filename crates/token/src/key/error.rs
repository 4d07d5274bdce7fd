//! What is wrong with a key.

/// Why something is not a key that we use. It never repeats any part of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A curve other than P-256 and Ed25519.
    #[error("the curve is neither P-256 nor Ed25519")]
    Curve,
    /// A public exponent other than 65537.
    #[error("the RSA public exponent is not 65537")]
    Exponent,
    /// The system has no randomness or memory to make a key with.
    #[error("a key could not be generated")]
    Generate,
    /// The key does not fit together: its parts contradict one another, or it is no point of its curve.
    #[error("the key is damaged: its parts do not fit together")]
    Inconsistent,
    /// The JWK is not as RFC 7517 says.
    #[error("not a key as a JWK: {0}")]
    Jwk(&'static str),
    /// The key's `kid` is needed and not there, or is not an id.
    #[error("the JWK has no `kid`, or one that is no id of letters, digits, `_` and `-`")]
    KeyId,
    /// A key of a kind that is not used here.
    #[error("neither an RSA key, nor one of P-256 or Ed25519")]
    Kind,
    /// The modulus is too small or too large.
    #[error("the RSA modulus has {bits} bits; 2048 to 8192 are accepted")]
    ModulusSize {
        /// Its size in bits.
        bits: usize,
    },
    /// Not PEM, and not base64 of PEM.
    #[error("not a PEM text, nor one in base64")]
    NotPem,
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
