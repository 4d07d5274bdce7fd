//! List the audit log.

use axum::extract::{RawQuery, State};
use vidpass_api_types::{AuditActor, AuditLog, AuditResource, Envelope};
use vidpass_store::{Actor, AuditEntry, AuditQuery};

use super::query::ListQuery;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::state::Api;
use crate::time::rfc3339;

/// List the audit log
///
/// An extension of vidpass: every change to what the account has, the newest first. For the next page, send the `id` of the
/// last line as `cursor`; the page that is shorter than `limit` is the last one. Reading and issuing tokens change nothing
/// and have no line.
#[utoipa::path(
    get,
    path = "/client/v4/accounts/{account_id}/audit_logs",
    tag = "Audit log",
    params(
        ("account_id" = String, Path, max_length = 32),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; 100 where it is not said"),
        ("cursor" = Option<String>, Query, description = "After the line of this id"),
        ("since" = Option<String>, Query, format = DateTime, description = "Made at this moment or later"),
        ("before" = Option<String>, Query, format = DateTime, description = "Made before this moment"),
    ),
    responses((status = 200, description = "The lines", body = Envelope<Vec<AuditLog>>)),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn list_audit_logs(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Answer<Vec<AuditLog>> {
    let ListQuery { stored, notes } = ListQuery::parse(query.as_deref().unwrap_or_default())?;
    let query = AuditQuery { account: Some(caller.account.clone()), ..stored };
    let lines = caller.store.list_audit_log(&query).await?;
    Ok(api.done_with(lines.into_iter().map(shown).collect(), &notes))
}

fn shown(line: AuditEntry) -> AuditLog {
    let kind = line.action.split('.').next().unwrap_or_default().to_owned();
    AuditLog {
        id: line.id.to_string(),
        when: rfc3339(line.at),
        actor: shown_actor(&line.actor),
        resource: AuditResource { r#type: kind, id: line.subject },
        action: line.action,
        metadata: line.details,
    }
}

fn shown_actor(actor: &Actor) -> AuditActor {
    let (ip, request_id) = match actor {
        Actor::Api { address, request_id, .. } => {
            (address.map(|address| address.to_string()), Some(request_id.clone()))
        }
        Actor::Cli { .. } | Actor::Server => (None, None),
    };
    AuditActor { r#type: actor.kind().to_owned(), id: actor.name().to_owned(), ip, request_id }
}
