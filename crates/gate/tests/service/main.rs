//! The gate as viewers meet it: real keys, a real folder, whole answers. One module for each feature.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod caching;
mod cut_off;
mod denials;
mod envoy_grpc;
mod files;
mod folder;
mod forward_auth;
mod hostile_paths;
mod logs;
mod manifests;
mod origins;
mod pages;
mod plain;
mod plain_manifests;
mod plain_questions;
mod sharing;
mod site;
mod upstream;
mod wire;
