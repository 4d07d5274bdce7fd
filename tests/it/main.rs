//! The end-to-end suite: the real program, real clients, real players. One module for each feature.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli;
mod clients;
mod connections;
mod crash;
mod layers;
mod playing;
mod postgres;
#[path = "../../crates/store/tests/suite/postgres_server.rs"]
mod postgres_server;
mod refusals;
mod rules;
mod serving;
mod shutdown;
mod support;
