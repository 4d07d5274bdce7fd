//! Bodies: bounded, JSON, and read member by member, so that all that is wrong with one is told at once.

use std::borrow::Cow;
use std::mem::replace;
use std::ops::Deref;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value};
use tokio::time::timeout;
use vidpass_token::json::{Json, pointer_token};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::ApiError;
use crate::problem::{Problem, ProblemKind, Problems};

/// How many bytes a body may have: a token request with a key of 8,192 bits has about 10 KiB.
const MAX_BODY: usize = 64 * 1024;

/// How many a body with many requests may have: so much for a thousand tokens with rules, or some hundred with a key each.
const MAX_LARGE_BODY: usize = 1024 * 1024;

/// How long a body may take: a caller who sends a byte a minute must not hold a connection for an hour.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How many characters of an unknown name are compared with those that are known.
const COMPARED_NAME: usize = 64;

/// The JSON body of a request; `None` where it is absent or blank.
pub(crate) struct JsonBody(pub(crate) Option<WipedJson<'static>>);

/// A body of `MAX` bytes at most that is not parsed yet. Its JSON borrows from it, which spares each text a copy.
pub(crate) struct RawBody<const MAX: usize>(Zeroizing<Vec<u8>>);

/// The body of a request for one thing.
pub(crate) type SmallBody = RawBody<MAX_BODY>;

/// The body of a request for much: parsing it takes milliseconds, so that is done elsewhere.
pub(crate) type LargeBody = RawBody<MAX_LARGE_BODY>;

/// JSON whose texts are overwritten when it is dropped: one may be a private key.
///
/// What the connection and the parser held of them in between is out of reach.
pub(crate) struct WipedJson<'t>(Json<'t>);

impl WipedJson<'_> {
    fn into_owned(mut self) -> WipedJson<'static> {
        WipedJson(replace(&mut self.0, Json::Null).into_owned())
    }
}

impl<'t> Deref for WipedJson<'t> {
    type Target = Json<'t>;

    fn deref(&self) -> &Json<'t> {
        &self.0
    }
}

impl Drop for WipedJson<'_> {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(json: &mut Json<'_>) {
    match json {
        Json::Text(text) => wipe_text(text),
        Json::Array(entries) => entries.iter_mut().for_each(wipe),
        // A name too: a body that is the wrong way round has the key there.
        Json::Object(members) => members.iter_mut().for_each(|(name, value)| {
            wipe_text(name);
            wipe(value);
        }),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// What is borrowed is wiped with the body that it lies in.
fn wipe_text(text: &mut Cow<'_, str>) {
    match text {
        Cow::Borrowed(_) => {}
        Cow::Owned(text) => text.zeroize(),
    }
}

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = SmallBody::from_request(request, state).await?;
        Ok(Self(body.parse()?.map(WipedJson::into_owned)))
    }
}

impl<S: Sync, const MAX: usize> FromRequest<S> for RawBody<MAX> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        read(request, MAX).await.map(Self)
    }
}

impl<const MAX: usize> RawBody<MAX> {
    /// The JSON; `None` where the body is absent or blank.
    pub(crate) fn parse(&self) -> Result<Option<WipedJson<'_>>, ApiError> {
        if self.0.trim_ascii().is_empty() {
            return Ok(None);
        }
        Json::parse(&self.0).map(|json| Some(WipedJson(json))).map_err(ApiError::BodyNotJson)
    }
}

/// The bytes of a body that may be JSON.
async fn read(request: Request, max: usize) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > max as u64 {
        return Err(ApiError::BodyTooLarge { max });
    }
    let reading = timeout(BODY_TIMEOUT, collect(Limited::new(body, max), max));
    let bytes = reading.await.unwrap_or(Err(ApiError::BodyTooSlow { seconds: BODY_TIMEOUT.as_secs() }))?;
    // The Python SDK declares JSON and sends nothing.
    let is_refused = !bytes.trim_ascii().is_empty() && !may_be_json(&head.headers);
    if is_refused { Err(ApiError::ContentTypeUnsupported) } else { Ok(bytes) }
}

async fn collect(mut body: Limited<Body>, max: usize) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    // Room for all of it, because a vector that grows leaves copies behind.
    let length = body.size_hint().upper().and_then(|length| usize::try_from(length).ok()).unwrap_or(max);
    let mut whole = Zeroizing::new(Vec::with_capacity(length.min(max)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
            true => ApiError::BodyTooLarge { max },
            false => ApiError::BodyInterrupted,
        })?;
        whole.extend_from_slice(frame.data_ref().map_or(&[], AsRef::as_ref));
    }
    Ok(whole)
}

/// Whether the body is declared as JSON, or not declared at all.
fn may_be_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (None, _) => true,
        (Some(declared), None) => is_json(declared),
        (Some(_), Some(_)) => false,
    }
}

fn is_json(declared: &HeaderValue) -> bool {
    let essence = declared.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Reads the members of one object, and collects what is wrong with them.
pub(crate) struct Members<'j, 'p> {
    object: &'j Json<'j>,
    at: &'static str,
    problems: &'p mut Problems,
}

impl<'j, 'p> Members<'j, 'p> {
    /// The object at the pointer `at`, of which only `known` members may be there. `None` where it is no object.
    pub(crate) fn of(
        json: &'j Json<'j>,
        at: &'static str,
        known: &[&'static str],
        problems: &'p mut Problems,
    ) -> Option<Self> {
        let Json::Object(members) = json else {
            problems.add(Problem::at(at, wrong_type("an object", json)));
            return None;
        };
        for (name, _) in members.iter().filter(|(name, _)| !known.contains(&&**name)) {
            let suggestion = closest(name, known);
            problems.add(Problem::at(pointer(at, name), ProblemKind::MemberUnknown { suggestion }));
        }
        Some(Self { object: json, at, problems })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some()
    }

    /// The value of a member as `read` reads it; `None` where it is absent or wrong.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'j Json<'j>) -> Result<T, ProblemKind>,
    ) -> Option<T> {
        let value = self.object.get(name)?;
        read(value).map_err(|kind| self.add(name, kind)).ok()
    }

    /// As [`Self::read`], of a member that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'j Json<'j>) -> Result<T, ProblemKind>,
    ) -> Option<T> {
        if !self.has(name) {
            self.add(name, ProblemKind::MemberMissing);
        }
        self.read(name, read)
    }

    /// As [`Self::read`], of a member that may have many problems.
    pub(crate) fn read_all<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'j Json<'j>, &str, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let value = self.object.get(name)?;
        // A name of ours has nothing to escape.
        read(value, &format!("{}/{name}", self.at), self.problems)
    }

    /// Adds a problem with the object as a whole.
    pub(crate) fn add_here(&mut self, kind: ProblemKind) {
        self.problems.add(Problem::at(self.at, kind));
    }

    /// Adds a problem with a member, which may be that it is absent.
    pub(crate) fn add(&mut self, name: &str, kind: ProblemKind) {
        self.problems.add(Problem::at(pointer(self.at, name), kind));
    }
}

pub(crate) fn boolean(json: &Json) -> Result<bool, ProblemKind> {
    match json {
        Json::Bool(value) => Ok(*value),
        other => Err(wrong_type("true or false", other)),
    }
}

pub(crate) fn text<'j>(json: &'j Json<'_>) -> Result<&'j str, ProblemKind> {
    json.as_text().ok_or_else(|| wrong_type("a string", json))
}

/// An object of anything.
pub(crate) fn map(json: &Json) -> Result<Map<String, Value>, ProblemKind> {
    match plain(json) {
        Value::Object(map) => Ok(map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(wrong_type("an object", json))
        }
    }
}

/// Reads `null` as `None`, and anything else as `read` does.
pub(crate) fn or_null<'j, T>(
    read: impl FnOnce(&'j Json<'j>) -> Result<T, ProblemKind>,
) -> impl FnOnce(&'j Json<'j>) -> Result<Option<T>, ProblemKind> {
    |json| if *json == Json::Null { Ok(None) } else { read(json).map(Some) }
}

pub(crate) fn wrong_type(expected: &'static str, got: &Json) -> ProblemKind {
    ProblemKind::MemberWrongType { expected, got: got.kind() }
}

fn plain(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(number.clone()),
        Json::Text(text) => Value::String(text.clone().into_owned()),
        Json::Array(entries) => entries.iter().map(plain).collect(),
        Json::Object(members) => {
            members.iter().map(|(name, value)| (name.clone().into_owned(), plain(value))).collect()
        }
    }
}

/// The pointer to a member, a long name cut off.
fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", pointer_token(name))
}

/// The known name that the caller may have meant.
pub(crate) fn closest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let flat = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).take(COMPARED_NAME).flat_map(char::to_lowercase).collect()
    };
    let name = flat(name);
    let distance = |known: &str| strsim::osa_distance(&name, &flat(known));
    let near = known.iter().copied().filter(|known| distance(known) <= (known.len() / 3).max(1));
    near.min_by_key(|known| distance(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised() {
        const KNOWN: [&str; 5] = ["id", "exp", "accessRules", "downloadable", "requireSignedURLs"];
        check("accesRules", Some("accessRules"));
        check("access_rules", Some("accessRules"));
        check("ACCESSRULES", Some("accessRules"));
        check("downloadble", Some("downloadable"));
        check("requiredSignedURLs", Some("requireSignedURLs"));
        check("xep", Some("exp"));
        check("ids", Some("id"));
        check("video", None);
        check("", None);
        check(&"x".repeat(60_000), None);

        #[track_caller]
        fn check(name: &str, expected: Option<&str>) {
            assert_eq!(closest(name, &KNOWN), expected, "{name}");
        }
    }

    #[test]
    fn a_pointer_is_escaped_and_short() {
        assert_eq!(pointer("", "a/b~c"), "/a~1b~0c");
        assert_eq!(pointer("/flags", &"é".repeat(100)), format!("/flags/{}", "é".repeat(64)));
    }

    #[test]
    fn wiped_json_has_no_text() {
        let mut json = Json::parse(br#"{"pem":"S3CRET","list":[{"S3CRET":["S3CRET",1,null]}]}"#).unwrap().into_owned();
        wipe(&mut json);
        let mut left = Vec::new();
        texts(&json, &mut left);
        assert_eq!(left, [""; 5]);

        fn texts<'j>(json: &'j Json, found: &mut Vec<&'j str>) {
            match json {
                Json::Text(text) => found.push(text),
                Json::Array(entries) => entries.iter().for_each(|entry| texts(entry, found)),
                Json::Object(members) => members.iter().for_each(|(name, value)| {
                    found.push(name);
                    texts(value, found);
                }),
                Json::Null | Json::Bool(_) | Json::Number(_) => {}
            }
        }
    }

    #[test]
    fn a_text_with_escapes_is_no_part_of_the_body_and_is_wiped_too() {
        let body = RawBody::<MAX_BODY>(Zeroizing::new(br#"{"p\u0065m":"S3CRET\n","id":"S3CRET"}"#.to_vec()));
        let mut json = body.parse().unwrap().unwrap();
        assert_eq!(json.get("pem").and_then(Json::as_text), Some("S3CRET\n"));
        wipe(&mut json.0);
        let Json::Object(members) = &json.0 else { panic!("an object") };
        assert_eq!(members[0], (Cow::from(""), Json::Text(Cow::from(""))));
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_put_together_without_growing() {
        let pieces = [vec![b'a'; 1000], vec![b'b'; 64_536]].map(Ok::<_, std::io::Error>);
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let whole = read(Request::new(body), MAX_BODY).await.unwrap();
        assert_eq!((whole.len(), whole.capacity()), (MAX_BODY, MAX_BODY));
        assert!(whole[..1000].iter().all(|byte| *byte == b'a') && whole[1000..].iter().all(|byte| *byte == b'b'));
    }

    #[test]
    fn json_is_json_by_any_case_and_parameter() {
        for (declared, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            assert_eq!(is_json(&HeaderValue::from_static(declared)), expected, "{declared}");
        }
    }
}
