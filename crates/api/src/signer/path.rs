//! Which path signs: eight at once, or one by one, and why.

use std::fmt;

use vidpass_rsa_batch::{Lanes, Unavailable};

use super::together::Together;
use crate::config::Batching;

/// How RSA signatures are made where several tokens wait.
pub enum SigningPath {
    /// Up to eight together, with `crypto_mb`.
    EightAtOnce(Lanes),
    /// Each by itself.
    OneByOne(WhyAlone),
}

/// Why nothing is signed together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyAlone {
    /// It is not wanted.
    #[error("signing.batch is off")]
    Off,
    /// It cannot be done here.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl SigningPath {
    /// Looks for the library, where that is wanted.
    #[must_use]
    pub fn find(batching: Batching) -> Self {
        match batching {
            Batching::Off => Self::OneByOne(WhyAlone::Off),
            Batching::Auto => Lanes::load().map_or_else(|reason| Self::OneByOne(reason.into()), Self::EightAtOnce),
        }
    }

    pub(super) fn into_together(self) -> Option<Together> {
        match self {
            Self::EightAtOnce(lanes) => Some(Together::CryptoMb(lanes)),
            Self::OneByOne(_) => None,
        }
    }
}

impl fmt::Display for SigningPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EightAtOnce(_) => f.write_str("RSA tokens that wait are signed up to eight at once, with crypto_mb"),
            Self::OneByOne(reason) => write!(f, "RSA tokens are signed one by one: {reason}"),
        }
    }
}
