//! What a request comes to for a file whose head is known. Pure, and the same for every origin.

use std::ops::Range;

use http::Method;
use http::header::RANGE;
use vidpass_token::UnixTime;

use super::conditional::{self, Held, Precondition};
use super::range::{self, Selection, Spec};
use crate::asked::RequestHeaders;
use crate::origin::{Head, Want};

/// What of a request a file is asked with.
#[derive(Clone, Copy)]
pub(super) struct Demand<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: RequestHeaders<'a>,
    pub(super) now: UnixTime,
}

/// What a viewer gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// These bytes, which are not all: 206.
    Part(Range<u64>),
    /// Nothing, since the file is in another state than the viewer demands: 412.
    PreconditionFailed,
    /// Nothing, since it has no such bytes: 416.
    RangeNotSatisfiable,
    /// Nothing, since the viewer has this state of the file: 304.
    Unchanged,
    /// All bytes: 200.
    Whole,
}

impl Demand<'_> {
    /// Decides, in the order of RFC 9110, section 13.2.2.
    pub(super) fn reply(&self, head: &Head) -> Reply {
        match conditional::evaluate(self.headers, &head.validators) {
            Precondition::Failed => return Reply::PreconditionFailed,
            Precondition::NotModified => return Reply::Unchanged,
            Precondition::Proceed => {}
        }
        let counts = conditional::range_counts(self.headers, &head.validators, self.now);
        match self.spec().filter(|_| counts).map(|spec| spec.select(head.length)) {
            None | Some(Selection::Whole) => Reply::Whole,
            Some(Selection::Part { first, last }) => Reply::Part(first..last + 1),
            Some(Selection::Unsatisfiable) => Reply::RangeNotSatisfiable,
        }
    }

    pub(super) fn wants_head(&self) -> bool {
        *self.method == Method::HEAD
    }

    /// What to ask a remote origin for, so that one answer will probably do.
    ///
    /// It is a guess alone: what the viewer gets is decided by [`Self::reply`] when the head is there.
    pub(super) fn want(&self) -> Want {
        match self.spec() {
            _ if self.wants_head() => Want::Head,
            Some(spec) if spec.header().is_some() => Want::Part { spec, of: conditional::part_of(self.headers) },
            Some(_) => Want::Head,
            None => Held::read(self.headers).map_or(Want::Whole, Want::WholeUnless),
        }
    }

    /// The one range of a `Range` header. It has a meaning for `GET` alone (RFC 9110, section 14.2).
    fn spec(&self) -> Option<Spec> {
        let mut lines = self.headers.all(&RANGE);
        let header = lines.next().filter(|_| lines.next().is_none() && *self.method == Method::GET)?;
        range::parse(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::map;
    use crate::serve::conditional::Validators;

    const ETAG: &str = "\"e\"";
    const DATE: &str = "Fri, 15 Jan 2027 07:00:00 GMT";

    #[test]
    fn conditions_go_before_ranges() {
        check("GET", &[], Reply::Whole);
        check("GET", &[("range", "bytes=1-2")], Reply::Part(1..3));
        check("GET", &[("range", "bytes=0-9")], Reply::Part(0..10));
        check("GET", &[("range", "bytes=10-")], Reply::RangeNotSatisfiable);
        check("GET", &[("range", "bytes=1-2"), ("if-range", ETAG)], Reply::Part(1..3));
        check("GET", &[("range", "bytes=1-2"), ("if-range", "\"o\"")], Reply::Whole);
        check("GET", &[("range", "bytes=10-"), ("if-range", "\"o\"")], Reply::Whole);
        check("GET", &[("range", "bytes=10-"), ("if-none-match", ETAG)], Reply::Unchanged);
        check("GET", &[("range", "bytes=10-"), ("if-match", "\"o\"")], Reply::PreconditionFailed);
        check("GET", &[("range", "bytes=1-2"), ("range", "bytes=1-2")], Reply::Whole);
        check("HEAD", &[("range", "bytes=10-")], Reply::Whole);
        check("HEAD", &[("if-none-match", ETAG)], Reply::Unchanged);
    }

    #[test]
    fn an_origin_is_asked_for_what_will_probably_be_sent() {
        let part = |text: &str, of: Option<&str>| {
            let of =
                conditional::part_of((&map(&of.map(|tag| ("if-range", tag)).into_iter().collect::<Vec<_>>())).into());
            Want::Part { spec: range::parse(text.as_bytes()).unwrap(), of }
        };
        let held = |headers: &[(&'static str, &str)]| Want::WholeUnless(Held::read((&map(headers)).into()).unwrap());
        want("GET", &[], Want::Whole);
        want("HEAD", &[("range", "bytes=1-2"), ("if-none-match", ETAG)], Want::Head);
        want("GET", &[("range", "bytes=1-2")], part("bytes=1-2", None));
        want("GET", &[("range", "bytes=1-2"), ("if-range", ETAG)], part("bytes=1-2", Some(ETAG)));
        want("GET", &[("range", "bytes=1-2"), ("if-range", "W/\"e\"")], part("bytes=1-2", None));
        want("GET", &[("range", "bytes=1-2"), ("if-range", DATE)], part("bytes=1-2", None));
        want("GET", &[("range", "bytes=-0")], Want::Head);
        want("GET", &[("range", "bytes=-5"), ("if-range", ETAG)], Want::Head);
        want("GET", &[("range", "bytes=99999999999999999999-")], Want::Head);
        want("GET", &[("range", "bytes=1-2,4-5")], Want::Whole);
        want("GET", &[("if-none-match", ETAG)], held(&[("if-none-match", ETAG)]));
        want("GET", &[("if-modified-since", DATE)], held(&[("if-modified-since", DATE)]));
        want("GET", &[("if-none-match", "*")], Want::Whole);
        want("GET", &[("if-match", ETAG)], Want::Whole);
    }

    #[track_caller]
    fn check(method: &str, headers: &[(&'static str, &str)], expected: Reply) {
        let now = UnixTime(1_800_000_000);
        let validators = Validators::of_answer((&map(&[("etag", ETAG), ("last-modified", DATE)])).into(), now);
        let (method, map) = (method.parse().unwrap(), map(headers));
        let demand = Demand { method: &method, headers: (&map).into(), now };
        assert_eq!(demand.reply(&Head { length: 10, validators }), expected, "{method} {headers:?}");
    }

    #[track_caller]
    fn want(method: &str, headers: &[(&'static str, &str)], expected: Want) {
        let (method, map) = (method.parse().unwrap(), map(headers));
        let demand = Demand { method: &method, headers: (&map).into(), now: UnixTime(1_800_000_000) };
        assert_eq!(demand.want(), expected, "{method} {headers:?}");
    }
}
