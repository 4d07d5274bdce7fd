//! What the API is told.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use vidpass_token::{Country, Limits};

use crate::rate_limit::Rate;

/// What the API is told.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Where callers reach this API, and viewers the gate: the addresses of the documentation and of videos begin with it.
    pub public_url: PublicUrl,
    /// How far in the future the end of an issued token may lie.
    pub max_token_lifetime: Duration,
    /// How long an issued token lives where the request does not say; never more than the longest.
    pub default_token_lifetime: Duration,
    /// After how long every gate that lets in by tokens knows a new key: a managed key that takes over signs from then on.
    pub learnt_after: Duration,
    /// How many access rules an issued token may have.
    pub max_access_rules: usize,
    /// What the gate accepts, to explain its decisions.
    pub accepted: Limits,
    /// Knows the country of an address as the gate does.
    pub countries: CountryLookup,
    /// How much one caller may ask for.
    pub rate_limits: RateLimits,
    /// Whether tokens that wait are signed together. It is heeded when the threads start that sign.
    pub batching: Batching,
}

/// Whether RSA signatures are made together, eight at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Batching {
    /// Where the CPU and the library are there for it.
    #[default]
    Auto,
    /// Never: the library is not even loaded.
    Off,
}

/// How much one caller may ask for, of this process; `None` is any number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests of one credential.
    pub per_credential: Option<Rate>,
    /// Failed logins from one IPv4 address, or one /64 of IPv6.
    pub failed_logins_per_address: Option<Rate>,
}

impl Default for RateLimits {
    /// What nobody meets by hand: 1,000 requests a second; 10 failed logins a minute, after 20 at once.
    fn default() -> Self {
        const REQUESTS: NonZeroU32 = NonZeroU32::new(1000).expect("it is not zero");
        const LOGINS: NonZeroU32 = NonZeroU32::new(10).expect("it is not zero");
        const LOGINS_AT_ONCE: NonZeroU32 = NonZeroU32::new(20).expect("it is not zero");
        Self {
            per_credential: Some(Rate::per_second(REQUESTS)),
            failed_logins_per_address: Some(Rate::per_minute(LOGINS, LOGINS_AT_ONCE)),
        }
    }
}

impl ApiConfig {
    /// The defaults: tokens of one hour, of at most 24, with at most five rules; gates that have a lease of 30 seconds; and no country is known.
    #[must_use]
    pub fn new(public_url: PublicUrl) -> Self {
        Self {
            public_url,
            max_token_lifetime: Duration::from_secs(24 * 3600),
            default_token_lifetime: Duration::from_secs(3600),
            learnt_after: Duration::from_secs(32),
            max_access_rules: 5,
            accepted: Limits::default(),
            countries: CountryLookup::new(|_| Country::Unavailable),
            rate_limits: RateLimits::default(),
            batching: Batching::Auto,
        }
    }
}

/// The address of this service as others see it, such as `https://video.example`. It has no slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

/// Why a text is not such an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as `https://video.example` (http or https, without query, fragment or user)")]
pub struct PublicUrlError;

impl PublicUrl {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let uri: Uri = text.parse().map_err(|_| PublicUrlError)?;
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        // The addresses end up in HTML (the embed code), so no character may need escaping there.
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_~[]%".contains(&byte));
        if web && host && plain { Ok(Self(text.trim_end_matches('/').into())) } else { Err(PublicUrlError) }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tells the country of an address: what the gate in the same process knows.
#[derive(Clone)]
pub struct CountryLookup(Arc<dyn Fn(IpAddr) -> Country + Send + Sync>);

impl CountryLookup {
    /// Asks `country` about each address.
    pub fn new(country: impl Fn(IpAddr) -> Country + Send + Sync + 'static) -> Self {
        Self(Arc::new(country))
    }

    pub(crate) fn country(&self, address: IpAddr) -> Country {
        (self.0)(address)
    }
}

impl fmt::Debug for CountryLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountryLookup")
    }
}

/// What the other parts of this process lack to do their work: what `/readyz` asks besides the database.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> Option<&'static str> + Send + Sync>);

impl Readiness {
    /// Asks `lack` whenever `/readyz` is asked. It answers with a sentence, or `None` where nothing is lacking.
    pub fn new(lack: impl Fn() -> Option<&'static str> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lack))
    }

    pub(crate) fn lack(&self) -> Option<&'static str> {
        (self.0)()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Readiness({:?})", self.lack())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_ends_without_a_slash() {
        check("https://video.example", Some("https://video.example"));
        check("http://127.0.0.1:8080/", Some("http://127.0.0.1:8080"));
        check("http://[::1]:8080/media/", Some("http://[::1]:8080/media"));
        for text in [
            "",
            "video.example",
            "ftp://a",
            "https://",
            "https://u:p@a",
            "https://a/?x",
            "https://a/#x",
            "https://a/\"<",
            "https://a/'",
            "https://a/&amp;",
        ] {
            check(text, None);
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(text.parse::<PublicUrl>().ok().map(|url| url.to_string()).as_deref(), expected, "{text}");
    }
}
