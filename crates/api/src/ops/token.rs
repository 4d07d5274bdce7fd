//! Tokens.

pub(crate) mod issue;
