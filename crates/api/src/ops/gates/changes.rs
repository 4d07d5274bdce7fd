//! Tell a gate what changed.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use vidpass_api_types::GateLine;
use vidpass_store::{CHANGES_AT_ONCE, Change, Cursor, StoreError};

use crate::error::ApiError;
use crate::gate_feed::{self, FeedReader};
use crate::state::Api;

/// Get the changes after a cursor
///
/// An extension of vidpass, for gates without a database, with a gate credential. Where there is no change, the answer comes
/// when there is one, or after a second without any, which is a sign of life: the gate's lease counts from the moment before
/// its question. Where the cursor does not lead on, the answer is 410, and the gate takes the snapshot.
#[utoipa::path(
    get,
    path = "/client/v4/gates/changes",
    tag = "Gates",
    security(("gate_credential" = [])),
    params(("after" = String, Query, description = "The `cursor` of the last answer's end")),
    responses((status = 200, description = "Changes, one a line, each as it is now", body = GateLine,
        content_type = "application/x-ndjson")),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn list_gate_changes(
    State(api): State<Api>,
    _reader: FeedReader,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let after = cursor(query.as_deref().unwrap_or_default())?;
    // From before the first look on, so that no change falls between the two.
    let mut watcher = api.store.feed().watch();
    let mut changes = changes_since(&api, after).await?;
    if changes.is_empty() && watcher.changed().await {
        changes = changes_since(&api, after).await?;
    }
    let cursor = changes.last().map_or(after, |change| change.cursor);
    let complete = changes.len() < CHANGES_AT_ONCE;
    Ok(gate_feed::answer(changes.into_iter().map(|change| change.subject), (cursor, complete), ()))
}

async fn changes_since(api: &Api, after: Cursor) -> Result<Vec<Change>, ApiError> {
    api.store
        .feed()
        .changes_since(after)
        .await
        .map_err(|error: StoreError| if error.needs_snapshot() { ApiError::CursorGone } else { error.into() })
}

/// What is no cursor leads nowhere either.
fn cursor(query: &str) -> Result<Cursor, ApiError> {
    let after = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "after");
    after.and_then(|(_, text)| text.parse().ok()).ok_or(ApiError::CursorGone)
}
