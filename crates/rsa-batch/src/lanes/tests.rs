use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use num_bigint::BigUint;
use vidpass_token::{Claims, KeyId, SigningKey, UnixTime, UnsignedToken};

use super::*;

/// Computes as `crypto_mb` does, slowly and on any CPU, with the faults that are planted in it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pretended {
    /// The lane in which one of the two halves goes wrong.
    faulty: Option<usize>,
    /// The lane to which the library objects.
    refused: Option<usize>,
}

impl Pretended {
    pub(super) fn private(
        self,
        keys: [&RsaParts; LANES],
        inputs: &[Vec<u8>; LANES],
        outputs: &mut [Vec<u8>; LANES],
    ) -> [bool; LANES] {
        for lane in 0..LANES {
            // Most lanes repeat the first, and this is slow.
            if lane > 0 && std::ptr::eq(keys[lane], keys[0]) && inputs[lane] == inputs[0] {
                outputs[lane] = outputs[0].clone();
                continue;
            }
            let power = private_power(keys[lane], &BigUint::from_bytes_be(&inputs[lane]), self.faulty == Some(lane));
            write(&power, &mut outputs[lane]);
        }
        std::array::from_fn(|lane| self.refused != Some(lane))
    }

    pub(super) fn public(
        keys: [&RsaParts; LANES],
        inputs: &[Vec<u8>; LANES],
        outputs: &mut [Vec<u8>; LANES],
    ) -> [bool; LANES] {
        for lane in 0..LANES {
            let input = BigUint::from_bytes_be(&inputs[lane]);
            write(&input.modpow(&BigUint::from(65_537_u32), &number(keys[lane].modulus())), &mut outputs[lane]);
        }
        [true; LANES]
    }
}

/// RFC 8017, section 5.1.2, step 2b.
fn private_power(key: &RsaParts, input: &BigUint, is_faulty: bool) -> BigUint {
    let ([p, q], [d_p, d_q]) = (key.primes().map(number), key.exponents().map(number));
    let in_p = (input % &p).modpow(&d_p, &p) + BigUint::from(u8::from(is_faulty));
    let in_q = (input % &q).modpow(&d_q, &q);
    let difference = (in_p + &p - &in_q % &p) % &p;
    let high = difference * number(key.coefficient()) % p;
    in_q + high * q
}

fn number(words: &[u64]) -> BigUint {
    BigUint::from_bytes_le(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
}

fn write(number: &BigUint, output: &mut [u8]) {
    let bytes = number.to_bytes_be();
    let (zeros, end) = output.split_at_mut(output.len() - bytes.len());
    zeros.fill(0);
    end.copy_from_slice(&bytes);
}

static KEYS: LazyLock<[SigningKey; 2]> = LazyLock::new(|| [key(KeySize::Rsa2048), key(KeySize::Rsa2048)]);

#[test]
fn signatures_are_those_of_the_library_that_signs_alone() {
    for count in [1, 5, LANES] {
        let tokens = || (0..count).map(|number| token(&KEYS[number % 2], number));
        let signed = together(&pretended(Pretended::default()), tokens().collect());
        assert_eq!(signed, tokens().map(alone).map(Some).collect::<Vec<_>>());
    }
}

#[test]
fn every_size_is_signed_with() {
    for size in [KeySize::Rsa3072, KeySize::Rsa4096] {
        let key = key(size);
        let signed = together(&pretended(Pretended::default()), vec![token(&key, 0)]);
        assert_eq!(signed, [Some(alone(token(&key, 0)))]);
    }
}

#[test]
fn a_lane_that_goes_wrong_is_left_out_and_no_other() {
    for faults in [Pretended { faulty: Some(2), refused: None }, Pretended { faulty: None, refused: Some(2) }] {
        let tokens = (0..4).map(|number| token(&KEYS[number % 2], number)).collect();
        let signed = together(&pretended(faults), tokens);
        assert_eq!(signed.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true]);
    }
}

#[test]
fn what_does_not_fit_is_left_to_others() {
    let lanes = pretended(Pretended::default());
    assert!(lanes.sign(&[]).is_empty());
    let odd = key(KeySize::Rsa8192);
    let (odd, other) = (odd.rsa_parts().unwrap(), key(KeySize::Rsa3072));
    let (usual, other) = (KEYS[0].rsa_parts().unwrap(), other.rsa_parts().unwrap());
    assert_eq!([odd, other, usual].map(|key| Lanes::have_room_for(key.bits() / 8)), [false, true, true]);
    let job = |key| Job { key, message: b"x" };
    assert_eq!(lanes.sign(&[job(odd)]), [None]);
    let mut jobs = vec![job(usual); LANES + 1];
    jobs.insert(1, job(other));
    let signed: Vec<bool> = lanes.sign(&jobs).iter().map(Option::is_some).collect();
    assert_eq!(signed, [true, false, true, true, true, true, true, true, true, false]);
}

fn pretended(faults: Pretended) -> Lanes {
    Lanes(Engine::Pretended(faults))
}

pub(crate) fn key(size: KeySize) -> SigningKey {
    let pair = RsaKeyPair::generate(size).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'static> = pair.as_der().unwrap();
    SigningKey::from_pkcs8(KeyId::random(), der.as_ref()).unwrap()
}

pub(crate) fn token(key: &SigningKey, number: usize) -> UnsignedToken {
    key.prepare(&Claims::new(format!("v{number}").parse().unwrap(), UnixTime(1_800_000_000))).unwrap()
}

/// The token as it is where it is signed alone.
pub(crate) fn alone(token: UnsignedToken) -> String {
    token.sign().unwrap().as_str().to_owned()
}

pub(crate) fn together(lanes: &Lanes, tokens: Vec<UnsignedToken>) -> Vec<Option<String>> {
    let job = |token| -> Job<'_> {
        let token: &UnsignedToken = token;
        Job { key: token.key().rsa_parts().unwrap(), message: token.signing_input() }
    };
    let signed = lanes.sign(&tokens.iter().map(job).collect::<Vec<_>>());
    let whole = |(signature, token): (Option<Checked>, UnsignedToken)| {
        signature.map(|signature| token.with_checked_signature(signature.as_bytes()).as_str().to_owned())
    };
    signed.into_iter().zip(tokens).map(whole).collect()
}
