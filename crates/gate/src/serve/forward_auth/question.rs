//! What proxies ask, whichever protocol they ask with, and the decision of it.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use vidpass_token::{Denial, Network};

use crate::asked::RequestHeaders;
use crate::judge::{Judge, Judged, ViewerRequest};
use crate::viewer::{ViewerResolver, is_in};

/// Decides for the proxies that may ask.
#[derive(Clone, Debug)]
pub struct ProxyJudge {
    /// Decides.
    pub judge: Arc<Judge>,
    /// Finds the viewer's address behind further proxies, in front of the one that asks.
    pub viewers: ViewerResolver,
    /// The proxies that may ask.
    pub proxies: Vec<Network>,
}

/// What a proxy asks.
pub(super) struct Question<'a> {
    /// What the viewer asked the proxy for, or why that cannot be told.
    pub(super) original: Result<Original<'a>, Denial>,
    /// What the viewer sent to the proxy.
    pub(super) headers: RequestHeaders<'a>,
    /// The viewer's address, or why it cannot be told.
    pub(super) viewer: Result<IpAddr, Denial>,
    /// The proxy.
    pub(super) peer: IpAddr,
    /// The kind of proxy.
    pub(super) via: &'static str,
}

/// What the viewer asked the proxy for.
#[derive(Debug)]
pub(super) struct Original<'a> {
    pub(super) method: Method,
    pub(super) target: &'a str,
    pub(super) host: &'a str,
}

impl ProxyJudge {
    /// Whether a proxy of this address may ask.
    pub(super) fn trust(&self, peer: IpAddr) -> Result<(), Denial> {
        if is_in(&self.proxies, peer.to_canonical()) { Ok(()) } else { Err(Denial::ProxyNotTrusted) }
    }

    /// Decides, and counts the decision.
    ///
    /// # Errors
    /// The viewer's method, where it is not one of reading.
    pub(super) fn decide<'a>(&'a self, question: &'a Question<'a>) -> Result<Judged<'a>, &'a Method> {
        let original = question.original.as_ref();
        if let Ok(Original { method, .. }) = original
            && ![Method::GET, Method::HEAD].contains(method)
        {
            return Err(method);
        }
        Ok(self.judge.judge(&ViewerRequest {
            method: original.map_or(&Method::GET, |original| &original.method),
            target: original.map(|original| original.target).map_err(Denial::clone),
            host: original.ok().map(|original| original.host),
            headers: question.headers,
            address: question.viewer.clone(),
            peer: question.peer,
            via: question.via,
        }))
    }
}
