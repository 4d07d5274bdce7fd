//! The members of a video that a request may set, read from a body.

use serde_json::{Map, Value};
use vidpass_store::{NewVideo, Video};
use vidpass_token::json::Json;
use vidpass_token::{AllowedOrigin, UnixTime};

use crate::body::{Members, boolean, map, or_null, text, wrong_type};
use crate::problem::{Note, Problem, ProblemKind, Problems};
use crate::time::parse_floor;

const KEPT: [&str; 6] =
    ["requireSignedURLs", "allowedOrigins", "meta", "creator", "scheduledDeletion", "thumbnailTimestampPct"];

/// What Cloudflare Stream knows besides: the SDKs have it, and here it has no effect.
const NOT_KEPT: [&str; 4] = ["maxDurationSeconds", "uploadExpiry", "publicDetails", "uid"];

/// Cloudflare's own limit.
const MAX_CREATOR: usize = 64;

/// How many bytes `meta` may have as JSON. A list holds 1,000 videos in memory, and each gate all their origins.
const MAX_META: usize = 8 * 1024;

/// How many sites may embed a video, where not all may.
const MAX_ORIGINS: usize = 100;

/// What to set of a video; `None` leaves a member as it is.
#[derive(Default)]
pub(super) struct Changes {
    require_signed_urls: Option<bool>,
    allowed_origins: Option<Vec<AllowedOrigin>>,
    meta: Option<Map<String, Value>>,
    creator: Option<Option<String>>,
    scheduled_deletion: Option<Option<UnixTime>>,
    thumbnail_timestamp_pct: Option<f64>,
    /// What had no effect.
    pub(super) notes: Vec<Note>,
}

impl Changes {
    /// Reads a body; an absent one changes nothing.
    pub(super) fn parse(body: Option<&Json>, now: UnixTime) -> Result<Self, Vec<Problem>> {
        let Some(body) = body else { return Ok(Self::default()) };
        let mut problems = Problems::default();
        let known = [KEPT.as_slice(), NOT_KEPT.as_slice()].concat();
        let changes = Members::of(body, "", &known, &mut problems).map(|mut members| Self::read(&mut members, now));
        problems.unless_any(changes.unwrap_or_default())
    }

    fn read(members: &mut Members<'_, '_>, now: UnixTime) -> Self {
        Self {
            require_signed_urls: members.read("requireSignedURLs", boolean),
            allowed_origins: members.read_all("allowedOrigins", origins),
            meta: members.read("meta", meta),
            creator: members.read("creator", or_null(creator)),
            scheduled_deletion: members.read("scheduledDeletion", or_null(|json| deletion(json, now))),
            thumbnail_timestamp_pct: members.read("thumbnailTimestampPct", part_of_one),
            notes: NOT_KEPT
                .into_iter()
                .filter(|name| members.has(name))
                .map(|name| Note::MemberNotKept { name })
                .collect(),
        }
    }

    pub(super) fn apply(self, video: &mut Video) {
        set(&mut video.policy.require_signed_urls, self.require_signed_urls);
        set(&mut video.policy.allowed_origins, self.allowed_origins);
        set(&mut video.meta, self.meta);
        set(&mut video.creator, self.creator);
        set(&mut video.scheduled_deletion, self.scheduled_deletion);
        set(&mut video.thumbnail_timestamp_pct, self.thumbnail_timestamp_pct);
    }

    pub(super) fn apply_new(self, video: &mut NewVideo) {
        set(&mut video.require_signed_urls, self.require_signed_urls);
        set(&mut video.allowed_origins, self.allowed_origins);
        set(&mut video.meta, self.meta);
        set(&mut video.creator, self.creator);
        set(&mut video.scheduled_deletion, self.scheduled_deletion);
        set(&mut video.thumbnail_timestamp_pct, self.thumbnail_timestamp_pct);
    }
}

fn set<T>(member: &mut T, change: Option<T>) {
    if let Some(value) = change {
        *member = value;
    }
}

fn origins(json: &Json, pointer: &str, problems: &mut Problems) -> Option<Vec<AllowedOrigin>> {
    let Json::Array(entries) = json else {
        problems.add(Problem::at(pointer, wrong_type("an array of strings", json)));
        return None;
    };
    if entries.len() > MAX_ORIGINS {
        problems.add(Problem::at(pointer, ProblemKind::OriginsTooMany { count: entries.len(), max: MAX_ORIGINS }));
        return None;
    }
    let parse = |entry| -> Result<AllowedOrigin, ProblemKind> { Ok(text(entry)?.parse::<AllowedOrigin>()?) };
    let parsed = entries.iter().enumerate().filter_map(|(index, entry)| {
        parse(entry).map_err(|kind| problems.add(Problem::at(format!("{pointer}/{index}"), kind))).ok()
    });
    Some(parsed.collect())
}

fn meta(json: &Json) -> Result<Map<String, Value>, ProblemKind> {
    let meta = map(json)?;
    let length = serde_json::to_vec(&meta).expect("a map of JSON values is JSON").len();
    if length > MAX_META {
        return Err(ProblemKind::MetaTooLarge { length, max: MAX_META });
    }
    Ok(meta)
}

fn creator(json: &Json) -> Result<String, ProblemKind> {
    let creator = text(json)?;
    let length = creator.chars().count();
    if creator.contains('\0') {
        return Err(ProblemKind::TextHasNul);
    }
    if length > MAX_CREATOR {
        return Err(ProblemKind::TextTooLong { length, max: MAX_CREATOR });
    }
    Ok(creator.to_owned())
}

fn deletion(json: &Json, now: UnixTime) -> Result<UnixTime, ProblemKind> {
    let moment = parse_floor(text(json)?).ok_or(ProblemKind::Time)?;
    if moment <= now { Err(ProblemKind::DeletionInPast) } else { Ok(moment) }
}

fn part_of_one(json: &Json) -> Result<f64, ProblemKind> {
    let Json::Number(number) = json else { return Err(wrong_type("a number", json)) };
    let inside = number.as_f64().filter(|part| (0.0..=1.0).contains(part));
    inside.ok_or(ProblemKind::ValueOutOfRange { min: 0, max: 1 })
}
