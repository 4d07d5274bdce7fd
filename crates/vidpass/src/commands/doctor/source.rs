//! What the source of a gate alone tells: whether it answers, and with something that this gate can decide from.

use vidpass_store::{ChangeLog, DatabaseUrl};

use super::database::advice;
use super::finding::Finding;
use crate::config::{Config, FeedConfig};
use crate::feed::Feed;

pub(super) async fn examine(config: &Config) -> Finding {
    match &config.feed {
        Some(feed) => issuer(feed).await,
        None => database(&config.database).await,
    }
}

async fn database(url: &DatabaseUrl) -> Finding {
    match ChangeLog::open(url).await {
        Ok(log) => {
            log.close().await;
            Finding::good("database", format!("{url} answers, and its schema is this program's"))
        }
        Err(problem) => Finding::broken("database", &problem, advice(&problem)),
    }
}

async fn issuer(config: &FeedConfig) -> Finding {
    const SUBJECT: &str = "issuer";
    let mut feed = match Feed::open(config) {
        Ok(feed) => feed,
        Err(problem) => return Finding::broken(SUBJECT, problem.as_ref(), "mend feed in the configuration"),
    };
    let mut told: u64 = 0;
    match feed.all(|_| told += 1).await {
        Ok(()) => Finding::good(SUBJECT, format!("it answers, and tells of {told} keys, videos and other things")),
        Err(problem) => Finding::broken(SUBJECT, &problem, "see docs/gates.md, \"What each failure looks like\""),
    }
}
