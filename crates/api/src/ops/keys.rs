//! Signing keys.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod jwks;
pub(crate) mod list;
pub(crate) mod rotate;
