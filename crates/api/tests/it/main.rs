//! The API as its callers see it: the real service over a real SQLite store, with a clock that tests set.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod audit;
mod callers;
mod gates;
mod inspect;
mod keys;
mod rate_limits;
mod revocations;
mod rotation;
mod scopes;
mod sdk;
mod service;
mod site;
mod token_batch;
mod tokens;
mod videos;
