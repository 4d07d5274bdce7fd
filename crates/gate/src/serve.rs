//! Serving what was permitted: from a folder, or through a proxy that asks.

mod cache;
mod conditional;
mod files;
mod folder;
mod forward_auth;
mod mime;
mod range;
pub(crate) mod watch;

pub(crate) use self::files::FileRequest;
pub use self::folder::{FolderError, FolderOrigin};
pub use self::forward_auth::{AccelPrefix, AccelPrefixError, Askers, EnvoyGrpc, ForwardAuth, Preset};
