//! Tokens.

pub(crate) mod batch;
pub(crate) mod inspect;
pub(crate) mod issue;
