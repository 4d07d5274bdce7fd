//! Which lines a list is to hold.

use std::collections::BTreeSet;

use vidpass_store::{AuditQuery, MAX_AUDIT_LISTED};
use vidpass_token::UnixTime;

use crate::body::closest;
use crate::problem::{Note, Problem, ProblemKind, Problems};
use crate::time::parse_ceil;

const KNOWN: [&str; 4] = ["limit", "cursor", "since", "before"];

/// How many lines a page has where the request does not say.
const DEFAULT_LIMIT: u32 = 100;

/// How many characters of an unknown parameter's name are repeated to the caller.
const SHOWN_NAME: usize = 64;

pub(super) struct ListQuery {
    /// What the store looks for, of every account.
    pub(super) stored: AuditQuery,
    /// What had no effect.
    pub(super) notes: Vec<Note>,
}

impl ListQuery {
    pub(super) fn parse(query: &str) -> Result<Self, Vec<Problem>> {
        let stored = AuditQuery { limit: DEFAULT_LIMIT, ..AuditQuery::default() };
        let mut list = Self { stored, notes: Vec::new() };
        let mut problems = Problems::default();
        let mut seen = BTreeSet::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Err(kind) = list.read(&name, &value, &mut seen) {
                problems.add(Problem::elsewhere(kind));
            }
        }
        problems.unless_any(list)
    }

    fn read(&mut self, name: &str, value: &str, seen: &mut BTreeSet<&'static str>) -> Result<(), ProblemKind> {
        let Some(name) = KNOWN.into_iter().find(|known| *known == name) else {
            let suggestion = closest(name, &KNOWN);
            self.notes.push(Note::QueryIgnored { name: name.chars().take(SHOWN_NAME).collect(), suggestion });
            return Ok(());
        };
        // Of two values, another reader might take the other one.
        if !seen.insert(name) {
            return Err(ProblemKind::QueryTwice { name });
        }
        match name {
            "limit" => self.stored.limit = limit(value)?,
            "cursor" => self.stored.after = Some(value.parse().map_err(|_| not_a_cursor())?),
            "since" => self.stored.since = Some(time(name, value)?),
            _ => self.stored.before = Some(time(name, value)?),
        }
        Ok(())
    }
}

fn limit(value: &str) -> Result<u32, ProblemKind> {
    value.parse().ok().filter(|limit| (1..=MAX_AUDIT_LISTED).contains(limit)).ok_or(ProblemKind::QueryLimit)
}

fn not_a_cursor() -> ProblemKind {
    ProblemKind::Query { name: "cursor", expected: "the `id` of a line" }
}

/// Lines have whole seconds: what was made at a moment or later was made at its next whole second or later.
fn time(name: &'static str, value: &str) -> Result<UnixTime, ProblemKind> {
    parse_ceil(value).ok_or(ProblemKind::Query { name, expected: "a time such as `2030-01-31T12:00:00Z` (RFC 3339)" })
}
