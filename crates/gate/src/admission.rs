//! What a running transfer was admitted by, and whether that still holds.

use std::sync::Arc;

use vidpass_token::{Clock, Denial};

use crate::decide::Gate;
use crate::seen::Verified;

/// Which transfers are cut off while they run, after they were permitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CutOff {
    /// None: each runs to its end.
    Never,
    /// Those whose token was taken back, or whose key was deleted.
    #[default]
    Revoked,
    /// Those too whose token has expired.
    Expired,
}

/// A transfer's token. It is looked at before each piece of a file that is handed out.
pub(crate) struct Admission {
    gate: Arc<Gate>,
    clock: Clock,
    token: Arc<Verified>,
}

impl Admission {
    pub(crate) fn new(gate: Arc<Gate>, clock: Clock, token: Arc<Verified>) -> Self {
        Self { gate, clock, token }
    }

    /// Why the transfer must not go on, where it must not.
    pub(crate) fn ended(&self) -> Option<Denial> {
        let denial = self.gate.withdrawn(&self.token, (self.clock)())?;
        self.gate.metrics().count_cut_off(&denial);
        let claims = &self.token.claims;
        tracing::info!(deny.code = denial.code(), video.id = %claims.video(), key.id = %claims.key_id(),
            token.fingerprint = %self.token.fingerprint(), "a running transfer is cut off");
        Some(denial)
    }
}
