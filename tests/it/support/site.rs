//! `vidpass demo`, and what a caller and a viewer do with it.

use std::path::PathBuf;
use std::process::Command;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use vidpass_token::{Claims, SigningKey, UnixTime};

use super::process::{Process, vidpass};
use super::{client, now};

/// A running demo with a folder of its own.
pub(crate) struct Demo {
    pub(crate) process: Process,
    pub(crate) url: String,
    pub(crate) account: String,
    pub(crate) api_token: String,
    pub(crate) video: String,
    folder: TempDir,
    http: reqwest::Client,
}

/// A signing key that the API made.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) signing: SigningKey,
}

impl Demo {
    /// Starts a demo in a new folder, on a free port.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    pub(crate) fn start_with(name: &str, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = vidpass();
        command.args(["demo", "--listen", "127.0.0.1:0", "--log-format", "json", "--data"]).arg(folder.path());
        let mut process = Process::start(name, command.args(arguments));
        process.wait_for(|demo| demo.printed().contains("Stop with Ctrl-C").then_some(()));
        let env = std::fs::read_to_string(folder.path().join("demo.env")).unwrap();
        let value = |name: &str| {
            let line = env.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("{name} is not in demo.env")).to_owned()
        };
        Self {
            process,
            url: value("VIDPASS_URL"),
            account: value("VIDPASS_ACCOUNT_ID"),
            api_token: value("VIDPASS_API_TOKEN"),
            video: value("VIDPASS_VIDEO_ID"),
            folder,
            http: client(),
        }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The variables of `demo.env`, for a client.
    pub(crate) fn client<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("VIDPASS_URL", &self.url)
            .env("VIDPASS_ACCOUNT_ID", &self.account)
            .env("VIDPASS_API_TOKEN", &self.api_token)
            .env("VIDPASS_VIDEO_ID", &self.video)
            .env_remove("CLOUDFLARE_API_TOKEN")
    }

    /// Sends a request to the API, below this account, and gives the status and the envelope.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("{}/client/v4/accounts/{}/{path}", self.url, self.account);
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.api_token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// Issues a token for the sample video.
    pub(crate) async fn issue(&self, body: Value) -> String {
        let (status, answer) = self.api("POST", &format!("stream/{}/token", self.video), Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        answer["result"]["token"].as_str().unwrap().to_owned()
    }

    /// Makes a signing key through the API.
    pub(crate) async fn create_key(&self) -> Key {
        let (status, answer) = self.api("POST", "stream/keys", Some(json!({}))).await;
        assert_eq!(status, 200, "{answer}");
        let signing = SigningKey::from_jwk(None, answer["result"]["jwk"].as_str().unwrap()).unwrap();
        Key { id: answer["result"]["id"].as_str().unwrap().to_owned(), signing }
    }

    pub(crate) async fn delete_key(&self, id: &str) {
        let (status, answer) = self.api("DELETE", &format!("stream/keys/{id}"), None).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Claims for the sample video, from an hour ago to an hour from now.
    pub(crate) fn claims(&self) -> Claims {
        Claims {
            not_before: Some(UnixTime(now() - 3600)),
            ..Claims::new(self.video.parse().unwrap(), UnixTime(now() + 3600))
        }
    }

    /// A viewer's request.
    pub(crate) async fn view(&self, credential: &str, path: &str) -> Response {
        self.view_with(credential, path, &[]).await
    }

    pub(crate) async fn view_with(&self, credential: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.http.get(format!("{}/{credential}/{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// `200`, or `401 token_expired`: the status, and the code of a refusal, which header and body must agree on.
    pub(crate) async fn outcome(&self, credential: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let response = self.view_with(credential, path, headers).await;
        let status = response.status().as_u16();
        let Some(code) = response.headers().get("x-vidpass-denial") else { return status.to_string() };
        let code = code.to_str().unwrap().to_owned();
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["code"], code.as_str());
        assert!(body["message"].as_str().unwrap().ends_with('.'));
        format!("{status} {code}")
    }
}
