//! The player's fixed files, which are carried inside the program: the same for everybody, and telling nothing.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, Response};

use crate::body::GateBody;
use crate::{hash, headers};

/// Where the files are. No other path below it is taken from the videos.
const FOLDER: &str = "/player/";

/// How much of a hash is a version, in bytes.
const VERSION_BYTES: usize = 8;

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    [
        Asset::new("hls.mjs", "text/javascript", include_bytes!("../../../assets/player/hls.min.mjs")),
        Asset::new("icon.svg", "image/svg+xml", include_bytes!("../../../assets/player/icon.svg")),
        Asset::new("player.css", "text/css; charset=utf-8", include_bytes!("../../../assets/player/player.css")),
        Asset::new("player.mjs", "text/javascript", include_bytes!("../../../assets/player/player.mjs")),
    ]
});

struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static [u8],
    /// A hash of the content.
    version: String,
}

impl Asset {
    fn new(name: &'static str, media_type: &'static str, content: &'static [u8]) -> Self {
        Self { name, media_type, content, version: hash::hex::<VERSION_BYTES>(content) }
    }
}

/// The answer where `target`, a path and perhaps a query, is one of the files.
pub(crate) fn asset(target: &str, method: &Method) -> Option<Response<GateBody>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let name = path.strip_prefix(FOLDER)?;
    let asset = ASSETS.iter().find(|asset| asset.name == name)?;
    // A page of an earlier version of the program must not keep what a later one gave it.
    let current = query.strip_prefix("v=") == Some(&asset.version);
    let cache = if current { "public, max-age=31536000, immutable" } else { "public, max-age=300" };
    let media_type = HeaderValue::from_static(asset.media_type);
    let mut response = headers::in_whole(Bytes::from_static(asset.content), media_type, method);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    Some(response)
}

/// `page` with the version of a file for each `{name}` of one.
pub(super) fn with_versions(page: &str) -> String {
    ASSETS.iter().fold(page.to_owned(), |page, asset| page.replace(&format!("{{{}}}", asset.name), &asset.version))
}
