//! List videos.

use axum::extract::{RawQuery, State};
use vidpass_api_types::{Envelope, Video};

use super::query::ListQuery;
use super::shown;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::state::Api;

/// List videos
///
/// At most 1,000, the newest first unless `asc` is set. Parameters that have no effect get a note in `messages`.
#[utoipa::path(
    get,
    path = "/client/v4/accounts/{account_id}/stream",
    tag = "Videos",
    params(
        ("account_id" = String, Path, max_length = 32),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many"),
        ("after" = Option<String>, Query, format = DateTime, description = "Registered after this moment"),
        ("start" = Option<String>, Query, format = DateTime, description = "The same as `after`"),
        ("before" = Option<String>, Query, format = DateTime, description = "Registered before this moment"),
        ("end" = Option<String>, Query, format = DateTime, description = "The same as `before`"),
        ("asc" = Option<bool>, Query, description = "The oldest first"),
        ("search" = Option<String>, Query, max_length = 256, description = "With this text somewhere in `meta.name`, in any case"),
        ("creator" = Option<String>, Query, max_length = 256, description = "Of this creator"),
        ("id" = Option<String>, Query, max_length = 256, description = "Of this id"),
        ("video_name" = Option<String>, Query, max_length = 256, description = "With exactly this `meta.name`; looked for among the 1,000 newest or oldest whose name contains it"),
        ("name" = Option<String>, Query, max_length = 256, description = "The same as `video_name`"),
        ("status" = Option<String>, Query, description = "In this state; every video here is `ready`"),
        ("type" = Option<String>, Query, description = "Of this type; every video here is `vod`"),
        ("live_input_id" = Option<String>, Query, description = "Recorded from this live input; no video here is"),
        ("include_counts" = Option<bool>, Query, description = "Has no effect"),
    ),
    responses((status = 200, description = "The videos", body = Envelope<Vec<Video>>)),
)]
pub(crate) async fn list_videos(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Answer<Vec<Video>> {
    let query = ListQuery::parse(query.as_deref().unwrap_or_default())?;
    let found =
        if query.may_match() { caller.store.list_videos(&caller.account, &query.stored).await? } else { Vec::new() };
    let shown = query.select(found).map(|video| shown(video, &api.config.public_url)).collect();
    Ok(api.done_with(shown, &query.notes))
}
