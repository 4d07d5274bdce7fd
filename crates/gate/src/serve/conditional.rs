//! Conditional requests (RFC 9110, section 13).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{
    ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};
use vidpass_token::UnixTime;

use crate::asked::{RequestHeaders, visible};
use crate::hash;

/// The last second of the year 9999, after which an HTTP date cannot be written.
const LAST_DATE: i64 = 253_402_300_799;

/// How much of a hash stands in a tag, in bytes. Nobody finds two texts that agree in so much.
const TAG_BYTES: usize = 16;

/// The longest tag of an origin that is passed on, in bytes.
const MAX_TAG_LENGTH: usize = 256;

/// How much of `If-None-Match` an origin is told, in bytes.
const MAX_TAGS_LENGTH: usize = 2048;

/// What tells one state of a file from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    /// `None` where an origin gives none.
    pub(crate) etag: Option<EntityTag>,
    /// When the file was last changed; `None` where no HTTP date can say it, or an origin does not.
    pub(crate) modified: Option<UnixTime>,
}

/// An entity tag, with its quotes, and `W/` where it is weak (RFC 9110, section 8.8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(Arc<str>);

/// What the preconditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Answer as if there were none.
    Proceed,
    /// The viewer has this state of the file: 304.
    NotModified,
    /// The file is in another state than the viewer demands: 412.
    Failed,
}

impl Validators {
    /// Of a file that was changed at `modified`. A date in the future becomes `now` (section 8.8.2.1).
    pub(crate) fn of_file(etag: EntityTag, modified: UnixTime, now: UnixTime) -> Self {
        let date = modified.min(now);
        Self { etag: Some(etag), modified: Some(date).filter(|date| (0..=LAST_DATE).contains(&date.0)) }
    }

    /// Of bytes in memory that were made of a file. Its date alone would not do: what they are made of may change
    /// without it, such as a setting or a token.
    pub(crate) fn of_bytes(bytes: &[u8], modified: Option<UnixTime>) -> Self {
        Self { etag: Some(EntityTag::of_bytes(bytes)), modified }
    }

    /// As an origin gives them; what cannot be read is as if it were not there.
    pub(crate) fn of_answer(headers: RequestHeaders<'_>, now: UnixTime) -> Self {
        Self {
            etag: only(headers, &ETAG).and_then(EntityTag::parse),
            modified: date(headers, &LAST_MODIFIED).map(|date| date.min(now)),
        }
    }

    /// The value of `Last-Modified`.
    pub(crate) fn last_modified(&self) -> Option<String> {
        self.modified.and_then(http_date)
    }

    fn is_strongly(&self, tag: &str) -> bool {
        self.etag.as_ref().is_some_and(|etag| etag.is_strong() && etag.as_str() == tag)
    }

    fn is_weakly(&self, tag: &str) -> bool {
        self.etag.as_ref().is_some_and(|etag| opaque(etag.as_str()) == opaque(tag))
    }
}

impl EntityTag {
    /// Of a file that was changed at `modified`, in seconds and nanoseconds since 1970.
    pub(crate) fn of_file(modified: (i64, i64), size: u64, inode: u64) -> Self {
        let (seconds, nanoseconds) = modified;
        Self(format!("\"{seconds:x}.{nanoseconds:x}-{size:x}-{inode:x}\"").into())
    }

    /// Of bytes that are a file by themselves.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self(format!("\"{}\"", hash::hex::<TAG_BYTES>(bytes)).into())
    }

    fn parse(text: &str) -> Option<Self> {
        let inner = opaque(text).strip_prefix('"')?.strip_suffix('"')?;
        let plain = inner.bytes().all(|c| c.is_ascii_graphic() && c != b'"');
        (plain && text.len() <= MAX_TAG_LENGTH).then(|| Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether equal tags mean equal bytes, so that parts of files with the same tag fit together.
    pub(crate) fn is_strong(&self) -> bool {
        !self.0.starts_with("W/")
    }
}

/// What a viewer has already, as far as an origin can be asked to send nothing if that is still so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// A state with one of these tags: the value of `If-None-Match`.
    Tags(String),
    /// The state of this time: the value of `If-Modified-Since`.
    Since(String),
}

impl Held {
    /// What the conditions of a request say, written anew; `None` where they say nothing, or too much.
    pub(crate) fn read(headers: RequestHeaders<'_>) -> Option<Self> {
        if !headers.contains(&IF_NONE_MATCH) {
            return date(headers, &IF_MODIFIED_SINCE).and_then(http_date).map(Self::Since);
        }
        let lines = headers.all(&IF_NONE_MATCH).filter_map(visible);
        let tags: Vec<EntityTag> = lines.flat_map(tags).filter_map(EntityTag::parse).collect();
        let list = tags.iter().map(EntityTag::as_str).collect::<Vec<_>>().join(", ");
        (1..=MAX_TAGS_LENGTH).contains(&list.len()).then_some(Self::Tags(list))
    }
}

/// Evaluates the preconditions of a `GET` or `HEAD` in the order of section 13.2.2.
pub(crate) fn evaluate(headers: RequestHeaders<'_>, file: &Validators) -> Precondition {
    if headers.contains(&IF_MATCH) {
        if !any_tag(headers, &IF_MATCH, |tag| file.is_strongly(tag)) {
            return Precondition::Failed;
        }
    } else if date(headers, &IF_UNMODIFIED_SINCE).is_some_and(|since| file.modified.is_none_or(|date| date > since)) {
        return Precondition::Failed;
    }
    let unchanged = if headers.contains(&IF_NONE_MATCH) {
        any_tag(headers, &IF_NONE_MATCH, |tag| file.is_weakly(tag))
    } else {
        date(headers, &IF_MODIFIED_SINCE).is_some_and(|since| file.modified.is_some_and(|date| date <= since))
    };
    if unchanged { Precondition::NotModified } else { Precondition::Proceed }
}

/// Whether a `Range` header counts: there is no `If-Range`, or it names this state of the file (section 13.1.5).
///
/// A date is good enough only if the file did not change within its second (section 8.8.2.2).
pub(crate) fn range_counts(headers: RequestHeaders<'_>, file: &Validators, now: UnixTime) -> bool {
    let Some(value) = only(headers, &IF_RANGE) else { return !headers.contains(&IF_RANGE) };
    if value.starts_with('"') || value.starts_with("W/") {
        return file.is_strongly(value);
    }
    file.modified.is_some_and(|modified| parse_date(value) == Some(modified) && modified < now)
}

/// The strong tag that `If-Range` names: a part counts only while the file has it.
pub(crate) fn part_of(headers: RequestHeaders<'_>) -> Option<EntityTag> {
    only(headers, &IF_RANGE).and_then(EntityTag::parse).filter(EntityTag::is_strong)
}

/// The tag without what says that it is weak.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// Whether the header is `*`, or `matches` is true of one of its tags. What cannot be read matches nothing.
fn any_tag(headers: RequestHeaders<'_>, name: &HeaderName, matches: impl Fn(&str) -> bool) -> bool {
    let lines = || headers.all(name).filter_map(visible);
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
fn date(headers: RequestHeaders<'_>, name: &HeaderName) -> Option<UnixTime> {
    only(headers, name).and_then(parse_date)
}

fn only<'a>(headers: RequestHeaders<'a>, name: &HeaderName) -> Option<&'a str> {
    headers.only(name).ok().map(str::trim)
}

/// A moment as text (RFC 9110, section 5.6.7).
pub(crate) fn http_date(time: UnixTime) -> Option<String> {
    let seconds = u64::try_from(time.0).ok()?;
    Some(httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
}

fn parse_date(text: &str) -> Option<UnixTime> {
    let date = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(date.as_secs()).ok().map(UnixTime)
}

#[cfg(test)]
mod tests {
    use super::Precondition::{Failed, NotModified, Proceed};
    use super::*;
    use crate::headers::map;

    const ETAG: &str = "\"6b49d200.5-a-7\"";
    const DATE: &str = "Fri, 15 Jan 2027 08:00:00 GMT";
    const EARLIER: &str = "Fri, 15 Jan 2027 07:59:59 GMT";
    const LATER: &str = "Fri, 15 Jan 2027 08:00:01 GMT";

    #[test]
    fn validators_of_a_file() {
        let file = file();
        assert_eq!((file.etag.as_ref().unwrap().as_str(), file.last_modified().as_deref()), (ETAG, Some(DATE)));
        let odd = |seconds, now| {
            let etag = EntityTag::of_file((seconds, 0), 1, 1);
            Validators::of_file(etag, UnixTime(seconds), UnixTime(now)).last_modified()
        };
        assert_eq!(odd(2_000, 1_000).as_deref(), Some("Thu, 01 Jan 1970 00:16:40 GMT"));
        assert_eq!(odd(-1, 1_000), None);
        assert_eq!(odd(i64::MAX, i64::MAX), None);
    }

    #[test]
    fn validators_of_bytes() {
        // The hash of FIPS 180-2, appendix B.1.
        let bytes = Validators::of_bytes(b"abc", Some(UnixTime(0)));
        let etag = bytes.etag.as_ref().map(EntityTag::as_str);
        assert_eq!(etag, Some("\"ba7816bf8f01cfea414140de5dae2223\""));
        assert_eq!(bytes.last_modified().as_deref(), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    }

    #[test]
    fn validators_of_an_answer() {
        let now = UnixTime(1_800_000_900);
        let check = |headers: &[(&'static str, &str)], etag: Option<&str>, date: Option<&str>| {
            let validators = Validators::of_answer((&map(headers)).into(), now);
            let found = (validators.etag.as_ref().map(EntityTag::as_str), validators.last_modified());
            assert_eq!(found, (etag, date.map(str::to_owned)), "{headers:?}");
        };
        check(&[], None, None);
        check(&[("etag", "\"a\""), ("last-modified", DATE)], Some("\"a\""), Some(DATE));
        check(&[("etag", "W/\"a\"")], Some("W/\"a\""), None);
        check(&[("etag", "\"\"")], Some("\"\""), None);
        for bad in [
            "a",
            "\"",
            "\"a",
            "w/\"a\"",
            "\"a\"b\"",
            "\"a b\"",
            "\"é\"",
            "\"a\", \"b\"",
            &format!("\"{}\"", "a".repeat(255)),
        ] {
            check(&[("etag", bad)], None, None);
        }
        check(&[("etag", "\"a\""), ("etag", "\"b\"")], None, None);
        check(&[("last-modified", "yesterday")], None, None);
        let future = "Fri, 15 Jan 2027 09:00:00 GMT";
        check(&[("last-modified", future)], None, Some("Fri, 15 Jan 2027 08:15:00 GMT"));
    }

    #[test]
    fn a_weak_tag_or_none_says_less() {
        let weak = Validators { etag: EntityTag::parse("W/\"a\""), modified: None };
        for (file, headers, expected) in [
            (&weak, [("if-none-match", "\"a\"")], NotModified),
            (&weak, [("if-none-match", "W/\"a\"")], NotModified),
            (&weak, [("if-match", "W/\"a\"")], Failed),
            (&weak, [("if-match", "\"a\"")], Failed),
            (&weak, [("if-match", "*")], Proceed),
            (&weak, [("if-modified-since", DATE)], Proceed),
            (&weak, [("if-unmodified-since", DATE)], Failed),
            (&Validators::default(), [("if-none-match", "\"a\"")], Proceed),
            (&Validators::default(), [("if-none-match", "*")], NotModified),
            (&Validators::default(), [("if-match", "\"a\"")], Failed),
        ] {
            assert_eq!(evaluate((&map(&headers)).into(), file), expected, "{file:?} {headers:?}");
        }
        for tag in ["W/\"a\"", "\"a\""] {
            assert!(!range_counts((&map(&[("if-range", tag)])).into(), &weak, UnixTime(1_800_000_900)), "{tag}");
        }
    }

    #[test]
    fn what_a_viewer_holds_is_written_anew() {
        let held = |headers: &[(&'static str, &str)]| Held::read((&map(headers)).into());
        let tags = |text: &str| Some(Held::Tags(text.to_owned()));
        assert_eq!(held(&[("if-none-match", "\"a\",W/\"b\"  ,, \"c\"")]), tags("\"a\", W/\"b\", \"c\""));
        assert_eq!(held(&[("if-none-match", "\"a\""), ("if-none-match", "\"b\"")]), tags("\"a\", \"b\""));
        assert_eq!(held(&[("if-none-match", "\"a\""), ("if-modified-since", DATE)]), tags("\"a\""));
        for nothing in ["*", "nonsense", "", "\"a b\"", &format!("\"{}\"", "a".repeat(300))] {
            assert_eq!(held(&[("if-none-match", nothing)]), None, "{nothing}");
        }
        assert_eq!(held(&[("if-modified-since", DATE)]), Some(Held::Since(DATE.to_owned())));
        assert_eq!(held(&[("if-modified-since", "yesterday")]), None);
        assert_eq!(held(&[("if-match", "\"a\"")]), None);
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
        let just_changed = range_counts((&map(&[("if-range", DATE)])).into(), &file(), UnixTime(1_800_000_000));
        assert!(!just_changed, "it may change again in this second");
    }

    fn file() -> Validators {
        let etag = EntityTag::of_file((1_800_000_000, 5), 10, 7);
        Validators::of_file(etag, UnixTime(1_800_000_000), UnixTime(1_800_000_900))
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Precondition) {
        assert_eq!(evaluate((&map(headers)).into(), &file()), expected, "{headers:?}");
    }

    #[track_caller]
    fn check_range(headers: &[(&'static str, &str)], expected: bool) {
        assert_eq!(range_counts((&map(headers)).into(), &file(), UnixTime(1_800_000_900)), expected, "{headers:?}");
    }
}
