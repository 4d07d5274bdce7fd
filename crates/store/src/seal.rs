//! Sealing of secrets that must be read again: AES-256-GCM under the master key.
//!
//! A sealed value is bound to the place where it lies, so that it cannot be moved to another row or column. It says
//! which key sealed it, so that a master key can be replaced while both are at hand.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::random;

/// The form that is written: one byte of version, the key's fingerprint, the nonce, the ciphertext with its tag.
const VERSION: u8 = 1;
const FINGERPRINT_LEN: usize = 4;
const HEADER_LEN: usize = 1 + FINGERPRINT_LEN + NONCE_LEN;
const KEY_LEN: usize = 32;

/// The key that seals private keys: 32 random bytes. It is never in the database.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; KEY_LEN]>);

/// Why a text is not a master key. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a master key is base64 of exactly 32 bytes")]
pub struct MasterKeyError;

/// Why a sealed value cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It was altered, or it was moved here from another place.
    #[error("it was altered, or moved here from another row")]
    Altered,
    /// It is too short, or of a form that this program does not know.
    #[error("it is not a sealed value that this program knows")]
    Format,
    /// It was sealed with another master key.
    #[error("it was sealed with another master key")]
    OtherKey,
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
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// Where a sealed value lies.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    /// The primary key, and whatever else of the row must not be exchanged under the value.
    pub(crate) row: &'a [&'a str],
    pub(crate) column: &'static str,
}

/// Seals and opens values with one master key.
pub(crate) struct Sealer {
    key: LessSafeKey,
    fingerprint: [u8; FINGERPRINT_LEN],
}

impl Sealer {
    pub(crate) fn new(master: &MasterKey) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &*master.0).expect("32 bytes are a key of AES-256");
        Self { key: LessSafeKey::new(key), fingerprint: fingerprint(master) }
    }

    pub(crate) fn seal(&self, place: Place<'_>, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce = random::bytes::<NONCE_LEN>()?;
        let mut header = self.header();
        header.extend(nonce);
        let mut body = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
        body.extend_from_slice(secret);
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), self.bound_to(place), &mut *body)
            .expect("a value far below 64 GiB can be sealed");
        Ok([header, body.to_vec()].concat())
    }

    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (header, body) = sealed.split_at_checked(HEADER_LEN).ok_or(SealError::Format)?;
        let (prefix, nonce) = header.split_at(1 + FINGERPRINT_LEN);
        if prefix[0] != VERSION {
            return Err(SealError::Format);
        }
        if prefix[1..] != self.fingerprint {
            return Err(SealError::OtherKey);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Format)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length =
            self.key.open_in_place(nonce, self.bound_to(place), &mut body).map_err(|_| SealError::Altered)?.len();
        body.truncate(length);
        Ok(body)
    }

    fn header(&self) -> Vec<u8> {
        [&[VERSION], self.fingerprint.as_slice()].concat()
    }

    /// The associated data: version, key and place. Each part has its length before it, so that no two places give
    /// the same bytes.
    fn bound_to(&self, place: Place<'_>) -> Aad<Vec<u8>> {
        let mut data = self.header();
        for part in [place.table, place.column].iter().chain(place.row) {
            data.extend((part.len() as u64).to_be_bytes());
            data.extend(part.as_bytes());
        }
        Aad::from(data)
    }
}

/// Tells master keys apart. Four bytes of a hash of 32 random bytes give nothing of the key away.
fn fingerprint(master: &MasterKey) -> [u8; FINGERPRINT_LEN] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"vidpass master key fingerprint\0");
    context.update(&*master.0);
    let mut fingerprint = [0; FINGERPRINT_LEN];
    fingerprint.copy_from_slice(&context.finish().as_ref()[..FINGERPRINT_LEN]);
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'static> = Place { table: "signing_key", row: &["key-1", "account-1"], column: "private" };

    #[test]
    fn a_value_opens_where_it_was_sealed_and_nowhere_else() {
        let sealer = Sealer::new(&MasterKey::generate().unwrap());
        let sealed = sealer.seal(HERE, b"secret").unwrap();
        assert_eq!(sealer.open(HERE, &sealed).unwrap().as_slice(), b"secret");
        for place in [
            Place { table: "signing_kez", ..HERE },
            Place { column: "privat", ..HERE },
            Place { row: &["key-2", "account-1"], ..HERE },
            Place { row: &["key-1", "account-2"], ..HERE },
            Place { row: &["key-1account-1"], ..HERE },
            Place { row: &["key-1"], ..HERE },
        ] {
            assert_eq!(sealer.open(place, &sealed).unwrap_err(), SealError::Altered);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let sealer = Sealer::new(&MasterKey::generate().unwrap());
        let sealed = sealer.seal(HERE, b"secret").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer.open(HERE, &altered).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(sealer.open(HERE, &sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn another_key_is_told_from_damage() {
        let sealed = Sealer::new(&MasterKey::generate().unwrap()).seal(HERE, b"secret").unwrap();
        let other = Sealer::new(&MasterKey::generate().unwrap());
        assert_eq!(other.open(HERE, &sealed).unwrap_err(), SealError::OtherKey);
    }

    #[test]
    fn two_seals_of_one_value_differ() {
        let sealer = Sealer::new(&MasterKey::generate().unwrap());
        assert_ne!(sealer.seal(HERE, b"secret").unwrap(), sealer.seal(HERE, b"secret").unwrap());
    }

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
}
