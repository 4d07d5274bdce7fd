//! What is asked of a remote origin, and what its answer's head says. Pure.

use std::ops::Range;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, RANGE, TRANSFER_ENCODING,
};
use http::{Method, StatusCode};
use vidpass_token::UnixTime;

use super::error::FetchError;
use crate::serve::conditional::{EntityTag, Held, Validators};
use crate::serve::range::{Selection, Spec};

/// What an origin tells of a file before its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The length of the whole file in bytes.
    pub(crate) length: u64,
    pub(crate) validators: Validators,
}

/// What is wanted of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// The head alone.
    Head,
    /// A part; with a tag, only while the file still has it.
    Part { spec: Spec, of: Option<EntityTag> },
    /// All of it.
    Whole,
    /// All of it, unless the viewer has that already.
    WholeUnless(Held),
}

/// What the head of an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    NotFound,
    NotModified(Validators),
    /// Some bytes follow, but for [`Want::Head`].
    Part(Head, Range<u64>),
    /// The file no longer has the tag that was named.
    PreconditionFailed,
    RangeNotSatisfiable,
    /// All bytes follow, but for [`Want::Head`].
    Whole(Head),
}

impl Want {
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Head => Method::HEAD,
            Self::Part { .. } | Self::Whole | Self::WholeUnless(_) => Method::GET,
        }
    }

    /// The headers that say it, written anew from what was parsed. Of the viewer's own text there are entity tags alone.
    pub(super) fn headers(&self) -> HeaderMap {
        let said: Vec<(HeaderName, String)> = match self {
            Self::Head | Self::Whole => Vec::new(),
            Self::WholeUnless(Held::Tags(tags)) => vec![(IF_NONE_MATCH, tags.clone())],
            Self::WholeUnless(Held::Since(date)) => vec![(IF_MODIFIED_SINCE, date.clone())],
            Self::Part { spec, of } => {
                let range = spec.header().map(|range| (RANGE, range));
                range.into_iter().chain(of.iter().map(|tag| (IF_MATCH, tag.as_str().to_owned()))).collect()
            }
        };
        let value = |text| HeaderValue::try_from(text).expect("numbers, tags and dates are header values");
        said.into_iter().map(|(name, text)| (name, value(text))).collect()
    }

    /// Reads the head of the answer. What was not asked for is a failure: an origin that answers past the question
    /// cannot be trusted with the next one.
    pub(super) fn read(&self, status: StatusCode, headers: &HeaderMap, now: UnixTime) -> Result<Told, FetchError> {
        let validators = || Validators::of_answer(headers.into(), now);
        match (status, self) {
            (StatusCode::OK, _) => Ok(Told::Whole(Head { length: length(headers)?, validators: validators() })),
            (StatusCode::PARTIAL_CONTENT, Self::Part { spec, .. }) => part(*spec, headers, validators()),
            (StatusCode::NOT_MODIFIED, Self::WholeUnless(_)) => Ok(Told::NotModified(validators())),
            (StatusCode::PRECONDITION_FAILED, Self::Part { of: Some(_), .. }) => Ok(Told::PreconditionFailed),
            (StatusCode::RANGE_NOT_SATISFIABLE, Self::Part { .. }) => Ok(Told::RangeNotSatisfiable),
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) => Ok(Told::NotFound),
            (status, _) => Err(FetchError::Status { status }),
        }
    }
}

fn part(spec: Spec, headers: &HeaderMap, validators: Validators) -> Result<Told, FetchError> {
    refuse_encoded(headers)?;
    refuse_two_lengths(headers)?;
    let value = one(headers, CONTENT_RANGE).unwrap_or_default();
    let unexpected = || FetchError::RangeUnexpected { given: value.chars().take(64).collect() };
    let (range, length) = content_range(value).ok_or_else(unexpected)?;
    let asked = match spec.select(length) {
        Selection::Part { first, last } => first..last + 1,
        Selection::Whole | Selection::Unsatisfiable => return Err(unexpected()),
    };
    if range != asked {
        return Err(unexpected());
    }
    Ok(Told::Part(Head { length, validators }, range))
}

/// Reads `bytes 0-9/10`.
fn content_range(value: &str) -> Option<(Range<u64>, u64)> {
    let (range, length) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, length) = (number(first)?, number(last)?, number(length)?);
    (first <= last && last < length).then_some((first..last + 1, length))
}

fn length(headers: &HeaderMap) -> Result<u64, FetchError> {
    refuse_encoded(headers)?;
    refuse_two_lengths(headers)?;
    one(headers, CONTENT_LENGTH).and_then(number).ok_or(FetchError::LengthMissing)
}

/// A player knows nothing of an encoding, since it is not told of one; and a part of encoded bytes is no part of the
/// file. `aws-chunked` is a trace of how an object was uploaded, not of how it is sent.
fn refuse_encoded(headers: &HeaderMap) -> Result<(), FetchError> {
    let plain = |value: &HeaderValue| value == "identity" || value == "aws-chunked";
    match headers.get_all(CONTENT_ENCODING).iter().find(|value| !plain(value)) {
        Some(encoding) => Err(FetchError::Encoded { encoding: format!("{encoding:?}").chars().take(64).collect() }),
        None => Ok(()),
    }
}

/// Whoever sends both may mean to smuggle an answer (RFC 9112, section 6.3): one on the way counts by the one header, and
/// the next by the other.
fn refuse_two_lengths(headers: &HeaderMap) -> Result<(), FetchError> {
    let both = headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING);
    if both { Err(FetchError::LengthUnclear) } else { Ok(()) }
}

fn one(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())?.to_str().ok()
}

/// Digits only, and no number that no file reaches.
fn number(digits: &str) -> Option<u64> {
    let all = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    digits.parse().ok().filter(|number| all && *number < i64::MAX.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::map;
    use crate::serve::range::parse;

    const TAG: (&str, &str) = ("etag", "\"a\"");

    #[test]
    fn what_is_asked() {
        let tag = Validators::of_answer((&map(&[TAG])).into(), UnixTime(0)).etag;
        for (want, expected) in [
            (Want::Head, "HEAD"),
            (Want::Whole, "GET"),
            (Want::WholeUnless(Held::Tags("\"a\", \"b\"".to_owned())), "GET if-none-match: \"a\", \"b\""),
            (Want::Part { spec: Spec::FromTo { first: 1, last: 2 }, of: None }, "GET range: bytes=1-2"),
            (Want::Part { spec: Spec::From { first: 1 }, of: tag }, "GET range: bytes=1- if-match: \"a\""),
        ] {
            let mut text = want.method().to_string();
            for (name, value) in &want.headers() {
                text += &format!(" {name}: {}", value.to_str().unwrap());
            }
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn heads_that_answer_the_question() {
        let (ten, tag) = (("content-length", "10"), TAG);
        check(&Want::Whole, 200, &[ten, tag], "whole of 10");
        check(&Want::Head, 200, &[ten], "whole of 10");
        check(&Want::Whole, 200, &[("content-length", "0")], "whole of 0");
        check(&part("bytes=2-3"), 206, &[("content-range", "bytes 2-3/10")], "2..4 of 10");
        check(&part("bytes=-3"), 206, &[("content-range", "bytes 7-9/10")], "7..10 of 10");
        check(&part("bytes=2-99"), 206, &[("content-range", "bytes 2-9/10")], "2..10 of 10");
        check(&part("bytes=2-3"), 200, &[ten], "whole of 10");
        check(&part("bytes=20-"), 416, &[("content-range", "bytes */10")], "unsatisfiable");
        check(&Want::WholeUnless(Held::Since(String::new())), 304, &[tag], "not modified");
        check(
            &part("bytes=2-3"),
            206,
            &[("content-range", "bytes 2-3/10"), ("transfer-encoding", "chunked")],
            "2..4 of 10",
        );
        check(&Want::Whole, 404, &[], "not found");
        check(&part("bytes=2-3"), 410, &[], "not found");
        check(&Want::Whole, 200, &[ten, ("content-encoding", "identity")], "whole of 10");
        check(&Want::Whole, 200, &[ten, ("content-encoding", "aws-chunked")], "whole of 10");
    }

    #[test]
    fn heads_that_do_not() {
        let ten = ("content-length", "10");
        check(&Want::Whole, 200, &[], "the origin does not say how long the file is");
        for bad in ["", "-1", "+1", "1.0", "0x1", "1 0", "18446744073709551615"] {
            check(&Want::Whole, 200, &[("content-length", bad)], "the origin does not say how long the file is");
        }
        check(&Want::Whole, 200, &[ten, ten], "the origin does not say how long the file is");
        check(&Want::Whole, 200, &[ten, ("content-encoding", "gzip")], "the origin sent the file encoded, as \"gzip\"");
        let (chunked, unclear) =
            (("transfer-encoding", "chunked"), "the origin says in two ways how long its answer is");
        for want in [Want::Whole, Want::Head] {
            check(&want, 200, &[ten, chunked], unclear);
        }
        check(&part("bytes=2-3"), 206, &[("content-range", "bytes 2-3/10"), ("content-length", "2"), chunked], unclear);
        for (asked, given) in [
            ("bytes=2-3", "bytes 2-4/10"),
            ("bytes=2-3", "bytes 1-3/10"),
            ("bytes=2-3", "bytes 2-3/*"),
            ("bytes=2-3", "bytes 3-2/10"),
            ("bytes=2-99", "bytes 2-99/10"),
            ("bytes=2-3", "lines 2-3/10"),
            ("bytes=2-3", ""),
            ("bytes=20-", "bytes 0-9/10"),
        ] {
            let expected = format!("the origin sent another part than it was asked for: `{given}`");
            check(&part(asked), 206, &[("content-range", given)], &expected);
        }
        for (want, status) in [
            (Want::Whole, 206),
            (Want::Whole, 304),
            (Want::Whole, 412),
            (Want::Whole, 416),
            (part("bytes=2-3"), 304),
            (part("bytes=2-3"), 412),
            (Want::Whole, 204),
            (Want::Whole, 301),
            (Want::Whole, 302),
            (Want::Whole, 307),
            (Want::Whole, 403),
            (Want::Whole, 500),
            (Want::Whole, 503),
        ] {
            check(&want, status, &[ten, ("location", "http://elsewhere/")], &format!("the origin answered {status}"));
        }
    }

    fn part(range: &str) -> Want {
        Want::Part { spec: parse(range.as_bytes()).unwrap(), of: None }
    }

    #[track_caller]
    fn check(want: &Want, status: u16, headers: &[(&'static str, &str)], expected: &str) {
        let told = want.read(StatusCode::from_u16(status).unwrap(), &map(headers), UnixTime(1_800_000_000));
        let text = match told {
            Ok(Told::Whole(head)) => format!("whole of {}", head.length),
            Ok(Told::Part(head, range)) => format!("{range:?} of {}", head.length),
            Ok(Told::NotModified(_)) => "not modified".to_owned(),
            Ok(Told::NotFound) => "not found".to_owned(),
            Ok(Told::PreconditionFailed) => "precondition failed".to_owned(),
            Ok(Told::RangeNotSatisfiable) => "unsatisfiable".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected, "{want:?} {status} {headers:?}");
    }
}
