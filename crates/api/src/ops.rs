//! The operations: one file each, by resource.

pub(crate) mod audit;
pub(crate) mod credentials;
pub(crate) mod downloads;
pub(crate) mod gates;
pub(crate) mod keys;
pub(crate) mod revocations;
pub(crate) mod service;
pub(crate) mod token;
pub(crate) mod videos;
