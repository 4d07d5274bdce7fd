//! Whether the server can do its work.

use axum::extract::State;
use vidpass_api_types::{Envelope, Readiness};

use crate::envelope::Answer;
use crate::error::ApiError;
use crate::state::Api;

/// Ask whether the server can do its work
///
/// It can where the database answers and the gate, if this process has one, has loaded its keys.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Service",
    security(()),
    responses((status = 200, description = "It can", body = Envelope<Readiness>)),
)]
pub(crate) async fn get_readiness(State(api): State<Api>) -> Answer<Readiness> {
    if let Err(error) = api.store.ping().await {
        tracing::warn!(error = %vidpass_token::Chain(&error), "the database does not answer");
        return Err(ApiError::NotReady { what: "the database" });
    }
    if !api.ready.is_ready() {
        return Err(ApiError::NotReady { what: "the gate" });
    }
    Ok(api.done(Readiness { status: "ready".to_owned() }))
}
