//! The JSON bodies of the API, and the reasons of its refusals: what the server and its clients share.
//!
//! Names and shapes are those of the Cloudflare Stream API; what is ours alone says so. The types hold plain texts and
//! numbers: the server checks them when it reads, a client takes them as they come.

mod audit;
mod download;
mod envelope;
mod gate_feed;
mod inspection;
mod key;
mod reason;
mod revocation;
mod service;
mod token;
mod video;

pub use audit::{AuditActor, AuditLog, AuditResource};
pub use download::{Download, Downloads};
pub use envelope::{Envelope, Failure, Item, Source};
pub use gate_feed::{GateAccount, GateKey, GateLine, GateTaken, GateVideo};
pub use inspection::{InspectToken, InspectedCheck, InspectedClaims, InspectedRule, RehearsedRequest, TokenInspection};
pub use key::{CreateKey, CreatedKey, ListedKey, NewManagedKey, RotateKeys, RotatedKeys};
pub use reason::{Reason, UnknownReason};
pub use revocation::{Revocation, Revoke};
pub use service::{Health, Readiness, VerifiedCredential};
pub use token::{IssueToken, IssueTokenFor, IssueTokens, IssuedToken, Rule, TokenFlags};
pub use video::{EditVideo, Playback, RegisterVideo, Video, VideoStatus};
