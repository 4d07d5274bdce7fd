//! Keys that sign tokens, and their public halves that verify them. Each is parsed once and kept.

mod algorithm;
mod error;
mod format;
mod jwk;
mod parts;
mod public;
mod rsa;
mod signing;
mod weak;
#[cfg(test)]
mod wycheproof;

pub use self::algorithm::{Algorithm, AlgorithmError};
pub use self::error::KeyError;
pub use self::parts::RsaParts;
pub(crate) use self::public::Message;
pub use self::public::PublicKey;
pub use self::signing::SigningKey;
pub use self::weak::Weakness;
