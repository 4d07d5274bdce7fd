//! What the program runs on. Holding a [`Config`] means that every check of it passed.
//!
//! Three layers, the later one winning: the TOML file, `VIDPASS_…` in the environment, the command line. The last two
//! arrive together as [`Overrides`]; [`read`] merges them and reports every problem at once.

mod feed;
mod forward_auth;
mod live;
mod origins;
mod overrides;
mod problems;
mod raw;
mod roles;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use vidpass_api::{Batching, PublicUrl, RateLimits};
use vidpass_gate::{
    AddressInLog, CacheConfig, CountrySource, CredentialPlace, CutOff, ForwardedHeader, GateConfig, MEDIA, OriginLimits,
};
use vidpass_store::DatabaseUrl;
use vidpass_token::{Limits, Network, OriginName};

pub(crate) use feed::{FeedConfig, FeedUrl};
pub(crate) use forward_auth::{ForwardAuthConfig, ProxyKind};
pub(crate) use live::take_on_tables;
pub(crate) use origins::{BucketSettings, KindSettings, OriginSettings};
pub(crate) use overrides::{Overrides, Place};
pub(crate) use problems::ConfigError;
use problems::{NOT_SHOWN, Problems};
use raw::RawConfig;
pub(crate) use roles::{Role, Roles};
pub(crate) use tls::TlsConfig;

/// The configuration file that is read where no other is named.
pub(crate) const DEFAULT_FILE: &str = "vidpass.toml";

/// Until the next word from the database, and the second that a moment in whole seconds may be early.
const POLL: Duration = Duration::from_secs(2);

/// Everything that the server can be told.
#[derive(Debug)]
pub(crate) struct Config {
    /// What the server is.
    pub(crate) roles: Roles,
    /// Where API callers and viewers connect.
    pub(crate) listen: SocketAddr,
    /// Where `/metrics` is served; `None` where it is switched off.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Where both connect with HTTPS; `None` is nowhere.
    pub(crate) tls: Option<TlsConfig>,
    /// How clients reach them: the start of every URL that the API gives out. `None` is by the address of `listen`.
    pub(crate) public_url: Option<PublicUrl>,
    /// Where accounts, keys and videos are kept.
    pub(crate) database: DatabaseUrl,
    /// The issuer that a gate asks instead; `None` is the database.
    pub(crate) feed: Option<FeedConfig>,
    /// Where the key that seals private keys comes from.
    pub(crate) master_key: MasterKeySource,
    /// The folder with one folder for each account, and in that one for each video, named after their ids.
    pub(crate) media: PathBuf,
    /// What is issued.
    pub(crate) tokens: TokenConfig,
    /// How viewers are recognised.
    pub(crate) viewer: ViewerConfig,
    /// Which proxies ask, and where.
    pub(crate) forward_auth: Vec<ForwardAuthConfig>,
    /// What one client may take.
    pub(crate) limits: ConnectionLimits,
    /// How much work may lie ready before viewers are turned away; `None` is any.
    pub(crate) max_backlog: Option<Duration>,
    /// Where videos' files are, beside `media`.
    pub(crate) origins: BTreeMap<OriginName, OriginSettings>,
    /// What remote origins may take.
    pub(crate) origin_limits: OriginLimits,
    /// Where their files are kept; `None` is nowhere.
    pub(crate) cache: Option<CacheConfig>,
    /// What is written about it.
    pub(crate) log: LogConfig,
    /// For how long lines of the audit log are kept.
    pub(crate) audit_keep: Duration,
    /// How much one caller of the API may ask for.
    pub(crate) rate_limits: RateLimits,
    /// Whether RSA signatures are made together.
    pub(crate) batching: Batching,
}

/// Where the master key comes from.
#[derive(Debug)]
pub(crate) enum MasterKeySource {
    /// A file that only its owner may read.
    File(PathBuf),
    /// The environment; it is never in the configuration file.
    Inline(SecretString),
    /// A file descriptor that whoever started the program has opened for it.
    Descriptor(RawFd),
}

/// What is issued, and what is accepted of self-signed tokens.
#[derive(Debug)]
pub(crate) struct TokenConfig {
    /// `exp` of a token whose request names none, from now on.
    pub(crate) default_lifetime: Duration,
    /// The latest `exp` that a request may name, from now on.
    pub(crate) max_lifetime: Duration,
    /// The latest `exp` that the gate accepts, from now on; `None` is any.
    pub(crate) max_accepted_lifetime: Option<Duration>,
    /// How many access rules a token may have, both issued and accepted.
    pub(crate) max_access_rules: usize,
    /// For how long the gate lets in by tokens without word from the database; `None` is for as long as it takes.
    pub(crate) lease: Option<Duration>,
    /// Which running transfers are cut off.
    pub(crate) cut_off: CutOff,
}

impl TokenConfig {
    /// After how long every gate that lets in by tokens knows a new key: one that has not heard of the database for the
    /// lease lets nobody in. Where it does all the same, it is given a minute.
    pub(crate) fn learnt_after(&self) -> Duration {
        self.lease.map_or(Duration::from_secs(60), |lease| lease + POLL)
    }
}

/// How viewers are recognised.
#[derive(Debug)]
pub(crate) struct ViewerConfig {
    /// The proxies whose word about the viewer's address is taken.
    pub(crate) trusted_proxies: Vec<Network>,
    /// The header in which they give it.
    pub(crate) forwarded_header: ForwardedHeader,
    /// Where tokens are read from.
    pub(crate) token_in: CredentialPlace,
    /// A MaxMind-format file; `None` is the database inside the program.
    pub(crate) country_database: Option<PathBuf>,
    /// Whether videos with `allowedOrigins` are for apps too, which are on no page.
    pub(crate) allow_missing_origin: bool,
}

/// What one client, and all together, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// How long the head of a request may take, and how long an idle connection is kept.
    pub(crate) header_timeout: Duration,
    /// How long a client may leave what it is sent unread.
    pub(crate) write_timeout: Duration,
    /// How many connections are served at once.
    pub(crate) max_connections: usize,
    /// How long running requests may take after SIGTERM.
    pub(crate) shutdown_timeout: Duration,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub(crate) struct LogConfig {
    /// For people or for machines.
    pub(crate) format: LogFormat,
    /// The least important line that is written.
    pub(crate) level: tracing::Level,
    /// How viewers' addresses are written.
    pub(crate) viewer_address: AddressInLog,
    /// Where every line is written too, as JSON.
    pub(crate) file: Option<PathBuf>,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// What the gate is told of it.
    #[must_use]
    pub(crate) fn gate(&self) -> GateConfig {
        let limits = Limits {
            max_access_rules: self.tokens.max_access_rules,
            max_token_lifetime: self.tokens.max_accepted_lifetime,
            allow_missing_origin: self.viewer.allow_missing_origin,
        };
        GateConfig {
            limits,
            lease: self.tokens.lease,
            cut_off: self.tokens.cut_off,
            max_backlog: self.max_backlog,
            ..GateConfig::default()
        }
    }

    /// `origin`, where the gate would find it.
    ///
    /// # Errors
    /// Where it is not in the configuration.
    pub(crate) fn require_origin(&self, origin: &OriginName) -> anyhow::Result<()> {
        let known = origin.as_str() == MEDIA || self.origins.contains_key(origin);
        let names = || std::iter::once(MEDIA).chain(self.origins.keys().map(OriginName::as_str)).collect::<Vec<_>>();
        anyhow::ensure!(known, "the configuration has no origin `{origin}`; it has: {}", names().join(", "));
        Ok(())
    }

    /// Opens the country database. Reading a file takes a second or two.
    ///
    /// # Errors
    /// Where the file cannot be used.
    pub(crate) fn country_source(&self) -> anyhow::Result<CountrySource> {
        match &self.viewer.country_database {
            Some(file) => CountrySource::open(file.clone())
                .with_context(|| format!("viewer.country_database = {} cannot be used", file.display())),
            None => Ok(CountrySource::embedded()),
        }
    }
}

/// Reads the file that `overrides` names, or [`DEFAULT_FILE`] where that exists, and puts `overrides` over it.
///
/// # Errors
/// [`ConfigError`] with every problem that there is.
pub(crate) fn read(overrides: &Overrides) -> Result<Config, ConfigError> {
    let Some(file) = overrides.place.file() else { return put_over(RawConfig::default(), overrides, Path::new("")) };
    read_text(&read_file(&file)?, overrides, &file)
}

/// Reads the file again that a server runs by: `overrides` name it, where there is one.
///
/// # Errors
/// [`ConfigError`], also where the file has no setting at all: it is being written, and every setting would become its
/// default, which may be laxer.
pub(crate) fn read_again(overrides: &Overrides) -> Result<Config, ConfigError> {
    let Some(file) = &overrides.place.config else { return read(overrides) };
    let text = read_file(file)?;
    if text.parse::<toml::Table>().is_ok_and(|table| table.is_empty()) {
        return Err(ConfigError::Empty { file: file.clone() });
    }
    read_text(&text, overrides, file)
}

/// Relative paths of the file are relative to its folder.
fn read_text(text: &str, overrides: &Overrides, file: &Path) -> Result<Config, ConfigError> {
    let raw = RawConfig::read(text).map_err(|source| ConfigError::Syntax { file: file.to_owned(), source })?;
    put_over(raw, overrides, file.parent().unwrap_or(Path::new("")))
}

fn put_over(mut raw: RawConfig, overrides: &Overrides, folder: &Path) -> Result<Config, ConfigError> {
    raw.put_over(overrides);
    let mut config = parse(&raw, master_key_of_environment(), folder)?;
    if let Some(number) = overrides.place.master_key_fd {
        config.master_key = MasterKeySource::Descriptor(number.into());
    }
    Ok(config)
}

/// What `overrides` and the defaults say, with no file between them.
///
/// # Errors
/// [`ConfigError`] with every problem that there is.
pub(crate) fn without_file(overrides: &Overrides) -> Result<Config, ConfigError> {
    let mut raw = RawConfig::default();
    raw.put_over(overrides);
    parse(&raw, None, Path::new(""))
}

/// The master key itself comes from the environment alone: a command line can be read by everybody on the machine.
#[expect(clippy::disallowed_methods, reason = "a secret must not become a command-line option")]
fn master_key_of_environment() -> Option<SecretString> {
    std::env::var("VIDPASS_MASTER_KEY").ok().map(SecretString::from)
}

fn read_file(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })
}

/// Turns text into values. Relative paths are relative to `folder`.
fn parse(raw: &RawConfig, master_key: Option<SecretString>, folder: &Path) -> Result<Config, ConfigError> {
    let mut problems = Problems::default();
    let p = &mut problems;
    let roles = Roles::parse(raw.roles.as_deref(), p);
    let listen = p.parsed("listen", raw.listen.as_deref().unwrap_or("127.0.0.1:8080"));
    let admin_listen = match raw.admin_listen.as_deref().unwrap_or("127.0.0.1:9464") {
        "off" => Some(None),
        address => p.parsed("admin_listen", address).map(Some),
    };
    let tls = raw.tls.parse(listen, p, folder);
    let public_url = match &raw.public_url {
        Some(url) => p.parsed("public_url", url).map(Some),
        None => Some(None),
    };
    if let (Some(address), Some(None)) = (listen, &public_url)
        && roles.is_some_and(Roles::gives_out_urls)
    {
        require_reachable(address, tls.as_ref().and_then(Option::as_ref), p);
    }
    let database = database(raw.database.as_deref().unwrap_or("sqlite:vidpass.db"), folder, p);
    let feed = raw.feed.parse(roles, p, folder);
    let media = folder.join(raw.media.as_deref().unwrap_or(Path::new("media")));
    let master_key = match master_key {
        Some(key) => MasterKeySource::Inline(key),
        None => MasterKeySource::File(folder.join(raw.master_key_file.as_deref().unwrap_or(Path::new("master.key")))),
    };
    let tokens = raw.tokens.parse(p);
    let viewer = raw.viewer.parse(p, folder);
    let forward_auth = forward_auth::parse_tables(&raw.forward_auth, p);
    let limits = raw.limits.parse(p);
    let max_backlog = raw.limits.max_backlog(p);
    let origins = origins::parse_origins(&raw.origins, p, folder);
    let origin_limits = raw.origin_limits.parse(&raw.cache, p);
    let cache = raw.cache.parse(origin_limits.map(|limits| limits.max_object), p, folder);
    let log = raw.log.parse(p, folder);
    let audit_keep = p.duration("audit.keep", raw.audit.keep.as_deref().unwrap_or("400d"));
    let rate_limits = raw.rate_limits.parse(p);
    let batching = raw.signing.parse(p);
    problems.none_or(|| {
        Some(Config {
            roles: roles?,
            listen: listen?,
            admin_listen: admin_listen?,
            tls: tls?,
            public_url: public_url?,
            database: database?,
            feed: feed?,
            master_key,
            media,
            tokens: tokens?,
            viewer: viewer?,
            forward_auth: forward_auth?,
            limits: limits?,
            max_backlog: max_backlog?,
            origins,
            origin_limits: origin_limits?,
            cache: cache?,
            log: log?,
            audit_keep: audit_keep?,
            rate_limits: rate_limits?,
            batching: batching?,
        })
    })
}

/// No client can reach `0.0.0.0`, and a certificate is for a name, so neither says anything about the URLs that the API gives out.
fn require_reachable(listen: SocketAddr, tls: Option<&TlsConfig>, p: &mut Problems) {
    let setting = match tls {
        _ if listen.ip().is_unspecified() => format!("listen is {listen}"),
        Some(tls) => format!("tls.listen is {}", tls.listen),
        None => return,
    };
    p.add("public_url", "", format!("must be set where {setting}: how do clients reach this server?"));
}

fn database(text: &str, folder: &Path, p: &mut Problems) -> Option<DatabaseUrl> {
    // The text itself may hold a password, so a problem does not repeat it.
    let url: DatabaseUrl = text.parse().map_err(|reason| p.add("database", NOT_SHOWN, reason)).ok()?;
    match text.strip_prefix("sqlite:").filter(|path| !path.starts_with("//")) {
        Some(path) => Some(DatabaseUrl::sqlite(folder.join(path))),
        None => Some(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_gives_safe_defaults() {
        let config = check("").unwrap();
        assert!(config.listen.ip().is_loopback() && config.admin_listen.unwrap().ip().is_loopback());
        assert!(config.viewer.trusted_proxies.is_empty());
        assert!(config.public_url.is_none());
        assert_eq!(config.tokens.max_lifetime, Duration::from_secs(24 * 3600));
        assert_eq!(config.tokens.lease, Some(Duration::from_secs(30)));
        assert_eq!(config.media, Path::new("etc/media"));
        assert!(config.tls.is_none());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let text = r#"
            listen = "8080"
            public_url = "video.example.com"
            database = "mysql://x"
            [tokens]
            default_lifetime = "2 fortnights"
            lease = "1s"
            cut_off = "always"
            max_access_rules = 0
            [viewer]
            trusted_proxies = ["10.0.0.0/8", "10.0.0.0/99"]
            forwarded_header = "x-real-ip"
            token_in = "query"
            [audit]
            keep = "1 year"
            [rate_limits]
            per_credential = "many"
            [signing]
            batch = "eight"
            [log]
            level = "loud"
            viewer_address = "half"
        "#;
        let error = check(text).unwrap_err().to_string();
        for setting in [
            "listen = \"8080\"",
            "public_url = \"video.example.com\"",
            "database = \"(not shown)\"",
            "tokens.default_lifetime = \"2 fortnights\"",
            "tokens.lease = \"1s\"",
            "tokens.cut_off = \"always\"",
            "tokens.max_access_rules = \"0\"",
            "viewer.trusted_proxies = \"10.0.0.0/99\"",
            "viewer.forwarded_header = \"x-real-ip\"",
            "viewer.token_in = \"query\"",
            "audit.keep = \"1 year\"",
            "rate_limits.per_credential = \"many\"",
            "signing.batch = \"eight\"",
            "log.level = \"loud\"",
            "log.viewer_address = \"half\"",
        ] {
            assert!(error.contains(setting), "{setting} is not in:\n{error}");
        }
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let error = check("lisen = \"127.0.0.1:1\"").unwrap_err();
        let ConfigError::Syntax { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().starts_with("line 1, column 1: unknown field `lisen`"), "{source}");
    }

    #[test]
    fn no_password_is_repeated() {
        let login = "postgres://vidpass:secret@db/vidpass";
        for text in [
            format!("databse = \"{login}\""),
            format!("# ä\n  database = \"{login}\" x"),
            "public_url = \"https://u:secret@a\"".to_owned(),
            "roles = [\"gate\"]\n[feed]\ncredential_file = \"f\"\nurl = \"https://u:secret@a\"".to_owned(),
            "[origins.a]\ntype = \"http\"\nurl = \"https://u:secret@a\"".to_owned(),
            "[origins.a]\ntype = \"folder\"\nfolder = \"a\"\nknown_as = [\"https://u:secret@a\"]".to_owned(),
        ] {
            let error = check(&text).unwrap_err();
            let told = vidpass_token::Chain(&error).to_string();
            assert!(!told.contains("secret") && !format!("{error:?}").contains("secret"), "{told}");
        }
        let error = vidpass_token::Chain(&check("# ä\n  database = \"x\" y").unwrap_err()).to_string();
        assert!(error.contains("line 2, column 18: "), "{error}");
    }

    #[test]
    fn a_rate_limit_can_be_set_and_switched_off() {
        let limits = check("").unwrap().rate_limits;
        assert_eq!(limits.per_credential, Some("1000/s".parse().unwrap()));
        assert_eq!(limits.failed_logins_per_address, Some("10/m burst 20".parse().unwrap()));
        let text = "[rate_limits]\nper_credential = \"off\"\nfailed_logins_per_address = \"1/h\"";
        let limits = check(text).unwrap().rate_limits;
        assert_eq!((limits.per_credential, limits.failed_logins_per_address), (None, Some("1/h".parse().unwrap())));
    }

    #[test]
    fn a_server_for_everybody_says_how_it_is_reached() {
        let error = check("listen = \"0.0.0.0:80\"").unwrap_err().to_string();
        assert!(error.contains("public_url"), "{error}");
        assert!(check("listen = \"0.0.0.0:80\"\npublic_url = \"https://video.example.com\"").is_ok());
    }

    #[test]
    fn a_server_is_issuer_and_gate_unless_it_says_otherwise() {
        assert_eq!(check("").unwrap().roles, Roles::Both);
        assert_eq!(check("roles = [\"gate\", \"issuer\"]").unwrap().roles, Roles::Both);
        assert_eq!(check("roles = [\"issuer\"]").unwrap().roles, Roles::Issuer);
        let gate = check("roles = [\"gate\"]\nlisten = \"0.0.0.0:80\"").unwrap();
        assert_eq!(gate.roles, Roles::Gate, "it gives out no URLs");
        assert!(check("roles = []").unwrap_err().to_string().contains("roles"));
        assert!(matches!(check("roles = [\"master\"]"), Err(ConfigError::Syntax { .. })));
    }

    #[test]
    fn a_gate_may_ask_an_issuer_instead_of_a_database() {
        let feed = "[feed]\nurl = \"https://issuer.example.com\"\ncredential_file = \"feed\"";
        let gate = check(&format!("roles = [\"gate\"]\n{feed}")).unwrap();
        assert_eq!(gate.feed.unwrap().credential_file, Path::new("etc/feed"));
        assert!(check(feed).unwrap_err().to_string().contains("roles"));
        for (text, setting) in [
            ("roles = [\"gate\"]\n[feed]\nurl = \"https://issuer.example.com\"", "feed.credential_file"),
            ("roles = [\"gate\"]\n[feed]\nsnapshot_file = \"x\"", "feed.url"),
        ] {
            assert!(check(text).unwrap_err().to_string().contains(setting), "{text}");
        }
    }

    #[test]
    fn a_default_that_is_longer_than_the_longest_is_refused() {
        let error = check("[tokens]\ndefault_lifetime = \"48h\"").unwrap_err().to_string();
        assert!(error.contains("tokens.default_lifetime"), "{error}");
    }

    pub(super) fn check(text: &str) -> Result<Config, ConfigError> {
        let raw = RawConfig::read(text).map_err(|source| ConfigError::Syntax { file: DEFAULT_FILE.into(), source })?;
        parse(&raw, None, Path::new("etc"))
    }
}
