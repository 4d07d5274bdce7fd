//! Where a gate learns which keys and videos there are, and what was taken back.

use vidpass_store::{CHANGES_AT_ONCE, ChangeLog, Cursor, DatabaseUrl, Follower, StoreError, Subject};

/// Where a source is, which may not be there yet.
pub(crate) enum SourcePlace {
    /// The store of this process. Its writers wait for the gate.
    Store(ChangeLog),
    /// A database that issuers write to.
    Database(DatabaseUrl),
}

/// Whoever tells a gate of changes, and how far the gate has come.
pub(crate) struct Source {
    log: ChangeLog,
    follower: Follower,
    seen: Cursor,
}

/// What a source answered.
pub(crate) struct News {
    /// What changed, in order, each as it is now.
    pub(crate) subjects: Vec<Subject>,
    /// Whether that is all that there was.
    pub(crate) is_all: bool,
}

impl SourcePlace {
    /// Opens the source.
    ///
    /// # Errors
    /// Where it is not there, or not what this gate can read.
    pub(crate) async fn open(&self) -> Result<Source, StoreError> {
        let log = match self {
            Self::Store(log) => log.clone(),
            Self::Database(url) => ChangeLog::open(url).await?,
        };
        let follower = log.follower();
        Ok(Source { log, follower, seen: Cursor::START })
    }
}

impl Source {
    /// Everything, as it is now.
    pub(crate) async fn all(&mut self) -> Result<impl Iterator<Item = Subject>, StoreError> {
        let snapshot = self.log.snapshot().await?;
        self.seen = snapshot.cursor;
        Ok(snapshot.into_subjects())
    }

    /// What changed since the last answer.
    pub(crate) async fn later(&mut self) -> Result<News, StoreError> {
        let changes = self.log.changes_since(self.seen).await?;
        let is_all = changes.len() < CHANGES_AT_ONCE;
        self.seen = changes.last().map_or(self.seen, |change| change.cursor);
        Ok(News { subjects: changes.into_iter().map(|change| change.subject).collect(), is_all })
    }

    /// What it answered so far is applied.
    pub(crate) fn applied(&self) {
        self.follower.applied(self.seen.seq());
    }

    /// Waits until there may be more.
    pub(crate) async fn changed(&mut self) {
        self.follower.changed().await;
    }
}
