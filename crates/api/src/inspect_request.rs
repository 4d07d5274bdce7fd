//! The body of a token's inspection, read and checked as a whole.

use std::net::IpAddr;

use vidpass_token::json::Json;
use vidpass_token::{Country, CountryCode, RequestOrigin, UnixTime, Viewer};

use crate::body::{Members, or_null, text};
use crate::config::ApiConfig;
use crate::problem::{Problem, ProblemKind, Problems};
use crate::time::parse_floor;

const MEMBERS: [&str; 2] = ["token", "request"];
const REQUEST_MEMBERS: [&str; 6] = ["path", "method", "ip", "country", "origin", "at"];

/// A token to explain.
pub(crate) struct InspectRequest<'j> {
    pub(crate) token: &'j str,
    pub(crate) rehearsed: Option<Rehearsed<'j>>,
    /// When the request would be made.
    pub(crate) at: UnixTime,
}

/// A viewer's request that nobody makes.
pub(crate) struct Rehearsed<'j> {
    pub(crate) path: &'j str,
    pub(crate) method: &'j str,
    pub(crate) viewer: Viewer,
}

impl<'j> InspectRequest<'j> {
    /// Reads a body.
    pub(crate) fn parse(body: Option<&'j Json>, config: &ApiConfig, now: UnixTime) -> Result<Self, Vec<Problem>> {
        const EMPTY: &Json = &Json::Object(Vec::new());
        let mut problems = Problems::default();
        let request = Members::of(body.unwrap_or(EMPTY), "", &MEMBERS, &mut problems)
            .and_then(|mut members| Self::read(&mut members, config, now));
        problems.unless_any(request).map(|request| request.expect("what could not be read left a problem"))
    }

    fn read(members: &mut Members<'j, '_>, config: &ApiConfig, now: UnixTime) -> Option<Self> {
        let token = members.required("token", text);
        let has_request = members.has("request");
        let request = members.read_all("request", |json, _, problems| {
            let mut members = Members::of(json, "/request", &REQUEST_MEMBERS, problems)?;
            rehearsed(&mut members, config, now)
        });
        let (rehearsed, at) = match (has_request, request) {
            (false, _) => (None, now),
            (true, request) => request.map(|(rehearsed, at)| (Some(rehearsed), at))?,
        };
        Some(Self { token: token?, rehearsed, at })
    }
}

fn rehearsed<'j>(
    members: &mut Members<'j, '_>,
    config: &ApiConfig,
    now: UnixTime,
) -> Option<(Rehearsed<'j>, UnixTime)> {
    let ip = members.required("ip", address);
    let country = members.read("country", or_null(|json| Ok(text(json)?.parse::<CountryCode>()?)));
    let origin = members.read("origin", |json| Ok(text(json)?.parse::<RequestOrigin>()?));
    let (path, method) = (members.read("path", text), members.read("method", text));
    let at = members.read("at", |json| parse_floor(text(json)?).ok_or(ProblemKind::Time));
    let ip = ip?;
    let country = match country {
        None => config.countries.country(ip),
        Some(None) => Country::Unknown,
        Some(Some(code)) => Country::Known(code),
    };
    let rehearsed = Rehearsed {
        path: path.unwrap_or("manifest/video.m3u8"),
        method: method.unwrap_or("GET"),
        viewer: Viewer::new(ip, country, origin),
    };
    Some((rehearsed, at.unwrap_or(now)))
}

fn address(json: &Json) -> Result<IpAddr, ProblemKind> {
    let written = text(json)?;
    let address = written.parse::<IpAddr>().map(|address| address.to_canonical());
    address.map_err(|_| ProblemKind::Ip(written.chars().take(64).collect()))
}
