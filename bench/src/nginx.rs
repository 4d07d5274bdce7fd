//! nginx, the peer of most bars.

use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest as _, Md5};

use crate::Bench;
use crate::peer::{Peer, Setup};
use crate::process::server_command;
use crate::secure::Certificate;
use crate::tokens::now;
use crate::vidpass::installed;

/// What nginx is to do, as a `server` block's content in `peers/nginx-*.conf`.
pub(crate) struct Site<'a> {
    /// The file in `peers/`.
    pub(crate) template: &'static str,
    pub(crate) root: &'a Path,
    /// Who answers `auth_request`.
    pub(crate) asked: u16,
    pub(crate) tcp_nopush: bool,
    /// What it shows where its file says `ssl`.
    pub(crate) tls: Option<&'a Certificate>,
}

/// Starts an nginx of its own.
pub(crate) fn start(bench: &Bench, site: &Site<'_>) -> anyhow::Result<Peer> {
    let setup = Setup::new(bench)?;
    let root = site.root.to_string_lossy();
    let asked = site.asked.to_string();
    let nopush = if site.tcp_nopush { "on" } else { "off" };
    let file = |file: fn(&Certificate) -> &Path| site.tls.map(file).map(Path::to_string_lossy).unwrap_or_default();
    let (certificate, key) = (file(|tls| &tls.certificate), file(|tls| &tls.key));
    let values = [
        ("ROOT", &*root),
        ("ASKED", &asked),
        ("NOPUSH", nopush),
        ("SECRET", SECRET),
        ("CERTIFICATE", &certificate),
        ("KEY", &key),
    ];
    for file in [site.template, "nginx-question.conf"] {
        setup.fill(file, &values)?;
    }
    let config = setup.fill("nginx.conf", &[("SITE", site.template), ("NOPUSH", nopush)])?;
    let mut command = server_command(installed("nginx")?);
    command.arg("-p").arg(setup.folder()).arg("-e").arg("stderr").arg("-c").arg(config);
    setup.start("nginx", &mut command)
}

const SECRET: &str = "a secret of the server's";

/// A link as `secure_link` checks it.
pub(crate) fn secure_link(path: &str) -> String {
    let expires = now().0 + 3600;
    let sum = Md5::digest(format!("{expires}{path}127.0.0.1 {SECRET}"));
    format!("{path}?md5={}&expires={expires}", URL_SAFE_NO_PAD.encode(sum))
}

/// Names for files that nobody guesses, as many as there are viewers.
pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| {
            let hash = digest::digest(&digest::SHA256, &number.to_le_bytes());
            format!("/bench/bench-video/seg/{}.m4s", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..9]))
        })
        .collect()
}
