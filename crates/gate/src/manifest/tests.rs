use std::borrow::Cow;
use std::time::{Duration, Instant};

use vidpass_token::MediaPath;

use super::*;
use crate::credential_place::ParameterName;

mod mpd;
mod playlists;
mod properties;
mod vectors;

/// Two homes of video `v1`, one of which has a host.
const HOMES: [&str; 2] = ["vod.example.com/vod/v1/", "/mirror/v1/"];

/// Rewrites the manifest at `place` below the video, and shows what came of it.
fn rewrite_at(place: &str, homes: &[&str], text: &str, parameter: Option<&TokenParameter>) -> String {
    let target = format!("/v1/{place}");
    let manifest = MediaPath::parse(&target).unwrap().file();
    let homes = Homes::new(&"v1".parse().unwrap(), homes.iter().map(|home| home.parse().unwrap()));
    let relocation = Relocation { manifest, homes: &homes, parameter };
    let kind = ManifestKind::of(manifest).unwrap();
    match rewrite(kind, text.as_bytes(), &relocation) {
        Ok(new) => {
            assert_eq!(
                matches!(new, Cow::Borrowed(_)),
                *new == *text.as_bytes(),
                "nothing changed, so nothing is copied"
            );
            String::from_utf8(new.into_owned()).unwrap()
        }
        Err(ManifestError::Dash(error)) => format!("error: {error}"),
        Err(error) => format!("error: {error}"),
    }
}

fn parameter() -> TokenParameter {
    parameter_with("h.p.s")
}

fn parameter_with(token: &str) -> TokenParameter {
    TokenParameter::new(&ParameterName::read("token").unwrap(), token).unwrap()
}

#[test]
fn the_extension_tells_the_kind() {
    for (file, kind) in [
        ("video.m3u8", Some(ManifestKind::Hls)),
        ("video.M3U8", Some(ManifestKind::Hls)),
        ("video.m3u", Some(ManifestKind::Hls)),
        ("video.mpd", Some(ManifestKind::Dash)),
        ("video.mpd.mp4", None),
        ("m3u8", None),
    ] {
        let target = format!("/v1/{file}");
        assert_eq!(ManifestKind::of(MediaPath::parse(&target).unwrap().file()), kind, "{file}");
    }
}

/// Fails where `work` takes longer than something that grows with the square of its input could be quick.
#[track_caller]
fn quickly<T>(work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    assert!(started.elapsed() < Duration::from_secs(20), "it took {:?}", started.elapsed());
    result
}
