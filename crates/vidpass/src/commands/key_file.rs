//! A key in a file: PEM or JWK, as it is or in base64.

use std::path::Path;

use anyhow::Context as _;
use vidpass_token::{KeyError, KeyId, PublicKey, SigningKey};
use zeroize::Zeroizing;

/// Reads a private key. A JWK brings its own id; a PEM needs `kid`.
pub(super) fn signing_key(file: &Path, kid: Option<KeyId>) -> anyhow::Result<SigningKey> {
    let text = read(file)?;
    let key = match (SigningKey::from_jwk(kid.clone(), &text), kid) {
        (Ok(key), _) => Ok(key),
        (Err(KeyError::Jwk(_)), Some(kid)) => SigningKey::from_pem(kid, &text),
        (Err(KeyError::Jwk(_)), None) if SigningKey::from_pem(KeyId::random(), &text).is_ok() => {
            anyhow::bail!("a PEM file does not say which key it is; give its id with --kid")
        }
        (Err(error), _) => Err(error),
    };
    key.with_context(|| format!("{} is not a key that can sign", file.display()))
}

/// Reads a public key, or the public half of a private one.
pub(super) fn public_key(file: &Path) -> anyhow::Result<PublicKey> {
    named_public_key(file).map(|(_, key)| key)
}

/// The same, with the `kid` of a JWK.
pub(super) fn named_public_key(file: &Path) -> anyhow::Result<(Option<KeyId>, PublicKey)> {
    let text = read(file)?;
    let key = match PublicKey::named_by_jwk(&text) {
        Err(KeyError::Jwk(_)) => PublicKey::from_pem(&text).map(|key| (None, key)),
        read => read,
    };
    key.with_context(|| format!("{} is not a key", file.display()))
}

fn read(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    std::fs::read_to_string(file).map(Zeroizing::new).with_context(|| format!("{} cannot be read", file.display()))
}
