//! What this server is: an issuer, a gate, or both.

use super::problems::Problems;

/// One thing that a server may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Serves the API.
    Issuer,
    /// Decides viewers' requests.
    Gate,
}

/// What this server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roles {
    /// Issuer and gate in one.
    Both,
    /// A gate alone: it needs no master key.
    Gate,
    /// An issuer alone.
    Issuer,
}

impl Roles {
    pub(super) fn parse(named: Option<&[Role]>, p: &mut Problems) -> Option<Self> {
        let Some(named) = named else { return Some(Self::Both) };
        match (named.contains(&Role::Issuer), named.contains(&Role::Gate)) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Issuer),
            (false, true) => Some(Self::Gate),
            (false, false) => p.missing("roles", "name issuer, gate or both"),
        }
    }

    /// Whether it gives out URLs, and so must know how clients reach it.
    pub(super) fn gives_out_urls(self) -> bool {
        match self {
            Self::Both | Self::Issuer => true,
            Self::Gate => false,
        }
    }
}
