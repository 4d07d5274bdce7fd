//! The API as its callers see it: the real router over a real SQLite store, with a clock that tests set.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod callers;
mod gates;
mod inspect;
mod keys;
mod revocations;
mod sdk;
mod service;
mod site;
mod tokens;
mod videos;
