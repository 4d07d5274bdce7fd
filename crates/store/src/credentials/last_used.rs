//! Noting when a credential was last used, without keeping its caller waiting.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vidpass_token::{Chain, UnixTime};

use crate::error::StoreError;
use crate::pool::on_tx;
use crate::store::Store;

/// How precisely the last use is known: it is written down at most this often.
const STEP: Duration = Duration::from_secs(60);

/// The credentials whose last use is being written down: each waits for the one writer once, however many callers
/// present it in the meantime.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<HashSet<String>>);

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Writes a use down in the background, where the last one noted is old enough. A database that is full, locked or
    /// busy neither delays nor turns away the caller.
    pub(super) fn note_use(&self, id: &str, last: Option<UnixTime>, now: UnixTime) {
        if last.is_some_and(|last| last > now.minus(STEP)) || !self.uses_under_way().lock().insert(id.to_owned()) {
            return;
        }
        let (store, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            if let Err(error) = store.write_last_used(&id, now).await {
                let error = Chain(&error);
                tracing::warn!(%error, credential.id = id, "the last use of a credential was not written down");
            }
            store.uses_under_way().lock().remove(&id);
        });
    }

    async fn write_last_used(&self, id: &str, now: UnixTime) -> Result<(), StoreError> {
        const SQL: &str =
            "UPDATE credential SET last_used = $2 WHERE id = $1 AND (last_used IS NULL OR last_used <= $3)";
        let due = now.minus(STEP);
        let mut write = self.begin_write().await?;
        on_tx!(write.tx, db => sqlx::query(SQL).bind(id).bind(now.0).bind(due.0).execute(db).await.map(|_| ()))?;
        write.finish().await
    }
}
