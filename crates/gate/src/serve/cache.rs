//! How long an answer may be kept.

use http::HeaderValue;
use vidpass_token::{Permit, UnixTime};

/// The longest time for which a viewer may keep what a token opened, in seconds.
const MAX_AGE: i64 = 3600;

/// How long a public video may be kept, in seconds. Short, because it may be made private.
const PUBLIC_MAX_AGE: i64 = 300;

/// The value of `Cache-Control` for something that `permit` opened.
///
/// What a token opened is for its viewer alone and never outlives the token. A public video may be kept by shared
/// caches too, unless only some sites may embed it: `same_for_all` says that it is not so.
pub(super) fn cache_control(permit: &Permit, same_for_all: bool, now: UnixTime) -> HeaderValue {
    let (scope, seconds) = match permit.expires() {
        Some(expires) => ("private", now.seconds_until(expires).clamp(0, MAX_AGE)),
        None if same_for_all => ("public", PUBLIC_MAX_AGE),
        None => ("private", PUBLIC_MAX_AGE),
    };
    HeaderValue::try_from(format!("{scope}, max-age={seconds}")).expect("a word and a number are a header value")
}
