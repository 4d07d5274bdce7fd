//! Keys whose private half others can find.

use aws_lc_rs::digest;
use num_bigint::BigUint;
use pkcs1::RsaPublicKeyRef;
use pkcs1::der::Decode as _;

use super::format::{self, PublicDer};

/// Why others can find a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Weakness {
    /// Its prime factors are so near to each other that Fermat's method finds them.
    #[error("its prime factors lie too near to each other")]
    NearPrimes,
    /// It stands in a document or a repository that everybody can read.
    #[error("it was published")]
    Published,
    /// Chips with a flawed generator made it (CVE-2017-15361, ROCA).
    #[error("a flawed generator made it (ROCA, CVE-2017-15361)")]
    Roca,
    /// The modulus has a small prime factor.
    #[error("the modulus has a factor below {SMALL}")]
    SmallFactor,
    /// A point of Ed25519 for which anybody can sign (RFC 8032, section 5.1.7).
    #[error("it is a point of small order, for which anybody can sign")]
    SmallOrder,
}

/// The smallest factor that a modulus may have.
const SMALL: u32 = 10_000;

/// How often Fermat's method tries. Primes that are drawn at random are never found by it.
const FERMAT_ROUNDS: u32 = 100;

/// The primes by which moduli of ROCA are known: all are powers of 65537 modulo each (Nemec and others, "The Return of
/// Coppersmith's Attack", 2017).
const ROCA_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// The y coordinates of the points of small order, and their other spellings, without the sign bit.
const SMALL_ORDER: [[u8; 32]; 7] = [
    y(0x00, 0x00, 0x00),
    y(0x01, 0x00, 0x00),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    y(0xec, 0xff, 0x7f),
    y(0xed, 0xff, 0x7f),
    y(0xee, 0xff, 0x7f),
];

/// The SHA-256 of each `SubjectPublicKeyInfo` whose private key everybody can read.
const PUBLISHED: [&str; 6] = [
    // RFC 7515, appendices A.2 and A.3
    "6fd13c2435a361e7c588cd17f55f5ad3df0177a66c1727a6a200845f4d7ab88c",
    "2bd1bb0c44a897c30a7aa0991cde38d8062fe441de50da0f46825344f602e827",
    // RFC 8037, appendix A.1
    "06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9",
    // The examples of jwt.io for RS256 and ES256
    "f56c8b01227f62ddbc16eb29a6ac0b310e276760a5e06302fa881a35146f6bc7",
    "a40f0f2e2974dc76a82df6ffe08ed0d79955c79e7ad0c20d97ae8f9246ade1c1",
    // The example in the documentation of Cloudflare Stream
    "55d7b0b3dbc1550d058e32f2f2ee15dc1044e720818f6ae1ccb5bd29558241c0",
];

/// The little-endian number that begins with `first`, ends with `last`, and has `middle` between.
const fn y(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Why others can find the private half of a key, if they can. Of an RSA key this takes milliseconds.
pub(super) fn weakness(spki: &[u8]) -> Option<Weakness> {
    if is_published(spki) {
        return Some(Weakness::Published);
    }
    let parsed = "a key that was parsed can be parsed again";
    match format::public_in_spki(spki).expect(parsed) {
        PublicDer::Rsa(der) => of_rsa(&RsaPublicKeyRef::from_der(&der).expect(parsed)),
        PublicDer::P256(_) => None,
        PublicDer::Ed25519(bytes) => is_of_small_order(&bytes).then_some(Weakness::SmallOrder),
    }
}

fn of_rsa(key: &RsaPublicKeyRef<'_>) -> Option<Weakness> {
    let modulus = BigUint::from_bytes_be(key.modulus.as_bytes());
    if has_small_factor(&modulus) {
        return Some(Weakness::SmallFactor);
    }
    if is_of_roca(&modulus) {
        return Some(Weakness::Roca);
    }
    fermat_finds(&modulus).then_some(Weakness::NearPrimes)
}

fn is_of_small_order(bytes: &[u8]) -> bool {
    let mut y = bytes.to_vec();
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    SMALL_ORDER.iter().any(|point| *point == y[..])
}

fn is_published(spki: &[u8]) -> bool {
    let hash = digest::digest(&digest::SHA256, spki);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    PUBLISHED.contains(&&*hash)
}

fn has_small_factor(modulus: &BigUint) -> bool {
    (2..SMALL).any(|divisor| rest(modulus, divisor) == 0)
}

fn is_of_roca(modulus: &BigUint) -> bool {
    ROCA_PRIMES.iter().all(|prime| is_power_of_65537(rest(modulus, *prime), *prime))
}

fn is_power_of_65537(number: u32, prime: u32) -> bool {
    let base = 65537 % prime;
    let powers = std::iter::successors(Some(1), |power| Some(power * base % prime));
    powers.take(prime as usize).any(|power| power == number)
}

/// Whether the modulus is a difference of two squares that are found near its root.
fn fermat_finds(modulus: &BigUint) -> bool {
    let root = modulus.sqrt();
    (0..=FERMAT_ROUNDS).map(|round| &root + round).any(|larger| {
        let square = &larger * &larger;
        square >= *modulus && {
            let difference = square - modulus;
            let smaller = difference.sqrt();
            &smaller * &smaller == difference
        }
    })
}

fn rest(number: &BigUint, divisor: u32) -> u32 {
    (number % divisor).iter_u32_digits().next().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use num_bigint::BigUint;

    use super::*;
    use crate::key::PublicKey;

    #[test]
    fn published_keys_are_refused() {
        let keys: [&str; PUBLISHED.len()] = [
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#,
            r#"{"kty":"RSA","e":"AQAB","n":"u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0_IzW7yWR7QkrmBL7jTKEn5u-qKhbwKfBstIs-bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyehkd3qqGElvW_VDL5AaWTg0nLVkjRo9z-40RQzuVaE8AkAFmxZzow3x-VJYKdjykkJ0iT9wCS0DRTXu269V264Vf_3jvredZiKRkgwlL9xNAwxXFg0x_XFw005UWVRIkdgcKWTjpBP2dPwVZ4WWC-9aGVd-Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbcmw"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"EVs_o5-uQbTjL3chynL4wXgUg2R9q9UU8I5mEovUf84","y":"kGe5DgSIycKp8w9aJmoHhB1sB3QTugfnRWm5nU_TzsY"}"#,
            r#"{"kty":"RSA","e":"AQAB","n":"zkGmxBzAF2pH1DbZh2Tj2KvnvPUNFfQkMysBo2eg5jzdJNdakp0JaPxh6Fq96_y0UwIA67XxWGoy1qmBDhiu5jzGmamw5X-bDwLGSVWF0LwByh067MQoLrHp7012qpU4-K852OXLEUeYPk8v3FZSCeg1WKEnTD_hJhUQ1lNcJMcw1vTmGkj4zjAQ4AHP_tqDDqZgyLsUfkclD67ITdfKUdkESyoT5SrqblsEzPXrojhYKXi71cjMrT9EKBBzxYIQ29TZf-geNrkKxklLe2sMAL_EVfActi-sfj2I2xFJfd8jIf_etpBIRYT13kaKtu2bi4Gb-WPK-KhB7S6qF89fLw"}"#,
        ];
        for jwk in keys {
            assert_eq!(PublicKey::from_jwk(jwk).unwrap().weakness(), Some(Weakness::Published), "{jwk}");
        }
    }

    #[test]
    fn points_of_small_order_are_refused() {
        // With the neutral point as R and 0 as S every message is signed whose hash the point's order divides.
        let mut forged = [0; 64];
        forged[0] = 1;
        let opens = |key: &[u8; 32]| {
            (0..=u8::MAX).any(|message| UnparsedPublicKey::new(&ED25519, key).verify(&[message], &forged).is_ok())
        };
        let prime = (BigUint::from(1_u32) << 255) - 19_u32;
        let number = |point: &[u8; 32]| BigUint::from_bytes_le(point);
        for point in SMALL_ORDER {
            let signs = [0, 0x80].map(|sign| {
                let mut bytes = point;
                bytes[31] |= sign;
                bytes
            });
            // A number from the prime on is another spelling of what is left of it, which this library does not read.
            let canonical = number(&point) % &prime;
            assert!(SMALL_ORDER.iter().any(|point| number(point) == canonical), "{point:02x?}");
            assert!(number(&point) >= prime || signs.iter().any(opens), "{point:02x?}");
            assert!(signs.iter().all(|bytes| is_of_small_order(bytes)), "{point:02x?}");
        }
        assert!(!is_of_small_order(&y(0x02, 0, 0)));
    }

    #[test]
    fn near_primes_are_found() {
        // Factors need not be prime for Fermat's method.
        let near = |distance: u32| (BigUint::from(1_u32) << 1024) + distance;
        assert!(fermat_finds(&(near(643) * near(1335))));
        assert!(!fermat_finds(&(near(643) * (near(1335) << 2_u32) + 2_u32)));
    }

    #[test]
    fn the_mark_of_roca_is_seen() {
        // A power of 65537 modulo the product of the primes is one modulo each.
        let product = ROCA_PRIMES.iter().fold(BigUint::from(1_u32), |product, prime| product * *prime);
        let power = BigUint::from(65537_u32).modpow(&BigUint::from(12345_u32), &product);
        assert!(is_of_roca(&(&power + &product * 99_u32)));
        assert!(!is_of_roca(&(power + 1_u32)));
    }

    #[test]
    fn small_factors_are_found() {
        // 2^521 - 1 is prime, and so has no factor but itself.
        let prime = (BigUint::from(1_u32) << 521) - 1_u32;
        assert!(!has_small_factor(&prime) && !has_small_factor(&(&prime * 10_007_u32)));
        for factor in [2_u32, 3, 9973] {
            assert!(has_small_factor(&(&prime * factor)), "{factor}");
        }
    }
}
