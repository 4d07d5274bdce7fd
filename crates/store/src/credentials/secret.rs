//! The secret of a credential: how it is written, made and hashed.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::CredentialId;
use crate::error::StoreError;
use crate::random;

/// What every API token begins with, so that scanners for leaked secrets find it.
const TOKEN_PREFIX: &str = "vpt_";

/// The whole text that a holder of an API token or an API key presents. `Debug` does not show it.
///
/// An API token reads `vpt_<id>_<43 characters of base64url>`; an API key is 40 hexadecimal digits.
#[derive(Clone)]
pub struct ApiSecret(Zeroizing<String>);

/// Why a text cannot be the secret of an API key. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an API key has 32 to 128 printable ASCII characters and no space")]
pub struct ApiSecretError;

impl ApiSecret {
    /// The secret itself, to hand it to its holder.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn generate_token(id: &CredentialId) -> Result<Self, StoreError> {
        Self::generate(TOKEN_PREFIX, id)
    }

    /// A new secret that names its credential: `<prefix><id>_<43 characters of base64url>`.
    pub(crate) fn generate(prefix: &str, id: &CredentialId) -> Result<Self, StoreError> {
        let bytes = Zeroizing::new(random::bytes::<32>()?);
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
        Ok(Self(Zeroizing::new(format!("{prefix}{id}_{}", *secret))))
    }

    /// The id within such a text; a text that is none has an id that no credential has.
    pub(crate) fn id_in<'t>(prefix: &str, text: &'t str) -> &'t str {
        let id = text.strip_prefix(prefix).and_then(|rest| rest.split_once('_')).map(|(id, _)| id);
        id.filter(|id| id.parse::<CredentialId>().is_ok()).unwrap_or_default()
    }

    pub(super) fn generate_key() -> Result<Self, StoreError> {
        let bytes = Zeroizing::new(random::bytes::<20>()?);
        Ok(Self(Zeroizing::new(random::hex(&*bytes))))
    }
}

impl FromStr for ApiSecret {
    type Err = ApiSecretError;

    /// Takes over an API key that its holder has already.
    fn from_str(text: &str) -> Result<Self, ApiSecretError> {
        // Only a hash without salt is kept, which is safe for secrets that nobody can guess.
        if (32..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(ApiSecretError)
        }
    }
}

impl fmt::Debug for ApiSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiSecret(redacted)")
    }
}

/// The id within the text of an API token; a text that is none has an id that no token has.
pub(super) fn token_id(text: &str) -> &str {
    ApiSecret::id_in(TOKEN_PREFIX, text)
}

/// What is kept of a secret: its SHA-256.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_credential() {
        let id: CredentialId = "0123456789abcdef".parse().unwrap();
        let secret = ApiSecret::generate_token(&id).unwrap();
        assert_eq!(secret.expose().len(), 64);
        assert_eq!(token_id(secret.expose()), id.as_str());
        assert_eq!(format!("{secret:?}"), "ApiSecret(redacted)");
        for text in ["", "vpt_", "vpt_0123456789abcdef", "vpt_0123456789ABCDEF_x", "0123456789abcdef_x", "vpt_é_x"] {
            assert_eq!(token_id(text), "", "{text}");
        }
    }

    #[test]
    fn a_given_key_is_long_enough_not_to_be_guessed() {
        let key = ApiSecret::generate_key().unwrap();
        assert_eq!(key.expose().len(), 40);
        for (text, accepted) in
            [("a".repeat(31), false), ("a".repeat(32), true), ("a".repeat(129), false), (" ".repeat(40), false)]
        {
            assert_eq!(text.parse::<ApiSecret>().is_ok(), accepted, "{text:?}");
        }
    }
}
