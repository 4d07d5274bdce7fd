//! Who calls: authenticated, and for the account in the path.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use vidpass_store::{Actor, CredentialId, Presented, Refused, Scope, Scopes, Store};
use vidpass_token::{AccountId, UnixTime};

use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::problem::{Problem, ProblemKind};
use crate::rate_limit::Allowance;
use crate::state::Api;

/// A caller who is who they say, and who may act for the account in the path, where the path has one.
pub(crate) struct Caller {
    /// The account that they act for.
    pub(crate) account: AccountId,
    /// What they presented.
    pub(crate) credential: CredentialId,
    /// From when on that is refused.
    pub(crate) expires: Option<UnixTime>,
    /// The store, for what they do: its audit log says that they did.
    pub(crate) store: Store,
}

/// From where a request came, behind the proxies that are trusted: an extension of the request, which the server adds.
#[derive(Clone, Copy, Debug)]
pub struct CallerAddress(pub IpAddr);

/// What an operation asks of its caller. Each route says it; see `routes.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// It is for everybody.
    Nothing,
    /// Good credentials, whatever their scopes.
    Credentials,
    /// Good credentials that have the scope.
    Scope(Scope),
}

const AUTH_EMAIL: HeaderName = HeaderName::from_static("x-auth-email");
const AUTH_KEY: HeaderName = HeaderName::from_static("x-auth-key");

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let presented = presented(&parts.headers)?;
        let caller = authenticate(api, parts, &presented).await?;
        let exchange = Exchange::of(parts)?;
        if let Some(account) = exchange.ids().account() {
            // Another account's id, one that nobody has and one that is no id: all get the same answer.
            if account.decoded()? != caller.account.as_str() {
                return Err(ApiError::AccountForeign);
            }
        }
        require_scope(exchange.operation().needs, &caller.scopes)?;
        let request_id = exchange.id().to_string();
        let actor = Actor::Api { credential: caller.credential_id.clone(), address: address(parts), request_id };
        let store = api.store.by(actor);
        Ok(Self { account: caller.account, credential: caller.credential_id, expires: caller.expires, store })
    }
}

/// Asks the store who calls, but where too many from the same address failed.
async fn authenticate(api: &Api, parts: &Parts, presented: &Presented<'_>) -> Result<vidpass_store::Caller, ApiError> {
    within_limits(api, parts, api.limits.too_many_failed_logins(address_or_none(parts)))?;
    let caller = known_or_authenticated(api, presented).await?.map_err(|refused| failed_login(api, parts, refused))?;
    within_limits(api, parts, api.limits.request(&caller.credential_id))?;
    Ok(caller)
}

/// Who presents this, as the store said a moment ago or says now.
async fn known_or_authenticated(
    api: &Api,
    presented: &Presented<'_>,
) -> Result<Result<vidpass_store::Caller, Refused>, ApiError> {
    let (now, mut refused) = (api.now(), Refused::Unknown);
    let read = async || match api.store.authenticate(presented, now).await? {
        Ok(caller) => Ok(Some(caller)),
        Err(why) => {
            refused = why;
            Ok(None)
        }
    };
    let caller = api.callers.get(&api.store, &presented.hash(), read).await?.ok_or(refused);
    // It may have expired since it was read.
    Ok(caller.and_then(|caller| match caller.expires.filter(|expires| *expires <= now) {
        Some(expires) => Err(Refused::Expired(expires)),
        None => Ok(caller),
    }))
}

/// Counts a failed login, and says why it failed, or that there were too many from the same address.
pub(crate) fn failed_login(api: &Api, parts: &Parts, refused: Refused) -> ApiError {
    match within_limits(api, parts, api.limits.failed_login(address_or_none(parts))) {
        Ok(()) => ApiError::from_refused(refused),
        Err(too_many) => too_many,
    }
}

/// Requests of this process's own have no address, and share one.
fn address_or_none(parts: &Parts) -> IpAddr {
    address(parts).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
}

/// Notes for the answer what is left, and refuses where nothing is.
fn within_limits(api: &Api, parts: &Parts, allowance: Option<Allowance>) -> Result<(), ApiError> {
    let Some(allowance) = allowance else { return Ok(()) };
    heed(api, Exchange::of(parts)?, allowance)
}

fn heed(api: &Api, exchange: &Exchange, allowance: Allowance) -> Result<(), ApiError> {
    exchange.note(allowance);
    let Some(wait) = allowance.refused_for else { return Ok(()) };
    api.metrics.count_rate_limited(allowance.limited());
    Err(ApiError::RateLimited { limited: allowance.limited(), wait })
}

/// Counts a request of a caller as if it were so many: it was counted as one when it came. All of them are allowed, or none is.
pub(crate) fn count_as(api: &Api, caller: &Caller, exchange: &Exchange, requests: usize) -> Result<(), ApiError> {
    let max = api.limits.requests_at_once();
    if requests > max {
        let kind = ProblemKind::TokensTooMany { count: requests, max };
        return Err(ApiError::invalid(Problem::at("/tokens", kind)));
    }
    let more = u32::try_from(requests.saturating_sub(1)).ok().and_then(NonZeroU32::new);
    match more.and_then(|more| api.limits.more_requests(&caller.credential, more)) {
        Some(allowance) => heed(api, exchange, allowance),
        None => Ok(()),
    }
}

fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get().map(|CallerAddress(address)| *address)
}

/// Refuses a caller who may not do what the route is for. An operation that takes a caller and needs none is refused to all.
fn require_scope(needs: Needs, scopes: &Scopes) -> Result<(), ApiError> {
    match needs {
        Needs::Credentials => Ok(()),
        Needs::Scope(needed) if scopes.allow(needed) => Ok(()),
        Needs::Scope(needed) => Err(ApiError::ScopeMissing { needed }),
        Needs::Nothing => Err(ApiError::ScopeUndeclared),
    }
}

/// What the headers present. An API token wins over an API key, as a program that sets one may inherit the other.
fn presented(headers: &HeaderMap) -> Result<Presented<'_>, ApiError> {
    if headers.contains_key(AUTHORIZATION) {
        return Ok(Presented::ApiToken(bearer_of(headers)?));
    }
    match (headers.contains_key(AUTH_EMAIL), headers.contains_key(AUTH_KEY)) {
        (false, false) => Err(ApiError::CredentialsMissing),
        (true, true) => {
            let both = only(headers, &AUTH_EMAIL).zip(only(headers, &AUTH_KEY));
            both.map(|(email, key)| Presented::ApiKey { email, key }).ok_or(ApiError::CredentialsMalformed)
        }
        (true, false) | (false, true) => Err(ApiError::CredentialsMalformed),
    }
}

/// The text of a bearer's credential, where there is nothing but one.
pub(crate) fn bearer_of(headers: &HeaderMap) -> Result<&str, ApiError> {
    if !headers.contains_key(AUTHORIZATION) {
        return Err(ApiError::CredentialsMissing);
    }
    only(headers, &AUTHORIZATION).and_then(bearer).ok_or(ApiError::CredentialsMalformed)
}

/// The header's text, where it is there once: of two, another reader might take the other one.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// The token of `Bearer <token>` (RFC 6750, section 2.1); the scheme's name in any case (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_of_credentials_whole_and_once() {
        check(&[("authorization", "Bearer abc")], Ok("token abc"));
        check(&[("authorization", "bearer  abc ")], Ok("token abc"));
        check(&[("x-auth-email", "a@b"), ("x-auth-key", "k")], Ok("key a@b k"));
        check(&[("authorization", "Bearer abc"), ("x-auth-email", "a@b"), ("x-auth-key", "k")], Ok("token abc"));
        check(&[], Err("missing"));
        for bad in ["", "abc", "Basic abc", "Bearer", "Bearer ", "Bearer a b", "Bearer\u{e9} x"] {
            check(&[("authorization", bad)], Err("malformed"));
        }
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer b")], Err("malformed"));
        check(&[("x-auth-email", "a@b")], Err("malformed"));
        check(&[("x-auth-key", "k")], Err("malformed"));
        check(&[("x-auth-email", "a@b"), ("x-auth-key", "k"), ("x-auth-key", "l")], Err("malformed"));
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Result<&str, &str>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), http::HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            });
        let got = match presented(&headers) {
            Ok(Presented::ApiToken(token)) => Ok(format!("token {token}")),
            Ok(Presented::ApiKey { email, key }) => Ok(format!("key {email} {key}")),
            Err(ApiError::CredentialsMissing) => Err("missing"),
            Err(_) => Err("malformed"),
        };
        assert_eq!(got.as_deref(), expected.as_deref());
    }
}
