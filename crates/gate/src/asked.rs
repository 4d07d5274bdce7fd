//! A request as a decision needs it, whoever read it.

use std::slice;

use http::header::{HeaderMap, HeaderName, HeaderValue, ValueIter};
use http::{Method, Request};
use vidpass_token::{HeaderProblem, PathError};

use crate::request_target;

/// What a request asks for. A copy is another look at the same.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// Path and query.
    pub(crate) target: Result<&'a str, PathError>,
    pub(crate) headers: RequestHeaders<'a>,
}

/// The headers of a request. A copy is another look at the same.
#[derive(Clone, Copy)]
pub(crate) enum RequestHeaders<'a> {
    /// As a complete server keeps them.
    Map(&'a HeaderMap),
    /// As they came, line by line. To look through a dozen for the few that count takes less than to make a map of them.
    Lines(&'a [httparse::Header<'a>]),
}

impl<'a> Asked<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            target: request_target::origin_form(request.uri(), request.version()),
            headers: request.headers().into(),
        }
    }
}

impl<'a> RequestHeaders<'a> {
    /// The value of each line of this name, in their order.
    pub(crate) fn all(self, name: &HeaderName) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        match self {
            Self::Map(map) => Values::Map(map.get_all(name).iter()),
            Self::Lines(lines) => Values::Lines { lines: lines.iter(), name: name.as_str() },
        }
    }

    pub(crate) fn contains(self, name: &HeaderName) -> bool {
        self.all(name).next().is_some()
    }

    /// The value of a header that is there exactly once and is visible ASCII. Of two, each reader may take another one.
    pub(crate) fn only(self, name: &HeaderName) -> Result<&'a str, HeaderProblem> {
        let mut values = self.all(name);
        let value = values.next().ok_or(HeaderProblem::Missing)?;
        if values.next().is_some() {
            return Err(HeaderProblem::Repeated);
        }
        visible(value).ok_or(HeaderProblem::NotText)
    }
}

/// The values of one name.
enum Values<'a, 'n> {
    Map(ValueIter<'a, HeaderValue>),
    Lines { lines: slice::Iter<'a, httparse::Header<'a>>, name: &'n str },
}

impl<'a> Iterator for Values<'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::Map(values) => values.next().map(HeaderValue::as_bytes),
            Self::Lines { lines, name } => lines.find(|line| is_named(line, name)).map(|line| line.value),
        }
    }
}

impl DoubleEndedIterator for Values<'_, '_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Map(values) => values.next_back().map(HeaderValue::as_bytes),
            Self::Lines { lines, name } => lines.rfind(|line| is_named(line, name)).map(|line| line.value),
        }
    }
}

#[inline]
fn is_named(line: &httparse::Header<'_>, name: &str) -> bool {
    line.name.len() == name.len() && line.name.eq_ignore_ascii_case(name)
}

impl<'a> From<&'a HeaderMap> for RequestHeaders<'a> {
    fn from(map: &'a HeaderMap) -> Self {
        Self::Map(map)
    }
}

/// A header's value as text, where it is visible ASCII, spaces and tabs: of other control characters none has any.
pub(crate) fn visible(value: &[u8]) -> Option<&str> {
    str::from_utf8(value).ok().filter(|text| text.is_ascii())
}

#[cfg(test)]
mod tests {
    use http::header::{COOKIE, HOST, RANGE};

    use super::*;
    use crate::headers::map;

    #[test]
    fn lines_are_read_as_a_map_of_them_is() {
        let pairs = [("host", "h"), ("Cookie", "a"), ("cookie", "b"), ("x-tab", "a\tb"), ("x-latin", "\u{e9}")];
        let map = map(&pairs.map(|(name, value)| (name.to_ascii_lowercase().leak() as &str, value)));
        let lines = pairs.map(|(name, value)| httparse::Header { name, value: value.as_bytes() });
        let read = |headers: RequestHeaders<'_>| {
            let [tab, latin] = ["x-tab", "x-latin"].map(HeaderName::from_static);
            let cookies: Vec<_> = headers.all(&COOKIE).rev().map(<[u8]>::to_vec).collect();
            let only = [&HOST, &RANGE, &COOKIE, &tab, &latin].map(|name| headers.only(name).map(str::to_owned));
            (cookies, only, headers.contains(&HOST), headers.contains(&RANGE))
        };
        let got = read(RequestHeaders::Lines(&lines));
        assert_eq!(got, read((&map).into()));
        let (repeated, not_text) = (Err(HeaderProblem::Repeated), Err(HeaderProblem::NotText));
        let only = [Ok("h".to_owned()), Err(HeaderProblem::Missing), repeated, Ok("a\tb".to_owned()), not_text];
        assert_eq!(got, (vec![b"b".to_vec(), b"a".to_vec()], only, true, false));
    }
}
