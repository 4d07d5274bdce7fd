//! After a permit: what an origin hears of the viewer, and what the viewer hears of an origin or a folder.

use std::process::Command;

use super::hostile::raw;
use super::{Answer, Example, Guarded, MANIFEST, Proxy, client, get, repository, run};
use crate::support::{EXAMPLES, Recorder, SECRET, free_port};

for_each_example!(only_files_may_be_kept, pages_run_nothing);
for_each_example!(of a folder: links_lead_nowhere);
for_each_example!(of an origin: an_origin_hears_nothing_that_the_viewer_made_up);
for_each_example!(of an origin: an_origin_sends_nobody_elsewhere);

/// What stays of a file's answer is of its own 200, 206 and 304, for as long as vidpass says.
async fn only_files_may_be_kept(example: &Example) {
    let guarded = Guarded::start(&format!("kept-{}", example.name));
    let proxy = Proxy::start(example, &guarded, "kept");
    let url = format!("{}/{}", proxy.url, guarded.token(|_| {}));
    let file = format!("{url}/{MANIFEST}");
    let tag = get(&file, &[]).await.header("etag").to_owned();
    for (url, headers, status) in [
        (&file, ("accept", "*/*"), 200),
        (&file, ("range", "bytes=3-6"), 206),
        (&file, ("if-none-match", tag.as_str()), 304),
    ] {
        let answer = get(url, &[headers]).await;
        assert_eq!(answer.status, status);
        let kept = answer.header("cache-control");
        assert!(kept.starts_with("private, max-age="), "{status}: {:?}", answer.headers);
    }
    let missing = get(&format!("{url}/manifest/none.m3u8"), &[]).await;
    assert_eq!(missing.header("access-control-allow-origin"), "*", "its status may be read");
    is_not_to_be_kept(&missing, &[404]);
    // A folder: where it comes from an origin, that sends whoever asks to another address.
    is_not_to_be_kept(&get(&format!("{url}/manifest"), &[]).await, &[404, 301]);
    is_not_to_be_kept(&get(&format!("{}/sample/{MANIFEST}", proxy.url), &[]).await, &[401]);
    // Caddy lets nobody look at this status, and no cache keeps such an answer.
    if example.name != "caddy" {
        is_not_to_be_kept(&get(&file, &[("range", "bytes=99999999-")]).await, &[416]);
    }
}

/// A file in a video is not our page, whoever wrote it. In Chromium a film of its own plays under the same policy.
async fn pages_run_nothing(example: &Example) {
    let guarded = Guarded::start(&format!("pages-{}", example.name));
    let proxy = Proxy::start(example, &guarded, "pages");
    let token = guarded.token(|_| {});
    let sample = guarded.installed.media().join("owner/sample");
    std::fs::copy(sample.join("downloads/default.mp4"), sample.join("film.mp4")).unwrap();
    let script = "<svg xmlns='http://www.w3.org/2000/svg'><script>document.title = 'ran'</script></svg>";
    for file in ["page.html", "drawing.svg"] {
        std::fs::write(sample.join(file), script).unwrap();
        let answer = get(&format!("{}/{token}/{file}", proxy.url), &[]).await;
        assert_eq!((answer.status, &answer.body[..]), (200, script.as_bytes()), "{file}");
        let policies: Vec<_> = answer.headers.get_all("content-security-policy").iter().collect();
        assert_eq!(policies, ["sandbox allow-same-origin; default-src 'none'; media-src 'self'"], "{file}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{file}");
    }
    let mut opened = Command::new("node");
    opened.arg("players/opened.mjs").current_dir(repository().join("tests/clients/node"));
    opened.env("VIDPASS_OPENED", format!("{}/{token}", proxy.url));
    run(&format!("pages-{}-chromium", example.name), guarded.client(&proxy.url, &mut opened));
}

/// As at the gate itself.
async fn links_lead_nowhere(example: &Example) {
    let guarded = Guarded::start(&format!("links-{}", example.name));
    let proxy = Proxy::start(example, &guarded, "links");
    let token = guarded.token(|_| {});
    let sample = guarded.installed.media().join("owner/sample");
    let link = |name: &str, to: &str| std::os::unix::fs::symlink(to, sample.join(name)).unwrap();
    link("peer.m3u8", "../neighbour/secret.m3u8");
    link("machine.txt", "/etc/passwd");
    link("next", "../neighbour");
    for path in ["peer.m3u8", "machine.txt", "next/secret.m3u8", "next"] {
        let answer = get(&format!("{}/{token}/{path}", proxy.url), &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(!body.contains(SECRET) && !body.contains("root:"), "{path}: {body}");
        is_not_to_be_kept(&answer, &[404]);
    }
    assert_eq!(get(&format!("{}/{token}/{MANIFEST}", proxy.url), &[]).await.status, 200);
}

/// Not what only vidpass says, and not what is a right; neither does the log.
async fn an_origin_hears_nothing_that_the_viewer_made_up(example: &Example) {
    let (guarded, origin, mut proxy) = recorded(example, "forged");
    let forged = [
        ("x-vidpass-path", "/owner/neighbour/forged"),
        ("x-vidpass-key", "forged"),
        ("x-vidpass-viewer", "forged"),
        ("x-vidpass-anything", "forged"),
        ("authorization", "forged"),
        ("cookie", "forged=1"),
        ("referer", "http://forged.example/"),
    ];
    let token = guarded.token(|_| {});
    for (credential, status) in [(token.as_str(), 200), ("open", 200), ("sample", 401)] {
        assert_eq!(get(&format!("{}/{credential}/hls/1.ts", proxy.url), &forged).await.status, status, "{credential}");
    }
    let heard = origin.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].starts_with("GET /owner/sample/hls/1.ts ") && heard[1].starts_with("GET /owner/open/hls/1.ts "));
    assert!(!heard.concat().contains("forged"), "{heard:?}");
    // What a proxy refuses by itself is in its log too.
    for target in ["/open/a%2Fb", "/open/../../..", "//", "*"] {
        raw(&proxy, &format!("{target} HTTP/1.1\r\nX-Vidpass-Path: /owner/forged\r\nX-Skip:"));
    }
    assert_eq!(origin.heard().len(), 2);
    get(&format!("{}/open/hls/last.ts", proxy.url), &[]).await;
    let logs = proxy.logs_with("GET /owner/open/hls/last.ts 200 ");
    assert!(!logs.contains("forged"), "{logs}");
}

async fn an_origin_sends_nobody_elsewhere(example: &Example) {
    let (mut guarded, _origin, proxy) = recorded(example, "elsewhere");
    let url = format!("{}/{}", proxy.url, guarded.token(|_| {}));
    let fine = get(&format!("{url}/hls/1.ts"), &[]).await;
    assert_eq!((fine.status, fine.header("location")), (200, "-"));
    for status in [301, 302, 404, 416, 500, 503] {
        is_not_to_be_kept(&get(&format!("{url}/hls/{status}"), &[]).await, &[status]);
    }
    guarded.origin_address = format!("127.0.0.1:{}", free_port());
    let proxy = Proxy::start(example, &guarded, "nowhere");
    let url = format!("{}/{}", proxy.url, guarded.token(|_| {}));
    is_not_to_be_kept(&get(&format!("{url}/hls/1.ts"), &[]).await, &[502, 503]);
}

/// nginx's cache gives one copy to all, so what one viewer sends must not shape it.
#[tokio::test]
async fn no_viewer_shapes_the_copy_of_another() {
    let (guarded, origin, proxy) = recorded(&EXAMPLES[1], "shaped");
    let url = format!("{}/{}/hls/1.ts", proxy.url, guarded.token(|_| {}));
    let headers = [
        ("accept-encoding", "gzip"),
        ("x-token", "t"),
        ("x-original-url", "/evil"),
        ("x-http-method-override", "DELETE"),
        ("x-forwarded-host", "evil.example"),
        ("host", "evil.example"),
        ("range", "bytes=0-1"),
        ("if-none-match", "\"tag\""),
    ];
    let answer = Answer::to(client().get(url).body("a body"), &headers).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"fine"[..]));
    assert_eq!(origin.heard(), ["GET /owner/sample/hls/1.ts HTTP/1.1\r\nHost: origin\r\n\r\n"]);
}

/// A proxy whose origin keeps what it hears.
fn recorded(example: &Example, test: &str) -> (Guarded, Recorder, Proxy) {
    let mut guarded = Guarded::start(&format!("{test}-{}", example.name));
    let origin = Recorder::start();
    guarded.origin_address.clone_from(&origin.address);
    let proxy = Proxy::start(example, &guarded, test);
    (guarded, origin, proxy)
}

#[track_caller]
fn is_not_to_be_kept(answer: &Answer, statuses: &[u16]) {
    assert!(statuses.contains(&answer.status), "{}", answer.status);
    // Several lines are one list, in which this one decides.
    let mut kept = answer.headers.get_all("cache-control").iter();
    assert!(kept.any(|line| line == "no-store"), "{}: {:?}", answer.status, answer.headers);
    assert_eq!(answer.header("location"), "-", "{}", answer.status);
}
