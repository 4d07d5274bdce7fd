//! Serving what was permitted, from a folder.

mod cache;
mod conditional;
mod files;
mod folder;
mod mime;
mod range;
pub(crate) mod watch;

pub(crate) use self::files::FileRequest;
pub use self::folder::{FolderError, FolderOrigin};
