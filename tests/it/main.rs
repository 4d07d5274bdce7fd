//! The end-to-end suite: the real program, real clients, real players. One module for each feature.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod cli;
mod clients;
mod cluster;
mod connections;
#[path = "../../crates/gate/tests/service/hostile_paths/corpus.rs"]
mod corpus;
mod crash;
mod doctor;
mod edge;
mod explaining;
mod https;
mod layers;
mod load;
mod master_key;
mod metrics;
mod operations;
mod origins;
mod overload;
mod playing;
mod postgres;
#[path = "../../crates/store/tests/suite/postgres_server.rs"]
mod postgres_server;
mod proxies;
mod refusals;
mod reload;
mod roles;
mod rotation;
mod rules;
mod serving;
mod shutdown;
mod support;
mod systemd;
