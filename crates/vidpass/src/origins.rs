//! From the configuration to open origins: the only place that looks for the credentials of buckets.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use object_store::aws::{AmazonS3Builder, AwsCredential, AwsCredentialProvider};
use object_store::client::{ClientConfigKey, ClientOptions, HttpClient, HttpConnector};
use object_store::{RetryConfig, StaticCredentialProvider};
use prometheus_client::registry::Registry;
use serde::Deserialize;
use vidpass_gate::{OriginConfig, OriginKind, Origins, OriginsConfig, S3Bucket};

use crate::config::{BucketSettings, Config, KindSettings, OriginSettings};

/// How long the service that hands out an instance's credentials may take.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens all origins of the configuration.
///
/// # Errors
/// A folder that cannot be opened, credentials that cannot be read, a cache that cannot be used.
pub(crate) fn open(config: &Config, registry: &mut Registry) -> anyhow::Result<Origins> {
    let named = config.origins.iter().map(|(name, settings)| {
        let origin = origin(settings).with_context(|| format!("the origin `{name}` cannot be used"))?;
        Ok((name.clone(), origin))
    });
    let origins = OriginsConfig {
        media: config.media.clone(),
        named: named.collect::<anyhow::Result<_>>()?,
        limits: config.origin_limits,
        cache: config.cache.clone(),
    };
    Ok(Origins::open(origins, registry)?)
}

fn origin(settings: &OriginSettings) -> anyhow::Result<OriginConfig> {
    let kind = match &settings.kind {
        KindSettings::Folder(folder) => OriginKind::Folder(folder.clone()),
        KindSettings::Http(url) => OriginKind::Http(url.clone()),
        KindSettings::S3(bucket) => OriginKind::S3(S3Bucket {
            bucket: bucket.bucket.clone(),
            region: bucket.region.clone(),
            endpoint: bucket.endpoint.clone(),
            style: bucket.style,
            credentials: credentials(bucket)?,
        }),
    };
    Ok(OriginConfig { kind, path: settings.path.clone(), known_as: settings.known_as.clone() })
}

fn credentials(bucket: &BucketSettings) -> anyhow::Result<AwsCredentialProvider> {
    match &bucket.credentials_file {
        Some(file) => Ok(Arc::new(StaticCredentialProvider::new(read(file)?))),
        None => of_environment(&bucket.region.to_string()),
    }
}

/// A file with the credentials of a bucket.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialsFile {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// No error of this shows the file's text: it is a secret.
fn read(file: &Path) -> anyhow::Result<AwsCredential> {
    let name = file.display();
    let unreadable = || format!("credentials_file = {name} cannot be read");
    let mode = std::fs::metadata(file).with_context(unreadable)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("credentials_file = {name} may be read by others (mode {mode:04o}); run: chmod 600 {name}");
    }
    let text = std::fs::read_to_string(file).with_context(unreadable)?;
    let Ok(CredentialsFile { access_key_id, secret_access_key, session_token }) = toml::from_str(&text) else {
        bail!("credentials_file = {name} must have access_key_id and secret_access_key, and may have session_token");
    };
    Ok(AwsCredential { key_id: access_key_id, secret_key: secret_access_key, token: session_token })
}

/// `AWS_…` of the environment, be they the credentials or a way to get some; else the role of the instance.
fn of_environment(region: &str) -> anyhow::Result<AwsCredentialProvider> {
    let retry = RetryConfig { max_retries: 1, retry_timeout: CREDENTIALS_TIMEOUT, ..RetryConfig::default() };
    let builder = AmazonS3Builder::from_env().with_region(region).with_retry(retry).with_http_connector(Direct);
    // No request is sent to this bucket: only its credentials are of use.
    let store = builder.with_bucket_name("credentials").build().context("the environment's AWS_… cannot be used")?;
    Ok(AwsCredentialProvider::clone(store.credentials()))
}

/// Makes clients that go where they are told and nowhere else.
#[derive(Debug)]
struct Direct;

impl HttpConnector for Direct {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allows_http = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .https_only(!allows_http)
            .timeout(CREDENTIALS_TIMEOUT)
            .build();
        client
            .map(HttpClient::new)
            .map_err(|error| object_store::Error::Generic { store: "credentials", source: Box::new(error) })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_of_credentials_is_for_its_owner_alone() {
        let (key, secret) = ("access_key_id = \"k\"\n", "secret_access_key = \"geheim\"\n");
        check(&format!("{key}{secret}"), 0o600, Ok(("k", None)));
        check(&format!("{key}{secret}session_token = \"t\""), 0o400, Ok(("k", Some("t"))));
        check(&format!("{key}{secret}"), 0o640, Err("may be read by others (mode 0640)"));
        check(secret, 0o600, Err("must have access_key_id"));
        check(&format!("{key}{secret}region = \"x\""), 0o600, Err("must have access_key_id"));
        check("geheim", 0o600, Err("must have access_key_id"));
    }

    #[track_caller]
    fn check(text: &str, mode: u32, expected: Result<(&str, Option<&str>), &str>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        match (read(&file), expected) {
            (Ok(read), Ok((key, token))) => assert_eq!((read.key_id.as_str(), read.token.as_deref()), (key, token)),
            (Err(error), Err(reason)) => {
                let text = format!("{error:?}");
                assert!(text.contains(reason) && !text.contains("geheim"), "{text}");
            }
            (read, _) => panic!("{text} {mode:o}: {read:?}"),
        }
    }
}
