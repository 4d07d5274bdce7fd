//! Where a gate learns which keys and videos there are, and what was taken back.

use tokio::sync::watch;
use vidpass_gate::Gate;
use vidpass_store::{CHANGES_AT_ONCE, ChangeLog, Cursor, DatabaseUrl, Follower, StoreError, Subject};
use vidpass_token::UnixTime;

use crate::feed::Feed;
use crate::feed::error::FeedError;
use crate::feed::kept::State;

/// Whoever tells a gate of changes, and how far the gate has come.
pub(crate) enum Source {
    /// A database, which this process or others write to.
    Log { log: ChangeLog, follower: Follower, seen: Cursor },
    /// An issuer; what it says is handed to whoever keeps it on disk.
    Feed {
        feed: Feed,
        keeper: watch::Sender<Option<State>>,
        /// How often it said that something was taken back.
        taken_back: usize,
    },
}

/// What a source answered.
pub(crate) struct News {
    /// What changed, in order, each as it is now.
    pub(crate) subjects: Vec<Subject>,
    /// Whether that is all that there was.
    pub(crate) is_all: bool,
}

/// Why a source told nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The issuer did not.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The database did not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SourceError {
    /// Whether it does not lead on from where the gate is, and everything must be taken anew.
    pub(crate) fn needs_snapshot(&self) -> bool {
        match self {
            Self::Feed(error) => matches!(error, FeedError::CursorGone),
            Self::Store(error) => error.needs_snapshot(),
        }
    }
}

impl Source {
    /// The log of a store. Writers of this process wait for the gate.
    pub(crate) fn log(log: ChangeLog) -> Self {
        let follower = log.follower();
        Self::Log { log, follower, seen: Cursor::START }
    }

    /// A database that issuers write to.
    ///
    /// # Errors
    /// Where it is not there, or not what this gate can read.
    pub(crate) async fn database(url: &DatabaseUrl) -> Result<Self, SourceError> {
        Ok(Self::log(ChangeLog::open(url).await?))
    }

    /// Everything, as it is now, one by one.
    pub(crate) async fn all(&mut self, each: impl FnMut(Subject)) -> Result<(), SourceError> {
        match self {
            Self::Log { log, seen, .. } => {
                let snapshot = log.snapshot().await?;
                *seen = snapshot.cursor;
                snapshot.into_subjects().for_each(each);
            }
            Self::Feed { feed, taken_back, .. } => {
                feed.all(each).await?;
                // Much may have been, since whatever the gate knew before.
                *taken_back += 1;
            }
        }
        Ok(())
    }

    /// What changed since the last answer.
    pub(crate) async fn later(&mut self) -> Result<News, SourceError> {
        match self {
            Self::Log { log, seen, .. } => {
                let changes = log.changes_since(*seen).await?;
                let is_all = changes.len() < CHANGES_AT_ONCE;
                *seen = changes.last().map_or(*seen, |change| change.cursor);
                Ok(News { subjects: changes.into_iter().map(|change| change.subject).collect(), is_all })
            }
            Self::Feed { feed, taken_back, .. } => {
                let news = feed.later().await?;
                *taken_back += news.subjects.iter().filter(|subject| takes_back(subject)).count();
                Ok(news)
            }
        }
    }

    /// The gate has applied what the source answered so far.
    pub(crate) fn applied(&self) {
        match self {
            Self::Log { follower, seen, .. } => follower.applied(seen.seq()),
            Self::Feed { .. } => {}
        }
    }

    /// The gate has applied all that there was at `asked`.
    pub(crate) fn is_all(&self, gate: &Gate, asked: UnixTime) {
        match self {
            Self::Log { .. } => {}
            Self::Feed { feed, keeper, taken_back } => {
                let (catalogue, cursor) = (gate.catalogue(), feed.cursor().to_owned());
                keeper.send_replace(Some(State { catalogue, cursor, heard: asked, taken_back: *taken_back }));
            }
        }
    }

    /// Waits until there may be more.
    pub(crate) async fn changed(&mut self) {
        match self {
            Self::Log { follower, .. } => follower.changed().await,
            Self::Feed { feed, .. } => feed.changed().await,
        }
    }
}

/// Whether it says that somebody who was let in is to be let in no longer.
fn takes_back(subject: &Subject) -> bool {
    match subject {
        Subject::Revocation(..) | Subject::Key(_, None) | Subject::Video(_, None) => true,
        Subject::Account(..) | Subject::Key(_, Some(_)) | Subject::Video(_, Some(_)) => false,
    }
}
