//! Which settings a running server takes on, and which it is started with.

use std::net::SocketAddr;

use super::{Config, ForwardAuthConfig, LogConfig, MasterKeySource, ProxyKind, TlsConfig, ViewerConfig};

impl Config {
    /// The settings that differ from those a server was `started` with, and that it takes on only when it is started again.
    pub(crate) fn needs_restart(&self, started: &Self) -> Vec<&'static str> {
        // Whoever adds a setting says here whether it is taken on; those that are `_` are.
        let Self {
            roles,
            listen,
            admin_listen,
            tls,
            public_url: _,
            database,
            feed,
            master_key,
            media,
            tokens: _,
            viewer,
            forward_auth: _,
            limits,
            max_backlog: _,
            origins,
            origin_limits,
            cache,
            log,
            audit_keep: _,
            rate_limits: _,
            batching,
        } = self;
        let ViewerConfig {
            trusted_proxies: _,
            forwarded_header: _,
            token_in: _,
            country_database,
            allow_missing_origin: _,
        } = viewer;
        let LogConfig { format, level: _, viewer_address: _, file } = log;
        let settings = [
            ("roles", *roles == started.roles),
            ("listen", *listen == started.listen),
            ("admin_listen", *admin_listen == started.admin_listen),
            ("tls.listen", listen_of(tls.as_ref()) == listen_of(started.tls.as_ref())),
            ("database", *database == started.database),
            ("feed", *feed == started.feed),
            ("master_key_file", master_key.file() == started.master_key.file()),
            ("media", *media == started.media),
            ("viewer.country_database", *country_database == started.viewer.country_database),
            ("forward_auth", self.has_listeners_of(started)),
            ("limits", *limits == started.limits),
            ("origins", *origins == started.origins),
            ("origin_limits", *origin_limits == started.origin_limits),
            ("cache", *cache == started.cache),
            ("signing.batch", *batching == started.batching),
            ("log.format", *format == started.log.format),
            ("log.file", *file == started.log.file),
        ];
        settings.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }

    /// Whether proxies ask at the same addresses, in the same protocol: all else of `forward_auth` is taken on.
    fn has_listeners_of(&self, started: &Self) -> bool {
        let listeners =
            |config: &Self| -> Vec<_> { config.forward_auth.iter().map(ForwardAuthConfig::listener).collect() };
        listeners(self) == listeners(started)
    }
}

/// Has each of the listeners that a server was started with heed its table in `config`, where it still has one.
pub(crate) fn take_on_tables(listeners: &mut [ForwardAuthConfig], config: &Config) {
    let mut tables: Vec<&ForwardAuthConfig> = config.forward_auth.iter().collect();
    for listener in listeners {
        // Of several at port 0, each has its own.
        if let Some(place) = tables.iter().position(|table| table.listener() == listener.listener()) {
            *listener = tables.remove(place).clone();
        }
    }
}

/// What it shows there, and with which key, is taken on.
fn listen_of(tls: Option<&TlsConfig>) -> Option<SocketAddr> {
    tls.map(|tls| tls.listen)
}

impl ForwardAuthConfig {
    /// What a running server cannot change: where proxies ask, and whether with gRPC.
    fn listener(&self) -> (SocketAddr, bool) {
        (self.listen, matches!(self.kind, ProxyKind::EnvoyGrpc))
    }
}

impl MasterKeySource {
    /// Whoever started the program brings the others, and cannot bring another one.
    fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Inline(_) | Self::Descriptor(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check as config;
    use super::take_on_tables;

    #[test]
    fn what_a_server_is_started_with_is_named() {
        check("listen = \"127.0.0.1:1\"", &["listen"]);
        let tls = |listen: &str, file: &str| {
            config(&format!(
                "roles = [\"gate\"]\n[tls]\nlisten = \"{listen}\"\ncertificate_file = \"{file}\"\nkey_file = \"k\""
            ))
            .unwrap()
        };
        let started = tls("[::]:443", "c");
        assert_eq!(tls("[::]:444", "c").needs_restart(&started), ["tls.listen"]);
        assert_eq!(config("roles = [\"gate\"]").unwrap().needs_restart(&started), ["tls.listen"]);
        assert!(tls("[::]:443", "other").needs_restart(&started).is_empty());
        check("admin_listen = \"off\"\nroles = [\"issuer\"]", &["roles", "admin_listen"]);
        check("database = \"postgres://a:b@db/vidpass\"", &["database"]);
        let login = |password: &str| config(&format!("database = \"postgres://a:{password}@db/vidpass\"")).unwrap();
        assert_eq!(login("b").needs_restart(&login("c")), ["database"], "a password too");
        check("master_key_file = \"other.key\"\nmedia = \"other\"", &["master_key_file", "media"]);
        check(
            "roles = [\"gate\"]\n[feed]\nurl = \"https://issuer.example.com\"\ncredential_file = \"feed\"",
            &["roles", "feed"],
        );
        check("[viewer]\ncountry_database = \"country.mmdb\"", &["viewer.country_database"]);
        check("[limits]\nmax_connections = 7", &["limits"]);
        check("[origins.archive]\ntype = \"folder\"\nfolder = \"archive\"", &["origins"]);
        check("[origin_limits]\nmax_requests = 7", &["origin_limits"]);
        check("[cache]\nfolder = \"cache\"", &["cache"]);
        check("[signing]\nbatch = \"off\"", &["signing.batch"]);
        check("[log]\nformat = \"json\"\nfile = \"log\"", &["log.format", "log.file"]);
    }

    #[test]
    fn all_else_is_taken_on() {
        check("public_url = \"https://video.example.com\"", &[]);
        check("[tokens]\nlease = \"5s\"\ncut_off = \"expired\"\nmax_access_rules = 7", &[]);
        check("[viewer]\ntrusted_proxies = [\"10.0.0.0/8\"]\ntoken_in = \"cookie:token\"", &[]);
        check("[rate_limits]\nper_credential = \"off\"\n[audit]\nkeep = \"1d\"", &[]);
        check("[log]\nlevel = \"debug\"\nviewer_address = \"truncated\"", &[]);
    }

    #[test]
    fn proxies_that_ask_may_change_where_they_ask_at_the_same_place() {
        let listener = |port: u16, preset: &str, proxies: &str| {
            let text = format!(
                "[[forward_auth]]\nlisten = \"127.0.0.1:{port}\"\npreset = \"{preset}\"\ntrusted_proxies = [\"{proxies}\"]"
            );
            config(&text).unwrap()
        };
        let started = listener(1, "nginx", "10.0.0.1");
        assert!(listener(1, "caddy", "10.0.0.0/8").needs_restart(&started).is_empty());
        assert_eq!(listener(2, "nginx", "10.0.0.1").needs_restart(&started), ["forward_auth"]);
        assert_eq!(listener(1, "envoy-grpc", "10.0.0.1").needs_restart(&started), ["forward_auth"]);
    }

    #[test]
    fn a_listener_heeds_its_table_whatever_becomes_of_others() {
        let tables = |tables: &[(u16, &str)]| {
            let table = |(port, proxy): &(u16, &str)| {
                format!(
                    "[[forward_auth]]\nlisten = \"127.0.0.1:{port}\"\npreset = \"caddy\"\ntrusted_proxies = [\"{proxy}\"]\n"
                )
            };
            config(&tables.iter().map(table).collect::<String>()).unwrap()
        };
        let mut listeners = tables(&[(1, "10.0.0.1"), (0, "10.0.0.2"), (0, "10.0.0.3")]).forward_auth;
        let mut check = |changed: &[(u16, &str)], expected: [&str; 3]| {
            take_on_tables(&mut listeners, &tables(changed));
            let proxies: Vec<String> = listeners.iter().map(|listener| listener.proxies[0].to_string()).collect();
            assert_eq!(proxies, expected, "{changed:?}");
        };
        check(&[(1, "10.0.1.1"), (0, "10.0.0.2"), (0, "10.0.0.3")], ["10.0.1.1", "10.0.0.2", "10.0.0.3"]);
        check(&[(9, "10.9.9.9"), (0, "10.0.1.2"), (1, "10.0.2.1")], ["10.0.2.1", "10.0.1.2", "10.0.0.3"]);
        check(&[(9, "10.9.9.9")], ["10.0.2.1", "10.0.1.2", "10.0.0.3"]);
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let (changed, default) = (config(text).unwrap(), config("").unwrap());
        assert_eq!(changed.needs_restart(&default), expected, "{text}");
        assert_eq!(default.needs_restart(&changed), expected, "{text}");
        assert!(changed.needs_restart(&config(text).unwrap()).is_empty(), "{text}");
    }
}
