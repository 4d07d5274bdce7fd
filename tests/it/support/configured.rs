//! A server whose settings are what a test is about.

use reqwest::Client;
use serde_json::Value;

use super::answer::client;
use super::installed::Installed;
use super::process::Process;

/// A server with account `a1`, an API key, and video `v1` with one file.
pub(crate) struct Site {
    pub(crate) installed: Installed,
    pub(crate) server: Process,
    pub(crate) url: String,
    pub(crate) http: Client,
    pub(crate) email: &'static str,
    pub(crate) key: String,
}

impl Site {
    pub(crate) fn start(name: &str, settings: &str) -> Self {
        let installed = Installed::new(name);
        installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
        installed.json(&["video", "create", "--uid", "v1"]);
        let email = "user@example.com";
        let key = installed.json(&["api-key", "create", "--email", email])["key"].as_str().unwrap().to_owned();
        let folder = installed.media().join("a1/v1/manifest");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("video.m3u8"), "#EXTM3U\n").unwrap();
        installed.set(settings);
        let (server, url) = installed.serve();
        Self { installed, server, url, http: client(), email, key }
    }

    pub(crate) async fn api(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(format!("{}/client/v4/accounts/a1/{path}", self.url)).json(body);
        let response = request.header("x-auth-email", self.email).header("x-auth-key", &self.key).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn issue(&self, body: Value) -> String {
        let (status, answer) = self.api("stream/v1/token", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["result"]["token"].as_str().unwrap().to_owned()
    }

    /// The status that a viewer gets who comes with one header.
    pub(crate) async fn view(&self, credential: &str, (name, value): (&str, &str)) -> u16 {
        let request = self.http.get(format!("{}/{credential}/manifest/video.m3u8", self.url));
        request.header(name, value).send().await.unwrap().status().as_u16()
    }
}
