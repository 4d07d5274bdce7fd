//! The numbers of an RSA private key, for whoever computes with them apart from the library that holds the key.

use pkcs1::RsaPrivateKeyRef;
use pkcs1::der::Decode as _;
use zeroize::Zeroizing;

/// The numbers of an RSA private key (RFC 8017, section 3.2) whose two primes are of half its length each.
///
/// Each is in words of 64 bits, the lowest first: the modulus in as many as it takes, the others in half as many. They are
/// overwritten when the key goes.
pub struct RsaParts {
    bits: usize,
    modulus: Words,
    primes: [Words; 2],
    exponents: [Words; 2],
    coefficient: Words,
}

type Words = Zeroizing<Vec<u64>>;

impl RsaParts {
    /// Reads an `RSAPrivateKey` (appendix A.1.2). `None` where its primes are of other lengths, as only odd tools make them.
    pub(super) fn of(pkcs1: &[u8]) -> Option<Self> {
        let key = RsaPrivateKeyRef::from_der(pkcs1).ok()?;
        let bits = length(key.modulus.as_bytes());
        let half = bits / 2;
        let prime = |bytes: &[u8]| (half.is_multiple_of(64) && length(bytes) == half).then(|| words(bytes, half));
        let modest = |bytes: &[u8]| (length(bytes) <= half).then(|| words(bytes, half)).flatten();
        Some(Self {
            bits,
            modulus: words(key.modulus.as_bytes(), half * 2)?,
            primes: [prime(key.prime1.as_bytes())??, prime(key.prime2.as_bytes())??],
            exponents: [modest(key.exponent1.as_bytes())?, modest(key.exponent2.as_bytes())?],
            coefficient: modest(key.coefficient.as_bytes())?,
        })
    }

    /// The length of the modulus.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// n
    #[must_use]
    pub fn modulus(&self) -> &[u64] {
        &self.modulus
    }

    /// p and q
    #[must_use]
    pub fn primes(&self) -> [&[u64]; 2] {
        self.primes.each_ref().map(|words| words.as_slice())
    }

    /// dP and dQ: the private exponent modulo p - 1 and q - 1.
    #[must_use]
    pub fn exponents(&self) -> [&[u64]; 2] {
        self.exponents.each_ref().map(|words| words.as_slice())
    }

    /// qInv: the inverse of q modulo p.
    #[must_use]
    pub fn coefficient(&self) -> &[u64] {
        &self.coefficient
    }
}

/// How many bits a big-endian number has.
fn length(bytes: &[u8]) -> usize {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = &bytes[zeros..];
    digits.len() * 8 - digits.first().map_or(0, |byte| byte.leading_zeros() as usize)
}

/// A big-endian number in words for so many bits; `None` where it does not fit.
fn words(bytes: &[u8], bits: usize) -> Option<Words> {
    let mut words = Zeroizing::new(vec![0; bits.div_ceil(64)]);
    for (place, byte) in bytes.iter().rev().enumerate().filter(|(_, byte)| **byte != 0) {
        *words.get_mut(place / 8)? |= u64::from(*byte) << (place % 8 * 8);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;
    use crate::{Algorithm, KeyId, SigningKey};

    #[test]
    fn the_numbers_are_those_of_the_key() {
        let key = SigningKey::generate(Algorithm::Rs256, KeyId::random()).unwrap();
        let parts = key.rsa_parts().unwrap();
        let number = |words: &[u64]| {
            BigUint::from_bytes_le(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
        };
        let (n, [p, q]) = (number(parts.modulus()), parts.primes().map(number));
        let [d_p, d_q] = parts.exponents().map(number);
        let one = BigUint::from(1_u8);
        assert_eq!((parts.bits(), parts.modulus().len(), parts.coefficient().len()), (2048, 32, 16));
        assert_eq!(&p * &q, n);
        assert_eq!(d_p * 65_537_u32 % (&p - &one), one);
        assert_eq!(d_q * 65_537_u32 % (&q - &one), one);
        assert_eq!(number(parts.coefficient()) * q % p, one);
    }

    #[test]
    fn other_keys_have_none() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            assert!(SigningKey::generate(algorithm, KeyId::random()).unwrap().rsa_parts().is_none());
        }
    }

    #[test]
    fn words_are_the_lowest_first() {
        check(&[1], 64, Some(&[1]));
        check(&[0, 0, 1, 2], 64, Some(&[0x102]));
        check(&[1, 0, 0, 0, 0, 0, 0, 0, 2], 128, Some(&[2, 1]));
        check(&[3], 128, Some(&[3, 0]));
        check(&[1, 0, 0, 0, 0, 0, 0, 0, 2], 64, None);
        assert_eq!((length(&[]), length(&[0, 1]), length(&[0x80, 0])), (0, 1, 16));

        #[track_caller]
        fn check(bytes: &[u8], bits: usize, expected: Option<&[u64]>) {
            assert_eq!(words(bytes, bits).as_deref().map(Vec::as_slice), expected);
        }
    }
}
