//! What gates without a database ask.

pub(crate) mod changes;
pub(crate) mod snapshot;
