//! The service itself.

pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod readiness;
