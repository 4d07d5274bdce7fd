//! How long an answer may be kept.

use http::HeaderValue;
use vidpass_token::{Permit, UnixTime};

/// The longest time for which a viewer may keep what a token opened, in seconds.
const MAX_AGE: i64 = 3600;

/// How long a public video may be kept, in seconds. Short, because it may be made private.
const PUBLIC_MAX_AGE: i64 = 300;

/// The value of `Cache-Control` for something that a permit opened.
///
/// What a token opened is for its viewer alone and never outlives the token. A public video may be kept by shared
/// caches too, unless only some sites may embed it.
#[derive(Clone, Copy, Debug)]
pub(super) struct CacheControl {
    scope: &'static str,
    /// For how long, in seconds.
    max_age: i64,
}

impl CacheControl {
    /// That of what `permit` opened; `same_for_all` says that the next viewer would get the same answer, whoever they are.
    pub(super) fn of(permit: &Permit, same_for_all: bool, now: UnixTime) -> Self {
        let (scope, max_age) = match permit.expires() {
            Some(expires) => ("private", now.seconds_until(expires).clamp(0, MAX_AGE)),
            None if same_for_all => ("public", PUBLIC_MAX_AGE),
            None => ("private", PUBLIC_MAX_AGE),
        };
        Self { scope, max_age }
    }

    pub(super) fn header(self) -> HeaderValue {
        let text = self.parts(&mut itoa::Buffer::new()).concat();
        HeaderValue::try_from(text).expect("a word and a number are a header value")
    }

    /// What the value is made of, with room for its number.
    pub(super) fn parts(self, number: &mut itoa::Buffer) -> [&str; 3] {
        [self.scope, ", max-age=", number.format(self.max_age)]
    }
}
