//! Serving what was permitted: from whatever origin, or through a proxy that asks.

mod cache;
pub(crate) mod conditional;
mod files;
mod forward_auth;
mod manifest;
mod mime;
pub(crate) mod player;
pub(crate) mod range;
mod remote;
mod reply;

pub(crate) use self::files::{FileRequest, Served, answer, answer_at_once};
pub use self::forward_auth::{AccelPrefix, AccelPrefixError, EnvoyGrpc, ForwardAuth, Preset, ProxyJudge};
