//! Whether the server runs.

use axum::extract::State;
use vidpass_api_types::{Envelope, Health};

use crate::envelope::Answer;
use crate::state::Api;

/// Ask whether the server runs
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "Service",
    security(()),
    responses((status = 200, description = "It runs", body = Envelope<Health>)),
)]
pub(crate) async fn get_health(State(api): State<Api>) -> Answer<Health> {
    Ok(api.done(Health { status: "ok".to_owned() }))
}
