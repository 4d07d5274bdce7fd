//! What the store promises, each promise kept on both engines.
//!
//! A test is an `async fn` that gets a [`home::Home`]: a place for one database, of either engine. The list at the end
//! of each file makes two tests of it; the compiler tells about one that is missing there.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod accounts;
mod audit;
mod backups;
mod changes;
mod credentials;
mod full_disk;
mod gate_role;
mod home;
mod keys;
mod managed_keys;
mod opening;
mod postgres_server;
mod reseal;
mod revocations;
mod secrets;
mod standby;
mod upgrade;
mod videos;
