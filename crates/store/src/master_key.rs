//! The master key, under which private keys are sealed, and the several of them that there are while it is replaced.

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::random;

const KEY_LEN: usize = 32;
pub(crate) const FINGERPRINT_LEN: usize = 4;

/// What stands before the key that is to be the first after the next rotation.
const NEXT: &str = "next:";

/// The key that seals private keys: 32 random bytes. It is never in the database.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; KEY_LEN]>);

/// Why a text is not a master key. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a master key is base64 of exactly 32 bytes")]
pub struct MasterKeyError;

/// Tells master keys apart. It gives nothing of the key away: four bytes of a hash of 32 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint([u8; FINGERPRINT_LEN]);

impl Fingerprint {
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&random::hex(&self.0))
    }
}

/// The master keys at hand. All of them open what they sealed.
#[derive(Clone, Debug)]
pub struct MasterKeys {
    /// The one under which a new store begins, and under which a rotation brings everything.
    first: MasterKey,
    /// The one that will be the first, once every server has it.
    next: Option<MasterKey>,
    /// Those that were the first.
    former: Vec<MasterKey>,
}

/// Why a text holds no master keys. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeysError {
    /// There is none.
    #[error("there is no master key")]
    Empty,
    /// One of them is none.
    #[error("master key {number}: {source}")]
    Key {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        source: MasterKeyError,
    },
    /// The first one, or more than one, is marked as the next.
    #[error("master key {number} cannot be the next one: it is the first, or there is a next one already")]
    Next {
        /// Which one, from 1.
        number: usize,
    },
    /// One is there twice, or two cannot be told apart.
    #[error("two of the master keys have the fingerprint `{fingerprint}`")]
    Twice {
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
}

impl MasterKeys {
    /// Reads keys in base64, with white space between them: the first, then those that were it. Of the others one may have
    /// `next:` before it.
    ///
    /// # Errors
    /// [`MasterKeysError`]
    pub fn parse(text: &str) -> Result<Self, MasterKeysError> {
        let mut keys: Option<Self> = None;
        for (number, word) in (1..).zip(text.split_ascii_whitespace()) {
            let (is_next, word) = word.strip_prefix(NEXT).map_or((false, word), |word| (true, word));
            let key = MasterKey::from_base64(word).map_err(|source| MasterKeysError::Key { number, source })?;
            let fingerprint = key.fingerprint();
            if keys.as_ref().is_some_and(|keys| keys.has(fingerprint)) {
                return Err(MasterKeysError::Twice { fingerprint });
            }
            match (&mut keys, is_next) {
                (None, false) => keys = Some(Self::from(&key)),
                (Some(keys), true) if keys.next.is_none() => keys.next = Some(key),
                (Some(keys), false) => keys.former.push(key),
                (None, true) | (Some(_), true) => return Err(MasterKeysError::Next { number }),
            }
        }
        keys.ok_or(MasterKeysError::Empty)
    }

    /// The keys as [`Self::parse`] reads them, one a line.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        // Long enough from the start: a text that grows leaves copies of the keys behind.
        let mut text = Zeroizing::new(String::with_capacity((self.former.len() + 2) * 64));
        for key in self.all() {
            if self.next.as_ref().is_some_and(|next| next.fingerprint() == key.fingerprint()) {
                text.push_str(NEXT);
            }
            text.push_str(&key.to_base64());
            text.push('\n');
        }
        text
    }

    /// The one under which a rotation brings everything.
    #[must_use]
    pub fn first(&self) -> &MasterKey {
        &self.first
    }

    /// The one that will be the first.
    #[must_use]
    pub fn next(&self) -> Option<&MasterKey> {
        self.next.as_ref()
    }

    /// Those that were the first.
    #[must_use]
    pub fn former(&self) -> &[MasterKey] {
        &self.former
    }

    /// All of them, the first one first and the next one second.
    pub fn all(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.first).chain(&self.next).chain(&self.former)
    }

    /// Whether one has this fingerprint.
    #[must_use]
    pub fn has(&self, fingerprint: Fingerprint) -> bool {
        self.all().any(|key| key.fingerprint() == fingerprint)
    }

    /// The keys, with another one to be the first after the next rotation.
    #[must_use]
    pub fn with_next(self, next: MasterKey) -> Self {
        Self { next: Some(next), ..self }
    }

    /// The keys, with another one as the first.
    #[must_use]
    pub fn replaced_by(mut self, first: MasterKey) -> Self {
        self.former.insert(0, std::mem::replace(&mut self.first, first));
        self
    }

    /// The keys, with the next one as the first, where there is a next one.
    #[must_use]
    pub fn promoted(mut self) -> Self {
        match self.next.take() {
            Some(next) => self.replaced_by(next),
            None => self,
        }
    }

    /// The keys without those that were the first.
    #[must_use]
    pub fn without_former(self) -> Self {
        Self { former: Vec::new(), ..self }
    }
}

impl From<&MasterKey> for MasterKeys {
    fn from(key: &MasterKey) -> Self {
        Self { first: key.clone(), next: None, former: Vec::new() }
    }
}

impl From<&MasterKeys> for MasterKeys {
    fn from(keys: &MasterKeys) -> Self {
        keys.clone()
    }
}

impl MasterKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`StoreError::NoRandomness`]
    pub fn generate() -> Result<Self, StoreError> {
        Ok(Self(Zeroizing::new(random::bytes()?)))
    }

    /// Reads a key in base64 (RFC 4648, section 4); the padding and white space around it may be there or not.
    ///
    /// # Errors
    /// [`MasterKeyError`]
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        const LENIENT: GeneralPurpose = GeneralPurpose::new(
            &base64::alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let bytes = Zeroizing::new(LENIENT.decode(text.trim()).map_err(|_| MasterKeyError)?);
        let key = bytes.as_slice().try_into().map_err(|_| MasterKeyError)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// The key in base64, as [`Self::from_base64`] reads it.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(*self.0))
    }

    /// What tells it from others.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"vidpass master key fingerprint\0");
        context.update(&*self.0);
        let hash = context.finish();
        Fingerprint::of_bytes(&hash.as_ref()[..FINGERPRINT_LEN]).expect("a hash has more bytes")
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &*self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_32_bytes_in_base64() {
        let key = MasterKey::generate().unwrap();
        let text = key.to_base64();
        assert_eq!(MasterKey::from_base64(&format!(" {}\n", text.trim_end_matches('='))).unwrap().0, key.0);
        assert_eq!(format!("{key:?}"), "MasterKey(redacted)");
        for text in ["", "AAAA", "not base64!", &STANDARD.encode([0; 31]), &STANDARD.encode([0; 33])] {
            assert_eq!(MasterKey::from_base64(text).unwrap_err(), MasterKeyError);
        }
    }

    #[test]
    fn several_keys_are_read_and_written_in_their_order() {
        let [a, b, c] = [(); 3].map(|()| MasterKey::generate().unwrap());
        let [ta, tb, tc] = [&a, &b, &c].map(|key| key.to_base64().to_string());
        check(&ta, &format!("{ta}\n"));
        check(&format!("{ta} {tb}\t{tc}"), &format!("{ta}\n{tb}\n{tc}\n"));
        check(&format!("\n {ta}\r\n{tb}\nnext:{tc}\n\n"), &format!("{ta}\nnext:{tc}\n{tb}\n"));
        let keys = MasterKeys::from(&a).with_next(b);
        assert_eq!(*keys.to_text(), format!("{ta}\nnext:{tb}\n"));
        assert_eq!(*keys.clone().promoted().to_text(), format!("{tb}\n{ta}\n"));
        assert_eq!(*keys.promoted().replaced_by(c).to_text(), format!("{tc}\n{tb}\n{ta}\n"));
    }

    #[test]
    fn what_holds_no_keys_is_refused_without_repeating_it() {
        let key = MasterKey::generate().unwrap();
        let text = key.to_base64().to_string();
        let twice = MasterKeysError::Twice { fingerprint: key.fingerprint() };
        for (text, expected) in [
            (String::new(), MasterKeysError::Empty),
            (" \n".to_owned(), MasterKeysError::Empty),
            (format!("{text} c2VjcmV0"), MasterKeysError::Key { number: 2, source: MasterKeyError }),
            (format!("{text} {text}"), twice),
            (format!("next:{text}"), MasterKeysError::Next { number: 1 }),
        ] {
            let error = MasterKeys::parse(&text).unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("c2VjcmV0"));
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(*MasterKeys::parse(text).unwrap().to_text(), expected);
    }
}
