//! Which videos a list is to hold.

use std::collections::BTreeSet;

use serde_json::Value;
use vidpass_store::{MAX_QUERY_TEXT, MAX_VIDEOS_LISTED, Video, VideoQuery};
use vidpass_token::UnixTime;

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

#[derive(Default)]
pub(super) struct ListQuery {
    /// What the store looks for.
    pub(super) stored: VideoQuery,
    /// What had no effect.
    pub(super) notes: Vec<Note>,
    limit: Option<u32>,
    /// What the name must be, by each parameter that asks for one.
    names: Vec<String>,
    /// Asks for what no video here is.
    hopeless: bool,
}

impl ListQuery {
    /// Reads the query of a list request. Parameters with two names may come under both; then both count.
    pub(super) fn parse(query: &str) -> Result<Self, Vec<Problem>> {
        let mut list = Self::default();
        let mut problems = Problems::default();
        let mut seen = BTreeSet::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Err(kind) = list.read(&name, &value, &mut seen) {
                problems.add(Problem::elsewhere(kind));
            }
        }
        list.complete();
        problems.unless_any(list)
    }

    fn read(&mut self, name: &str, value: &str, seen: &mut BTreeSet<&'static str>) -> Result<(), ProblemKind> {
        let Some(name) = KNOWN.into_iter().find(|known| *known == name) else {
            self.ignore(name, closest(name, &KNOWN));
            return Ok(());
        };
        // Of two values, another reader might take the other one.
        if !seen.insert(name) {
            return Err(ProblemKind::QueryTwice { name });
        }
        match name {
            "limit" => self.limit = Some(limit(value)?),
            "after" | "start" => self.stored.after = self.stored.after.max(Some(time(name, value, parse_floor)?)),
            "before" | "end" => {
                let before = time(name, value, parse_ceil)?;
                self.stored.before = Some(self.stored.before.map_or(before, |other| other.min(before)));
            }
            "asc" => self.stored.ascending = boolean(name, value)?,
            "search" => self.stored.search = Some(text(name, value)?),
            "creator" => self.stored.creator = Some(text(name, value)?),
            // Where it is no id, no video has it.
            "id" => match text(name, value)?.parse() {
                Ok(uid) => self.stored.uid = Some(uid),
                Err(_) => self.hopeless = true,
            },
            "video_name" | "name" => self.names.push(text(name, value)?),
            "status" => self.hopeless |= value != "ready",
            "type" => self.hopeless |= value != "vod",
            "live_input_id" => self.hopeless = true,
            unused => self.ignore(unused, None),
        }
        Ok(())
    }

    /// Tells the store as much as it understands.
    fn complete(&mut self) {
        if self.stored.search.is_none() {
            self.stored.search = self.names.first().cloned();
        }
        // What is sorted out here and not in the store must not be cut off before.
        self.stored.limit = if self.names.is_empty() { self.limit() } else { MAX_VIDEOS_LISTED };
    }

    fn limit(&self) -> u32 {
        self.limit.unwrap_or(MAX_VIDEOS_LISTED)
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
        let by_name = |video: &Video| {
            let name = video.meta.get("name").and_then(Value::as_str);
            self.names.iter().all(|asked| name == Some(asked))
        };
        let limit = usize::try_from(self.limit()).expect("a limit of at most 1,000 fits");
        found.into_iter().filter(by_name).take(limit)
    }
}

fn limit(value: &str) -> Result<u32, ProblemKind> {
    value.parse().ok().filter(|limit| (1..=MAX_VIDEOS_LISTED).contains(limit)).ok_or(ProblemKind::QueryLimit)
}

fn boolean(name: &'static str, value: &str) -> Result<bool, ProblemKind> {
    value.parse().map_err(|_| ProblemKind::Query { name, expected: "`true` or `false`" })
}

fn time(name: &'static str, value: &str, parse: fn(&str) -> Option<UnixTime>) -> Result<UnixTime, ProblemKind> {
    parse(value).ok_or(ProblemKind::Query { name, expected: "a time such as `2030-01-31T12:00:00Z` (RFC 3339)" })
}

fn text(name: &'static str, value: &str) -> Result<String, ProblemKind> {
    if value.contains('\0') {
        return Err(ProblemKind::Query { name, expected: "a text without a NUL character" });
    }
    if value.chars().nth(MAX_QUERY_TEXT).is_some() {
        return Err(ProblemKind::QueryTooLong { name, max: MAX_QUERY_TEXT });
    }
    Ok(value.to_owned())
}
