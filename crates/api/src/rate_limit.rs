//! How much one caller may ask for. It is counted in this process alone, and by the monotonic clock.

mod limiter;
mod rate;

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::MonotonicClock;
use http::{HeaderMap, HeaderName, HeaderValue};
use vidpass_store::CredentialId;

use self::limiter::Limiter;
pub use self::rate::{Rate, RateError};
use crate::config::RateLimits;

/// How many credentials are counted at once. Of more, those that are asked with least are forgotten.
const CREDENTIALS: usize = 10_000;

/// How many addresses with failed logins are counted at once.
const ADDRESSES: usize = 50_000;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limited {
    /// Requests of one credential.
    Credential,
    /// Failed logins from one address.
    FailedLogins,
}

/// What is left to a caller, told in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    limited: Limited,
    rate: Rate,
    remaining: u32,
    /// How long to wait, where this one was too many.
    pub(crate) refused_for: Option<Duration>,
}

/// The limits of one process.
pub(crate) struct CallerLimits {
    credential: Option<Limiter<CredentialId, MonotonicClock>>,
    failed_logins: Option<Limiter<Neighbourhood, MonotonicClock>>,
}

/// An IPv4 address, or the /64 of an IPv6 address, which is what one customer of a network has at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Neighbourhood(IpAddr);

impl CallerLimits {
    pub(crate) fn new(limits: &RateLimits) -> Self {
        let (requests, logins) = (limits.per_credential, limits.failed_logins_per_address);
        Self {
            credential: requests.map(|rate| Limiter::new(rate, CREDENTIALS, MonotonicClock)),
            failed_logins: logins.map(|rate| Limiter::new(rate, ADDRESSES, MonotonicClock)),
        }
    }

    /// Counts a request.
    pub(crate) fn request(&self, credential: &CredentialId) -> Option<Allowance> {
        let limiter = self.credential.as_ref()?;
        Some(limiter.take(credential).into_allowance(Limited::Credential, limiter.rate()))
    }

    /// Counts so many more requests, of which there are fewer than may come at once.
    pub(crate) fn more_requests(&self, credential: &CredentialId, more: NonZeroU32) -> Option<Allowance> {
        let limiter = self.credential.as_ref()?;
        Some(limiter.take_many(credential, more)?.into_allowance(Limited::Credential, limiter.rate()))
    }

    /// How many requests of one credential may come at once.
    pub(crate) fn requests_at_once(&self) -> usize {
        self.credential.as_ref().map_or(usize::MAX, |limiter| limiter.rate().burst() as usize)
    }

    /// Counts a failed login.
    pub(crate) fn failed_login(&self, address: IpAddr) -> Option<Allowance> {
        let limiter = self.failed_logins.as_ref()?;
        Some(limiter.take(&Neighbourhood::of(address)).into_allowance(Limited::FailedLogins, limiter.rate()))
    }

    /// What is left where nothing is: nobody looks at the credentials of this address then.
    pub(crate) fn too_many_failed_logins(&self, address: IpAddr) -> Option<Allowance> {
        let limiter = self.failed_logins.as_ref()?;
        let refused = limiter.refused(&Neighbourhood::of(address))?;
        Some(refused.into_allowance(Limited::FailedLogins, limiter.rate()))
    }
}

impl Neighbourhood {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        })
    }
}

impl Limited {
    /// Its name in the headers and in the metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::FailedLogins => "failed-logins",
        }
    }
}

impl Allowance {
    pub(crate) fn limited(&self) -> Limited {
        self.limited
    }

    /// Writes `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): so many in so many seconds,
    /// how many are left, and in how many seconds all are there again.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let (name, burst) = (self.limited.name(), self.rate.burst());
        let reset = self.rate.time_for(burst.saturating_sub(self.remaining));
        let policy = format!("\"{name}\";q={burst};w={}", whole_seconds(self.rate.time_for(burst)));
        let state = format!("\"{name}\";r={};t={}", self.remaining, whole_seconds(reset));
        for (header, text) in [(POLICY, policy), (STATE, state)] {
            headers.insert(header, HeaderValue::try_from(text).expect("names and numbers are a header's value"));
        }
    }
}

/// Rounded up.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_counts_with_its_64() {
        check("203.0.113.9", "203.0.113.9", true);
        check("203.0.113.9", "203.0.113.8", false);
        check("203.0.113.9", "::ffff:203.0.113.9", true);
        check("2001:db8::9", "2001:db8::ffff:0:0:8", true);
        check("2001:db8::9", "2001:db8:0:1::9", false);
    }

    #[track_caller]
    fn check(one: &str, other: &str, alike: bool) {
        let of = |text: &str| Neighbourhood::of(text.parse().unwrap());
        assert_eq!(of(one) == of(other), alike, "{one} {other}");
    }

    #[test]
    fn the_headers_say_what_is_left_and_when_all_is() {
        let rate: Rate = "10/m burst 20".parse().unwrap();
        let allowance = Allowance { limited: Limited::FailedLogins, rate, remaining: 17, refused_for: None };
        let mut headers = HeaderMap::new();
        allowance.write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"failed-logins\";q=20;w=120");
        assert_eq!(headers["ratelimit"], "\"failed-logins\";r=17;t=18");
        let rate: Rate = "1000/s".parse().unwrap();
        Allowance { limited: Limited::Credential, rate, remaining: 999, refused_for: None }.write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"credential\";q=1000;w=1");
        assert_eq!(headers["ratelimit"], "\"credential\";r=999;t=1");
    }
}
