//! Whether the server can do its work.

use axum::extract::State;
use vidpass_api_types::{Envelope, Readiness};

use crate::envelope::Answer;
use crate::error::ApiError;
use crate::state::Api;

/// Ask whether the server can do its work
///
/// An issuer can where the database answers and the master key opens it; a gate where it has loaded its keys and hears of
/// changes. Where it cannot, the answer says what is missing.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Service",
    security(()),
    responses((status = 200, description = "It can", body = Envelope<Readiness>)),
)]
pub(crate) async fn get_readiness(State(api): State<Api>) -> Answer<Readiness> {
    if let Err(error) = api.store.ping().await {
        tracing::warn!(error = %vidpass_token::Chain(&error), "the database is not ready");
        let lack = if error.is_unavailable() {
            "the database does not answer"
        } else {
            "the database is not one that the master key opens"
        };
        return Err(ApiError::NotReady { lack });
    }
    match api.ready.lack() {
        Some(lack) => Err(ApiError::NotReady { lack }),
        None => Ok(api.done(Readiness { status: "ready".to_owned() })),
    }
}
