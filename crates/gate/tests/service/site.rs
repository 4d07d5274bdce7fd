//! A gate over a folder of its own, with a clock that tests set.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};
use std::{fs, str};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use vidpass_gate::{
    AddressInLog, CacheConfig, Catalogue, CountrySource, CredentialPlace, ForwardedHeader, Gate, GateBody, GateConfig,
    GateParts, GateService, Judge, OriginConfig, OriginKind, OriginLimits, Origins, OriginsConfig, PathTemplate,
    ViewerResolver,
};
use vidpass_token::{Algorithm, Claims, SigningKey, UnixTime, VideoPolicy};

/// The account that owns every video.
pub(crate) const ACCOUNT: &str = "owner";

/// When it is, unless a test says otherwise: Friday, 15 January 2027, 08:00 UTC.
pub(crate) const NOW: i64 = 1_800_000_000;

/// When every file was changed last.
pub(crate) const CHANGED: &str = "Fri, 15 Jan 2027 07:00:00 GMT";

/// What only the neighbour's files contain.
pub(crate) const SECRET: &str = "the neighbour's secret";

/// Trusted to say who the viewer is.
pub(crate) const PROXY: &str = "10.0.0.1:50000";

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, "key-1".parse().unwrap()).unwrap());

pub(crate) struct Site {
    pub(crate) gate: Arc<Gate>,
    pub(crate) service: GateService,
    pub(crate) judge: Arc<Judge>,
    registry: Registry,
    folder: TempDir,
    clock: Arc<AtomicI64>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Site {
    /// Videos `private`, `public`, `embedded` (public, on `example.com` alone) and `neighbour` (private).
    pub(crate) fn start() -> Self {
        Self::with_gate(GateConfig::default())
    }

    pub(crate) fn with_gate(config: GateConfig) -> Self {
        crate::logs::install();
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(NOW));
        let mut registry = Registry::default();
        let gate = Arc::new(Gate::new(config, &mut registry));
        gate.replace(catalogue());
        let judge = judge(&gate, &clock, CredentialPlace::Path);
        let service = service(&judge, open(folder.path(), [], limits(), None, &mut registry));
        let site = Self { gate, service, judge, registry, folder, clock };
        for video in ["private", "public", "embedded"] {
            site.put(&format!("{video}/manifest/video.m3u8"), "#EXTM3U\n");
            site.put(&format!("{video}/hls/seg-1.m4s"), "0123456789");
            site.put(&format!("{video}/downloads/default.mp4"), "all of it");
        }
        site.put("neighbour/secret.m3u8", SECRET);
        site.put("neighbour/manifest/video.m3u8", SECRET);
        site
    }

    /// The same gate with its files elsewhere.
    pub(crate) fn with_media_folder(mut self, path: &Path) -> Self {
        self.service = service(&self.judge, open(path, [], limits(), None, &mut Registry::default()));
        self
    }

    /// The same gate with `origin` under that name, where the files of `public` are from now on.
    pub(crate) fn with_origin(self, kind: OriginKind) -> Self {
        self.with_origins(vec![("origin", kind)], limits(), None)
    }

    /// The same gate with these origins. The files of `public` are in the one called `origin` from now on.
    pub(crate) fn with_origins(
        mut self,
        origins: Vec<(&str, OriginKind)>,
        limits: OriginLimits,
        cache: Option<CacheConfig>,
    ) -> Self {
        self.registry = Registry::default();
        let origins = open(self.folder.path(), origins, limits, cache, &mut self.registry);
        self.service = service(&self.judge, origins);
        self.name_origin("public", "origin");
        self
    }

    /// The same gate with one origin, where the files of `public` are from now on.
    pub(crate) fn with_config(mut self, config: OriginConfig) -> Self {
        let named = [("origin".parse().unwrap(), config)].into();
        let config = OriginsConfig { media: self.folder.path().to_owned(), named, limits: limits(), cache: None };
        self.service = service(&self.judge, Origins::open(config, &mut Registry::default()).unwrap());
        self.name_origin("public", "origin");
        self
    }

    /// The files of `uid`, which needs no token, are there from now on.
    pub(crate) fn name_origin(&self, uid: &str, origin: &str) {
        let policy = VideoPolicy {
            require_signed_urls: false,
            origin: Some(origin.parse().unwrap()),
            ..VideoPolicy::private(ACCOUNT.parse().unwrap())
        };
        self.gate.update(|catalogue| catalogue.insert_video(uid.parse().unwrap(), policy));
    }

    /// The value of one metric, such as `vidpass_gate_cache_hits_total`, labels included.
    pub(crate) fn metric(&self, name: &str) -> i64 {
        let text = self.metrics();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// The same gate with tokens in another place.
    pub(crate) fn with_token_in(mut self, place: &str) -> Self {
        self.judge = judge(&self.gate, &self.clock, place.parse().unwrap());
        self.service = service(&self.judge, open(self.folder.path(), [], limits(), None, &mut Registry::default()));
        self
    }

    pub(crate) fn put(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs((NOW - 3600).unsigned_abs());
        fs::File::options().write(true).open(path).unwrap().set_modified(changed).unwrap();
    }

    /// A path in the folder of the one account.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(ACCOUNT).join(path)
    }

    pub(crate) fn media_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything that was counted.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    pub(crate) fn set_clock(&self, now: i64) {
        self.clock.store(now, Ordering::Relaxed);
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask(Method::GET, target, &[]).await
    }

    pub(crate) async fn ask(&self, method: Method, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask_from("192.0.2.7:50000", method, target, headers).await
    }

    /// Asks for a file and reads nothing of it yet.
    pub(crate) async fn begin(&self, target: &str) -> http::Response<GateBody> {
        self.begin_with(target, &[]).await
    }

    pub(crate) async fn begin_with(&self, target: &str, headers: &[(&str, &str)]) -> http::Response<GateBody> {
        let request = headers.iter().fold(Request::get(target), |request, (name, value)| request.header(*name, *value));
        let request = request.body(Full::<Bytes>::default()).unwrap();
        self.service.handle(request, "192.0.2.7:50000".parse().unwrap()).await
    }

    pub(crate) async fn ask_from(&self, peer: &str, method: Method, target: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let response = self.service.handle(request, peer.parse::<SocketAddr>().unwrap()).await;
        let (head, body) = response.into_parts();
        Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }
}

impl Answer {
    /// `200 the body`, or for a refusal `401 its_code`.
    pub(crate) fn summary(&self) -> String {
        let status = self.status.as_u16();
        match serde_json::from_slice::<serde_json::Value>(&self.body) {
            Ok(json) if json["code"].is_string() => format!("{status} {}", json["code"].as_str().unwrap()),
            Ok(_) | Err(_) => format!("{status} {}", str::from_utf8(&self.body).unwrap()),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("-", |value| value.to_str().unwrap())
    }

    /// All headers as lines, sorted.
    pub(crate) fn all_headers(&self) -> String {
        let line =
            |(name, value): (&http::HeaderName, &http::HeaderValue)| format!("{name}: {}\n", value.to_str().unwrap());
        let mut lines: Vec<String> = self.headers.iter().map(line).collect();
        lines.sort();
        lines.concat()
    }
}

/// A token for `video` that is good for a minute, changed by `change`.
pub(crate) fn token(video: &str, change: impl FnOnce(&mut Claims)) -> String {
    sign(&KEY, video, change)
}

/// Signed by a key that nobody registered, under the id of one that is.
pub(crate) fn forged(video: &str) -> String {
    static OTHER: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, "key-1".parse().unwrap()).unwrap());
    sign(&OTHER, video, |_| {})
}

pub(crate) fn key_id() -> vidpass_token::KeyId {
    KEY.id().clone()
}

fn sign(key: &SigningKey, video: &str, change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = Claims::new(video.parse().unwrap(), UnixTime(NOW + 60));
    change(&mut claims);
    key.sign(&claims).unwrap().as_str().to_owned()
}

/// Origins of these names, which are ready to be asked.
fn open<'a>(
    media: &Path,
    origins: impl IntoIterator<Item = (&'a str, OriginKind)>,
    limits: OriginLimits,
    cache: Option<CacheConfig>,
    metrics: &mut Registry,
) -> Origins {
    let origin = |(name, kind): (&str, OriginKind)| {
        (name.parse().unwrap(), OriginConfig { kind, path: PathTemplate::default(), known_as: Vec::new() })
    };
    let named = origins.into_iter().map(origin).collect();
    Origins::open(OriginsConfig { media: media.to_owned(), named, limits, cache }, metrics).unwrap()
}

/// Limits that no test reaches, however busy the machine is.
pub(crate) fn limits() -> OriginLimits {
    let patience = Duration::from_secs(60);
    OriginLimits { response_timeout: patience, read_timeout: patience, ..OriginLimits::default() }
}

fn judge(gate: &Arc<Gate>, clock: &Arc<AtomicI64>, credential_place: CredentialPlace) -> Arc<Judge> {
    let now = Arc::clone(clock);
    Arc::new(Judge {
        gate: Arc::clone(gate),
        countries: Arc::new(CountrySource::embedded()),
        credential_place,
        address_in_log: AddressInLog::Full,
        clock: Arc::new(move || UnixTime(now.load(Ordering::Relaxed))),
    })
}

fn service(judge: &Arc<Judge>, origins: Origins) -> GateService {
    GateService::new(GateParts { judge: Arc::clone(judge), viewers: viewers(), origins: Arc::new(origins) })
}

/// Peels proxies of `10.0.0.0/8` off `X-Forwarded-For`.
pub(crate) fn viewers() -> ViewerResolver {
    ViewerResolver::new(vec!["10.0.0.0/8".parse().unwrap()], ForwardedHeader::XForwardedFor)
}

fn catalogue() -> Catalogue {
    let account: vidpass_token::AccountId = ACCOUNT.parse().unwrap();
    let private = VideoPolicy { downloads: true, ..VideoPolicy::private(account.clone()) };
    let public = VideoPolicy { require_signed_urls: false, ..private.clone() };
    let embedded = VideoPolicy { allowed_origins: vec!["example.com".parse().unwrap()], ..public.clone() };
    let mut catalogue = Catalogue::default();
    catalogue.insert_key(key_id(), account, KEY.public().clone());
    for (uid, policy) in [("private", &private), ("public", &public), ("embedded", &embedded), ("neighbour", &private)]
    {
        catalogue.insert_video(uid.parse().unwrap(), policy.clone());
    }
    catalogue
}
