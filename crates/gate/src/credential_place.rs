//! Where the token stands in a request: in one place alone, whatever stands in others.

use http::header::{AUTHORIZATION, COOKIE, HeaderName};
use vidpass_token::{Credential, Denial, MalformedToken, MediaPath};

use crate::asked::{RequestHeaders, visible};
use crate::manifest::TokenParameter;

/// The one place that tokens are read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CredentialPlace {
    /// Instead of the video's uid, so that relative URLs carry it along.
    #[default]
    Path,
    /// A parameter of the query, which is never decoded: a token needs no escape.
    Query(ParameterName),
    /// A cookie.
    Cookie(ParameterName),
    /// A header; of `Authorization`, what follows `Bearer`.
    Header(HeaderName),
}

/// The name of a query parameter or a cookie: letters, digits, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterName(Box<str>);

/// Why a text does not name a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use `path`, `query:NAME`, `cookie:NAME` or `header:NAME`; a name has letters, digits, `_` and `-`")]
pub struct CredentialPlaceError;

impl std::str::FromStr for CredentialPlace {
    type Err = CredentialPlaceError;

    fn from_str(text: &str) -> Result<Self, CredentialPlaceError> {
        match text.split_once(':') {
            None if text == "path" => Ok(Self::Path),
            Some(("query", name)) => ParameterName::read(name).map(Self::Query),
            Some(("cookie", name)) => ParameterName::read(name).map(Self::Cookie),
            Some(("header", name)) => name.parse().map(Self::Header).map_err(|_| CredentialPlaceError),
            Some(_) | None => Err(CredentialPlaceError),
        }
    }
}

impl ParameterName {
    pub(crate) fn read(name: &str) -> Result<Self, CredentialPlaceError> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
        let fits = (1..=64).contains(&name.len()) && name.bytes().all(plain);
        if fits { Ok(Self(name.into())) } else { Err(CredentialPlaceError) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CredentialPlace {
    /// The path with the token from this place, whatever stands in the others.
    ///
    /// # Errors
    /// [`Denial::TokenMalformed`] where the place holds several, [`Denial::PathRefused`] where tokens are read from
    /// another place than the path and one is in it.
    pub(crate) fn read<'a>(
        &'a self,
        path: MediaPath<'a>,
        headers: RequestHeaders<'a>,
    ) -> Result<MediaPath<'a>, Denial> {
        let token = match self {
            Self::Path => return Ok(path),
            Self::Query(name) => only(named(path.query().unwrap_or_default().split('&'), name))?,
            Self::Cookie(name) => only(named(cookies(headers), name))?,
            Self::Header(name) => only(headers.all(name).map(|value| bearer(name, visible(value))))?,
        };
        Ok(path.with_token_beside(token)?)
    }

    /// What the references of a manifest need to carry the token on, where it does not go along by itself.
    pub(crate) fn parameter(&self, path: &MediaPath<'_>) -> Option<TokenParameter> {
        let Credential::Beside { token, .. } = path.credential() else { return None };
        TokenParameter::new(self.parameter_name()?, token)
    }

    /// The name of the query parameter, where the place is one.
    pub(crate) fn parameter_name(&self) -> Option<&ParameterName> {
        match self {
            Self::Query(name) => Some(name),
            Self::Path | Self::Cookie(_) | Self::Header(_) => None,
        }
    }

    /// The header that scripts of other sites must be allowed to send, where the place is one.
    pub(crate) fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Path | Self::Query(_) | Self::Cookie(_) => None,
        }
    }
}

/// The one value there is. Of two, another reader might take the other one.
fn only<'a>(values: impl Iterator<Item = &'a str>) -> Result<Option<&'a str>, Denial> {
    let values: Vec<&str> = values.collect();
    match values[..] {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(MalformedToken::Repeated { count: values.len() }.into()),
    }
}

fn named<'a>(pairs: impl Iterator<Item = &'a str>, name: &ParameterName) -> impl Iterator<Item = &'a str> {
    pairs.filter_map(|pair| pair.strip_prefix(&*name.0)?.strip_prefix('='))
}

/// The pairs of all `Cookie` lines (RFC 6265, section 4.2.1).
fn cookies<'a>(headers: RequestHeaders<'a>) -> impl Iterator<Item = &'a str> {
    let lines = headers.all(&COOKIE).filter_map(visible);
    lines.flat_map(|line| line.split(';')).map(|pair| pair.trim_matches([' ', '\t']))
}

/// The token in a header's value; what cannot be read is no token of any spelling.
fn bearer<'a>(name: &HeaderName, value: Option<&'a str>) -> &'a str {
    let value = value.unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if *name == AUTHORIZATION && scheme.eq_ignore_ascii_case("bearer") => {
            token.trim_matches(' ')
        }
        Some(_) | None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_alone_is_read() {
        check("path", "/a.b.c/x?token=Q", "a.b.c");
        check("path", "/v1/x?token=Q", "-");
        check("query:token", "/v1/x?token=Q", "Q");
        check("query:token", "/v1/x?a=b&token=Q&c", "Q");
        check("query:token", "/v1/x?Token=Q&xtoken=R&token2=S&token", "-");
        check("query:token", "/v1/x?token=", "");
        check("query:token", "/v1/x?%74oken=Q", "-");
        check("query:token", "/v1/x?token=%51", "%51");
        check("query:token", "/v1/x?token=Q&token=R", "token_malformed");
        check("query:token", "/a.b.c/x?token=Q", "path_refused");
        check("query:token", "/a.b.c/x", "path_refused");
        check("cookie:vp", "/v1/x?vp=Q", "C");
        check("cookie:VP", "/v1/x", "-");
        check("cookie:twice", "/v1/x", "token_malformed");
        check("header:x-token", "/v1/x", "H");
        check("header:authorization", "/v1/x", "B");
        check("header:x-twice", "/v1/x", "token_malformed");
        check("header:x-none", "/v1/x", "-");
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for text in ["", "query", "query:", "query:a b", "query:a=b", "cookie:a;b", "header:a b", "header:", "body:x"] {
            assert_eq!(text.parse::<CredentialPlace>(), Err(CredentialPlaceError), "{text}");
        }
    }

    #[track_caller]
    fn check(place: &str, target: &str, expected: &str) {
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("cookie", "a=b; vp=C; twice=1"),
            ("cookie", "twice=2"),
            ("authorization", "bearer  B "),
            ("x-token", "H"),
            ("x-twice", "1"),
            ("x-twice", "2"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let path = MediaPath::parse(target).unwrap();
        let got = match place.parse::<CredentialPlace>().unwrap().read(path, (&headers).into()) {
            Ok(path) => match path.credential() {
                Credential::Token(token) | Credential::Beside { token, .. } => token,
                Credential::Uid(_) => "-",
            }
            .to_owned(),
            Err(denial) => denial.code().to_owned(),
        };
        assert_eq!(got, expected, "{place} {target}");
    }
}
