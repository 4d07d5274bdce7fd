//! An issuer alone, and TLS in front of one.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::answer::client;
use super::authority::Authority;
use super::guarded::free_port;
use super::installed::Installed;
use super::process::Process;

/// An issuer with account `a1`, video `v1` and an API token.
pub(crate) struct Issuer {
    pub(crate) installed: Installed,
    pub(crate) api_token: String,
}

impl Issuer {
    pub(crate) fn installed(name: &str, arguments: &[&str]) -> Self {
        let installed = Installed::with(name, arguments);
        installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
        installed.json(&["video", "create", "--uid", "v1"]);
        let made = installed.json(&["api-token", "create", "--name", "T"]);
        installed.top("roles = [\"issuer\"]");
        Self { installed, api_token: made["token"].as_str().unwrap().to_owned() }
    }

    /// The result of a request below the account's videos.
    pub(crate) async fn call(&self, url: &str, method: &str, path: &str, body: &Value) -> Value {
        let request = client().request(method.parse().unwrap(), format!("{url}/client/v4/accounts/a1/stream/{path}"));
        let answer = request.bearer_auth(&self.api_token).json(body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["success"], true, "{answer}");
        answer["result"].clone()
    }

    /// The path of a file of `v1`, with a token.
    pub(crate) async fn issue(&self, url: &str, body: &Value) -> String {
        let issued = self.call(url, "POST", "v1/token", body).await;
        format!("{}/a.ts", issued["token"].as_str().unwrap())
    }
}

/// Caddy with a certificate of an authority that nobody knows.
pub(crate) struct Tls {
    _process: Process,
    authority: Authority,
    pub(crate) url: String,
}

impl Tls {
    /// In front of a port of this machine.
    pub(crate) fn before(name: &str, port: u16) -> Self {
        let (authority, own) = (Authority::new(name), free_port());
        authority.vouch_for("issuer");
        let text = format!(
            "{{\n admin off\n auto_https off\n}}\nhttps://127.0.0.1:{own} {{\n tls {} {}\n \
             reverse_proxy 127.0.0.1:{port}\n}}\n",
            authority.file("issuer.pem"),
            authority.file("issuer.key")
        );
        let (file, home) = (authority.file("Caddyfile"), authority.file(""));
        std::fs::write(&file, text).unwrap();
        let mut caddy = Command::new("caddy");
        caddy.env("HOME", &home).env("XDG_DATA_HOME", &home);
        caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
        let mut process = Process::start(&format!("{name}-caddy"), &mut caddy);
        process.wait_for(|_| std::net::TcpStream::connect(("127.0.0.1", own)).ok());
        Self { _process: process, url: format!("https://127.0.0.1:{own}"), authority }
    }

    /// The certificate of its authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.authority.certificate()
    }
}
