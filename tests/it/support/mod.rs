//! Servers to test against: the program itself, started as a user starts it.

mod installed;
mod process;
mod site;

pub(crate) use installed::Installed;
pub(crate) use process::{Process, repository, run, vidpass};
pub(crate) use site::Demo;
