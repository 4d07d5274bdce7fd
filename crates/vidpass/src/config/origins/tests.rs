//! What of origins is read, and what is refused.

use std::time::Duration;

use super::super::{Config, ConfigError, parse};
use super::*;
use crate::config::raw::RawConfig;

#[test]
fn origins_are_read() {
    let config = check(
        r#"
        [origins.bucket]
        type = "s3"
        bucket = "videos"
        region = "eu-north-1"
        endpoint = "https://s3.example.com"
        style = "virtual-host"
        path = "vod/{account}/{uid}"
        credentials_file = "s3-credentials.toml"
        known_as = ["https://cdn.example.com/vod/{uid}/"]
        [origins.old]
        type = "http"
        url = "https://vod.internal/base"
        path = "{uid}"
        [origins.nas]
        type = "folder"
        folder = "/mnt/nas"
        [origin_limits]
        read_timeout = "7s"
        [cache]
        folder = "cache"
        max_object = "8 MiB"
        "#,
    )
    .unwrap();
    let names: Vec<&str> = config.origins.keys().map(OriginName::as_str).collect();
    assert_eq!(names, ["bucket", "nas", "old"]);
    let bucket = &config.origins[&"bucket".parse().unwrap()];
    let KindSettings::S3(s3) = &bucket.kind else { panic!("{bucket:?}") };
    assert_eq!(s3.credentials_file.as_deref(), Some(Path::new("etc/s3-credentials.toml")));
    assert_eq!((bucket.path.to_string().as_str(), bucket.known_as.len()), ("vod/{account}/{uid}", 1));
    assert_eq!(config.origins[&"nas".parse().unwrap()].path.to_string(), "{account}/{uid}");
    assert_eq!(config.origin_limits.read_timeout, Duration::from_secs(7));
    assert_eq!(config.origin_limits.max_object, 8 << 20);
    assert_eq!(config.cache.unwrap().folder, Path::new("etc/cache"));
}

#[test]
fn the_written_defaults_of_origins_are_those_of_the_gate() {
    let config = check("").unwrap();
    assert_eq!(config.origin_limits, OriginLimits::default());
    assert!(config.origins.is_empty() && config.cache.is_none());
}

#[test]
fn what_the_documentation_shows_is_read() {
    let documented = include_str!("../../../../../docs/origins.md");
    let blocks = documented.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let config = check(&blocks.collect::<String>()).unwrap();
    assert_eq!((config.origins.len(), config.cache.is_some()), (3, true));

    let template = include_str!("../../../vidpass.toml");
    let open = |line: &str| match line.strip_prefix("# ").filter(|text| text.starts_with('[') || text.contains(" = ")) {
        Some(setting) => format!("{setting}\n"),
        None => format!("{line}\n"),
    };
    let (_, rest) = template.split_once("# [origins.bucket]").unwrap();
    let (tables, _) = rest.split_once("[log]").unwrap();
    let config = check(&format!("[origins.bucket]{}", tables.lines().map(open).collect::<String>())).unwrap();
    assert_eq!((config.origins.len(), config.origin_limits), (3, OriginLimits::default()));
}

#[test]
fn all_problems_of_origins_are_reported_at_once() {
    let text = r#"
        [origins.media]
        type = "folder"
        folder = "x"
        [origins.account]
        type = "folder"
        folder = "x"
        [origins."no name"]
        type = "folder"
        folder = "x"
        [origins.a]
        type = "http"
        url = "ftp://vod.internal"
        path = "{account}"
        known_as = ["https://cdn.example.com/{uid}", "cdn.example.com/{uid}"]
        [origins.b]
        type = "s3"
        bucket = "x"
        region = "eu north"
        endpoint = "https://s3.example.com/videos"
        style = "host"
        [origin_limits]
        connect_timeout = "0s"
        max_requests = 0
        max_manifests = "79 MiB"
        [cache]
        max_size = "1 GiB"
        max_object = "2 GiB"
    "#;
    let error = check(text).unwrap_err().to_string();
    for setting in [
        "origins = \"media\"",
        "origins = \"account\"",
        "origins = \"no name\"",
        "origins.a.url = \"ftp://vod.internal\"",
        "origins.a.path = \"{account}\"",
        "origins.a.known_as = \"cdn.example.com/{uid}\"",
        "origins.b.bucket = \"x\"",
        "origins.b.region = \"eu north\"",
        "origins.b.endpoint = \"https://s3.example.com/videos\"",
        "origins.b.style = \"host\"",
        "origin_limits.connect_timeout = \"0s\"",
        "origin_limits.max_requests = \"0\"",
        "origin_limits.max_manifests = \"79 MiB\"",
        "cache.max_object = \"2 GiB\"",
    ] {
        assert!(error.contains(setting), "{setting} is not in:\n{error}");
    }
    for (text, reason) in [
        ("[origins.a]\ntype = \"ftp\"", "unknown variant `ftp`"),
        ("[origins.a]\ntype = \"http\"", "missing field `url`"),
        ("[origins.a]\ntype = \"http\"\nurl = \"http://h\"\nbucket = \"b\"", "unknown field `bucket`"),
    ] {
        let ConfigError::Syntax { source, .. } = check(text).unwrap_err() else { panic!("{text}") };
        assert!(source.to_string().contains(reason), "{source}");
    }
}

#[test]
fn only_origins_of_the_configuration_are_known() {
    let config = check("[origins.nas]\ntype = \"folder\"\nfolder = \"x\"").unwrap();
    let ask = |name: &str| config.require_origin(&name.parse().unwrap()).map_err(|error| error.to_string());
    assert_eq!((ask("nas"), ask("media")), (Ok(()), Ok(())));
    assert_eq!(ask("nsa"), Err("the configuration has no origin `nsa`; it has: media, nas".to_owned()));
}

fn check(text: &str) -> Result<Config, ConfigError> {
    let raw = RawConfig::read(text).map_err(|source| ConfigError::Syntax { file: "vidpass.toml".into(), source })?;
    parse(&raw, None, Path::new("etc"))
}
