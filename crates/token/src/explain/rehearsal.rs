//! What the request itself comes to, whatever the token.

use super::{Failure, Finding, NO_REQUEST, Outcome};
use crate::checks::Check;
use crate::decision::Asset;
use crate::path::MediaPath;
use crate::viewer::Viewer;

/// A request that nobody makes, to see what would become of it.
#[derive(Clone, Copy, Debug)]
pub struct Rehearsal<'a> {
    /// The method.
    pub method: &'a str,
    /// The path of the file below the video, such as `manifest/video.m3u8`.
    pub path: &'a str,
    /// Who would ask.
    pub viewer: &'a Viewer,
}

/// The checks of the request, and what it is for.
pub(super) fn of(token: &str, rehearsal: Option<&Rehearsal<'_>>) -> (Vec<Finding>, Asset) {
    let Some(rehearsal) = rehearsal else {
        let skipped = |check| Finding { check, outcome: Outcome::Skipped(NO_REQUEST) };
        return ([Check::Method, Check::Path].map(skipped).into(), Asset::Media);
    };
    let method = if ["GET", "HEAD"].contains(&rehearsal.method) {
        Outcome::Passed
    } else {
        Outcome::Failed(Failure::Method(rehearsal.method.to_owned()))
    };
    // The token stands where the video's uid would.
    let target = format!("/{token}/{}", rehearsal.path.strip_prefix('/').unwrap_or(rehearsal.path));
    let (path, asset) = match MediaPath::parse(&target) {
        Ok(path) => (Outcome::Passed, path.asset()),
        Err(error) => (Outcome::Failed(Failure::Path(error)), Asset::Media),
    };
    (vec![Finding { check: Check::Method, outcome: method }, Finding { check: Check::Path, outcome: path }], asset)
}
