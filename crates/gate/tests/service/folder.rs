//! What in a folder is a file of a video, and what is not.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use prometheus_client::registry::Registry;
use vidpass_gate::{OriginConfig, OriginKind, OriginLimits, Origins, OriginsConfig, PathTemplate};
use vidpass_token::VideoPolicy;

use crate::site::{SECRET, Site};

#[tokio::test]
async fn links_within_the_video_are_followed() {
    let site = Site::start();
    symlink("seg-1.m4s", site.path("public/hls/alias.m4s")).unwrap();
    symlink("../hls/seg-1.m4s", site.path("public/manifest/up.m4s")).unwrap();
    symlink("hls", site.path("public/renamed")).unwrap();
    check(&site, "hls/alias.m4s", "200 0123456789").await;
    check(&site, "manifest/up.m4s", "200 0123456789").await;
    check(&site, "renamed/seg-1.m4s", "200 0123456789").await;
}

#[tokio::test]
async fn links_out_of_the_video_are_not() {
    let site = Site::start();
    let absolute = site.path("neighbour/secret.m3u8");
    symlink("../neighbour/secret.m3u8", site.path("public/relative")).unwrap();
    symlink(&absolute, site.path("public/absolute")).unwrap();
    symlink("../neighbour", site.path("public/folder")).unwrap();
    symlink("relative", site.path("public/chain")).unwrap();
    symlink("../public/hls/seg-1.m4s", site.path("public/out-and-in")).unwrap();
    symlink("/etc/passwd", site.path("public/passwd")).unwrap();
    symlink("/proc/self/root", site.path("public/magic")).unwrap();
    symlink("loop", site.path("public/loop")).unwrap();
    symlink("nothing", site.path("public/dangling")).unwrap();
    for path in [
        "relative",
        "absolute",
        "folder/secret.m3u8",
        "chain",
        "out-and-in",
        "passwd",
        "loop",
        "dangling",
        "magic/etc/passwd",
    ] {
        check(&site, path, "404 not_found").await;
    }
}

#[tokio::test]
async fn a_video_that_is_a_link_to_another_is_not_served() {
    let site = Site::start();
    fs::remove_dir_all(site.path("public")).unwrap();
    symlink("neighbour", site.path("public")).unwrap();
    check(&site, "secret.m3u8", "404 not_found").await;
}

#[tokio::test]
async fn the_folder_of_another_account_is_out_of_reach() {
    let site = Site::start();
    fs::remove_dir_all(site.path("public")).unwrap();
    for stranger in ["public", "stranger/public"] {
        let folder = site.media_folder().join(stranger);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("secret.m3u8"), SECRET).unwrap();
    }
    check(&site, "secret.m3u8", "404 not_found").await;
    fs::rename(site.path(""), site.media_folder().join("moved")).unwrap();
    symlink("stranger", site.media_folder().join("owner")).unwrap();
    check(&site, "secret.m3u8", "404 not_found").await;
}

#[tokio::test]
async fn only_regular_files_are_served() {
    let site = Site::start();
    let folder = site.path("public");
    let pipe = rustix::fs::CWD;
    rustix::fs::mknodat(pipe, folder.join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let _listener = UnixListener::bind(folder.join("socket")).unwrap();
    symlink("/dev/zero", folder.join("device")).unwrap();
    for path in ["hls", "pipe", "socket", "device", "nothing", "hls/nothing", "hls/seg-1.m4s/x", &"x".repeat(300)] {
        check(&site, path, "404 not_found").await;
    }
}

#[tokio::test]
async fn a_video_without_a_folder_has_no_files() {
    let site = Site::start();
    fs::remove_dir_all(site.path("public")).unwrap();
    check(&site, "hls/seg-1.m4s", "404 not_found").await;
    fs::write(site.path("public"), SECRET).unwrap();
    check(&site, "hls/seg-1.m4s", "404 not_found").await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_our_failure() {
    // The kernel lets nobody read this one, not even root, for whom a test can make no such file.
    let unreadable = Path::new("/proc/sys/vm/compact_memory");
    if !unreadable.exists() {
        writeln!(io::stderr(), "\nSKIPPED: this kernel has no {}; nothing was checked", unreadable.display()).unwrap();
        return;
    }
    let site = Site::start().with_media_folder(Path::new("/proc"));
    let public = VideoPolicy { require_signed_urls: false, ..VideoPolicy::private("sys".parse().unwrap()) };
    site.gate.update(|catalogue| catalogue.insert_video("vm".parse().unwrap(), public));
    let answer = site.get("/vm/compact_memory").await;
    assert_eq!((answer.summary().as_str(), answer.header("cache-control")), ("500 origin_failed", "no-store"));
    assert_eq!(answer.body, r#"{"code":"origin_failed","message":"This file cannot be read at the moment."}"#);
    assert_eq!(site.get("/vm/nothing").await.summary(), "404 not_found");
}

#[test]
fn a_folder_of_videos_must_be_a_folder() {
    let site = Site::start();
    let open = |media: &Path, other: &Path| {
        let origin = OriginConfig {
            kind: OriginKind::Folder(other.to_owned()),
            path: PathTemplate::default(),
            known_as: Vec::new(),
        };
        let named = [("nas".parse().unwrap(), origin)].into();
        let config = OriginsConfig { media: media.to_owned(), named, limits: OriginLimits::default(), cache: None };
        Origins::open(config, &mut Registry::default()).map(drop)
    };
    let good = site.media_folder();
    open(good, good).unwrap();
    for bad in [site.path("nothing"), site.path("neighbour/secret.m3u8")] {
        let error = open(&bad, good).unwrap_err().to_string();
        assert!(error.contains("make the folder, or set `media`") && error.contains(bad.to_str().unwrap()), "{error}");
        assert_eq!(open(good, &bad).unwrap_err().to_string(), "the origin `nas` cannot be used");
    }
}

#[tokio::test]
async fn a_video_may_have_another_folder() {
    let nas = tempfile::tempdir().unwrap();
    let site = Site::start().with_origin(OriginKind::Folder(nas.path().to_owned()));
    check(&site, "hls/seg-1.m4s", "404 not_found").await;
    fs::create_dir_all(nas.path().join("owner/public/hls")).unwrap();
    fs::write(nas.path().join("owner/public/hls/seg-1.m4s"), "on the nas").unwrap();
    check(&site, "hls/seg-1.m4s", "200 on the nas").await;
    site.name_origin("public", "media");
    check(&site, "hls/seg-1.m4s", "200 0123456789").await;
}

#[tokio::test]
async fn an_origin_that_nobody_knows_is_no_folder() {
    let site = Site::start();
    site.name_origin("public", "gone");
    check(&site, "hls/seg-1.m4s", "500 origin_unknown").await;
    let answer = site.get("/public/hls/seg-1.m4s").await;
    assert_eq!(answer.body, r#"{"code":"origin_unknown","message":"This video is not set up correctly."}"#);
}

async fn check(site: &Site, path: &str, expected: &str) {
    assert_eq!(site.get(&format!("/public/{path}")).await.summary(), expected, "{path}");
}
