//! S3-compatible buckets: an HTTP origin whose requests are signed.
//!
//! `object_store` knows the credentials and their renewal, and signs. The request itself is the same `GET` as of any
//! other origin, so that ranges, conditions, limits and failures are the same too: its own client follows redirects,
//! gives no length with 416, and reads the body of an error to its end.

use std::fmt;
use std::str::FromStr;

use http::header::{AUTHORIZATION, HeaderMap};
use http::{Method, Request};
use object_store::aws::{AwsAuthorizer, AwsCredential, AwsCredentialProvider};
use object_store::client::HttpRequestBody;
use reqwest::Url;

use super::address::OriginUrl;
use super::error::FetchError;

/// A bucket.
#[derive(Clone)]
pub struct S3Bucket {
    /// Its name.
    pub bucket: BucketName,
    /// The region that requests are signed for.
    pub region: RegionName,
    /// The service, with nothing after the host; `None` is AWS.
    pub endpoint: Option<OriginUrl>,
    /// Where the name stands in a URL.
    pub style: S3Style,
    /// Gives the credentials, and renews them.
    pub credentials: AwsCredentialProvider,
}

/// Where the name of a bucket stands in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Style {
    /// `https://host/bucket/…`
    Path,
    /// `https://bucket.host/…`
    VirtualHost,
}

/// The name of a bucket: 3 to 63 letters, digits, `.`, `_` and `-`, the first one a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketName(Box<str>);

/// The name of a region: up to 64 letters, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionName(Box<str>);

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a bucket cannot be addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum S3Error {
    /// The name of the bucket.
    #[error("it is not a bucket's name: 3 to 63 letters, digits, `.`, `_` and `-`")]
    Bucket,
    /// The bucket's name and the endpoint make no host name together.
    #[error("bucket and endpoint make no host name together; use style = \"path\"")]
    Host,
    /// The name of the region.
    #[error("it is not a region's name: letters, digits and `-`")]
    Region,
}

impl S3Bucket {
    /// The URL below which its objects are.
    ///
    /// # Errors
    /// [`S3Error::Host`]
    pub fn url(&self) -> Result<OriginUrl, S3Error> {
        let host = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://s3.{}.amazonaws.com", self.region.0).parse().map_err(|_| S3Error::Host)?,
        };
        self.url_on(&host, self.style)
    }

    /// All URLs below which its objects are known to be, whatever the style.
    pub(super) fn known_urls(&self) -> Vec<OriginUrl> {
        let mut hosts: Vec<OriginUrl> = self.url_hosts().filter_map(|host| host.parse().ok()).collect();
        hosts.extend(self.endpoint.clone());
        let both = |host: &OriginUrl| [S3Style::Path, S3Style::VirtualHost].map(|style| self.url_on(host, style));
        hosts.iter().flat_map(both).filter_map(Result::ok).collect()
    }

    fn url_hosts(&self) -> impl Iterator<Item = String> {
        let aws = self.endpoint.is_none();
        let hosts = [format!("https://s3.{}.amazonaws.com", self.region.0), "https://s3.amazonaws.com".to_owned()];
        hosts.into_iter().filter(move |_| aws)
    }

    fn url_on(&self, host: &OriginUrl, style: S3Style) -> Result<OriginUrl, S3Error> {
        match style {
            S3Style::Path => format!("{host}/{}", self.bucket.0).parse().map_err(|_| S3Error::Host),
            S3Style::VirtualHost => host.on_subdomain(&self.bucket.0).ok_or(S3Error::Host),
        }
    }

    pub(super) fn signer(&self) -> Signer {
        Signer { region: self.region.clone(), credentials: AwsCredentialProvider::clone(&self.credentials) }
    }
}

impl FromStr for BucketName {
    type Err = S3Error;

    fn from_str(text: &str) -> Result<Self, S3Error> {
        let plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c));
        let first = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        let good = plain && first && (3..=63).contains(&text.len());
        good.then(|| Self(text.into())).ok_or(S3Error::Bucket)
    }
}

impl FromStr for RegionName {
    type Err = S3Error;

    fn from_str(text: &str) -> Result<Self, S3Error> {
        let plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        (plain && (1..=64).contains(&text.len())).then(|| Self(text.into())).ok_or(S3Error::Region)
    }
}

/// Signs requests (AWS Signature Version 4).
pub(super) struct Signer {
    region: RegionName,
    credentials: AwsCredentialProvider,
}

impl Signer {
    /// The headers of the request with those that sign it.
    pub(super) async fn sign(&self, method: Method, url: &Url, headers: HeaderMap) -> Result<HeaderMap, FetchError> {
        let credentials = self.credentials.get_credential().await;
        let credentials = credentials.map_err(|error| FetchError::Credentials(Some(error)))?;
        if !fits(&credentials) {
            return Err(FetchError::Credentials(None));
        }
        let mut request = Request::new(HttpRequestBody::empty());
        *request.method_mut() = method;
        *request.uri_mut() = url.as_str().parse().expect("a URL without a fragment is a request target");
        *request.headers_mut() = headers;
        let authorizer = AwsAuthorizer::new(&credentials, "s3", &self.region.0);
        authorizer.try_authorize(&mut request, None).map_err(|error| FetchError::Credentials(Some(error)))?;
        let mut headers = std::mem::take(request.headers_mut());
        if let Some(signature) = headers.get_mut(AUTHORIZATION) {
            signature.set_sensitive(true);
        }
        Ok(headers)
    }
}

/// Whether the credentials can stand in headers; the signing panics where they cannot.
fn fits(credentials: &AwsCredential) -> bool {
    let plain = |text: &str| text.bytes().all(|c| c.is_ascii_graphic());
    plain(&credentials.key_id) && credentials.token.as_deref().is_none_or(plain)
}

impl fmt::Debug for S3Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Bucket")
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::StaticCredentialProvider;

    use super::*;

    #[test]
    fn where_a_bucket_is() {
        use S3Style::{Path, VirtualHost};
        check(None, Path, "https://s3.eu-north-1.amazonaws.com/videos");
        check(None, VirtualHost, "https://videos.s3.eu-north-1.amazonaws.com");
        check(Some("http://127.0.0.1:9000"), Path, "http://127.0.0.1:9000/videos");
        check(Some("https://s3.example.com/"), VirtualHost, "https://videos.s3.example.com");
        let address = bucket(Some("http://127.0.0.1:9000"), VirtualHost);
        assert_eq!(address.url(), Err(S3Error::Host));
    }

    #[test]
    fn where_a_bucket_is_known_to_be() {
        let known = |endpoint| {
            let urls = bucket(endpoint, S3Style::Path).known_urls();
            urls.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            known(None),
            [
                "https://s3.eu-north-1.amazonaws.com/videos",
                "https://videos.s3.eu-north-1.amazonaws.com",
                "https://s3.amazonaws.com/videos",
                "https://videos.s3.amazonaws.com",
            ]
        );
        assert_eq!(
            known(Some("https://s3.example.com")),
            ["https://s3.example.com/videos", "https://videos.s3.example.com"]
        );
        assert_eq!(known(Some("http://[::1]:9000")), ["http://[::1]:9000/videos"]);
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for name in ["", "ab", ".ab", "a/b", "a b", "a%b", "é12", &"a".repeat(64)] {
            assert_eq!(name.parse::<BucketName>(), Err(S3Error::Bucket), "{name:?}");
        }
        for name in ["", "eu north", "eu/north", "a.b", &"a".repeat(65)] {
            assert_eq!(name.parse::<RegionName>(), Err(S3Error::Region), "{name:?}");
        }
    }

    #[tokio::test]
    async fn credentials_that_fit_into_no_header_are_refused() {
        for (key_id, token) in [("a\nb", None), ("a", Some("b\r\nc")), ("é", None)] {
            let credential =
                AwsCredential { key_id: key_id.into(), secret_key: "s".into(), token: token.map(str::to_owned) };
            let credentials = Arc::new(StaticCredentialProvider::new(credential));
            let signer = Signer { region: "r".parse().unwrap(), credentials };
            let signed = signer.sign(Method::GET, &"http://h/x".parse().unwrap(), HeaderMap::new()).await;
            assert!(matches!(signed, Err(FetchError::Credentials(None))), "{signed:?}");
        }
    }

    fn bucket(endpoint: Option<&str>, style: S3Style) -> S3Bucket {
        let credential = AwsCredential { key_id: "k".into(), secret_key: "s".into(), token: None };
        S3Bucket {
            bucket: "videos".parse().unwrap(),
            region: "eu-north-1".parse().unwrap(),
            endpoint: endpoint.map(|url| url.parse().unwrap()),
            style,
            credentials: Arc::new(StaticCredentialProvider::new(credential)),
        }
    }

    #[track_caller]
    fn check(endpoint: Option<&str>, style: S3Style, expected: &str) {
        assert_eq!(bucket(endpoint, style).url().unwrap().to_string(), expected);
    }
}
