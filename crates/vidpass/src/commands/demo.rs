//! `vidpass demo`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use axum::body::Body;
use clap::Args;
use futures_util::stream;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use include_dir::{Dir, include_dir};
use vidpass_store::{NewAccount, NewApiToken, NewVideo, Presented, Store};
use vidpass_token::{AccountId, VideoId};

use super::serve::private_folder;
use super::{asked_to_stop, user};
use crate::config::{self, Config, LogFormat, Overrides, Place};
use crate::output::line;
use crate::server::{Halves, Server};
use crate::{clock, master_key, telemetry};

/// The sample video, carried inside the program.
static SAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../assets/sample-video");

/// Try everything: a server with an account, an API token and a sample video
#[derive(Args, Debug)]
#[command(after_help = "\
The folder keeps everything; the next demo with it goes on where this one ended. Its file demo.env holds
VIDPASS_URL, VIDPASS_ACCOUNT_ID, VIDPASS_API_TOKEN and VIDPASS_VIDEO_ID for scripts:
  set -a; . vidpass-demo/demo.env")]
pub(crate) struct Demo {
    /// Folder for the database, the video and demo.env
    #[arg(long, value_name = "DIR", default_value = "vidpass-demo", env = "VIDPASS_DEMO_DATA")]
    data: PathBuf,
    /// Address and port to serve on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", env = "VIDPASS_LISTEN")]
    listen: SocketAddr,
    /// Proxy whose X-Forwarded-For is believed: try rules as a viewer from elsewhere; may be repeated
    #[arg(long = "trusted-proxy", value_name = "NETWORK")]
    trusted_proxies: Vec<vidpass_token::Network>,
    /// Address and port for /metrics, or `off`
    #[arg(long, value_name = "ADDR:PORT", default_value = "off")]
    admin_listen: String,
    /// How a line of the log looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// What the demo made, and scripts want to know.
struct Made {
    account: AccountId,
    api_token: String,
    video: VideoId,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        private_folder(&self.data).with_context(|| format!("{} cannot be made", self.data.display()))?;
        let config = self.config()?;
        telemetry::start(&config.log)?;
        let store = open_store(&config, &self.data).await?;
        let env_file = self.data.join("demo.env");
        let made = match again(&store, &env_file).await? {
            Some(made) => made,
            None => make(&store.by(user::actor())).await?,
        };
        unpack(&config.media.join(made.account.as_str()).join(made.video.as_str()))?;
        let config = Arc::new(config);
        let server = Server::bind(Arc::clone(&config), Halves::Both(store), &clock::system()).await?;
        let url = server.public_url().to_string();
        write_env(&env_file, &url, &made)?;
        let token = issue_token(&server, &config, &made).await?;
        print_welcome(&server, &url, &made, &env_file, &token);
        server.run(asked_to_stop(), stream::pending()).await
    }

    fn config(&self) -> anyhow::Result<Config> {
        let overrides = Overrides {
            listen: Some(self.listen.to_string()),
            admin_listen: Some(self.admin_listen.clone()),
            place: Place {
                config: None,
                database: Some(format!("sqlite:{}", self.data.join("vidpass.db").display())),
                master_key_file: Some(self.data.join("master.key")),
                master_key_fd: None,
            },
            media: Some(self.data.join("media")),
            log_format: Some(self.log_format),
            ..Overrides::default()
        };
        let mut config = config::without_file(&overrides)?;
        config.viewer.trusted_proxies.clone_from(&self.trusted_proxies);
        std::fs::create_dir_all(&config.media).with_context(|| format!("{} cannot be made", config.media.display()))?;
        Ok(config)
    }
}

async fn open_store(config: &Config, folder: &Path) -> anyhow::Result<Store> {
    let file = folder.join("master.key");
    let key = if file.exists() { master_key::read(&config.master_key)? } else { master_key::create(&file)? };
    Store::create_or_open(&config.database, &key).await.context("the demo's database cannot be opened")
}

async fn make(store: &Store) -> anyhow::Result<Made> {
    let now = clock::now();
    let account = store.create_account(&NewAccount { id: None, name: "Demo".to_owned() }, now).await?;
    let api_token = store.create_api_token(&account.id, &NewApiToken::unlimited("Demo"), now).await?;
    let mut video = NewVideo { downloads: true, ..NewVideo::private(None) };
    video.meta.insert("name".to_owned(), "Sample video".into());
    let video = store.register_video(&account.id, video, now).await?;
    Ok(Made { account: account.id, api_token: api_token.secret.expose().to_owned(), video: video.uid })
}

/// What an earlier demo in this folder made, where it is all still there.
async fn again(store: &Store, env_file: &Path) -> anyhow::Result<Option<Made>> {
    let Ok(text) = std::fs::read_to_string(env_file) else { return Ok(None) };
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let (Some(account), Some(api_token), Some(video)) =
        (value("VIDPASS_ACCOUNT_ID"), value("VIDPASS_API_TOKEN"), value("VIDPASS_VIDEO_ID"))
    else {
        return Ok(None);
    };
    let (Ok(account), Ok(video)) = (account.parse(), video.parse()) else { return Ok(None) };
    let caller = store.authenticate(&Presented::ApiToken(api_token), clock::now()).await?;
    let known = caller.is_ok_and(|caller| caller.account == account) && store.video(&account, &video).await?.is_some();
    Ok(known.then(|| Made { account, api_token: api_token.to_owned(), video }))
}

/// Writes the sample video's files.
fn unpack(folder: &Path) -> anyhow::Result<()> {
    let writable = || format!("the sample video cannot be written to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(writable)?;
    SAMPLE.extract(folder).with_context(writable)
}

/// For scripts, and so readable by this user alone: it holds an API token.
fn write_env(file: &Path, url: &str, made: &Made) -> anyhow::Result<()> {
    let text = format!(
        "VIDPASS_URL={url}\nVIDPASS_ACCOUNT_ID={}\nVIDPASS_API_TOKEN={}\nVIDPASS_VIDEO_ID={}\n",
        made.account, made.api_token, made.video
    );
    let fresh = file.with_extension("env.new");
    if fresh.exists() {
        std::fs::remove_file(&fresh).with_context(|| format!("{} cannot be removed", fresh.display()))?;
    }
    master_key::write_secret(&fresh, &text)?;
    std::fs::rename(&fresh, file).with_context(|| format!("{} cannot be written", file.display()))
}

/// Issues a token that is good for as long as this server issues any, and opens downloads too: what a caller would get over
/// the network.
async fn issue_token(server: &Server, config: &Config, made: &Made) -> anyhow::Result<String> {
    let Made { account, api_token, video } = made;
    let exp = clock::now().plus(config.tokens.max_lifetime);
    let body = serde_json::json!({ "exp": exp.0, "downloadable": true }).to_string();
    let request = Request::post(format!("/client/v4/accounts/{account}/stream/{video}/token"))
        .header(AUTHORIZATION, format!("Bearer {api_token}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body))?;
    let answer = server.ask_api(request).await?;
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await?;
    let answer: serde_json::Value = serde_json::from_slice(&body)?;
    answer["result"]["token"].as_str().map(str::to_owned).with_context(|| format!("no token was issued: {answer}"))
}

/// What there is to try, each line ready to be copied.
fn print_welcome(server: &Server, url: &str, made: &Made, env_file: &Path, token: &str) {
    let Made { account, api_token, video } = made;
    let metrics =
        server.admin_address().map_or_else(String::new, |address| format!("\nMetrics: http://{address}/metrics"));
    line(&format!(
        "vidpass demo, at {url}

Issue a token for the sample video:
  curl -s -X POST {url}/client/v4/accounts/{account}/stream/{video}/token \\
       -H 'Authorization: Bearer {api_token}'

Play it in a browser (this link is good for 24 hours):
  {url}/{token}/watch

Without a token it is refused:
  curl -s {url}/{video}/manifest/video.m3u8

For scripts, all of this is in {}{metrics}
Stop with Ctrl-C.",
        env_file.display()
    ));
}
