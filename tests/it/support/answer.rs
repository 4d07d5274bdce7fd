//! What a server answers, with all its bytes.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Sends `request` with these headers, and reads the answer to its end.
    pub(crate) async fn to(mut request: RequestBuilder, headers: &[(&str, &str)]) -> Self {
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    /// The value of a header, or `-`.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("-", |value| value.to_str().unwrap())
    }
}

/// A client that asks the server itself, whatever proxies the environment names, and nobody whom the server names.
pub(crate) fn client() -> Client {
    // Less than the server keeps a connection that lies idle: one that is closed just when it is used again is no answer.
    let idle = Duration::from_secs(5);
    Client::builder().no_proxy().redirect(Policy::none()).pool_idle_timeout(idle).build().unwrap()
}
