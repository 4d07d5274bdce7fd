//! Eight RSA signatures at once: RSASSA-PKCS1-v1_5 with SHA-256 (RS256), keys of 2048, 3072 and 4096 bits.
//!
//! Intel's `crypto_mb` computes eight at a time in the lanes of wide registers, in about twice the time that one takes. It is
//! loaded when the program runs, where it and the CPU are there. What it computed is checked before it leaves; a lane that is wrong
//! is left to the caller, who signs that one alone.
//!
//! This is the only crate with `unsafe`, and `library` the only module.

mod emsa;
mod lanes;
mod library;

pub use lanes::{Checked, Job, LANES, Lanes};
pub use library::Unavailable;
