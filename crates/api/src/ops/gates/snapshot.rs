//! Tell a gate everything.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use vidpass_api_types::GateLine;

use crate::error::ApiError;
use crate::gate_feed::{self, FeedReader};
use crate::state::Api;

/// Get everything that a gate decides from
///
/// An extension of vidpass, for gates without a database, with a gate credential: live keys (public parts), videos, what
/// accounts say, what was taken back, and what was deleted last, of all accounts. A few are answered at once; others wait.
#[utoipa::path(
    get,
    path = "/client/v4/gates/snapshot",
    tag = "Gates",
    security(("gate_credential" = [])),
    responses((status = 200, description = "Everything, one a line, what was deleted first", body = GateLine,
        content_type = "application/x-ndjson")),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn get_gate_snapshot(State(api): State<Api>, reader: FeedReader) -> Result<Response, ApiError> {
    let turn = Arc::clone(&api.snapshots).acquire_owned().await.expect("the semaphore is never closed");
    let snapshot = api.store.feed().snapshot().await?;
    tracing::info!(credential.id = %reader.credential, seq = %snapshot.cursor.seq(), "a gate takes everything anew");
    let end = (snapshot.cursor, true);
    Ok(gate_feed::answer(snapshot.into_subjects(), end, turn))
}
