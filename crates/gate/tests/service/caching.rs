//! Files of remote origins that are kept on a disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use http_body_util::BodyExt as _;
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use vidpass_gate::{CacheConfig, OriginLimits, Origins, OriginsConfig, OriginsError};

use crate::site::{NOW, Site, limits, token};
use crate::upstream::{CHANGED, Step, TAG, Upstream, answer, whole};

const SEGMENT: &str = "/public/hls/seg-1.m4s";

fn config(folder: &Path) -> CacheConfig {
    CacheConfig { folder: folder.join("cache"), max_size: 1 << 30, max_age: Duration::from_secs(3600) }
}

/// A site with a cache, and the folder in which it is.
fn cached(origin: &Upstream, change: impl FnOnce(&mut CacheConfig)) -> (Site, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    change(&mut config);
    (Site::start().with_origins(vec![("origin", origin.kind())], limits(), Some(config)), folder)
}

/// The cache's files, without the one that is locked.
fn files(cache: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.ends_with("vidpass-cache.lock")).collect()
}

/// Those that are written to their end.
fn finished(folder: &TempDir) -> Vec<PathBuf> {
    let unfinished = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "part");
    files(&folder.path().join("cache")).into_iter().filter(|path| !unfinished(path)).collect()
}

/// How many files there are, and how many bytes. One that goes while it is looked at is not there.
fn kept(folder: &TempDir) -> (usize, u64) {
    let sizes: Vec<u64> = finished(folder).iter().filter_map(|file| Some(file.metadata().ok()?.len())).collect();
    (sizes.len(), sizes.iter().sum())
}

/// Waits until the cache has as many files: the last byte reaches the viewer before the disk.
async fn wait_for_files(folder: &TempDir, count: usize) {
    for _ in 0..1000 {
        let there = kept(folder).0 == count;
        // The index knows of a file a moment after its folder.
        tokio::time::sleep(Duration::from_millis(5)).await;
        if there {
            return;
        }
    }
    panic!("{:?} instead of {count}", kept(folder));
}

#[tokio::test]
async fn the_second_viewer_makes_no_request() {
    let origin = Upstream::with_file("0123456789").await;
    let (site, folder) = cached(&origin, |_| {});
    let first = site.get(SEGMENT).await;
    wait_for_files(&folder, 1).await;
    let second = site.get(SEGMENT).await;
    assert_eq!((first.summary(), first.all_headers()), (second.summary(), second.all_headers()));
    let earlier = "Fri, 15 Jan 2027 06:59:59 GMT";
    for (method, headers, expected) in [
        (Method::HEAD, vec![], "200 "),
        (Method::GET, vec![("range", "bytes=2-4")], "206 234"),
        (Method::GET, vec![("range", "bytes=-3"), ("if-range", TAG)], "206 789"),
        (Method::GET, vec![("range", "bytes=-3"), ("if-range", "\"a\"")], "200 0123456789"),
        (Method::GET, vec![("range", "bytes=10-")], "416 range_not_satisfiable"),
        (Method::GET, vec![("if-none-match", TAG)], "304 "),
        (Method::GET, vec![("if-modified-since", CHANGED)], "304 "),
        (Method::GET, vec![("if-unmodified-since", earlier)], "412 precondition_failed"),
    ] {
        assert_eq!(site.ask(method, SEGMENT, &headers).await.summary(), expected, "{headers:?}");
    }
    assert_eq!(origin.asked().len(), 1);
    assert_eq!(site.metric("vidpass_gate_cache_hits_total"), 9);
    assert_eq!((site.metric("vidpass_gate_cache_bytes"), kept(&folder)), (10, (1, 10)));
}

#[tokio::test]
async fn a_viewer_who_has_the_file_fills_the_cache_for_the_others() {
    let origin = Upstream::with_file("0123456789").await;
    let (site, folder) = cached(&origin, |_| {});
    for _ in 0..2 {
        assert_eq!(site.ask(Method::GET, SEGMENT, &[("if-none-match", TAG)]).await.summary(), "304 ");
        wait_for_files(&folder, 1).await;
    }
    assert_eq!(site.get(SEGMENT).await.summary(), "200 0123456789");
    assert_eq!(origin.asked_for(), ["GET /owner/public/hls/seg-1.m4s"]);
}

#[tokio::test]
async fn what_is_kept_needs_a_permit_like_the_rest() {
    let origin = Upstream::with_file("0123456789").await;
    let (site, folder) = cached(&origin, |_| {});
    site.gate.update(|catalogue| {
        let policy = vidpass_token::VideoPolicy {
            origin: Some("origin".parse().unwrap()),
            ..vidpass_token::VideoPolicy::private("owner".parse().unwrap())
        };
        catalogue.insert_video("private".parse().unwrap(), policy);
    });
    let target = format!("/{}/hls/seg-1.m4s", token("private", |_| {}));
    assert_eq!(site.get(&target).await.summary(), "200 0123456789");
    wait_for_files(&folder, 1).await;
    let other = format!("/{}/hls/seg-1.m4s", token("private", |claims| claims.downloadable = true));
    assert_eq!(site.get(&other).await.summary(), "200 0123456789", "another token, the same file");
    assert_eq!(origin.asked().len(), 1);
    assert_eq!(site.get("/private/hls/seg-1.m4s").await.summary(), "401 token_required");
    site.set_clock(NOW + 60);
    assert_eq!(site.get(&target).await.summary(), "401 token_expired");
}

#[tokio::test]
async fn one_video_is_never_taken_for_another() {
    let by_path = |head: &str| vec![Step::Send(answer(head, head.split(' ').nth(1).unwrap().as_bytes()))];
    let (origin, other) = (Upstream::start(by_path).await, Upstream::with_file("another origin").await);
    let folder = tempfile::tempdir().unwrap();
    let origins = vec![("origin", origin.kind()), ("other", other.kind())];
    let site = Site::start().with_origins(origins, limits(), Some(config(folder.path())));
    site.name_origin("embedded", "origin");
    for (target, expected) in [
        ("/public/a/b.ts", "200 /owner/public/a/b.ts"),
        ("/embedded/a/b.ts", "200 /owner/embedded/a/b.ts"),
        ("/public/a/c.ts", "200 /owner/public/a/c.ts"),
        ("/public/A/b.ts", "200 /owner/public/A/b.ts"),
        ("/public/a/b.ts?x=/owner/embedded/a/b.ts", "200 /owner/public/a/b.ts"),
    ] {
        assert_eq!(site.get(target).await.summary(), expected);
    }
    wait_for_files(&folder, 4).await;
    site.name_origin("public", "other");
    assert_eq!(site.get("/public/a/b.ts").await.summary(), "200 another origin");
}

#[tokio::test]
async fn manifests_are_asked_for_each_time() {
    let origin = Upstream::with_file("<MPD/>").await;
    let (site, folder) = cached(&origin, |_| {});
    for name in ["manifest/video.m3u8", "manifest/video.mpd", "x.M3U8"] {
        for _ in 0..2 {
            assert_eq!(site.get(&format!("/public/{name}")).await.summary(), "200 <MPD/>");
        }
    }
    assert_eq!((origin.asked().len(), kept(&folder)), (6, (0, 0)));
}

#[tokio::test]
async fn parts_and_what_is_too_large_are_not_kept() {
    let origin = Upstream::with_file("0123456789").await;
    let folder = tempfile::tempdir().unwrap();
    let limits = OriginLimits { max_object: 9, ..limits() };
    let site = Site::start().with_origins(vec![("origin", origin.kind())], limits, Some(config(folder.path())));
    assert_eq!(site.get(SEGMENT).await.summary(), "200 0123456789");
    assert_eq!(site.ask(Method::GET, SEGMENT, &[("range", "bytes=0-3")]).await.summary(), "206 0123");
    assert_eq!(site.ask(Method::HEAD, SEGMENT, &[]).await.summary(), "200 ");
    assert_eq!((origin.asked().len(), kept(&folder)), (3, (0, 0)));
}

#[tokio::test]
async fn a_file_that_is_too_old_is_fetched_anew() {
    let origin = Upstream::with_file("0123456789").await;
    let (site, folder) = cached(&origin, |config| config.max_age = Duration::from_secs(60));
    for (now, requests) in [(0, 1), (59, 1), (60, 2), (119, 2), (120, 3), (0, 4)] {
        site.set_clock(NOW + now);
        assert_eq!(site.get(SEGMENT).await.summary(), "200 0123456789");
        assert_eq!(origin.asked().len(), requests, "{now}");
        wait_for_files(&folder, 1).await;
    }
}

#[tokio::test]
async fn the_cache_is_bounded_and_a_reader_outlives_eviction() {
    let content: &'static str = "0123456789".repeat(100_000).leak();
    let origin = Upstream::with_file(content).await;
    let (site, folder) = cached(&origin, |config| config.max_size = 3_100_000);
    assert!(site.get("/public/first.ts").await.body == content);
    wait_for_files(&folder, 1).await;
    let mut reading = site.begin("/public/first.ts").await.into_body();
    let start = reading.frame().await.unwrap().unwrap().into_data().unwrap();
    for number in 0..20 {
        assert!(site.get(&format!("/public/{number}.ts")).await.body == content);
        // Twice, so that it is not taken for one that nobody wants again.
        assert!(site.get(&format!("/public/{number}.ts")).await.body == content);
    }
    let settled = || {
        let (count, bytes) = kept(&folder);
        let counted = site.metric("vidpass_gate_cache_bytes") == i64::try_from(bytes).unwrap();
        count <= 3 && counted && site.metric("vidpass_gate_cache_evictions_total") >= 18
    };
    for _ in 0..1000 {
        if settled() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(settled(), "{:?}, {}", kept(&folder), site.metrics());
    let rest = reading.collect().await.unwrap().to_bytes();
    assert!([start, rest].concat() == content.as_bytes());
}

/// Long enough not to fit into the buffers on the way.
fn long() -> Vec<u8> {
    (0..2_000_000_u32).map(|n| n.to_le_bytes()[1]).collect()
}

#[tokio::test]
async fn slow_readers_of_kept_files_hold_no_shared_memory() {
    let origin = Upstream::start(|head| vec![Step::Send(whole(head, &long(), ""))]).await;
    let folder = tempfile::tempdir().unwrap();
    let limits = OriginLimits { max_shared: 4 << 21, max_object: 2_000_000, ..limits() };
    let origins = vec![("origin", origin.kind())];
    let site = Site::start().with_origins(origins, limits, Some(config(folder.path())));
    let mut slow = Vec::new();
    for number in 0..4 {
        let mut reading = site.begin(&format!("/public/{number}.ts")).await.into_body();
        slow.push((reading.frame().await.unwrap().unwrap().into_data().unwrap(), reading));
    }
    wait_for_files(&folder, 4).await;
    for viewer in join_all((0..3).map(|_| site.begin(SEGMENT))).await {
        assert!(viewer.into_body().collect().await.unwrap().to_bytes() == long());
    }
    assert_eq!(origin.asked().len(), 5, "there is room to share another one");
    wait_for_files(&folder, 5).await;
    finished(&folder).iter().for_each(|file| fs::remove_file(file).unwrap());
    for (start, rest) in slow {
        let rest = rest.collect().await.unwrap().to_bytes();
        assert!(start.len() < 1_000_000 && [start, rest].concat() == long(), "as it was when it was opened");
    }
}

#[tokio::test]
async fn a_part_of_a_shared_download_is_read_on_from_the_kept_file() {
    let script = |head: &str| match head.contains("range:") {
        true => vec![Step::Send(b"HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n".to_vec())],
        false => vec![Step::Send(whole(head, &long(), "etag: \"a\"\r\n"))],
    };
    let origin = Upstream::start(script).await;
    let (site, folder) = cached(&origin, |_| {});
    let range = [("range", "bytes=70000-1900000"), ("if-range", "\"a\"")];
    let mut part = site.begin_with(SEGMENT, &range).await;
    assert_eq!(part.status(), 206);
    let start = part.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    wait_for_files(&folder, 1).await;
    let rest = part.into_body().collect().await.unwrap().to_bytes();
    assert!(start.len() < 1_000_000 && [start, rest].concat() == long()[70_000..=1_900_000]);
    let whole = "GET /owner/public/hls/seg-1.m4s";
    assert_eq!(origin.asked_for()[1..], [whole]);
}

#[tokio::test]
async fn a_file_is_kept_although_its_viewers_left() {
    let go_on = Arc::new(Semaphore::new(0));
    let until = Arc::clone(&go_on);
    let script = move |head: &str| {
        let mut first = whole(head, &[b'x'; 100_000], "");
        let rest = first.split_off(50_000);
        vec![Step::Send(first), Step::Wait(Arc::clone(&until)), Step::Send(rest)]
    };
    let origin = Upstream::start(script).await;
    let (site, folder) = cached(&origin, |_| {});
    drop(join_all((0..5).map(|_| site.begin(SEGMENT))).await);
    go_on.add_permits(1);
    wait_for_files(&folder, 1).await;
    assert_eq!(site.get(SEGMENT).await.body.len(), 100_000);
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn a_download_that_breaks_off_is_not_kept() {
    let script = |head: &str| {
        let mut bytes = whole(head, &[b'x'; 100_000], "");
        bytes.truncate(50_000);
        vec![Step::Send(bytes), Step::Close]
    };
    let origin = Upstream::start(script).await;
    let (site, folder) = cached(&origin, |_| {});
    for requests in 1..=2 {
        site.begin(SEGMENT).await.into_body().collect().await.unwrap_err();
        assert_eq!((origin.asked().len(), kept(&folder)), (requests, (0, 0)));
    }
}

async fn view_until(site: &Site, done: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        assert_eq!(site.get(SEGMENT).await.summary(), "200 0123456789");
    }
    panic!("ten thousand views were not enough");
}

#[tokio::test]
async fn a_disk_that_takes_nothing_costs_no_viewer() {
    let origin = Upstream::with_file("0123456789").await;
    let (site, folder) = cached(&origin, |_| {});
    fs::remove_dir_all(folder.path().join("cache")).unwrap();
    // Who comes before the disk has failed shares the download.
    view_until(&site, || origin.asked().len() >= 3).await;
    fs::create_dir(folder.path().join("cache")).unwrap();
    view_until(&site, || kept(&folder).0 == 1).await;
    wait_for_files(&folder, 1).await;
    let asked = origin.asked().len();
    assert_eq!(site.get(SEGMENT).await.summary(), "200 0123456789");
    assert_eq!(origin.asked().len(), asked, "the disk is back");
}

#[tokio::test]
async fn a_file_that_somebody_took_or_cut_is_fetched_anew() {
    let origin = Upstream::with_file("0123456789").await;
    let (site, folder) = cached(&origin, |_| {});
    for (requests, harm) in [(1, "take"), (2, "cut"), (3, "")] {
        assert_eq!(site.get(SEGMENT).await.summary(), "200 0123456789", "{harm}");
        assert_eq!(origin.asked().len(), requests);
        wait_for_files(&folder, 1).await;
        let file = finished(&folder).remove(0);
        match harm {
            "take" => fs::remove_file(file).unwrap(),
            _ => fs::write(file, "012").unwrap(),
        }
    }
}

/// Opens the cache of `folder` as a process does.
fn open(folder: &TempDir) -> Result<Origins, OriginsError> {
    let media = folder.path().to_owned();
    let config = OriginsConfig { media, named: [].into(), limits: limits(), cache: Some(config(folder.path())) };
    Origins::open(config, &mut Registry::default())
}

fn cause(error: &OriginsError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

#[test]
fn the_folder_is_the_caches_own() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    drop(open(&folder).unwrap());
    fs::write(cache.join("object-1"), "old").unwrap();
    fs::write(cache.join("object-22.part"), "old").unwrap();
    drop(open(&folder).unwrap());
    assert!(files(&cache).is_empty(), "what an earlier process left");
    for foreign in ["film.mp4", "object-", "object-1x", "object-1.part.part"] {
        fs::write(cache.join("object-3"), "old").unwrap();
        fs::write(cache.join(foreign), "precious").unwrap();
        let error = open(&folder).unwrap_err();
        assert!(cause(&error).contains(&format!("`{foreign}`")), "{error:?}");
        assert_eq!(files(&cache).len(), 2, "nothing is deleted from a wrong folder");
        fs::remove_file(cache.join(foreign)).unwrap();
    }
}

#[test]
fn two_processes_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let first = open(&folder).unwrap();
    fs::write(cache.join("object-0"), "of the first").unwrap();
    let error = open(&folder).unwrap_err();
    assert!(cause(&error).ends_with("is the cache of another process; give each process a folder of its own"));
    assert_eq!(fs::read_to_string(cache.join("object-0")).unwrap(), "of the first");
    drop(first);
    open(&folder).unwrap();
}
