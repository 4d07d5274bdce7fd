//! Servers to test against: the program itself, started as a user starts it.

mod answer;
mod authority;
mod bucket;
mod cable;
mod configured;
mod files;
mod gate;
mod guarded;
mod installed;
mod issuer;
mod process;
mod recorder;
mod site;

pub(crate) use answer::{Answer, client};
pub(crate) use authority::Authority;
pub(crate) use bucket::{BUCKET, Bucket, KEY_ID, SECRET_KEY};
pub(crate) use cable::Cable;
pub(crate) use configured::Site;
pub(crate) use files::{copy_all, files_below};
pub(crate) use gate::{LoneGate, ask, until_status};
pub(crate) use guarded::{EXAMPLES, Example, Guarded, Origin, Proxy, SECRET, free_port, now};
pub(crate) use installed::Installed;
pub(crate) use issuer::{Issuer, Tls};
pub(crate) use process::{Process, repository, run, vidpass};
pub(crate) use recorder::Recorder;
pub(crate) use site::Demo;
