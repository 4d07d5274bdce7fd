//! How each proxy that asks over HTTP tells what it was asked for, and which answers it understands.

use http::header::HeaderName;
use http::{Response, StatusCode};
use vidpass_token::{Denial, HeaderProblem};

use super::question::Original;
use crate::asked::{Asked, RequestHeaders};

/// A kind of proxy, with the headers that it tells the original request in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preset {
    /// nginx's `auth_request`: `X-Original-URI`, `X-Original-Method` and `X-Original-Host`, which its configuration sets. It
    /// understands 200, 401 and 403 alone.
    Nginx,
    /// nginx's `proxy_pass`, and the answer is an `X-Accel-Redirect`: the request is the original one.
    NginxAccel(AccelPrefix),
    /// Caddy's `forward_auth`: `X-Forwarded-Uri`, `X-Forwarded-Method` and `X-Forwarded-Host`.
    Caddy,
    /// Traefik's `ForwardAuth`: the headers of Caddy's.
    Traefik,
    /// Envoy's `ext_authz` over HTTP: it asks with the original method, path and host.
    Envoy,
    /// HAProxy with the Lua action of our example: the headers of nginx's.
    Haproxy,
}

/// Where nginx has the files: the path of a location that is `internal`. It begins and ends with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccelPrefix(Box<str>);

/// Why a text is not such a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must begin and end with `/` and have letters, digits, `_`, `-` and `/` between, such as `/_media/`")]
pub struct AccelPrefixError;

/// The headers that tell the original request.
struct Told {
    method: Name,
    target: Name,
    host: Name,
}

/// A header's name, as text too.
struct Name(&'static str, HeaderName);

static X_ORIGINAL: Told = Told {
    method: Name::new("x-original-method"),
    target: Name::new("x-original-uri"),
    host: Name::new("x-original-host"),
};
static X_FORWARDED: Told = Told {
    method: Name::new("x-forwarded-method"),
    target: Name::new("x-forwarded-uri"),
    host: Name::new("x-forwarded-host"),
};
static HOST: Name = Name::new("host");

impl Preset {
    /// What configuration and log call the proxy.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxAccel(_) => "nginx-accel",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
            Self::Haproxy => "haproxy",
        }
    }

    /// Reads what the viewer asked for. Each header must be there exactly once: of two, the proxy may have written one
    /// and the viewer the other.
    pub(super) fn original<'a>(&self, asked: Asked<'a>) -> Result<Original<'a>, Denial> {
        match self {
            Self::Nginx | Self::Haproxy => X_ORIGINAL.read(asked.headers),
            Self::Caddy | Self::Traefik => X_FORWARDED.read(asked.headers),
            Self::NginxAccel(_) | Self::Envoy => {
                Ok(Original { method: asked.method.clone(), target: asked.target?, host: HOST.only(asked.headers)? })
            }
        }
    }

    /// The answer, with a status that the proxy understands.
    pub(super) fn understood<B>(&self, mut response: Response<B>) -> Response<B> {
        if *self == Self::Nginx && response.status() != StatusCode::UNAUTHORIZED {
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        response
    }
}

impl std::str::FromStr for AccelPrefix {
    type Err = AccelPrefixError;

    fn from_str(text: &str) -> Result<Self, AccelPrefixError> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'/');
        let fits = text.starts_with('/') && text.ends_with('/') && !text.contains("//") && text.bytes().all(plain);
        if fits { Ok(Self(text.into())) } else { Err(AccelPrefixError) }
    }
}

impl AccelPrefix {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Told {
    fn read<'a>(&'static self, headers: RequestHeaders<'a>) -> Result<Original<'a>, Denial> {
        let not_a_method = |_| self.method.unclear(HeaderProblem::NotAMethod);
        Ok(Original {
            method: self.method.only(headers)?.parse().map_err(not_a_method)?,
            target: self.target.only(headers)?,
            host: self.host.only(headers)?,
        })
    }
}

impl Name {
    const fn new(name: &'static str) -> Self {
        Self(name, HeaderName::from_static(name))
    }

    fn only<'a>(&'static self, headers: RequestHeaders<'a>) -> Result<&'a str, Denial> {
        headers.only(&self.1).map_err(|problem| self.unclear(problem))
    }

    fn unclear(&self, problem: HeaderProblem) -> Denial {
        Denial::ProxyHeaderUnclear { header: self.0, problem }
    }
}
