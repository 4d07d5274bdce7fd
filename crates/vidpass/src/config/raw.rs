//! The configuration as it is written: text that nobody has checked. Defaults stand beside their parsing.

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use vidpass_api::{Batching, Rate, RateLimits};
use vidpass_gate::{AddressInLog, CutOff, ForwardedHeader};

use super::feed::RawFeed;
use super::forward_auth::RawForwardAuth;
use super::origins::{RawCache, RawOrigin, RawOriginLimits};
use super::problems::{Problems, SyntaxError};
use super::tls::RawTls;
use super::{ConnectionLimits, LogConfig, LogFormat, Overrides, Role, TokenConfig, ViewerConfig};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) roles: Option<Vec<Role>>,
    pub(super) listen: Option<String>,
    pub(super) admin_listen: Option<String>,
    pub(super) tls: RawTls,
    pub(super) public_url: Option<String>,
    pub(super) database: Option<String>,
    pub(super) master_key_file: Option<PathBuf>,
    pub(super) media: Option<PathBuf>,
    pub(super) feed: RawFeed,
    pub(super) tokens: RawTokens,
    pub(super) viewer: RawViewer,
    pub(super) forward_auth: Vec<RawForwardAuth>,
    pub(super) limits: RawLimits,
    pub(super) origins: BTreeMap<String, RawOrigin>,
    pub(super) origin_limits: RawOriginLimits,
    pub(super) cache: RawCache,
    pub(super) log: RawLog,
    pub(super) audit: RawAudit,
    pub(super) rate_limits: RawRateLimits,
    pub(super) signing: RawSigning,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSigning {
    batch: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRateLimits {
    per_credential: Option<String>,
    failed_logins_per_address: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAudit {
    pub(super) keep: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTokens {
    default_lifetime: Option<String>,
    max_lifetime: Option<String>,
    max_accepted_lifetime: Option<String>,
    max_access_rules: Option<usize>,
    lease: Option<String>,
    cut_off: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawViewer {
    trusted_proxies: Vec<String>,
    forwarded_header: Option<String>,
    token_in: Option<String>,
    country_database: Option<PathBuf>,
    allow_missing_origin: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    header_timeout: Option<String>,
    write_timeout: Option<String>,
    max_connections: Option<usize>,
    shutdown_timeout: Option<String>,
    max_backlog: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLog {
    format: Option<LogFormat>,
    level: Option<String>,
    viewer_address: Option<String>,
    file: Option<PathBuf>,
}

impl RawConfig {
    pub(super) fn read(text: &str) -> Result<Self, SyntaxError> {
        toml::from_str(text).map_err(|error| SyntaxError::of(&error, text))
    }

    /// Lets the command line and the environment win.
    pub(super) fn put_over(&mut self, over: &Overrides) {
        fn win<T: Clone>(over: Option<&T>, setting: &mut Option<T>) {
            if let Some(value) = over {
                *setting = Some(value.clone());
            }
        }
        win(over.roles.as_ref(), &mut self.roles);
        win(over.listen.as_ref(), &mut self.listen);
        win(over.admin_listen.as_ref(), &mut self.admin_listen);
        win(over.public_url.as_ref(), &mut self.public_url);
        win(over.place.database.as_ref(), &mut self.database);
        win(over.place.master_key_file.as_ref(), &mut self.master_key_file);
        win(over.media.as_ref(), &mut self.media);
        win(over.log_format.as_ref(), &mut self.log.format);
        win(over.log_level.as_ref(), &mut self.log.level);
    }
}

/// The gate asks every second, and one question may be lost.
const SHORTEST_LEASE: Duration = Duration::from_secs(2);

impl RawTokens {
    pub(super) fn parse(&self, p: &mut Problems) -> Option<TokenConfig> {
        let default_lifetime = p.duration("tokens.default_lifetime", self.default_lifetime.as_deref().unwrap_or("1h"));
        let max_lifetime = p.duration("tokens.max_lifetime", self.max_lifetime.as_deref().unwrap_or("24h"));
        let max_accepted_lifetime = match &self.max_accepted_lifetime {
            Some(text) => p.duration("tokens.max_accepted_lifetime", text).map(Some),
            None => Some(None),
        };
        let max_access_rules = self.max_access_rules.unwrap_or(5);
        if !(1..=100).contains(&max_access_rules) {
            p.add("tokens.max_access_rules", max_access_rules, "must be from 1 to 100");
        }
        let lease = match self.lease.as_deref().unwrap_or("30s") {
            "unlimited" => Some(None),
            text => p.duration("tokens.lease", text).map(Some),
        };
        if let Some(Some(lease)) = lease
            && lease < SHORTEST_LEASE
        {
            let value = self.lease.as_deref().unwrap_or_default();
            p.add("tokens.lease", value, "must be 2s or more: the database is asked every second");
        }
        let cut_off = match self.cut_off.as_deref().unwrap_or("revoked") {
            "never" => Some(CutOff::Never),
            "revoked" => Some(CutOff::Revoked),
            "expired" => Some(CutOff::Expired),
            other => {
                p.add("tokens.cut_off", other, "use never, revoked or expired");
                None
            }
        };
        let (default_lifetime, max_lifetime) = (default_lifetime?, max_lifetime?);
        if default_lifetime > max_lifetime {
            let value = self.default_lifetime.as_deref().unwrap_or("1h");
            p.add("tokens.default_lifetime", value, "must not be longer than tokens.max_lifetime");
        }
        Some(TokenConfig {
            default_lifetime,
            max_lifetime,
            max_accepted_lifetime: max_accepted_lifetime?,
            max_access_rules,
            lease: lease?,
            cut_off: cut_off?,
        })
    }
}

impl RawViewer {
    pub(super) fn parse(&self, p: &mut Problems, folder: &Path) -> Option<ViewerConfig> {
        let trusted_proxies =
            self.trusted_proxies.iter().filter_map(|network| p.parsed("viewer.trusted_proxies", network)).collect();
        let forwarded_header = match self.forwarded_header.as_deref().unwrap_or("x-forwarded-for") {
            "x-forwarded-for" => Some(ForwardedHeader::XForwardedFor),
            "forwarded" => Some(ForwardedHeader::Forwarded),
            other => {
                p.add("viewer.forwarded_header", other, "use x-forwarded-for or forwarded");
                None
            }
        };
        let token_in = p.parsed("viewer.token_in", self.token_in.as_deref().unwrap_or("path"));
        Some(ViewerConfig {
            trusted_proxies,
            forwarded_header: forwarded_header?,
            token_in: token_in?,
            country_database: self.country_database.as_ref().map(|file| folder.join(file)),
            allow_missing_origin: self.allow_missing_origin,
        })
    }
}

impl RawLimits {
    pub(super) fn parse(&self, p: &mut Problems) -> Option<ConnectionLimits> {
        let mut span = |setting, text: &Option<String>, default| -> Option<Duration> {
            p.duration(setting, text.as_deref().unwrap_or(default))
        };
        let header_timeout = span("limits.header_timeout", &self.header_timeout, "10s");
        let write_timeout = span("limits.write_timeout", &self.write_timeout, "30s");
        let shutdown_timeout = span("limits.shutdown_timeout", &self.shutdown_timeout, "30s");
        let max_connections = self.max_connections.unwrap_or(10_000);
        if max_connections == 0 {
            p.add("limits.max_connections", max_connections, "must be at least 1");
        }
        Some(ConnectionLimits {
            header_timeout: header_timeout?,
            write_timeout: write_timeout?,
            max_connections,
            shutdown_timeout: shutdown_timeout?,
        })
    }

    /// How much work the gate lets lie ready; `None` within is any.
    pub(super) fn max_backlog(&self, p: &mut Problems) -> Option<Option<Duration>> {
        match self.max_backlog.as_deref().unwrap_or("10ms") {
            "off" => Some(None),
            text => p.duration("limits.max_backlog", text).map(Some),
        }
    }
}

impl RawRateLimits {
    pub(super) fn parse(&self, p: &mut Problems) -> Option<RateLimits> {
        let mut rate = |setting, text: &Option<String>, default: Option<Rate>| match text.as_deref() {
            None => Some(default),
            Some("off") => Some(None),
            Some(text) => p.parsed(setting, text).map(Some),
        };
        let (default, logins) = (RateLimits::default(), &self.failed_logins_per_address);
        let per_credential = rate("rate_limits.per_credential", &self.per_credential, default.per_credential);
        let failed = rate("rate_limits.failed_logins_per_address", logins, default.failed_logins_per_address);
        Some(RateLimits { per_credential: per_credential?, failed_logins_per_address: failed? })
    }
}

impl RawSigning {
    pub(super) fn parse(&self, p: &mut Problems) -> Option<Batching> {
        match self.batch.as_deref().unwrap_or("auto") {
            "auto" => Some(Batching::Auto),
            "off" => Some(Batching::Off),
            other => {
                p.add("signing.batch", other, "use auto or off");
                None
            }
        }
    }
}

impl RawLog {
    pub(super) fn parse(&self, p: &mut Problems, folder: &Path) -> Option<LogConfig> {
        let level = self.level.as_deref().unwrap_or("info");
        let level = level.parse().map_err(|_| p.add("log.level", level, "use error, warn, info, debug or trace"));
        let viewer_address = match self.viewer_address.as_deref().unwrap_or("full") {
            "full" => Some(AddressInLog::Full),
            "truncated" => Some(AddressInLog::Truncated),
            "hashed" => Some(AddressInLog::Hashed(RandomState::new())),
            other => {
                p.add("log.viewer_address", other, "use full, truncated or hashed");
                None
            }
        };
        let format = self.format.unwrap_or(LogFormat::Text);
        let file = self.file.as_ref().map(|file| folder.join(file));
        Some(LogConfig { format, level: level.ok()?, viewer_address: viewer_address?, file })
    }
}
