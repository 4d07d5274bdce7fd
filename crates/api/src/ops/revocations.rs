//! Tokens that are taken back.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;

use vidpass_api_types::Revocation;
use vidpass_store::Revocation as Stored;
use vidpass_token::RevocationExtent;

use crate::time::rfc3339;

fn shown(stored: Stored) -> Revocation {
    let (version, issued_before) = match stored.extent {
        RevocationExtent::All => (None, None),
        RevocationExtent::Versions(latest) => (Some(latest.0), None),
        RevocationExtent::IssuedBefore(time) => (None, Some(rfc3339(time))),
    };
    Revocation {
        id: stored.id.to_string(),
        kind: stored.kind.name().to_owned(),
        subject: stored.subject,
        version,
        issued_before,
        reason: stored.reason,
        created: rfc3339(stored.created),
        until: stored.until.map(rfc3339),
    }
}
