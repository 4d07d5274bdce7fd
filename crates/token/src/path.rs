//! The one grammar of paths that are served.
//!
//! `/` credential (`/` segment)+, a segment being `[A-Za-z0-9_~-][A-Za-z0-9._~-]*`. Whatever is outside is refused,
//! never repaired: two readers that repair a path differently open a video to strangers. Nothing is ever decoded.

use crate::decision::Asset;
use crate::denial::Denial;
use crate::id::VideoId;

/// The longest path that is read, in bytes.
pub const MAX_PATH_LENGTH: usize = 8 * 1024;

/// The longest query that is tolerated, in bytes. It never decides who may watch.
pub const MAX_QUERY_LENGTH: usize = 8 * 1024;

/// The longest segment that stands in a log, in bytes. The shortest token has more.
const MAX_LOGGED_SEGMENT: usize = 128;

/// How many segments stand in a log, after the first.
const MAX_LOGGED_SEGMENTS: usize = 15;

/// The first segment of what is for keeping.
const DOWNLOADS: &str = "downloads";

/// A path of the grammar, as it was received. Only [`MediaPath::parse`] makes one.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaPath<'a> {
    credential: Credential<'a>,
    file: FilePath<'a>,
    query: Option<&'a str>,
}

/// What the viewer carries: the first segment of the path, unless tokens are read from another place.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential<'a> {
    /// It has a dot, so it can only be a token. Whether it is one, and how long one may be, is for the next step.
    Token(&'a str),
    /// It has none, so it can only be the bare id of a video.
    Uid(VideoId),
    /// The bare id of a video, and a token that came with the request in another place.
    Beside {
        /// The id.
        uid: VideoId,
        /// The token.
        token: &'a str,
    },
}

/// The path of a file below its video's folder: one or more segments of the grammar, so neither `.` nor `..`.
///
/// `Display` and `Debug` are for logs: a segment that could be a token, because somebody built a wrong link, is left
/// out, and so is all that is too long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FilePath<'a>(&'a str);

/// Why a request target is not a path of the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The first segment is neither a token nor the id of a video.
    #[error("the first segment is neither a token nor the id of a video")]
    Credential,
    /// Nothing follows the first segment.
    #[error("nothing follows the first segment")]
    NoFile,
    /// A token stands in the path where tokens are read from another place.
    #[error("the first segment is not the id of a video; tokens are read from another place")]
    TokenInPath,
    /// It does not begin with `/`: `*`, `host:port` or a whole URL (RFC 9112, section 3.2).
    #[error("it is not in origin-form")]
    NotOriginForm,
    /// The path is too long.
    #[error("the path has {length} bytes, more than {MAX_PATH_LENGTH}")]
    PathTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The query is too long.
    #[error("the query has {length} bytes, more than {MAX_QUERY_LENGTH}")]
    QueryTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A segment is empty, begins with a dot, or has a character outside `A-Z a-z 0-9 . _ ~ -`.
    #[error("segment {index} is empty, begins with a dot or has a character outside `A-Z a-z 0-9 . _ ~ -`")]
    Segment {
        /// Its place in the path, from 0 for the credential.
        index: usize,
    },
}

impl<'a> MediaPath<'a> {
    /// Reads a request target in origin-form: a path, and perhaps `?` and a query.
    ///
    /// # Errors
    /// [`PathError`]
    pub fn parse(target: &'a str) -> Result<Self, PathError> {
        let (path, query) = match split_at_first(b'?', target) {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let segments = path.strip_prefix('/').ok_or(PathError::NotOriginForm)?;
        if path.len() > MAX_PATH_LENGTH {
            return Err(PathError::PathTooLong { length: path.len() });
        }
        if let Some(query) = query.filter(|query| query.len() > MAX_QUERY_LENGTH) {
            return Err(PathError::QueryTooLong { length: query.len() });
        }
        if !are_segments(path) {
            let wrong = segments.split('/').position(|segment| !is_segment(segment));
            return Err(wrong.map_or(PathError::NoFile, |index| PathError::Segment { index }));
        }
        let (credential, file) = split_at_first(b'/', segments).ok_or(PathError::NoFile)?;
        Ok(Self { credential: Credential::read(credential)?, file: FilePath(file), query })
    }

    /// The same path where tokens are not read from it: `token` is what came in their place, if anything.
    ///
    /// # Errors
    /// [`PathError::TokenInPath`]
    pub fn with_token_beside(self, token: Option<&'a str>) -> Result<Self, PathError> {
        let credential = match (self.credential, token) {
            (Credential::Uid(uid), None) => Credential::Uid(uid),
            (Credential::Uid(uid), Some(token)) => Credential::Beside { uid, token },
            (Credential::Token(_) | Credential::Beside { .. }, _) => return Err(PathError::TokenInPath),
        };
        Ok(Self { credential, ..self })
    }

    /// What the viewer carries.
    pub fn credential(&self) -> &Credential<'a> {
        &self.credential
    }

    /// The file that is asked for.
    pub fn file(&self) -> FilePath<'a> {
        self.file
    }

    /// The query, without its `?`. Ignored by every decision.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// What kind of thing is asked for.
    pub fn asset(&self) -> Asset {
        self.file.asset()
    }
}

impl<'a> Credential<'a> {
    fn read(segment: &'a str) -> Result<Self, PathError> {
        if segment.contains('.') {
            return Ok(Self::Token(segment));
        }
        segment.parse().map(Self::Uid).map_err(|_| PathError::Credential)
    }
}

impl<'a> FilePath<'a> {
    /// The segments, first to last.
    pub fn segments(&self) -> impl Iterator<Item = &'a str> {
        self.0.split('/')
    }

    /// The segments with a `/` between them, and none at either end.
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// The last segment.
    pub fn name(&self) -> &'a str {
        self.0.rsplit('/').next().unwrap_or(self.0)
    }

    /// What follows the last dot of the last segment; `None` where there is no dot, or nothing after it.
    pub fn extension(&self) -> Option<&'a str> {
        self.name().rsplit_once('.').map(|(_, extension)| extension).filter(|extension| !extension.is_empty())
    }

    /// [`Asset::Download`] below `downloads`, in any case, since a file system may not tell cases apart.
    pub fn asset(&self) -> Asset {
        let first = self.0.split('/').next().unwrap_or(self.0);
        if first.eq_ignore_ascii_case(DOWNLOADS) { Asset::Download } else { Asset::Media }
    }
}

impl std::fmt::Display for FilePath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, segment) in self.segments().enumerate() {
            let separator = if index == 0 { "" } else { "/" };
            // A cut-off token is still most of one.
            let shown = if segment.len() > MAX_LOGGED_SEGMENT { "…" } else { segment };
            write!(f, "{separator}{shown}")?;
            if index == MAX_LOGGED_SEGMENTS {
                return f.write_str("/…");
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for FilePath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Debug for MediaPath<'_> {
    /// Without the credential and the query: both may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MediaPath({:?}, {})", self.credential, self.file)
    }
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Uid(uid) => write!(f, "Uid({uid})"),
            Self::Beside { uid, .. } => write!(f, "Beside({uid}, …)"),
        }
    }
}

impl From<PathError> for Denial {
    fn from(_: PathError) -> Self {
        Self::PathRefused
    }
}

/// What is before and after the first `byte`, which is one of ASCII.
fn split_at_first(byte: u8, text: &str) -> Option<(&str, &str)> {
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

/// Whether each `/` of `path`, which begins with one, is followed by a segment of the grammar: the same as [`is_segment`] of
/// each, and faster than to find them.
fn are_segments(path: &str) -> bool {
    let path = path.as_bytes();
    // Without a branch for each byte, which a compiler turns into a few instructions for sixteen of them.
    let foreign = path.iter().fold(false, |foreign, &c| foreign | !is_of_path(c));
    let begins_wrong = |(&before, &c): (&u8, &u8)| (before == b'/') & ((c == b'/') | (c == b'.'));
    let wrong = path.iter().zip(&path[1..]).fold(false, |wrong, pair| wrong | begins_wrong(pair));
    !foreign && !wrong && path.last() != Some(&b'/')
}

/// Whether `segment` is one of the grammar: not empty, no leading dot, nothing outside `A-Z a-z 0-9 . _ ~ -`.
#[must_use]
pub fn is_segment(segment: &str) -> bool {
    let segment = segment.as_bytes();
    // Without a branch for each byte, which a compiler turns into a few instructions for sixteen of them.
    let foreign = segment.iter().fold(false, |foreign, &c| foreign | !is_of_segment(c));
    segment.first().is_some_and(|&first| first != b'.') && !foreign
}

fn is_of_segment(c: u8) -> bool {
    is_of_path(c) & (c != b'/')
}

fn is_of_path(c: u8) -> bool {
    let is_letter = (c | 0x20).wrapping_sub(b'a') < 26;
    // `-`, `.`, `/` and the digits follow one another.
    is_letter | (c.wrapping_sub(b'-') <= b'9' - b'-') | (c == b'_') | (c == b'~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_media_paths_are_read() {
        check("/v1/manifest/video.m3u8", "Uid(v1)", "manifest/video.m3u8", Asset::Media);
        check("/v1/manifest/video.m3u8?protocol=llhls", "Uid(v1)", "manifest/video.m3u8", Asset::Media);
        check("/v1/x?/../../y", "Uid(v1)", "x", Asset::Media);
        check("/a.b.c/hls/1080p/seg-0001.m4s", "Token(…)", "hls/1080p/seg-0001.m4s", Asset::Media);
        check("/a.b/x", "Token(…)", "x", Asset::Media);
        check("/v1/~a/-b/_c/a..b/c.", "Uid(v1)", "~a/-b/_c/a..b/c.", Asset::Media);
        check("/v1/downloads/default.mp4", "Uid(v1)", "downloads/default.mp4", Asset::Download);
        check("/v1/Downloads/default.mp4", "Uid(v1)", "Downloads/default.mp4", Asset::Download);
        check("/v1/downloads", "Uid(v1)", "downloads", Asset::Download);
        check("/v1/x/downloads/a", "Uid(v1)", "x/downloads/a", Asset::Media);
    }

    #[test]
    fn a_token_of_any_length_is_for_the_next_step() {
        let path = format!("/a.{}.c/x", "b".repeat(5000));
        assert!(matches!(MediaPath::parse(&path).unwrap().credential(), Credential::Token(_)));
    }

    #[test]
    fn everything_else_is_refused() {
        let segment = |index| PathError::Segment { index };
        refuse("", PathError::NotOriginForm);
        refuse("*", PathError::NotOriginForm);
        refuse("v1/x", PathError::NotOriginForm);
        refuse("http://h/v1/x", PathError::NotOriginForm);
        refuse("?/v1/x", PathError::NotOriginForm);
        refuse("/", segment(0));
        refuse("//v1/x", segment(0));
        refuse("/v1", PathError::NoFile);
        refuse("/v1?x/y", PathError::NoFile);
        refuse("/v1/", segment(1));
        refuse("/v1//x", segment(1));
        refuse("/v1/x/", segment(2));
        refuse("/./v1/x", segment(0));
        refuse("/../v1/x", segment(0));
        refuse("/v1/.", segment(1));
        refuse("/v1/..", segment(1));
        refuse("/v1/../v2/x", segment(1));
        refuse("/v1/a/../../v2/x", segment(2));
        refuse("/v1/.hidden", segment(1));
        refuse("/v~1/x", PathError::Credential);
        refuse(&format!("/{}/x", "v".repeat(33)), PathError::Credential);
        for wrong in [
            "%2e%2e",
            "%2E.",
            ".%2e",
            "..%2f",
            "%252e",
            "%c0%ae",
            "a%00",
            "a%20b",
            "a\\b",
            "..\\x",
            "a;b",
            "..;",
            "a#b",
            "a b",
            "a\tb",
            "a\r\nb",
            "a\0b",
            "é",
            "\u{ff0e}\u{ff0e}",
            "a:b",
            "a@b",
            "a,b",
            "a+b",
            "a=b",
            "a&b",
            "a'b",
            "a\"b",
            "a<b",
            "a|b",
            "a*b",
            "a!b",
            "a$b",
            "a(b",
            "a[b",
            "{a",
            "a`b",
            "a^b",
        ] {
            refuse(&format!("/v1/{wrong}"), segment(1));
            refuse(&format!("/v1/{wrong}/x"), segment(1));
            refuse(&format!("/{wrong}/x"), segment(0));
        }
        refuse(&format!("/v1/{}", "x".repeat(MAX_PATH_LENGTH)), PathError::PathTooLong { length: MAX_PATH_LENGTH + 4 });
        let query = "q".repeat(MAX_QUERY_LENGTH + 1);
        refuse(&format!("/v1/x?{query}"), PathError::QueryTooLong { length: query.len() });
    }

    #[test]
    fn a_token_may_come_in_another_place() {
        let with = |target, token| MediaPath::parse(target).unwrap().with_token_beside(token);
        let both = with("/v1/x", Some("a.b.c")).unwrap();
        assert!(*both.credential() == Credential::Beside { uid: "v1".parse().unwrap(), token: "a.b.c" });
        assert_eq!(format!("{both:?}"), "MediaPath(Beside(v1, …), x)");
        assert!(*with("/v1/x", None).unwrap().credential() == Credential::Uid("v1".parse().unwrap()));
        assert_eq!(with("/a.b.c/x", None), Err(PathError::TokenInPath));
        assert_eq!(with("/a.b.c/x", Some("a.b.c")), Err(PathError::TokenInPath));
    }

    #[test]
    fn what_could_be_a_token_is_not_printed() {
        let token = format!("{}.{}.{}", "h".repeat(30), "p".repeat(80), "s".repeat(342));
        let shown = |target: &str| {
            let path = MediaPath::parse(target).unwrap();
            assert_eq!(path.file().to_string(), format!("{:?}", path.file()));
            format!("{path:?}")
        };
        assert_eq!(shown("/v1/hls/seg-1.m4s?secret"), "MediaPath(Uid(v1), hls/seg-1.m4s)");
        assert_eq!(shown(&format!("/{token}/hls/seg-1.m4s")), "MediaPath(Token(…), hls/seg-1.m4s)");
        assert_eq!(shown(&format!("/v1/{token}/x")), "MediaPath(Uid(v1), …/x)");
        assert_eq!(shown(&format!("/v1/x/{token}")), "MediaPath(Uid(v1), x/…)");
    }

    #[test]
    fn the_extension_is_that_of_the_last_segment() {
        let extension = |target| MediaPath::parse(target).unwrap().file().extension();
        assert_eq!(extension("/v1/a.b/video.tar.M4S"), Some("M4S"));
        assert_eq!(extension("/v1/a.b/video"), None);
        assert_eq!(extension("/v1/a.b/video."), None);
    }

    proptest! {
        #[test]
        fn a_path_of_the_grammar_is_read_and_rendered_unchanged(
            uid in "[A-Za-z0-9_-]{1,32}",
            segments in prop::collection::vec("[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,12}", 1..6),
        ) {
            let file = segments.join("/");
            let target = format!("/{uid}/{file}");
            let path = MediaPath::parse(&target).unwrap();
            prop_assert!(*path.credential() == Credential::Uid(uid.parse().unwrap()));
            prop_assert_eq!(path.file().as_str(), &file);
            prop_assert_eq!(path.file().segments().collect::<Vec<_>>(), segments);
        }

        #[test]
        fn a_look_at_all_segments_is_a_look_at_each(path in "/[/.a-c~é%-]{0,12}") {
            prop_assert_eq!(are_segments(&path), path[1..].split('/').all(is_segment), "{}", path);
        }

        #[test]
        fn what_is_read_never_leaves_the_folder(target in "[/.%a-c~?\\\\;#]{0,24}") {
            if let Ok(path) = MediaPath::parse(&target) {
                for segment in path.file().segments() {
                    prop_assert!(!segment.is_empty() && !segment.starts_with('.'));
                    prop_assert!(!segment.contains(['%', '\\', ';', '#', '?']));
                }
            }
        }
    }

    #[track_caller]
    fn check(target: &str, credential: &str, file: &str, asset: Asset) {
        let path = MediaPath::parse(target).unwrap();
        assert_eq!(format!("{:?}", path.credential()), credential);
        assert_eq!((path.file().as_str(), path.asset()), (file, asset));
    }

    #[track_caller]
    fn refuse(target: &str, error: PathError) {
        assert_eq!(MediaPath::parse(target), Err(error), "{target:?}");
    }
}
