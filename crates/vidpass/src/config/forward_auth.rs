//! The tables `[[forward_auth]]`: the listeners that proxies ask.

use std::net::SocketAddr;

use serde::Deserialize;
use vidpass_gate::Preset;
use vidpass_token::Network;

use super::problems::Problems;
use crate::listener::Protocol;

/// One listener that proxies ask.
#[derive(Clone, Debug)]
pub(crate) struct ForwardAuthConfig {
    /// Where they ask.
    pub(crate) listen: SocketAddr,
    /// Who may ask.
    pub(crate) proxies: Vec<Network>,
    /// How they ask.
    pub(crate) kind: ProxyKind,
}

/// How proxies ask.
#[derive(Clone, Debug)]
pub(crate) enum ProxyKind {
    /// Over HTTP/1.1.
    Http(Preset),
    /// With Envoy's protocol, over HTTP/2 without TLS.
    EnvoyGrpc,
}

impl ProxyKind {
    /// What is spoken where they ask.
    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Http(_) => Protocol::Http1,
            Self::EnvoyGrpc => Protocol::Http2,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawForwardAuth {
    listen: Option<String>,
    preset: Option<String>,
    trusted_proxies: Option<Vec<String>>,
    accel_redirect: Option<String>,
}

/// All tables, or none where one has a problem.
pub(super) fn parse_tables(tables: &[RawForwardAuth], p: &mut Problems) -> Option<Vec<ForwardAuthConfig>> {
    // Each is parsed before any is missed, so that all problems are told.
    let parsed: Vec<_> = tables.iter().enumerate().map(|(place, table)| Table { place, table }.parse(p)).collect();
    parsed.into_iter().collect()
}

/// A table, and which one it is in the file, from 0.
struct Table<'a> {
    place: usize,
    table: &'a RawForwardAuth,
}

impl Table<'_> {
    fn parse(&self, p: &mut Problems) -> Option<ForwardAuthConfig> {
        let listen = match &self.table.listen {
            Some(address) => p.parsed(self.name("listen"), address),
            None => p.missing(self.name("listen"), "an address and a port that the proxy asks"),
        };
        let proxies = self.proxies(listen, p);
        let kind = self.kind(p);
        Some(ForwardAuthConfig { listen: listen?, proxies: proxies?, kind: kind? })
    }

    fn proxies(&self, listen: Option<SocketAddr>, p: &mut Problems) -> Option<Vec<Network>> {
        let name = || self.name("trusted_proxies");
        match &self.table.trusted_proxies {
            Some(networks) => Some(networks.iter().filter_map(|network| p.parsed(name(), network)).collect()),
            None if listen.is_some_and(|listen| !listen.ip().is_loopback()) => {
                p.missing(name(), "the proxies that may ask, where listen is not on loopback")
            }
            None => Some(loopback()),
        }
    }

    fn kind(&self, p: &mut Problems) -> Option<ProxyKind> {
        let preset = self.table.preset.as_deref().unwrap_or_default();
        if let Some(prefix) = &self.table.accel_redirect
            && preset != "nginx-accel"
        {
            p.add(
                self.name("accel_redirect"),
                prefix,
                format!("only the preset nginx-accel redirects, not {preset:?}"),
            );
        }
        let preset = match preset {
            "nginx" => Preset::Nginx,
            "nginx-accel" => {
                let prefix = self.table.accel_redirect.as_deref().unwrap_or("/_media/");
                Preset::NginxAccel(p.parsed(self.name("accel_redirect"), prefix)?)
            }
            "caddy" => Preset::Caddy,
            "traefik" => Preset::Traefik,
            "envoy" => Preset::Envoy,
            "envoy-grpc" => return Some(ProxyKind::EnvoyGrpc),
            "haproxy" => Preset::Haproxy,
            other => {
                let presets = "use nginx, nginx-accel, caddy, traefik, envoy, envoy-grpc or haproxy";
                p.add(self.name("preset"), other, presets);
                return None;
            }
        };
        Some(ProxyKind::Http(preset))
    }

    fn name(&self, setting: &str) -> String {
        format!("forward_auth[{}].{setting}", self.place)
    }
}

/// This machine, which is who may ask a listener that nobody else reaches.
fn loopback() -> Vec<Network> {
    ["127.0.0.0/8", "::1"].map(|network| network.parse().expect("a network")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_ask_is_this_machine_or_named() {
        check("listen = '127.0.0.1:9191'\npreset = 'caddy'", Ok("127.0.0.0/8 ::1"));
        check("listen = '[::1]:9191'\npreset = 'caddy'\ntrusted_proxies = ['10.0.0.7']", Ok("10.0.0.7"));
        check("listen = '10.0.0.1:1'\npreset = 'caddy'\ntrusted_proxies = []", Ok(""));
        check("listen = '10.0.0.1:1'\npreset = 'caddy'", Err(&["forward_auth[0].trusted_proxies = \"\": must be set"]));
    }

    #[test]
    fn all_problems_of_all_tables_are_told() {
        check(
            "listen = '1'\npreset = 'apache'\ntrusted_proxies = ['x']\n\
             [[forward_auth]]\npreset = 'nginx'\naccel_redirect = '/x/'\n\
             [[forward_auth]]\nlisten = '0.0.0.0:1'\npreset = 'nginx-accel'\naccel_redirect = '/../'",
            Err(&[
                "forward_auth[0].listen = \"1\"",
                "forward_auth[0].trusted_proxies = \"x\"",
                "forward_auth[0].preset = \"apache\": use nginx,",
                "forward_auth[1].listen = \"\": must be set",
                "forward_auth[1].accel_redirect = \"/x/\": only the preset nginx-accel redirects, not \"nginx\"",
                "forward_auth[2].trusted_proxies = \"\": must be set",
                "forward_auth[2].accel_redirect = \"/../\"",
            ]),
        );
    }

    #[track_caller]
    fn check(table: &str, expected: Result<&str, &[&str]>) {
        #[derive(Deserialize)]
        struct File {
            forward_auth: Vec<RawForwardAuth>,
        }
        let file: File = toml::from_str(&format!("[[forward_auth]]\n{table}")).unwrap();
        let mut problems = Problems::default();
        let tables = parse_tables(&file.forward_auth, &mut problems);
        let got = problems.none_or(|| tables).map_err(|error| error.to_string());
        match (got, expected) {
            (Ok(tables), Ok(expected)) => {
                let proxies: Vec<_> = tables[0].proxies.iter().map(ToString::to_string).collect();
                assert_eq!(proxies.join(" "), expected, "{table}");
            }
            (Err(told), Err(problems)) => {
                assert!(told.contains(&format!("{} problem(s)", problems.len())), "{told}");
                for problem in problems {
                    assert!(told.contains(problem), "{problem} is not in:\n{told}");
                }
            }
            (got, expected) => panic!("{table}: {got:?} instead of {expected:?}"),
        }
    }
}
