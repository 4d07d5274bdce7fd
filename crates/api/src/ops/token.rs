//! Tokens.

pub(crate) mod inspect;
pub(crate) mod issue;
