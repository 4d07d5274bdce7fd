//! Sealing of secrets that must be read again: AES-256-GCM under the master key.
//!
//! A sealed value is bound to the place where it lies, so that it cannot be moved to another row or column. It says
//! which key sealed it, so that a master key can be replaced while both are at hand.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::master_key::{FINGERPRINT_LEN, Fingerprint, MasterKeys};
use crate::random;

/// The form that is written: one byte of version, the key's fingerprint, the nonce, the ciphertext with its tag.
const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + FINGERPRINT_LEN + NONCE_LEN;

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

/// Where a sealed value lies.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    /// The primary key, and whatever else of the row must not be exchanged under the value.
    pub(crate) row: &'a [&'a str],
    pub(crate) column: &'static str,
}

impl Place<'_> {
    /// That the value there cannot be opened.
    pub(crate) fn sealed_error(self, source: SealError) -> StoreError {
        let row = self.row.first().copied().unwrap_or_default().to_owned();
        StoreError::Sealed { table: self.table, row, column: self.column, source }
    }
}

/// Seals and opens values with the master keys that are at hand.
pub(crate) struct Sealer(Vec<(Fingerprint, LessSafeKey)>);

impl Sealer {
    pub(crate) fn new(keys: &MasterKeys) -> Self {
        let read = |key: &crate::MasterKey| {
            let parsed = UnboundKey::new(&AES_256_GCM, key.bytes()).expect("32 bytes are a key of AES-256");
            (key.fingerprint(), LessSafeKey::new(parsed))
        };
        Self(keys.all().map(read).collect())
    }

    /// Whether the key is at hand.
    pub(crate) fn has(&self, key: Fingerprint) -> bool {
        self.key(key).is_some()
    }

    pub(crate) fn seal(&self, key: Fingerprint, place: Place<'_>, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        let used = self.key(key).ok_or(StoreError::MasterKeyMissing { fingerprint: key })?;
        let nonce = random::bytes::<NONCE_LEN>()?;
        let mut header = header(key);
        header.extend(nonce);
        let mut body = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
        body.extend_from_slice(secret);
        used.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound_to(key, place), &mut *body)
            .expect("a value far below 64 GiB can be sealed");
        Ok([header, body.to_vec()].concat())
    }

    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let fingerprint = sealed_with(sealed)?;
        let key = self.key(fingerprint).ok_or(SealError::OtherKey)?;
        let (nonce, body) = sealed[HEADER_LEN - NONCE_LEN..].split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Format)?;
        let mut body = Zeroizing::new(body.to_vec());
        let opened = key.open_in_place(nonce, bound_to(fingerprint, place), &mut body);
        let length = opened.map_err(|_| SealError::Altered)?.len();
        body.truncate(length);
        Ok(body)
    }

    fn key(&self, wanted: Fingerprint) -> Option<&LessSafeKey> {
        self.0.iter().find(|(fingerprint, _)| *fingerprint == wanted).map(|(_, key)| key)
    }
}

/// Which key sealed the value, as it says itself.
pub(crate) fn sealed_with(sealed: &[u8]) -> Result<Fingerprint, SealError> {
    let (header, _) = sealed.split_at_checked(HEADER_LEN).ok_or(SealError::Format)?;
    let (version, rest) = (header[0], &header[1..]);
    if version != VERSION {
        return Err(SealError::Format);
    }
    Fingerprint::of_bytes(&rest[..FINGERPRINT_LEN]).ok_or(SealError::Format)
}

fn header(key: Fingerprint) -> Vec<u8> {
    [&[VERSION], key.as_bytes()].concat()
}

/// The associated data: version, key and place. Each part has its length before it, so that no two places give the same
/// bytes.
fn bound_to(key: Fingerprint, place: Place<'_>) -> Aad<Vec<u8>> {
    let mut data = header(key);
    for part in [place.table, place.column].iter().chain(place.row) {
        data.extend((part.len() as u64).to_be_bytes());
        data.extend(part.as_bytes());
    }
    Aad::from(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master_key::MasterKey;

    const HERE: Place<'static> = Place { table: "signing_key", row: &["key-1", "account-1"], column: "private" };

    #[test]
    fn a_value_opens_where_it_was_sealed_and_nowhere_else() {
        let (key, sealer) = sealer();
        let sealed = sealer.seal(key, HERE, b"secret").unwrap();
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
        let (key, sealer) = sealer();
        let sealed = sealer.seal(key, HERE, b"secret").unwrap();
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
        let (key, sealer) = sealer();
        let sealed = sealer.seal(key, HERE, b"secret").unwrap();
        let (_, other) = self::sealer();
        assert_eq!(other.open(HERE, &sealed).unwrap_err(), SealError::OtherKey);
        let refused = other.seal(key, HERE, b"secret").unwrap_err();
        assert!(matches!(refused, StoreError::MasterKeyMissing { fingerprint } if fingerprint == key));
        // The value says which key to take, and the key is bound to what it says.
        let (mut moved, other_key) = (sealed, self::sealer().0);
        moved[1..=FINGERPRINT_LEN].copy_from_slice(other_key.as_bytes());
        assert_eq!(sealer.open(HERE, &moved).unwrap_err(), SealError::OtherKey);
    }

    #[test]
    fn each_key_at_hand_opens_what_it_sealed() {
        let old = MasterKeys::from(&MasterKey::generate().unwrap());
        let both = old.clone().replaced_by(MasterKey::generate().unwrap());
        let (before, after) = (Sealer::new(&old), Sealer::new(&both));
        let [old, new] = [&old, &both].map(|keys| keys.first().fingerprint());
        let sealed = before.seal(old, HERE, b"secret").unwrap();
        assert_eq!(after.open(HERE, &sealed).unwrap().as_slice(), b"secret");
        let again = after.seal(new, HERE, b"secret").unwrap();
        assert_eq!(after.open(HERE, &again).unwrap().as_slice(), b"secret");
        assert_eq!(sealed_with(&again), Ok(new));
        assert_eq!(before.open(HERE, &again).unwrap_err(), SealError::OtherKey);
    }

    #[test]
    fn two_seals_of_one_value_differ() {
        let (key, sealer) = sealer();
        assert_ne!(sealer.seal(key, HERE, b"secret").unwrap(), sealer.seal(key, HERE, b"secret").unwrap());
    }

    fn sealer() -> (Fingerprint, Sealer) {
        let key = MasterKey::generate().unwrap();
        (key.fingerprint(), Sealer::new(&MasterKeys::from(&key)))
    }
}
