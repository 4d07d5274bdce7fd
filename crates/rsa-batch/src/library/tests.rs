use std::io::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::rsa::KeySize;

use super::*;
use crate::lanes::tests::{alone, key, together, token};
use crate::lanes::{Engine, Lanes};

/// How many messages are signed with keys of each size.
const MESSAGES: usize = 10_000;

#[test]
fn what_crypto_mb_signs_is_what_is_signed_alone() {
    let library = match Library::load(file()) {
        Ok(library) => library,
        Err(reason) => return skipped(&reason),
    };
    let lanes = Lanes(Engine::CryptoMb(library));
    for (size, messages) in
        [(KeySize::Rsa2048, MESSAGES), (KeySize::Rsa3072, MESSAGES / 4), (KeySize::Rsa4096, MESSAGES / 8)]
    {
        let keys: [_; 11] = std::array::from_fn(|_| key(size));
        let tokens = |from: usize, count: usize| (from..from + count).map(|number| token(&keys[number % 11], number));
        let mut from = 0;
        while from < messages {
            // All counts that may share the lanes.
            let count = from % LANES + 1;
            let signed = together(&lanes, tokens(from, count).collect());
            assert_eq!(signed, tokens(from, count).map(alone).map(Some).collect::<Vec<_>>());
            from += count;
        }
    }
}

#[test]
fn a_signature_that_is_damaged_is_seen_and_no_other() {
    let library = match Library::load(file()) {
        Ok(library) => library,
        Err(reason) => return skipped(&reason),
    };
    let good = key(KeySize::Rsa2048);
    let good = good.rsa_parts().unwrap();
    let message = vec![3; 256];
    let inputs: [_; LANES] = std::array::from_fn(|_| message.clone());
    let mut outputs: [_; LANES] = std::array::from_fn(|_| vec![0; 256]);
    let made = library.private(Size::Bits2048, [good; LANES], &inputs, &mut outputs);
    assert_eq!(made, [true; LANES]);
    outputs[5][200] ^= 1;
    let mut back: [_; LANES] = std::array::from_fn(|_| vec![0; 256]);
    assert_eq!(library.public(Size::Bits2048, [good; LANES], &outputs, &mut back), [true; LANES]);
    let right = back.map(|back| back == message);
    assert_eq!(right, [true, true, true, true, true, false, true, true]);
}

/// On any CPU: the library has every function, each operation a method and a size of scratch memory.
#[test]
fn the_library_has_what_is_asked_of_it() {
    let loaded = match Loaded::open(file()) {
        Ok(loaded) => loaded,
        Err(reason) => return skipped(&reason),
    };
    let runs = loaded.is_applicable().unwrap();
    let library = loaded.into_library().unwrap();
    assert!(
        library.scratch.iter().all(|(private, public)| *private > 10_000 && *public > 1000),
        "{:?}",
        library.scratch
    );
    drop(library);
    assert_eq!(Library::load(file()).err(), (!runs).then_some(Unavailable::Cpu));
}

#[test]
fn another_library_is_refused() {
    assert_eq!(Library::load("libnone.so.11").err(), Some(Unavailable::Missing));
    let name = "mbx_is_crypto_mb_applicable";
    assert_eq!(Library::load("libc.so.6").err(), Some(Unavailable::Symbol { name }));
}

#[test]
fn a_status_has_four_bits_for_each_lane() {
    assert_eq!(lanes_of(0), [true; LANES]);
    assert_eq!(lanes_of(0x8000_0020), [true, false, true, true, true, true, true, false]);
}

/// What `tests/setup` took from Debian, or what the system has.
fn file() -> PathBuf {
    let taken = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/crypto-mb").join(FILE);
    if taken.exists() { taken } else { FILE.into() }
}

fn skipped(reason: &Unavailable) {
    writeln!(std::io::stderr(), "\nSKIPPED: {reason}; nothing was checked").unwrap();
}
