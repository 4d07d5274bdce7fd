//! Short names of bytes.

use std::fmt::Write as _;

use aws_lc_rs::digest;

/// The first `N` bytes of the SHA-256 of `content`, in hexadecimal digits.
pub(crate) fn hex<const N: usize>(content: &[u8]) -> String {
    const { assert!(N <= digest::SHA256_OUTPUT_LEN) };
    let hash = digest::digest(&digest::SHA256, content);
    hash.as_ref().iter().take(N).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes whatever is written to it");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_of_a_known_hash() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(hex::<4>(b"abc"), "ba7816bf");
        assert_eq!(hex::<32>(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
