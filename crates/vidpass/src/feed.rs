//! An issuer's feed of changes, as a gate without a database asks for it.

pub(crate) mod error;
pub(crate) mod kept;
mod lines;
pub(crate) mod sealed;
mod subject;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::{Certificate, Client, Response, StatusCode};
use vidpass_api_types::Reason;
use vidpass_store::Subject;
use zeroize::Zeroizing;

use crate::config::{FeedConfig, FeedUrl};
use crate::secret_file;
use crate::source::News;
use error::FeedError;
use lines::Lines;

/// How long a connection may take, and how long the next bytes of an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an answer about changes may take: the issuer says something within a second.
const CHANGES_TIMEOUT: Duration = Duration::from_secs(5);

/// How far questions that find nothing are apart, should an issuer not wait with its answer.
const PAUSE: Duration = Duration::from_millis(250);

/// Whoever asks an issuer, and how far it has come.
pub(crate) struct Feed {
    client: Client,
    url: FeedUrl,
    credential: Zeroizing<String>,
    /// As the issuer said it; only the issuer knows what it means.
    cursor: String,
    asked: Instant,
}

impl Feed {
    /// A feed that was never asked.
    ///
    /// # Errors
    /// A credential or a certificate that cannot be read.
    pub(crate) fn open(config: &FeedConfig) -> anyhow::Result<Self> {
        let missing = "`vidpass gate-credential create` at the issuer makes one";
        let credential = secret_file::read("gate credential", &config.credential_file, missing)?;
        let credential = Zeroizing::new(credential.trim().to_owned());
        Ok(Self {
            client: client(config)?,
            url: config.url.clone(),
            credential,
            cursor: String::new(),
            asked: Instant::now(),
        })
    }

    /// What is kept on disk is sealed with it.
    pub(crate) fn credential(&self) -> &Zeroizing<String> {
        &self.credential
    }

    /// How far it has come.
    pub(crate) fn cursor(&self) -> &str {
        &self.cursor
    }

    /// Goes on from where an earlier process was.
    pub(crate) fn go_on_from(&mut self, cursor: String) {
        self.cursor = cursor;
    }

    /// Everything, one by one.
    pub(crate) async fn all(&mut self, mut each: impl FnMut(Subject)) -> Result<(), FeedError> {
        let mut lines = Lines::of(self.ask(self.client.get(self.url.join("gates/snapshot"))).await?);
        (self.cursor, _) = lines
            .until_end(|line| {
                each(subject::of_line(line)?);
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// What changed since the last answer: at once, when something does, or after a second without.
    pub(crate) async fn later(&mut self) -> Result<News, FeedError> {
        self.asked = Instant::now();
        let mut url = self.url.join("gates/changes");
        url.query_pairs_mut().append_pair("after", &self.cursor);
        let mut lines = Lines::of(self.ask(self.client.get(url).timeout(CHANGES_TIMEOUT)).await?);
        let mut subjects = Vec::new();
        let (cursor, is_all) = lines
            .until_end(|line| {
                subjects.push(subject::of_line(line)?);
                Ok(())
            })
            .await?;
        self.cursor = cursor;
        Ok(News { subjects, is_all })
    }

    /// Waits until it may be asked again: its answer waited already.
    pub(crate) async fn changed(&self) {
        tokio::time::sleep_until((self.asked + PAUSE).into()).await;
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Response, FeedError> {
        let answer = request.bearer_auth(&*self.credential).send().await.map_err(FeedError::away)?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::GONE => Err(FeedError::CursorGone),
            status => Err(FeedError::Refused { status: status.as_u16(), reason: reason(answer).await }),
        }
    }
}

/// What a refusal says, where it is an issuer's and one that is known: whatever else answers is not written to a log.
async fn reason(answer: Response) -> Option<Reason> {
    let body = answer.text().await.ok()?;
    let failure: vidpass_api_types::Failure = serde_json::from_str(&body).ok()?;
    failure.errors.first()?.reason.as_deref()?.parse().ok()
}

/// Goes where it is told and nowhere else.
fn client(config: &FeedConfig) -> anyhow::Result<Client> {
    let client = Client::builder()
        .user_agent("vidpass")
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .https_only(config.url.is_secure());
    let client = match (&config.ca_file, config.url.is_secure()) {
        (Some(file), true) => {
            let unusable = || format!("feed.ca_file = {} cannot be used", file.display());
            let pem = std::fs::read(file).with_context(unusable)?;
            let authorities = Certificate::from_pem_bundle(&pem).with_context(unusable)?;
            anyhow::ensure!(!authorities.is_empty(), "feed.ca_file = {} has no certificate", file.display());
            client.tls_certs_only(authorities)
        }
        (None, true) => client,
        // Plain HTTP needs no roots of trust, and a system may have none.
        (_, false) => client.tls_certs_only([]),
    };
    client.build().context("no HTTP client can be made")
}
