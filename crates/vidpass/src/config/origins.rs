//! Origins, their limits and their cache, as they are written and as they are used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vidpass_gate::{
    BucketName, CacheConfig, KnownAs, MEDIA, OriginLimits, OriginUrl, PathTemplate, RegionName, S3Style,
};
use vidpass_token::OriginName;

use super::problems::Problems;

/// What `--origin` means something else by: the gate's own folder, and a video's account.
const TAKEN: [(&str, &str); 2] = [
    (MEDIA, "it is the name of the folder that `media` sets; choose another"),
    ("account", "`--origin account` means \"as the account says\"; choose another name"),
];

/// One origin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OriginSettings {
    /// What it is, and where.
    pub(crate) kind: KindSettings,
    /// Where a video's files are below that.
    pub(crate) path: PathTemplate,
    /// Where manifests say that they are, beside the origin's own address.
    pub(crate) known_as: Vec<KnownAs>,
}

/// What an origin is, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KindSettings {
    /// A folder of this machine.
    Folder(PathBuf),
    /// An HTTP server.
    Http(OriginUrl),
    /// A bucket.
    S3(BucketSettings),
}

/// A bucket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BucketSettings {
    /// Its name.
    pub(crate) bucket: BucketName,
    /// The region that requests are signed for.
    pub(crate) region: RegionName,
    /// The service; `None` is AWS.
    pub(crate) endpoint: Option<OriginUrl>,
    /// Where the name stands in a URL.
    pub(crate) style: S3Style,
    /// Where the credentials are; `None` is the environment, then the instance's role.
    pub(crate) credentials_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum RawOrigin {
    Folder {
        folder: PathBuf,
        path: Option<String>,
        #[serde(default)]
        known_as: Vec<String>,
    },
    Http {
        url: String,
        path: Option<String>,
        #[serde(default)]
        known_as: Vec<String>,
    },
    S3 {
        bucket: String,
        region: String,
        endpoint: Option<String>,
        style: Option<String>,
        credentials_file: Option<PathBuf>,
        path: Option<String>,
        #[serde(default)]
        known_as: Vec<String>,
    },
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOriginLimits {
    connect_timeout: Option<String>,
    response_timeout: Option<String>,
    read_timeout: Option<String>,
    max_requests: Option<usize>,
    max_shared: Option<String>,
    max_manifests: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCache {
    folder: Option<PathBuf>,
    max_size: Option<String>,
    max_object: Option<String>,
    max_age: Option<String>,
}

/// The origins of the configuration, by name.
pub(super) fn parse_origins(
    raw: &BTreeMap<String, RawOrigin>,
    p: &mut Problems,
    folder: &Path,
) -> BTreeMap<OriginName, OriginSettings> {
    let mut origins = BTreeMap::new();
    for (name, origin) in raw {
        let settings = origin.parse(name, p, folder);
        match TAKEN.iter().find(|(taken, _)| taken == name) {
            Some((_, reason)) => p.add("origins", name, reason),
            None => origins.extend(p.parsed("origins", name).zip(settings)),
        }
    }
    origins
}

impl RawOrigin {
    fn parse(&self, name: &str, p: &mut Problems, folder: &Path) -> Option<OriginSettings> {
        let at = |setting: &str| format!("origins.{name}.{setting}");
        let (kind, path, known_as) = match self {
            Self::Folder { folder: own, path, known_as } => {
                (Some(KindSettings::Folder(folder.join(own))), path, known_as)
            }
            Self::Http { url, path, known_as } => (p.parsed(at("url"), url).map(KindSettings::Http), path, known_as),
            Self::S3 { bucket, region, endpoint, style, credentials_file, path, known_as } => {
                let (bucket, region) = (p.parsed(at("bucket"), bucket), p.parsed(at("region"), region));
                let endpoint = endpoint_of(endpoint.as_deref(), at("endpoint"), p);
                let style = style_of(style.as_deref(), at("style"), p);
                let credentials_file = credentials_file.as_ref().map(|file| folder.join(file));
                let settings = || {
                    Some(BucketSettings {
                        bucket: bucket?,
                        region: region?,
                        endpoint: endpoint?,
                        style: style?,
                        credentials_file,
                    })
                };
                (settings().map(KindSettings::S3), path, known_as)
            }
        };
        let path = path.as_deref().map_or(Some(PathTemplate::default()), |text| p.parsed(at("path"), text));
        let known_as = known_as.iter().filter_map(|url| p.parsed(at("known_as"), url)).collect();
        Some(OriginSettings { kind: kind?, path: path?, known_as })
    }
}

fn endpoint_of(text: Option<&str>, setting: String, p: &mut Problems) -> Option<Option<OriginUrl>> {
    let Some(text) = text else { return Some(None) };
    let url: OriginUrl = p.parsed(setting.clone(), text)?;
    if !url.is_bare() {
        p.add(setting, text, "must have nothing after the host; what stands before a video goes into `path`");
    }
    Some(Some(url))
}

fn style_of(text: Option<&str>, setting: String, p: &mut Problems) -> Option<S3Style> {
    match text.unwrap_or("path") {
        "path" => Some(S3Style::Path),
        "virtual-host" => Some(S3Style::VirtualHost),
        other => {
            p.add(setting, other, "use path or virtual-host");
            None
        }
    }
}

impl RawOriginLimits {
    pub(super) fn parse(&self, cache: &RawCache, p: &mut Problems) -> Option<OriginLimits> {
        let default = OriginLimits::default();
        let connect = p.duration("origin_limits.connect_timeout", self.connect_timeout.as_deref().unwrap_or("5s"));
        let response = p.duration("origin_limits.response_timeout", self.response_timeout.as_deref().unwrap_or("10s"));
        let read = p.duration("origin_limits.read_timeout", self.read_timeout.as_deref().unwrap_or("30s"));
        let max_requests = self.max_requests.unwrap_or(default.max_requests);
        if !(1..=1_000_000).contains(&max_requests) {
            p.add("origin_limits.max_requests", max_requests, "must be from 1 to 1000000");
        }
        let max_shared = p.size("origin_limits.max_shared", self.max_shared.as_deref().unwrap_or("256 MiB"));
        let max_object = p.size("cache.max_object", cache.max_object.as_deref().unwrap_or("64 MiB"));
        let max_manifests = self.max_manifests(p);
        let (max_shared, max_object) = (max_shared?, max_object?);
        if max_object > max_shared {
            let value = cache.max_object.as_deref().unwrap_or("64 MiB");
            p.add("cache.max_object", value, "must not be larger than origin_limits.max_shared");
        }
        Some(OriginLimits {
            connect_timeout: connect?,
            response_timeout: response?,
            read_timeout: read?,
            max_requests,
            max_shared,
            max_manifests: max_manifests?,
            max_object,
        })
    }

    fn max_manifests(&self, p: &mut Problems) -> Option<u64> {
        let text = self.max_manifests.as_deref().unwrap_or("256 MiB");
        let size = p.size("origin_limits.max_manifests", text)?;
        if size < OriginLimits::MIN_MANIFESTS {
            p.add("origin_limits.max_manifests", text, "must be at least 80 MiB, which one manifest may take");
        }
        Some(size)
    }
}

impl RawCache {
    /// `Some(None)` where the cache is off.
    pub(super) fn parse(
        &self,
        max_object: Option<u64>,
        p: &mut Problems,
        folder: &Path,
    ) -> Option<Option<CacheConfig>> {
        let max_size = p.size("cache.max_size", self.max_size.as_deref().unwrap_or("10 GiB"));
        let max_age = p.duration("cache.max_age", self.max_age.as_deref().unwrap_or("1h"));
        let (max_size, max_age) = (max_size?, max_age?);
        if max_object.is_some_and(|max_object| max_object > max_size) {
            let value = self.max_size.as_deref().unwrap_or("10 GiB");
            p.add("cache.max_size", value, "must not be smaller than cache.max_object");
        }
        Some(self.folder.as_ref().map(|own| CacheConfig { folder: folder.join(own), max_size, max_age }))
    }
}

#[cfg(test)]
mod tests;
