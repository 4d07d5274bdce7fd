//! Every example of `deploy/`, started with nothing but its package: it serves whom vidpass lets in, and nobody else.

use std::process::Command;

use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use vidpass_token::json::Json;
use vidpass_token::{Algorithm, Claims, SigningKey, UnixTime, parse_rules};

use crate::support::{Answer, Example, Guarded, Proxy, client, files_below, now, repository, run};

const MANIFEST: &str = "manifest/video.m3u8";

/// One test for each example: `for_each_example!(the_test)` makes a module `the_test` with a test for each, or for each of
/// one sort.
macro_rules! for_each_example {
    (of a folder: $test:ident) => {
        mod $test {
            for_each_example!(@ $test nginx 0, nginx_accel 2);
        }
    };
    (of an origin: $test:ident) => {
        mod $test {
            for_each_example!(@ $test nginx_cache 1, haproxy 4, envoy 5, envoy_grpc 6);
        }
    };
    ($($test:ident),* $(,)?) => {
        $(mod $test {
            for_each_example!(@ $test nginx 0, nginx_cache 1, nginx_accel 2, caddy 3, haproxy 4, envoy 5, envoy_grpc 6);
        })*
    };
    (@ $test:ident $($name:ident $index:literal),*) => {
        $(#[tokio::test]
        async fn $name() {
            let example = &crate::support::EXAMPLES[$index];
            assert_eq!(example.name.replace('-', "_"), stringify!($name));
            super::$test(example).await;
        })*
    };
}

mod answers;
mod hostile;

for_each_example!(
    serves_a_good_token_and_refuses_others,
    answers_others_as_vidpass_does,
    reads_the_token_where_it_is_set,
    reads_one_header_for_the_address,
    serves_nothing_without_vidpass,
    plays_with_ffmpeg_and_in_chromium,
);

async fn serves_a_good_token_and_refuses_others(example: &Example) {
    let guarded = Guarded::start(&format!("guarded-{}", example.name));
    let proxy = Proxy::start(example, &guarded, "proxy");
    let token = guarded.token(|claims| claims.downloadable = true);
    every_file_is_served(&proxy, &token).await;
    each_denial_arrives(example, &guarded, &proxy).await;
    the_viewer_is_whoever_is_connected(example, &guarded, &proxy).await;
    nothing_of_the_viewer_goes_on(&guarded, &proxy, &token).await;
    ask_for_a_folder(&guarded, &proxy, &token).await;
    no_log_has_the_token(&guarded, &proxy, &token);
}

async fn every_file_is_served(proxy: &Proxy, token: &str) {
    let sample = repository().join("assets/sample-video");
    for file in files_below(&sample) {
        let (path, expected) = (file.display(), std::fs::read(sample.join(&file)).unwrap());
        let url = format!("{}/{token}/{path}", proxy.url);
        let answer = get(&url, &[]).await;
        assert_eq!((answer.status, answer.body == expected), (200, true), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert!(answer.header("cache-control").starts_with("private, max-age="), "{path}: {:?}", answer.headers);
        // What the origin says of it is for nobody.
        assert_eq!(answer.headers.get_all("cache-control").iter().count(), 1, "{path}: {:?}", answer.headers);
        assert!(!answer.header("cache-control").contains("public"), "{path}: {:?}", answer.headers);
        let part = get(&url, &[("range", "bytes=3-6")]).await;
        assert_eq!((part.status, &part.body[..]), (206, &expected[3..7]), "{path}");
        let head = client().head(&url).send().await.unwrap();
        let length = head.headers()["content-length"].to_str().unwrap().parse::<usize>().unwrap();
        assert_eq!((head.status().as_u16(), length), (200, expected.len()), "{path}");
    }
    let kind = |answer: Answer| answer.header("content-type").to_owned();
    let hls = kind(get(&format!("{}/{token}/{MANIFEST}", proxy.url), &[]).await);
    let dash = kind(get(&format!("{}/{token}/manifest/video.mpd", proxy.url), &[]).await);
    assert_eq!((hls.as_str(), dash.as_str()), ("application/vnd.apple.mpegurl", "application/dash+xml"));
    assert_eq!(get(&format!("{}/{token}/manifest/none.m3u8", proxy.url), &[]).await.status, 404);
}

async fn each_denial_arrives(example: &Example, guarded: &Guarded, proxy: &Proxy) {
    let stranger = SigningKey::generate(Algorithm::Rs256, "stranger".parse().unwrap()).unwrap();
    let impostor = SigningKey::generate(Algorithm::Rs256, guarded.key.id().clone()).unwrap();
    let claims = Claims::new("sample".parse().unwrap(), UnixTime(now() + 600));
    let signed = |key: &SigningKey| key.sign(&claims).unwrap().as_str().to_owned();
    let only_nginx = |status| if example.preset == "nginx" { 403 } else { status };
    for (credential, path, status, code) in [
        ("sample".to_owned(), MANIFEST, 401, "token_required"),
        ("nothing".to_owned(), MANIFEST, 401, "token_required"),
        ("a.b.c".to_owned(), MANIFEST, 401, "token_malformed"),
        (signed(&stranger), MANIFEST, 401, "key_unknown"),
        (signed(&impostor), MANIFEST, 401, "signature_invalid"),
        (guarded.token(|claims| claims.video = "other".parse().unwrap()), MANIFEST, 401, "video_not_owned"),
        (guarded.token(|claims| claims.expires = UnixTime(now() - 1)), MANIFEST, 401, "token_expired"),
        (guarded.token(|claims| claims.not_before = Some(UnixTime(now() + 600))), MANIFEST, 401, "token_not_yet_valid"),
        (guarded.token(|claims| block(claims, r#"{"type":"any","action":"block"}"#)), MANIFEST, 403, "rule_blocked"),
        (guarded.token(|_| {}), "downloads/default.mp4", 403, "download_not_allowed"),
        (guarded.token(|_| {}), ".hidden", only_nginx(400), "path_refused"),
    ] {
        let answer = get(&format!("{}/{credential}/{path}", proxy.url), &[]).await;
        assert_eq!((answer.status, answer.header("x-vidpass-denial")), (status, code), "{:?}", answer.headers);
        assert!(answer.header("content-type").starts_with("application/json"), "{:?}", answer.headers);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["code"], code);
        assert!(body["message"].as_str().unwrap().ends_with('.'), "{body}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{code}");
        assert_eq!(answer.headers.get_all("access-control-allow-origin").iter().count(), 1, "{code}");
        let decision = answer.header("x-vidpass-decision");
        let log = guarded.server.log();
        let line = log.lines().find(|line| line.contains(decision)).unwrap();
        assert!(decision.len() == 16 && line.contains(&format!("\"deny.code\":\"{code}\"")), "{line}");
        assert!(line.contains(&format!("\"via\":\"{}\"", example.preset)), "{line}");
        let why = guarded.installed.command(&["why", decision]).output().unwrap();
        let told = String::from_utf8(why.stdout).unwrap();
        assert!(why.status.success() && told.starts_with(&format!("REFUSED {code}: ")), "{told}");
        assert!(told.contains(&format!("via      {}\n", example.preset)), "{told}");
    }
}

/// The client is connected from 127.0.0.1, and nowhere near 203.0.113.0/24, whatever it says of itself.
async fn the_viewer_is_whoever_is_connected(example: &Example, guarded: &Guarded, proxy: &Proxy) {
    let here = r#"{"type":"ip.src","action":"allow","ip":["127.0.0.1"]},{"type":"any","action":"block"}"#;
    // Envoy gives the machine's own address for a client on the same machine, where it asks over HTTP.
    let not_there = r#"{"type":"ip.src","action":"block","ip":["203.0.113.0/24"]}"#;
    let allow = if example.preset == "envoy" { not_there } else { here };
    let allowed = format!("{}/{}/{MANIFEST}", proxy.url, guarded.token(|claims| block(claims, allow)));
    let elsewhere = r#"{"type":"ip.src","action":"allow","ip":["203.0.113.0/24"]},{"type":"any","action":"block"}"#;
    let blocked = format!("{}/{}/{MANIFEST}", proxy.url, guarded.token(|claims| block(claims, elsewhere)));
    let good = format!("/{}/{MANIFEST}", guarded.token(|_| {}));
    for headers in [
        &[][..],
        &[("x-forwarded-for", "203.0.113.9")],
        &[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "203.0.113.10")],
        &[("forwarded", "for=203.0.113.9")],
        &[("x-real-ip", "203.0.113.9")],
        &[("true-client-ip", "203.0.113.9"), ("cf-connecting-ip", "203.0.113.9")],
        &[("x-envoy-external-address", "203.0.113.9")],
        &[("x-original-uri", &good), ("x-original-method", "GET"), ("x-original-host", "h")],
        &[("x-forwarded-uri", &good), ("x-forwarded-method", "GET"), ("x-forwarded-host", "h")],
        &[("x-vidpass-path", "/owner/neighbour/secret.m3u8"), ("x-vidpass-viewer", "203.0.113.9")],
    ] {
        assert_eq!(get(&allowed, headers).await.status, 200, "{headers:?}");
        let answer = get(&blocked, headers).await;
        assert_eq!((answer.status, answer.header("x-vidpass-denial")), (403, "rule_blocked"), "{headers:?}");
        let neighbour = get(&format!("{}/neighbour/secret.m3u8", proxy.url), headers).await;
        assert_eq!(neighbour.header("x-vidpass-denial"), "token_required", "{headers:?}");
    }
}

async fn nothing_of_the_viewer_goes_on(guarded: &Guarded, proxy: &Proxy, token: &str) {
    let headers =
        [("referer", "http://a.example/viewers-page"), ("cookie", "viewers=cookie"), ("authorization", "viewers word")];
    assert_eq!(get(&format!("{}/{token}/{MANIFEST}?viewers=query", proxy.url), &headers).await.status, 200);
    let log = guarded.origin_log();
    for part in token.split('.').chain(["viewers"]) {
        assert!(!log.contains(part), "{log}");
    }
}

/// Servers like to send whoever asks for a folder to its address with a slash at the end, and to log that.
async fn ask_for_a_folder(guarded: &Guarded, proxy: &Proxy, token: &str) {
    let folder = guarded.installed.media().join("owner/sample/folder");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("index.html"), "a page").unwrap();
    get(&format!("{}/{token}/folder", proxy.url), &[]).await;
}

#[track_caller]
fn no_log_has_the_token(guarded: &Guarded, proxy: &Proxy, token: &str) {
    let file = std::fs::read_to_string(guarded.installed.folder().join("vidpass.log")).unwrap();
    let logs = proxy.all_logs() + &guarded.server.log() + &file;
    for part in token.split('.').skip(1) {
        assert!(!logs.contains(part), "{logs}");
    }
}

/// Players on other sites may ask the same, send the same and read the same as at vidpass itself.
async fn answers_others_as_vidpass_does(example: &Example) {
    let guarded = Guarded::start(&format!("others-{}", example.name));
    let proxy = Proxy::start(example, &guarded, "others");
    let token = guarded.token(|_| {});
    let site = [("origin", "https://a.example")];
    let asks = [site[0], ("access-control-request-method", "GET"), ("access-control-request-headers", "range")];
    for path in [MANIFEST, "manifest/none.m3u8", ".hidden"] {
        for credential in [token.as_str(), "sample", "a.b.c"] {
            let preflight = async |url: &str| {
                let url = format!("{url}/{credential}/{path}");
                let answer = Answer::to(client().request(Method::OPTIONS, url), &asks).await;
                (answer.status, for_others(&answer), answer.header("allow").to_owned(), answer.body)
            };
            let expected = preflight(&guarded.url).await;
            assert!(expected.0 == 204 && expected.1.iter().any(|line| line.contains("Range")), "{expected:?}");
            assert_eq!(preflight(&proxy.url).await, expected, "{path}");
        }
    }
    for (credential, path) in [(token.as_str(), MANIFEST), (&token, "manifest/360p/1.m4s"), ("sample", MANIFEST)] {
        let read = async |url: &str| for_others(&get(&format!("{url}/{credential}/{path}"), &site).await);
        assert_eq!(read(&proxy.url).await, read(&guarded.url).await, "{path}");
    }
}

/// The headers that say what other sites may do, each with its value.
fn for_others(answer: &Answer) -> Vec<String> {
    let policies = ["cross-origin-resource-policy", "referrer-policy", "x-content-type-options"];
    let shown = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let ours = |name: &HeaderName| name.as_str().starts_with("access-control-") || policies.contains(&name.as_str());
    let mut lines: Vec<String> = answer.headers.iter().filter(|(name, _)| ours(name)).map(shown).collect();
    lines.sort();
    lines
}

/// A token stands where `viewer.token_in` says, and goes into no log and to no origin from there either.
async fn reads_the_token_where_it_is_set(example: &Example) {
    for place in ["query:vp", "cookie:vp", "header:authorization", "header:x-token"] {
        let name = format!("{}-{}", example.name, place.replace(':', "-"));
        let guarded = Guarded::start_with(&name, &format!("[viewer]\ntoken_in = \"{place}\"\n"));
        let proxy = Proxy::start(example, &guarded, &name);
        let token = guarded.token(|_| {});
        let (url, pair, bearer) =
            (format!("{}/sample/{MANIFEST}", proxy.url), format!("vp={token}"), format!("Bearer {token}"));
        for (carried, url, header) in [
            ("query:vp", format!("{url}?{pair}"), ("accept", "*/*")),
            ("cookie:vp", url.clone(), ("cookie", pair.as_str())),
            ("header:authorization", url.clone(), ("authorization", bearer.as_str())),
            ("header:x-token", url.clone(), ("x-token", token.as_str())),
            ("none", url.clone(), ("accept", "*/*")),
        ] {
            // These two hand on what is in a list, which has no header of one's own.
            let listed = ["envoy", "haproxy"].contains(&example.preset) && carried == "header:x-token";
            let expected = if carried == place && !listed { (200, "-") } else { (401, "token_required") };
            let answer = get(&url, &[header]).await;
            assert_eq!((answer.status, answer.header("x-vidpass-denial")), expected, "{carried} where {place} is set");
        }
        no_log_has_the_token(&guarded, &proxy, &token);
        let origin = guarded.origin_log();
        assert!(!token.split('.').any(|part| origin.contains(part)), "{place}: {origin}");
    }
}

/// Whatever the gate's own viewers come through, proxies tell the address in `X-Forwarded-For`, or over gRPC.
async fn reads_one_header_for_the_address(example: &Example) {
    let name = format!("forwarded-{}", example.name);
    let guarded = Guarded::start_with(&name, "[viewer]\nforwarded_header = \"forwarded\"\n");
    let proxy = Proxy::start(example, &guarded, &name);
    let there = r#"{"type":"ip.src","action":"allow","ip":["203.0.113.0/24"]},{"type":"any","action":"block"}"#;
    let not_there = r#"{"type":"ip.src","action":"block","ip":["203.0.113.0/24"]}"#;
    for value in ["for=203.0.113.9", "for=198.51.100.1, for=203.0.113.9"] {
        for (rules, expected) in [(there, (403, "rule_blocked")), (not_there, (200, "-"))] {
            let token = guarded.token(|claims| block(claims, rules));
            let answer = get(&format!("{}/{token}/{MANIFEST}", proxy.url), &[("forwarded", value)]).await;
            assert_eq!((answer.status, answer.header("x-vidpass-denial")), expected, "{value}");
        }
    }
}

async fn serves_nothing_without_vidpass(example: &Example) {
    let mut guarded = Guarded::start(&format!("stopped-{}", example.name));
    let proxy = Proxy::start(example, &guarded, "stopped");
    let token = guarded.token(|_| {});
    let url = format!("{}/{token}/{MANIFEST}", proxy.url);
    assert_eq!(get(&url, &[]).await.status, 200);
    guarded.server.signal("KILL");
    guarded.server.ended();
    for path in [MANIFEST, "manifest/360p/1.m4s", "manifest/video.mpd"] {
        for credential in [token.as_str(), "sample"] {
            let answer = get(&format!("{}/{credential}/{path}", proxy.url), &[]).await;
            assert!([502, 503].contains(&answer.status), "{path}: {}", answer.status);
            let file = std::fs::read(repository().join("assets/sample-video").join(path)).unwrap();
            assert!(!answer.body.windows(20).any(|bytes| bytes == &file[..20]), "{path}");
        }
    }
    no_log_has_the_token(&guarded, &proxy, &token);
}

async fn plays_with_ffmpeg_and_in_chromium(example: &Example) {
    let guarded = Guarded::start(&format!("played-{}", example.name));
    let proxy = Proxy::start(example, &guarded, "played");
    let mut ffmpeg = Command::new("bash");
    ffmpeg.arg("read.sh").current_dir(repository().join("tests/clients/ffmpeg"));
    let name = example.name;
    run(&format!("played-{name}-ffmpeg"), guarded.client(&proxy.url, &mut ffmpeg));
    let mut players = Command::new("node");
    players.arg("players/play.mjs").current_dir(repository().join("tests/clients/node"));
    players.env("VIDPASS_PLAYERS", "hlsjs-m3u8,shaka-mpd").env("VIDPASS_SCREENSHOTS", format!("{name}-"));
    run(&format!("played-{name}-chromium"), guarded.client(&proxy.url, &mut players));
}

fn block(claims: &mut Claims, rules: &str) {
    claims.access_rules = parse_rules(&Json::parse(format!("[{rules}]").as_bytes()).unwrap(), 5).unwrap();
}

async fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    Answer::to(client().get(url), headers).await
}
