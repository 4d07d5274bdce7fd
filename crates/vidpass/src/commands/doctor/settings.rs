//! What the configuration alone tells: whom the server believes, what it lets in, and whether its files are there.

use std::path::Path;

use rustix::process::{Resource, getrlimit};

use vidpass_api::SigningPath;

use super::finding::Finding;
use crate::config::{Config, KindSettings, Roles};
use crate::listener;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::good("configuration", "it can be read, and every setting has a value that does")];
    findings.push(proxies(config));
    findings.extend(reached(config));
    findings.extend(in_the_clear(config));
    findings.push(lease(config));
    findings.push(countries(config));
    if config.roles != Roles::Issuer {
        findings.extend(folders(config));
    }
    if config.roles != Roles::Gate {
        findings.push(Finding::good("signing", SigningPath::find(config.batching)));
    }
    findings.push(descriptors(config));
    findings
}

fn proxies(config: &Config) -> Finding {
    const SUBJECT: &str = "proxies";
    let trusted = &config.viewer.trusted_proxies;
    let asked = config.forward_auth.iter().flat_map(|listener| &listener.proxies);
    let everybody = trusted.iter().chain(asked).filter(|network| network.is_everybody());
    let everybody: Vec<_> = everybody.map(ToString::to_string).collect();
    if !everybody.is_empty() {
        let text = format!("everybody is believed who says which address a viewer has ({})", everybody.join(", "));
        return Finding::broken_as(SUBJECT, text, "name the addresses of your own proxies in trusted_proxies");
    }
    let speaks_https = config.public_url.as_ref().is_some_and(|url| url.to_string().starts_with("https://"));
    let behind_tls = speaks_https && config.tls.is_none();
    match trusted.len() {
        0 if behind_tls => Finding::warning(
            SUBJECT,
            "public_url is https, so a proxy stands in front, and viewer.trusted_proxies names none",
            "name it there: otherwise access rules and the log see the proxy's address for every viewer",
        ),
        0 => Finding::good(SUBJECT, "nobody is believed who says which address a viewer has"),
        count => Finding::good(SUBJECT, format!("{count} are believed when they say which address a viewer has")),
    }
}

fn reached(config: &Config) -> Option<Finding> {
    const SUBJECT: &str = "public_url";
    let url = config.public_url.as_ref()?.to_string();
    if !url.starts_with("http://") {
        return None;
    }
    if config.tls.is_some() {
        let text = format!("{url}: the API's answers name it, and not the HTTPS of tls.listen");
        return Some(Finding::warning(SUBJECT, text, "make this https"));
    }
    let clear = !config.listen.ip().is_loopback();
    clear.then(|| {
        Finding::warning(
            SUBJECT,
            format!("{url}: tokens travel in the clear, and whoever reads one can use it"),
            "set tls, or put a server in front that speaks TLS, and make this https",
        )
    })
}

fn in_the_clear(config: &Config) -> Option<Finding> {
    let open = config.tls.is_some() && !config.listen.ip().is_loopback();
    open.then(|| {
        Finding::warning(
            "listen",
            format!("{}: whoever connects here and not at tls.listen sends tokens in the clear", config.listen),
            "make this an address of this machine alone, such as 127.0.0.1:8080",
        )
    })
}

fn lease(config: &Config) -> Finding {
    match config.tokens.lease {
        Some(lease) => Finding::good("lease", format!("{} s without word from the database", lease.as_secs())),
        None => Finding::warning(
            "lease",
            "tokens.lease is unlimited: a gate that is cut off from its database lets in what was taken back elsewhere",
            "set how long that may go on, such as 30s",
        ),
    }
}

fn countries(config: &Config) -> Finding {
    const SUBJECT: &str = "country database";
    match config.country_source() {
        Ok(_) => Finding::good(
            SUBJECT,
            config.viewer.country_database.as_ref().map_or_else(
                || "the one inside the program".to_owned(),
                |file| format!("{} is intact", file.display()),
            ),
        ),
        Err(problem) => Finding::broken(SUBJECT, problem.as_ref(), "put a whole MaxMind-format file there"),
    }
}

fn folders(config: &Config) -> Vec<Finding> {
    let media = std::iter::once(("media".to_owned(), config.media.as_path()));
    let origins = config.origins.iter().filter_map(|(name, origin)| match &origin.kind {
        KindSettings::Folder(folder) => Some((format!("origins.{name}.folder"), folder.as_path())),
        KindSettings::Http(_) | KindSettings::S3(_) => None,
    });
    media.chain(origins).map(|(setting, folder)| is_readable(&setting, folder)).collect()
}

fn is_readable(setting: &str, folder: &Path) -> Finding {
    match std::fs::read_dir(folder) {
        Ok(_) => Finding::good("folder", format!("{setting} = {}", folder.display())),
        Err(problem) => {
            let text = format!("{setting} = {}: {problem}", folder.display());
            Finding::broken_as("folder", text, "make it, or let the server's user read it")
        }
    }
}

/// The server raises its own limit to what it may have.
fn descriptors(config: &Config) -> Finding {
    const SUBJECT: &str = "file descriptors";
    let wanted = listener::descriptors_for(config.limits.max_connections);
    match getrlimit(Resource::Nofile).maximum {
        Some(limit) if limit < wanted => Finding::warning(
            SUBJECT,
            format!(
                "{limit} are allowed, and limits.max_connections = {} takes {wanted}",
                config.limits.max_connections
            ),
            "raise the limit (LimitNOFILE= of systemd, `ulimit -Hn`), or lower max_connections",
        ),
        Some(_) | None => Finding::good(SUBJECT, format!("enough for {} connections", config.limits.max_connections)),
    }
}
