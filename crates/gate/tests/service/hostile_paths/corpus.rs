//! Paths that try to reach the video next door: climbing in every spelling (P01 to P04), the query (P05), and names that
//! nearly are the neighbour's (P06). Used by all who guard a video.

/// Ways to write `..`.
const UP: [&str; 27] = [
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    ".%2E",
    "%252e%252e",
    "%25252e%25252e",
    "%u002e%u002e",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "%ef%bc%8e%ef%bc%8e",
    "\u{ff0e}\u{ff0e}",
    "..;",
    "..;x=y",
    ".%00.",
    "..%00",
    "%00..",
    "...",
    "....",
    "..%20",
    ".. ",
    "..%09",
    "..#",
    "..?",
    ".",
    "%2e",
];

/// Ways to write `/`.
const SLASH: [&str; 15] = [
    "/",
    "//",
    "/./",
    "/%2e/",
    "%2f",
    "%2F",
    "%252f",
    "%25252f",
    "\\",
    "%5c",
    "%255c",
    "%c0%af",
    "%ef%bc%8f",
    "\u{ff0f}",
    ";/",
];

/// Targets of requests that try to open `secret.m3u8` of the video `neighbour` of account `owner` with a token for another
/// video. None may. Of those that climb every `stride`th is there: a stride that is prime to 2, 3 and 5 leaves out no
/// spelling.
pub(crate) fn hostile_targets(token: &str, stride: usize) -> Vec<String> {
    let mut targets: Vec<String> = climbing(token).step_by(stride).collect();
    targets.extend(others(token));
    targets
}

fn climbing(token: &str) -> impl Iterator<Item = String> {
    let mut targets = Vec::new();
    for start in starts(token) {
        for up in UP {
            for slash in SLASH {
                for depth in 1..=3 {
                    let climb = format!("{up}{slash}").repeat(depth);
                    for end in ["neighbour/secret.m3u8", "neighbour%2fsecret.m3u8", "owner/neighbour/secret.m3u8"] {
                        targets.push(format!("{start}{slash}{climb}{end}"));
                    }
                }
            }
        }
    }
    targets.into_iter()
}

/// Paths of files as they are in the wild, all of which must be served.
pub(crate) fn ordinary_paths() -> Vec<String> {
    let folders = ["", "manifest/", "hls/1080p/", "dash/video/avc1/", "a~b/", "-/", "_/", "v1.2/"];
    let names = ["video.m3u8", "video.mpd", "seg-00001.m4s", "en_US.vtt", "init-stream0.mp4", "no-extension"];
    folders.iter().flat_map(|folder| names.map(|name| format!("{folder}{name}"))).collect()
}

/// What may stand before the climbing.
fn starts(token: &str) -> Vec<String> {
    let plain = ["public".to_owned(), token.to_owned()];
    let below = plain
        .iter()
        .flat_map(|credential| ["", "/manifest", "/hls/seg-1.m4s", "/#"].map(|rest| format!("/{credential}{rest}")));
    below.chain([format!("http://h/{token}"), format!("//h/{token}"), String::new()]).collect()
}

/// Families that are not about climbing: other spellings of the neighbour, prefixes, and the query.
fn others(token: &str) -> Vec<String> {
    let file = "secret.m3u8";
    [
        "neighbour",
        "NEIGHBOUR",
        "Neighbour",
        "neighbou",
        "neighbourr",
        "neighbour.bak",
        "neighbour.",
        "neighbour~",
        "neighbour%00",
        "neighbour%20",
        "%6eeighbour",
        "neighbour;x",
        "neighbour,x",
        "neighbour:x",
        "neighbour@h",
        "private,neighbour",
        "*",
        "?",
        "neighbour?x=",
    ]
    .iter()
    .map(|video| format!("/{video}/{file}"))
    .chain([
        format!("/{token}/neighbour/{file}"),
        format!("/{token}//neighbour/{file}"),
        format!("/{token}/{file}?video=neighbour"),
        format!("/neighbour/{file}?token={token}"),
        format!("/neighbour/{file}?/{token}/"),
        format!("/neighbour/{file}#/{token}/"),
        format!("/{token}?/../neighbour/{file}"),
        format!("/{token}/neighbour%2f{file}"),
        format!("/{token}/%2fneighbour/{file}"),
        format!("/{token},neighbour/{file}"),
        format!("/{token}.neighbour/{file}"),
        format!("/neighbour.{token}/{file}"),
        format!("/neighbour/{token}/{file}"),
        format!("/owner/neighbour/{file}"),
        format!("/{token}/owner/neighbour/{file}"),
        format!("//neighbour/{file}"),
        format!("http://neighbour/{file}"),
        format!("http://h/neighbour/{file}"),
        format!("neighbour/{file}"),
        "*".to_owned(),
        "neighbour:80".to_owned(),
        format!("/{token}/{file}?{}", "x".repeat(9000)),
        format!("/{token}/{}", "x/".repeat(5000)),
        format!("/{token}/\r\nX: /neighbour/{file}"),
        format!("/{token}/%0d%0aX:%20/neighbour/{file}"),
        format!("/{token}/\t/neighbour/{file}"),
        format!("/{token}/\u{1}/neighbour/{file}"),
        format!("/{token}/\u{0}/../neighbour/{file}"),
    ])
    .collect()
}
