//! Signing together: who shares the lanes, and the check of what comes out of them.

use std::ffi::c_int;

use vidpass_token::RsaParts;
use zeroize::Zeroize as _;

use crate::emsa;
use crate::library::{FILE, Library, Unavailable};

/// How many are signed together.
pub const LANES: usize = 8;

/// Signs eight at once.
pub struct Lanes(pub(crate) Engine);

/// What computes.
pub(crate) enum Engine {
    CryptoMb(Library),
    #[cfg(test)]
    Pretended(tests::Pretended),
}

/// A message that is to be signed, and the key that is to do it.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The key.
    pub key: &'a RsaParts,
    /// The message, not hashed yet.
    pub message: &'a [u8],
}

/// A signature that was checked with the public key. Only [`Lanes::sign`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked(Vec<u8>);

/// The lengths of moduli that can be signed with here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Bits2048,
    Bits3072,
    Bits4096,
}

impl Checked {
    /// The signature, as long as the modulus.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Lanes {
    /// Loads `crypto_mb`.
    ///
    /// # Errors
    /// [`Unavailable`]
    pub fn load() -> Result<Self, Unavailable> {
        Library::load(FILE).map(Engine::CryptoMb).map(Self)
    }

    /// Whether there are lanes for keys with a modulus of so many bytes. Those of one length share them.
    #[must_use]
    pub fn have_room_for(modulus: usize) -> bool {
        Size::ALL.into_iter().any(|size| size.bytes() == modulus)
    }

    /// Signs up to eight messages together, and checks each signature. `None` in place of what is to be signed elsewhere: the
    /// computation went wrong, or it came behind the eighth, or its key is not as long as the first one's.
    #[must_use]
    pub fn sign(&self, jobs: &[Job<'_>]) -> Vec<Option<Checked>> {
        let mut signed = vec![None; jobs.len()];
        let Some((first, size)) = jobs.first().and_then(|job| Some((job, Size::of(job.key)?))) else { return signed };
        let taken: Vec<usize> =
            (0..jobs.len()).filter(|at| jobs[*at].key.bits() == first.key.bits()).take(LANES).collect();
        // A lane that would be empty repeats the first.
        let in_lane = |lane: usize| taken.get(lane).map_or(first, |at| &jobs[*at]);
        let keys = std::array::from_fn(|lane| in_lane(lane).key);
        let encoded = std::array::from_fn(|lane| emsa::encode(in_lane(lane).message, size.bytes()));
        for (at, signature) in taken.iter().zip(self.checked(size, keys, &encoded)) {
            signed[*at] = signature;
        }
        signed
    }

    /// A fault in one of the two halves of a private operation gives the key away to whoever sees its result (Boneh, DeMillo
    /// and Lipton, 1997). So each result is taken back to what it was made from, and what does not come back the same is destroyed.
    fn checked(&self, size: Size, keys: [&RsaParts; LANES], encoded: &[Vec<u8>; LANES]) -> [Option<Checked>; LANES] {
        let empty = || std::array::from_fn(|_| vec![0; size.bytes()]);
        let (mut signatures, mut back) = (empty(), empty());
        let made = self.0.private(size, keys, encoded, &mut signatures);
        let checked = self.0.public(size, keys, &signatures, &mut back);
        let is_good = |lane: usize| made[lane] && checked[lane] && back[lane] == encoded[lane];
        let mut lane = 0..;
        signatures.map(|mut signature| {
            if lane.next().is_some_and(is_good) {
                return Some(Checked(signature));
            }
            signature.zeroize();
            None
        })
    }
}

impl Engine {
    fn private(
        &self,
        size: Size,
        keys: [&RsaParts; LANES],
        inputs: &[Vec<u8>; LANES],
        outputs: &mut [Vec<u8>; LANES],
    ) -> [bool; LANES] {
        match self {
            Self::CryptoMb(library) => library.private(size, keys, inputs, outputs),
            #[cfg(test)]
            Self::Pretended(pretended) => pretended.private(keys, inputs, outputs),
        }
    }

    fn public(
        &self,
        size: Size,
        keys: [&RsaParts; LANES],
        inputs: &[Vec<u8>; LANES],
        outputs: &mut [Vec<u8>; LANES],
    ) -> [bool; LANES] {
        match self {
            Self::CryptoMb(library) => library.public(size, keys, inputs, outputs),
            #[cfg(test)]
            Self::Pretended(_) => tests::Pretended::public(keys, inputs, outputs),
        }
    }
}

impl Size {
    pub(crate) const ALL: [Self; 3] = [Self::Bits2048, Self::Bits3072, Self::Bits4096];

    fn of(key: &RsaParts) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.bytes() * 8 == key.bits())
    }

    pub(crate) fn bits(self) -> c_int {
        match self {
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
            Self::Bits4096 => 4096,
        }
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Bits2048 => 256,
            Self::Bits3072 => 384,
            Self::Bits4096 => 512,
        }
    }

    /// Words of 64 bits.
    pub(crate) fn words(self) -> usize {
        self.bytes() / 8
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Bits2048 => 0,
            Self::Bits3072 => 1,
            Self::Bits4096 => 2,
        }
    }

    /// Its number among the algorithms of `crypto_mb/cpu_features.h`.
    pub(crate) fn algorithm(self) -> c_int {
        match self {
            Self::Bits2048 => 1,
            Self::Bits3072 => 2,
            Self::Bits4096 => 3,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
