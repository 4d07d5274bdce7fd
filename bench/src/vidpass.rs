//! The server under test, set up and started as its users do it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use vidpass_token::{Algorithm, SigningKey};

use crate::Bench;
use crate::http_text::ask;
use crate::load::Exchange;
use crate::process::{Process, at, free_port, server_command};
use crate::tokens::{KEY, VIDEO, viewer};
use crate::{http_text, tokens};

/// The account of everything.
pub(crate) const ACCOUNT: &str = "bench";

/// A video that needs no token.
pub(crate) const OPEN: &str = "open-video";

/// A server that is set up.
pub(crate) struct Vidpass<'a> {
    bench: &'a Bench,
    folder: TempDir,
    /// What `vidpass init` wrote.
    template: String,
    /// The key that signs viewers' tokens.
    pub(crate) key: SigningKey,
    pub(crate) api_token: String,
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) process: Process,
    /// Where viewers and callers ask.
    pub(crate) listen: SocketAddr,
    /// Where proxies ask.
    pub(crate) proxies: SocketAddr,
}

impl<'a> Vidpass<'a> {
    pub(crate) fn new(bench: &'a Bench) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let key = tokens::signing_key(Algorithm::Rs256)?;
        let mut vidpass = Self { bench, folder, template: String::new(), key, api_token: String::new() };
        let path = vidpass.folder.path().to_string_lossy().into_owned();
        vidpass.command(&["init", &path])?;
        vidpass.template = std::fs::read_to_string(vidpass.folder.path().join("vidpass.toml"))?;
        vidpass.command(&["account", "create", "--name", "Bench", "--id", ACCOUNT])?;
        vidpass.command(&["video", "create", "--uid", VIDEO])?;
        vidpass.command(&["video", "create", "--uid", OPEN, "--require-signed-urls", "false"])?;
        let public = vidpass.folder.path().join("public.pem");
        std::fs::write(&public, vidpass.key.public().to_pem())?;
        vidpass.command(&["key", "import", &public.to_string_lossy(), "--kid", KEY])?;
        let made = vidpass.command(&["api-token", "create", "--name", "bench", "--json"])?;
        let made: Value = serde_json::from_str(&made)?;
        vidpass.api_token = made["token"].as_str().context("no API token came out")?.to_owned();
        Ok(vidpass)
    }

    /// Runs a subcommand to its end, and gives what it prints.
    pub(crate) fn command(&self, words: &[&str]) -> anyhow::Result<String> {
        let config = self.folder.path().join("vidpass.toml");
        let mut command = Command::new(&self.bench.vidpass);
        if config.exists() {
            command.env("VIDPASS_CONFIG", config);
        }
        let output = command.args(words).stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "vidpass {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Whether the configuration that `vidpass init` wrote has this line.
    pub(crate) fn knows(&self, line: &str) -> bool {
        self.template.lines().any(|known| known == line)
    }

    /// The folder of the video's files.
    pub(crate) fn media(&self) -> PathBuf {
        self.folder.path().join("media").join(ACCOUNT).join(VIDEO)
    }

    /// A file of the video's.
    pub(crate) fn put(&self, path: &str, content: &[u8]) -> anyhow::Result<()> {
        let file = self.media().join(path);
        std::fs::create_dir_all(file.parent().context("a file without a folder")?)?;
        Ok(std::fs::write(file, content)?)
    }

    pub(crate) fn serve(&self) -> anyhow::Result<Running> {
        self.serve_with("")
    }

    /// Starts the server, with these whole tables beside the settings of all bars.
    pub(crate) fn serve_with(&self, tables: &str) -> anyhow::Result<Running> {
        let (process, listen, proxies) = self.spawn(tables)?;
        let mut running = Running { process, listen, proxies };
        running.process.wait_for(listen)?;
        running.process.wait_for(proxies)?;
        wait_until_ready(listen)?;
        Ok(running)
    }

    /// From the start of the process to its first answer.
    pub(crate) fn time_to_first_answer(&self) -> anyhow::Result<Duration> {
        let question = http_text::get("/healthz", &[]);
        let started = Instant::now();
        let (_process, listen, _) = self.spawn("")?;
        while started.elapsed() < Duration::from_secs(10) {
            if ask(listen, &question).is_ok_and(|answer| answer.status == 200) {
                return Ok(started.elapsed());
            }
        }
        bail!("nothing answers within 10 s")
    }

    fn spawn(&self, tables: &str) -> anyhow::Result<(Process, SocketAddr, SocketAddr)> {
        let (listen, proxies) = (free_port(), free_port());
        let config = self.folder.path().join("vidpass.toml");
        std::fs::write(&config, settings(listen, proxies, tables))?;
        let mut command = server_command(&self.bench.vidpass);
        command.env("VIDPASS_CONFIG", config).env("LD_LIBRARY_PATH", self.crypto_mb()?).arg("serve");
        let process = Process::start("vidpass", &self.logs(), &mut command)?;
        Ok((process, at(listen), at(proxies)))
    }

    /// Where `tests/crypto-mb` puts that library: users install its Debian package, and the loader finds it too.
    fn crypto_mb(&self) -> std::io::Result<PathBuf> {
        std::path::absolute(self.bench.build.with_file_name("crypto-mb"))
    }

    fn logs(&self) -> PathBuf {
        self.bench.build.join("logs")
    }
}

/// Limits that 10,000 idle connections need, and no line for each request, as none of the peers writes one.
fn settings(listen: u16, proxies: u16, tables: &str) -> String {
    format!(
        r#"listen = "127.0.0.1:{listen}"
admin_listen = "off"
public_url = "https://video.example.com"
database = "sqlite:vidpass.db"
master_key_file = "master.key"
media = "media"

[viewer]
trusted_proxies = ["127.0.0.1"]

[[forward_auth]]
listen = "127.0.0.1:{proxies}"
preset = "nginx"

[limits]
max_connections = 12000
header_timeout = "2m"

[rate_limits]
per_credential = "off"

[log]
level = "warn"

{tables}
"#
    )
}

fn wait_until_ready(listen: SocketAddr) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if ask(listen, &http_text::get("/readyz", &[])).is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("vidpass is not ready")
}

impl Running {
    /// What nginx asks for a viewer with each of these tokens.
    pub(crate) fn questions(&self, tokens: &[String]) -> anyhow::Result<Vec<Exchange>> {
        let question = |number: usize, token: &str| question(&format!("/{token}/seg/1080p-{number:05}.m4s"), number);
        let first = tokens.first().context("no tokens")?;
        // All are of one video, and are answered alike.
        let one = http_text::exchange(self.proxies, question(0, first), 200)?;
        let all = tokens.iter().enumerate();
        Ok(all.map(|(number, token)| Exchange { request: question(number, token), ..one.clone() }).collect())
    }

    /// The same, as long, for a video that needs no token.
    pub(crate) fn open_questions(&self, length: usize) -> anyhow::Result<Vec<Exchange>> {
        let padding = "x".repeat(length.saturating_sub(OPEN.len() + 3));
        let question = |number| question(&format!("/{OPEN}/seg/1080p-{number:05}.m4s?p={padding}"), number);
        let one = http_text::exchange(self.proxies, question(0), 200)?;
        Ok((0..tokens::VIEWERS).map(|number| Exchange { request: question(number), ..one.clone() }).collect())
    }
}

/// The question as deploy/nginx has nginx ask it.
fn question(path: &str, viewer_number: usize) -> Vec<u8> {
    let headers = [
        ("X-Original-URI", path),
        ("X-Original-Method", "GET"),
        ("X-Original-Host", "video.example.com"),
        ("X-Forwarded-For", &viewer(viewer_number)),
    ];
    http_text::get("/", &headers)
}

/// Where a program that was installed is, if it was.
pub(crate) fn installed(program: &str) -> anyhow::Result<PathBuf> {
    let places = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let found = places.iter().map(|place| Path::new(place).join(program)).find(|file| file.exists());
    found.with_context(|| format!("{program} is not installed"))
}
