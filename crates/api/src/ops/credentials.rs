//! What callers authenticate with.

pub(crate) mod verify;
