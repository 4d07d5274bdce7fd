//! A server that proxies ask, with a video of its own and a protected one next door, and an origin for the proxies that
//! fetch files from one.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use vidpass_token::{Claims, SigningKey, UnixTime};

use super::{Installed, Process, copy_all, files_below, repository};

/// What only the neighbour's file contains.
pub(crate) const SECRET: &str = "the neighbour's secret";

const PRESETS: [&str; 7] = ["nginx", "nginx-accel", "caddy", "traefik", "envoy", "envoy-grpc", "haproxy"];

pub(crate) struct Guarded {
    pub(crate) installed: Installed,
    pub(crate) server: Process,
    pub(crate) url: String,
    pub(crate) api_token: String,
    pub(crate) key: SigningKey,
    origin: Origin,
    /// Where proxies fetch files.
    pub(crate) origin_address: String,
}

/// nginx with a folder of videos and nothing else: what guards nothing by itself.
pub(crate) struct Origin {
    _process: Process,
    pub(crate) address: String,
    folder: TempDir,
}

impl Guarded {
    /// Account `owner` has the videos `sample`, with downloads, and `neighbour`, and `open`, which needs no token.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, "")
    }

    /// `settings` has further tables of the configuration.
    pub(crate) fn start_with(name: &str, settings: &str) -> Self {
        let installed = Installed::new(name);
        installed.json(&["account", "create", "--name", "Owner", "--id", "owner"]);
        installed.json(&["video", "create", "--uid", "sample", "--downloads", "true"]);
        installed.json(&["video", "create", "--uid", "neighbour"]);
        installed.json(&["video", "create", "--uid", "open", "--require-signed-urls", "false"]);
        let api_token = installed.json(&["api-token", "create", "--name", "Tests"]);
        let key = installed.json(&["key", "create"]);
        let media = installed.media().join("owner");
        copy_all(&repository().join("assets/sample-video"), &media.join("sample"));
        std::fs::create_dir_all(media.join("neighbour")).unwrap();
        std::fs::write(media.join("neighbour/secret.m3u8"), SECRET).unwrap();
        let table = |preset| format!("[[forward_auth]]\nlisten = \"127.0.0.1:0\"\npreset = \"{preset}\"\n");
        installed.set(&format!("[log]\nfile = \"vidpass.log\"\n{settings}{}", PRESETS.map(table).concat()));
        let (server, url) = installed.serve();
        let origin = Origin::start(name, &installed.media());
        Self {
            url,
            server,
            api_token: api_token["token"].as_str().unwrap().to_owned(),
            key: SigningKey::from_jwk(None, key["jwk"].as_str().unwrap()).unwrap(),
            installed,
            origin_address: origin.address.clone(),
            origin,
        }
    }

    /// Where proxies of this kind ask.
    pub(crate) fn asked_at(&self, preset: &str) -> String {
        let log = self.server.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.filter(|line| line["message"] == "proxies may ask").find(|line| line["preset"] == preset);
        line.unwrap()["listen"].as_str().unwrap().to_owned()
    }

    /// A token for the video `sample`, from an hour ago to an hour from now, changed by `change`.
    pub(crate) fn token(&self, change: impl FnOnce(&mut Claims)) -> String {
        let mut claims = Claims::new("sample".parse().unwrap(), UnixTime(now() + 3600));
        claims.not_before = Some(UnixTime(now() - 3600));
        change(&mut claims);
        self.key.sign(&claims).unwrap().as_str().to_owned()
    }

    /// The variables for a client of `tests/clients` that watches through `gate`.
    pub(crate) fn client<'a>(&self, gate: &str, command: &'a mut Command) -> &'a mut Command {
        command
            .env("VIDPASS_URL", &self.url)
            .env("VIDPASS_GATE_URL", gate)
            .env("VIDPASS_ACCOUNT_ID", "owner")
            .env("VIDPASS_API_TOKEN", &self.api_token)
            .env("VIDPASS_VIDEO_ID", "sample")
    }
}

/// A proxy that was started from its example in `deploy/`.
pub(crate) struct Proxy {
    process: Process,
    pub(crate) url: String,
    pub(crate) address: String,
    folder: TempDir,
}

/// An example, and how its proxy is started.
pub(crate) struct Example {
    pub(crate) name: &'static str,
    pub(crate) preset: &'static str,
    /// The folder in `deploy/`, and the file that the proxy is started with.
    pub(crate) file: &'static str,
    /// Which port of the example is tried.
    pub(crate) port: u16,
    pub(crate) command: fn(&Path) -> Command,
}

pub(crate) const EXAMPLES: [Example; 7] = [
    Example { name: "nginx", preset: "nginx", file: "nginx/nginx.conf", port: 8000, command: nginx },
    Example { name: "nginx-cache", preset: "nginx", file: "nginx/nginx.conf", port: 8001, command: nginx },
    Example { name: "nginx-accel", preset: "nginx-accel", file: "nginx-accel/nginx.conf", port: 8000, command: nginx },
    Example { name: "caddy", preset: "caddy", file: "caddy/Caddyfile", port: 8000, command: caddy },
    Example { name: "haproxy", preset: "haproxy", file: "haproxy/haproxy.cfg", port: 8000, command: haproxy },
    Example { name: "envoy", preset: "envoy", file: "envoy/envoy.yaml", port: 8000, command: envoy },
    Example { name: "envoy-grpc", preset: "envoy-grpc", file: "envoy-grpc/envoy.yaml", port: 8000, command: envoy },
];

impl Proxy {
    /// Starts the proxy of `example`, changed in nothing but addresses, ports, users and folders.
    pub(crate) fn start(example: &Example, guarded: &Guarded, test: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let (source, own) = (repository().join("deploy").join(example.file), free_port());
        let asked = guarded.asked_at(example.preset);
        for entry in std::fs::read_dir(source.parent().unwrap()).unwrap() {
            let file = entry.unwrap().path();
            let text = std::fs::read_to_string(&file).unwrap();
            let text = adapted(&text, example, own, &asked, guarded, folder.path());
            std::fs::write(folder.path().join(file.file_name().unwrap()), text).unwrap();
        }
        let mut command = (example.command)(&folder.path().join(source.file_name().unwrap()));
        let process = Process::start(&format!("{test}-{}", example.name), command.current_dir(folder.path()));
        let address = format!("127.0.0.1:{own}");
        let mut proxy = Self { process, url: format!("http://{address}"), address, folder };
        proxy.process.wait_for(|_| std::net::TcpStream::connect(("127.0.0.1", own)).ok());
        proxy
    }

    /// Everything that the proxy wrote, once it has written `line`.
    #[track_caller]
    pub(crate) fn logs_with(&mut self, line: &str) -> String {
        let Self { process, folder, .. } = self;
        process.wait_for(|process| Some(logs(process, folder.path())).filter(|text| text.contains(line)))
    }

    /// Everything that the proxy wrote, wherever that is.
    pub(crate) fn all_logs(&self) -> String {
        logs(&self.process, self.folder.path())
    }
}

fn logs(process: &Process, folder: &Path) -> String {
    let mut text = process.log() + &process.printed();
    for path in files_below(folder) {
        if path.extension().is_some_and(|extension| extension == "log") {
            text += &String::from_utf8_lossy(&std::fs::read(folder.join(path)).unwrap());
        }
    }
    text
}

/// The text of an example in this test's place. What it replaces must be there: an example that drifts is noticed.
fn adapted(text: &str, example: &Example, own: u16, asked: &str, guarded: &Guarded, folder: &Path) -> String {
    let shown = folder.display();
    let media = guarded.installed.media();
    let text = text
        .replace("127.0.0.1:9191", asked)
        .replace("address: 127.0.0.1, port_value: 9191", &format!("address: 127.0.0.1, port_value: {}", port_of(asked)))
        .replace("127.0.0.1:8081", &guarded.origin_address)
        .replace(
            "address: 127.0.0.1, port_value: 8081",
            &format!("address: 127.0.0.1, port_value: {}", port_of(&guarded.origin_address)),
        )
        .replace("user www-data;", "user root;\ndaemon off;")
        .replace("worker_processes auto;", "worker_processes 1;")
        .replace("/srv/vidpass/media", &media.display().to_string())
        .replace("/run/nginx.pid", &format!("{shown}/nginx.pid"))
        .replace("/var/log/nginx", &shown.to_string())
        .replace("/var/lib/nginx", &shown.to_string())
        .replace("/etc/nginx/vidpass", &format!("{shown}/vidpass"))
        .replace("/var/log/caddy", &shown.to_string())
        .replace("/etc/haproxy", &shown.to_string());
    // The port that is tried, and another one for a second server of the same example.
    let other = free_port();
    [8000, 8001].iter().fold(text, |text, port| {
        let port_here = if *port == example.port { own } else { other };
        text.replace(&format!(":{port}"), &format!(":{port_here}"))
            .replace(&format!("listen {port}"), &format!("listen 127.0.0.1:{port_here}"))
            .replace(&format!("port_value: {port}"), &format!("port_value: {port_here}"))
    })
}

fn nginx(file: &Path) -> Command {
    let mut command = Command::new("nginx");
    // Where the compiled-in paths are: an error before its configuration is read goes there.
    command.arg("-p").arg(file.parent().unwrap()).args(["-e", "start.log", "-c"]).arg(file);
    command
}

fn caddy(file: &Path) -> Command {
    let mut command = Command::new("caddy");
    let folder = file.parent().unwrap();
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("HOME", folder).env("XDG_CONFIG_HOME", folder).env("XDG_DATA_HOME", folder);
    command
}

fn haproxy(file: &Path) -> Command {
    let mut command = Command::new("haproxy");
    command.arg("-f").arg(file);
    command
}

fn envoy(file: &Path) -> Command {
    let mut command = Command::new(repository().join("tests/clients/python/.venv/bin/envoy"));
    // By itself it writes its access log every ten seconds.
    command.args(["--disable-hot-restart", "--concurrency", "1", "--file-flush-interval-msec", "1"]);
    command.args(["-l", "warning", "-c"]).arg(file);
    command
}

impl Origin {
    pub(crate) fn start(name: &str, media: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let text = format!(
            "user root; daemon off; worker_processes 1; pid nginx.pid; error_log origin.log alert;\n\
             events {{}}\n\
             http {{\n\
             include /etc/nginx/mime.types; types {{ application/dash+xml mpd; video/iso.segment m4s; text/vtt vtt; }}\n\
             log_format all '$request | $http_referer | $http_cookie | $http_authorization';\n\
             access_log origin.log all;\n\
             server {{ listen {address}; root {}; add_header Cache-Control \"public, max-age=31536000\"; }}\n\
             }}\n",
            media.display()
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        let mut process = Process::start(&format!("{name}-origin"), nginx(&file).current_dir(folder.path()));
        process.wait_for(|_| std::net::TcpStream::connect(&address).ok());
        Self { _process: process, address, folder }
    }

    /// What it was asked for.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("origin.log")).unwrap()
    }
}

impl Guarded {
    /// What the origin was asked for.
    pub(crate) fn origin_log(&self) -> String {
        self.origin.log()
    }
}

fn port_of(address: &str) -> &str {
    address.rsplit_once(':').unwrap().1
}

/// A port that nobody has at the moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn now() -> i64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().try_into().unwrap()
}
