//! What an RS256 signature is the private power of: EMSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 9.2).

use aws_lc_rs::digest::{SHA256, digest};

/// The DER of a `DigestInfo` of SHA-256, up to the hash (section 9.2, note 1).
const DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

const HASH: usize = 32;

/// Encodes a message for a modulus of so many bytes: `00 01 FF … FF 00`, the `DigestInfo` and the hash.
///
/// # Panics
/// Where the modulus has less than 62 bytes: none of the sizes that are signed with here does.
pub(crate) fn encode(message: &[u8], length: usize) -> Vec<u8> {
    let mut encoded = vec![0xff; length];
    encoded[..2].copy_from_slice(&[0, 1]);
    let (padding, info) = encoded.split_at_mut(length - HASH - DIGEST_INFO.len());
    *padding.last_mut().expect("the modulus is longer than the hash") = 0;
    info[..DIGEST_INFO.len()].copy_from_slice(&DIGEST_INFO);
    info[DIGEST_INFO.len()..].copy_from_slice(digest(&SHA256, message).as_ref());
    encoded
}
