//! Conditional requests (RFC 9110, section 13).

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use vidpass_token::UnixTime;

/// The last second of the year 9999, after which an HTTP date cannot be written.
const LAST_DATE: i64 = 253_402_300_799;

/// What tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validators {
    /// A strong entity tag, with its quotes.
    pub(super) etag: String,
    /// When the file was last changed; `None` where no HTTP date can say it.
    pub(super) modified: Option<UnixTime>,
}

/// What the preconditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precondition {
    /// Answer as if there were none.
    Proceed,
    /// The viewer has this state of the file: 304.
    NotModified,
    /// The file is in another state than the viewer demands: 412.
    Failed,
}

impl Validators {
    /// Of a file that was changed at `modified` (seconds and nanoseconds since 1970). A date in the future becomes
    /// `now` (section 8.8.2.1).
    pub(super) fn new(modified: (i64, i64), size: u64, inode: u64, now: UnixTime) -> Self {
        let (seconds, nanoseconds) = modified;
        let date = UnixTime(seconds.min(now.0));
        Self {
            etag: format!("\"{seconds:x}.{nanoseconds:x}-{size:x}-{inode:x}\""),
            modified: Some(date).filter(|date| (0..=LAST_DATE).contains(&date.0)),
        }
    }

    /// The value of `Last-Modified`.
    pub(super) fn last_modified(&self) -> Option<String> {
        let seconds = u64::try_from(self.modified?.0).ok()?;
        Some(httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
    }
}

/// Evaluates the preconditions of a `GET` or `HEAD` in the order of section 13.2.2.
pub(super) fn evaluate(headers: &HeaderMap, file: &Validators) -> Precondition {
    if headers.contains_key(IF_MATCH) {
        if !any_tag(headers, IF_MATCH, |tag| strong(tag) == Some(&file.etag)) {
            return Precondition::Failed;
        }
    } else if date(headers, IF_UNMODIFIED_SINCE).is_some_and(|since| file.modified.is_none_or(|date| date > since)) {
        return Precondition::Failed;
    }
    let unchanged = if headers.contains_key(IF_NONE_MATCH) {
        any_tag(headers, IF_NONE_MATCH, |tag| tag.strip_prefix("W/").unwrap_or(tag) == file.etag)
    } else {
        date(headers, IF_MODIFIED_SINCE).is_some_and(|since| file.modified.is_some_and(|date| date <= since))
    };
    if unchanged { Precondition::NotModified } else { Precondition::Proceed }
}

/// Whether a `Range` header counts: there is no `If-Range`, or it names this state of the file (section 13.1.5).
///
/// A date is good enough only if the file did not change within its second (section 8.8.2.2).
pub(super) fn range_counts(headers: &HeaderMap, file: &Validators, now: UnixTime) -> bool {
    let Some(value) = only(headers, IF_RANGE) else { return !headers.contains_key(IF_RANGE) };
    if value.starts_with('"') || value.starts_with("W/") {
        return strong(value) == Some(&file.etag);
    }
    file.modified.is_some_and(|modified| parse_date(value) == Some(modified) && modified < now)
}

/// The tag, unless it is weak.
fn strong(tag: &str) -> Option<&str> {
    Some(tag).filter(|tag| !tag.starts_with("W/"))
}

/// Whether the header is `*`, or `matches` is true of one of its tags. What cannot be read matches nothing.
fn any_tag(headers: &HeaderMap, name: HeaderName, matches: impl Fn(&str) -> bool) -> bool {
    let lines = || headers.get_all(&name).iter().filter_map(|line| line.to_str().ok());
    lines().any(|line| line.trim() == "*") || lines().any(|line| tags(line).any(&matches))
}

/// The entity tags of a list, `W/` and quotes included; it ends where the list cannot be read. A tag may hold a comma.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let opening = if rest.starts_with("W/\"") { 3 } else { 1 };
        if !rest[..opening.min(rest.len())].ends_with('"') {
            return None;
        }
        let end = opening + rest[opening..].find('"')? + 1;
        let (tag, after) = rest.split_at(end);
        rest = after;
        Some(tag)
    })
}

/// The date of a header that has exactly one; anything else is ignored (sections 13.1.3 and 13.1.4).
fn date(headers: &HeaderMap, name: HeaderName) -> Option<UnixTime> {
    only(headers, name).and_then(parse_date)
}

fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    line.to_str().ok().map(str::trim)
}

fn parse_date(text: &str) -> Option<UnixTime> {
    let date = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(date.as_secs()).ok().map(UnixTime)
}

#[cfg(test)]
mod tests {
    use super::Precondition::{Failed, NotModified, Proceed};
    use super::*;

    const ETAG: &str = "\"6b49d200.5-a-7\"";
    const DATE: &str = "Fri, 15 Jan 2027 08:00:00 GMT";
    const EARLIER: &str = "Fri, 15 Jan 2027 07:59:59 GMT";
    const LATER: &str = "Fri, 15 Jan 2027 08:00:01 GMT";

    #[test]
    fn validators_of_a_file() {
        let file = file();
        assert_eq!((file.etag.as_str(), file.last_modified().as_deref()), (ETAG, Some(DATE)));
        let odd = |seconds, now| Validators::new((seconds, 0), 1, 1, UnixTime(now)).last_modified();
        assert_eq!(odd(2_000, 1_000).as_deref(), Some("Thu, 01 Jan 1970 00:16:40 GMT"));
        assert_eq!(odd(-1, 1_000), None);
        assert_eq!(odd(i64::MAX, i64::MAX), None);
    }

    #[test]
    fn each_header_alone() {
        check(&[], Proceed);
        check(&[("if-match", ETAG)], Proceed);
        check(&[("if-match", "*")], Proceed);
        check(&[("if-match", "\"other\"")], Failed);
        check(&[("if-match", &format!("\"other\", {ETAG}"))], Proceed);
        check(&[("if-match", &format!("W/{ETAG}"))], Failed);
        check(&[("if-match", "nonsense")], Failed);
        check(&[("if-match", "\"other\""), ("if-match", ETAG)], Proceed);
        check(&[("if-none-match", ETAG)], NotModified);
        check(&[("if-none-match", &format!("W/{ETAG}"))], NotModified);
        check(&[("if-none-match", "*")], NotModified);
        check(&[("if-none-match", "\"other\"")], Proceed);
        check(&[("if-none-match", &format!("\"a,b\" ,, {ETAG}"))], NotModified);
        check(&[("if-none-match", &ETAG.replace('"', ""))], Proceed);
        check(&[("if-none-match", "\"")], Proceed);
        check(&[("if-none-match", "é")], Proceed);
        check(&[("if-modified-since", EARLIER)], Proceed);
        check(&[("if-modified-since", DATE)], NotModified);
        check(&[("if-modified-since", LATER)], NotModified);
        check(&[("if-modified-since", "yesterday")], Proceed);
        check(&[("if-modified-since", DATE), ("if-modified-since", DATE)], Proceed);
        check(&[("if-unmodified-since", EARLIER)], Failed);
        check(&[("if-unmodified-since", DATE)], Proceed);
        check(&[("if-unmodified-since", "yesterday")], Proceed);
    }

    #[test]
    fn tags_go_before_dates_and_demands_before_shortcuts() {
        check(&[("if-match", ETAG), ("if-unmodified-since", EARLIER)], Proceed);
        check(&[("if-none-match", "\"other\""), ("if-modified-since", DATE)], Proceed);
        check(&[("if-none-match", ETAG), ("if-modified-since", EARLIER)], NotModified);
        check(&[("if-match", "\"other\""), ("if-none-match", ETAG)], Failed);
        check(&[("if-match", ETAG), ("if-none-match", ETAG)], NotModified);
        check(&[("if-unmodified-since", EARLIER), ("if-modified-since", DATE)], Failed);
    }

    #[test]
    fn a_range_counts_for_this_state_of_the_file_only() {
        check_range(&[], true);
        check_range(&[("if-range", ETAG)], true);
        check_range(&[("if-range", &format!("W/{ETAG}"))], false);
        check_range(&[("if-range", "\"other\"")], false);
        check_range(&[("if-range", DATE)], true);
        check_range(&[("if-range", EARLIER)], false);
        check_range(&[("if-range", LATER)], false);
        check_range(&[("if-range", "*")], false);
        check_range(&[("if-range", "")], false);
        check_range(&[("if-range", ETAG), ("if-range", ETAG)], false);
        let just_changed = range_counts(&map(&[("if-range", DATE)]), &file(), UnixTime(1_800_000_000));
        assert!(!just_changed, "it may change again in this second");
    }

    fn file() -> Validators {
        Validators::new((1_800_000_000, 5), 10, 7, UnixTime(1_800_000_900))
    }

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Precondition) {
        assert_eq!(evaluate(&map(headers), &file()), expected, "{headers:?}");
    }

    #[track_caller]
    fn check_range(headers: &[(&'static str, &str)], expected: bool) {
        assert_eq!(range_counts(&map(headers), &file(), UnixTime(1_800_000_900)), expected, "{headers:?}");
    }
}
