//! One origin that is asked over HTTP, be it a server or a bucket.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use vidpass_token::{AccountId, FilePath, OriginName, Permit, UnixTime, VideoId};

use super::address::OriginUrl;
use super::content::{Content, Found};
use super::error::FetchError;
use super::head::{Told, Want};
use super::limits::OriginLimits;
use super::metrics::OriginMetrics;
use super::s3::Signer;
use super::template::PathTemplate;
use super::transfer::Transfer;
use crate::serve::conditional::Validators;

/// How long a request waits for another one to end where an origin has as many as it may have.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// How long an idle connection is kept; most servers keep theirs for longer.
const IDLE: Duration = Duration::from_secs(30);

/// How many idle connections each host keeps.
const MAX_IDLE: usize = 64;

/// An HTTP server or a bucket.
pub(super) struct Remote {
    pub(super) name: OriginName,
    pub(super) base: OriginUrl,
    pub(super) path: PathTemplate,
    pub(super) signer: Option<Signer>,
    pub(super) client: Client,
    pub(super) limits: OriginLimits,
    pub(super) slots: Arc<Semaphore>,
    pub(super) metrics: OriginMetrics,
}

/// One file of a permitted video, as its origin addresses it. Whoever holds one held a permit.
pub(super) struct Target {
    url: Url,
    /// Origin, account, uid and path: what a file is kept and shared under. Never anything of the viewer's.
    pub(super) key: Box<str>,
    /// The same for logs.
    pub(super) name: Arc<str>,
    pub(super) account: AccountId,
    pub(super) video: VideoId,
}

/// What came of a question.
pub(crate) enum Got {
    Found(Found),
    NotFound,
    NotModified(Validators),
    PreconditionFailed,
    RangeNotSatisfiable,
}

/// A client for the origin at `base`: it goes where it is told and nowhere else, and takes bytes as they are.
///
/// # Errors
/// Where the origin speaks TLS, and the system has no roots of trust.
pub(super) fn client(base: &OriginUrl, limits: &OriginLimits) -> reqwest::Result<Client> {
    let client = Client::builder();
    // No redirect leads from plain HTTP to TLS, so a system without roots of trust can have such an origin.
    let client = if base.is_secure() { client } else { client.tls_certs_only([]) };
    client
        .user_agent("vidpass")
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .http1_only()
        .connect_timeout(limits.connect_timeout)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .build()
}

impl Remote {
    pub(super) fn target(&self, permit: &Permit, file: FilePath<'_>) -> Target {
        let video = format!("{}:{}/{}", self.name, permit.account(), permit.video());
        let url = self.base.below(&format!("{}/{}", self.path.of(permit), file.as_str()));
        Target {
            url,
            key: format!("{video}/{}", file.as_str()).into(),
            name: format!("{video}/{file}").into(),
            account: permit.account().clone(),
            video: permit.video().clone(),
        }
    }

    /// Asks, and waits for the first bytes. `now` is the time of the viewer's request.
    pub(super) async fn open(
        self: &Arc<Self>,
        target: &Arc<Target>,
        want: &Want,
        now: UnixTime,
    ) -> Result<Got, FetchError> {
        let slot = self.slot().await;
        let started = Instant::now();
        let got = match slot {
            Ok(slot) => self.open_in_time(slot, target, want, now).await,
            Err(busy) => Err(busy),
        };
        self.metrics.count(&self.name, outcome(&got));
        if got.is_ok() {
            self.metrics.observe(&self.name, started.elapsed());
        }
        got
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, FetchError> {
        let slot = timeout(SHORT_WAIT, Arc::clone(&self.slots).acquire_owned()).await;
        slot.ok().and_then(Result::ok).ok_or(FetchError::Busy { max_requests: self.limits.max_requests })
    }

    async fn open_in_time(
        self: &Arc<Self>,
        slot: OwnedSemaphorePermit,
        target: &Arc<Target>,
        want: &Want,
        now: UnixTime,
    ) -> Result<Got, FetchError> {
        let after = self.limits.response_timeout;
        let opening = async {
            let (told, response) = self.ask(target, want, now).await?;
            let (head, part) = match told {
                Told::NotFound => return Ok(Got::NotFound),
                Told::NotModified(validators) => return Ok(Got::NotModified(validators)),
                Told::PreconditionFailed => return Ok(Got::PreconditionFailed),
                Told::RangeNotSatisfiable => return Ok(Got::RangeNotSatisfiable),
                Told::Part(head, part) => (head, part),
                Told::Whole(head) => {
                    let all = 0..head.length;
                    (head, all)
                }
            };
            if *want == Want::Head {
                return Ok(Got::Found(Found { head, content: Content::Nothing }));
            }
            let tag = head.validators.etag.clone();
            let mut transfer =
                Transfer::new(Arc::clone(self), Arc::clone(target), response, part.clone(), tag, now, slot);
            transfer.wait_for_first_bytes().await?;
            Ok(Got::Found(Found { head, content: Content::Stream { part, transfer: Box::new(transfer) } }))
        };
        timeout(after, opening).await.unwrap_or(Err(FetchError::Timeout { after }))
    }

    /// A request that changes nothing may be sent again where its connection ended without an answer (RFC 9110, section
    /// 9.2.2): a server closes idle connections when it likes.
    async fn send(&self, target: &Target, want: &Want, headers: HeaderMap) -> Result<Response, FetchError> {
        let request = || self.client.request(want.method(), target.url.clone()).headers(headers.clone()).send();
        match request().await {
            Err(error) if is_stale(&error) => Ok(request().await?),
            answer => Ok(answer?),
        }
    }

    /// Sends one request and reads the head of its answer.
    pub(super) async fn ask(
        &self,
        target: &Target,
        want: &Want,
        now: UnixTime,
    ) -> Result<(Told, Response), FetchError> {
        let mut headers = want.headers();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(signer) = &self.signer {
            headers = signer.sign(want.method(), &target.url, headers).await?;
        }
        let response = self.send(target, want, headers).await?;
        let told = want.read(response.status(), response.headers(), now)?;
        Ok((told, response))
    }
}

/// Whether the origin left a connection that both had kept, at the moment when the request was on its way.
fn is_stale(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let left = |error: &hyper::Error| error.is_incomplete_message() || error.is_canceled();
        let broke = |error: &io::Error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        if error.downcast_ref().is_some_and(left) || error.downcast_ref().is_some_and(broke) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn outcome(got: &Result<Got, FetchError>) -> &'static str {
    match got {
        Ok(Got::Found(_)) => "found",
        Ok(Got::NotFound) => "not_found",
        Ok(Got::NotModified(_)) => "not_modified",
        Ok(Got::PreconditionFailed) => "precondition_failed",
        Ok(Got::RangeNotSatisfiable) => "range_not_satisfiable",
        Err(error) => error.failure().code(),
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({}, {}/{})", self.name, self.base, self.path)
    }
}
