//! Which videos a list is to hold.

use serde_json::Value;
use vidpass_store::{MAX_VIDEOS_LISTED, Video, VideoQuery};

use crate::body::closest;
use crate::problem::{Note, Problem, ProblemKind, Problems};
use crate::time::{parse_ceil, parse_floor};

const KNOWN: [&str; 15] = [
    "limit",
    "after",
    "start",
    "before",
    "end",
    "asc",
    "search",
    "creator",
    "id",
    "video_name",
    "name",
    "status",
    "type",
    "live_input_id",
    "include_counts",
];

/// How many characters of an unknown parameter's name are repeated to the caller.
const SHOWN_NAME: usize = 64;

pub(super) struct ListQuery {
    /// What the store looks for.
    pub(super) stored: VideoQuery,
    /// What had no effect.
    pub(super) notes: Vec<Note>,
    limit: u32,
    id: Option<String>,
    name: Option<String>,
    /// Asks for what no video here is.
    hopeless: bool,
}

impl ListQuery {
    /// Reads the query of a list request. Of a parameter that comes twice, the last value counts.
    pub(super) fn parse(query: &str) -> Result<Self, Vec<Problem>> {
        let mut list = Self {
            stored: VideoQuery::default(),
            notes: Vec::new(),
            limit: MAX_VIDEOS_LISTED,
            id: None,
            name: None,
            hopeless: false,
        };
        let mut problems = Problems::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Err(kind) = list.read(&name, &value) {
                problems.add(Problem::elsewhere(kind));
            }
        }
        // What is sorted out here and not in the store must not be cut off before.
        list.stored.limit = if list.id.is_some() || list.name.is_some() { MAX_VIDEOS_LISTED } else { list.limit };
        problems.unless_any(list)
    }

    fn read(&mut self, name: &str, value: &str) -> Result<(), ProblemKind> {
        const TIME: &str = "a time such as `2030-01-31T12:00:00Z` (RFC 3339)";
        let time = |name| move || ProblemKind::Query { name, expected: TIME };
        match name {
            "limit" => self.limit = limit(value)?,
            "after" => self.stored.after = Some(parse_floor(value).ok_or_else(time("after"))?),
            "start" => self.stored.after = Some(parse_floor(value).ok_or_else(time("start"))?),
            "before" => self.stored.before = Some(parse_ceil(value).ok_or_else(time("before"))?),
            "end" => self.stored.before = Some(parse_ceil(value).ok_or_else(time("end"))?),
            "asc" => self.stored.ascending = boolean("asc", value)?,
            "search" => self.stored.search = Some(without_nul("search", value)?),
            "creator" => self.stored.creator = Some(without_nul("creator", value)?),
            "id" => self.id = Some(value.to_owned()),
            "video_name" | "name" => {
                self.stored.search.get_or_insert(without_nul("video_name", value)?);
                self.name = Some(value.to_owned());
            }
            "status" => self.hopeless |= value != "ready",
            "type" => self.hopeless |= value != "vod",
            "live_input_id" => self.hopeless = true,
            "include_counts" => self.ignore(name, None),
            unknown => self.ignore(unknown, closest(unknown, &KNOWN)),
        }
        Ok(())
    }

    fn ignore(&mut self, name: &str, suggestion: Option<&'static str>) {
        let name = name.chars().take(SHOWN_NAME).collect();
        self.notes.push(Note::QueryIgnored { name, suggestion });
    }

    /// Whether any video can be what is asked for.
    pub(super) fn may_match(&self) -> bool {
        !self.hopeless
    }

    /// Those of the videos that the store found which are asked for.
    pub(super) fn select(&self, found: Vec<Video>) -> impl Iterator<Item = Video> {
        let by_id = |video: &Video| self.id.as_deref().is_none_or(|id| id == video.uid.as_str());
        let name = |video: &Video| video.meta.get("name").and_then(Value::as_str).map(str::to_owned);
        let by_name = move |video: &Video| self.name.is_none() || self.name == name(video);
        let limit = usize::try_from(self.limit).expect("a limit of at most 1,000 fits");
        found.into_iter().filter(move |video| by_id(video) && by_name(video)).take(limit)
    }
}

fn limit(value: &str) -> Result<u32, ProblemKind> {
    value.parse().ok().filter(|limit| (1..=MAX_VIDEOS_LISTED).contains(limit)).ok_or(ProblemKind::QueryLimit)
}

fn boolean(name: &'static str, value: &str) -> Result<bool, ProblemKind> {
    value.parse().map_err(|_| ProblemKind::Query { name, expected: "`true` or `false`" })
}

fn without_nul(name: &'static str, value: &str) -> Result<String, ProblemKind> {
    if value.contains('\0') {
        return Err(ProblemKind::Query { name, expected: "a text without a NUL character" });
    }
    Ok(value.to_owned())
}
