//! How often keys signed, and when last: counted in memory, and written down from time to time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vidpass_token::{KeyId, UnixTime};

use crate::changes::Write;
use crate::error::StoreError;
use crate::pool::on_tx;
use crate::store::Store;

/// What was not written down yet.
#[derive(Default)]
pub(crate) struct KeyUses(Mutex<HashMap<KeyId, Uses>>);

#[derive(Clone, Copy)]
struct Uses {
    tokens: i64,
    last: UnixTime,
}

impl KeyUses {
    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, Uses>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: KeyId, more: Uses) {
        let mut all = self.lock();
        let uses = all.entry(id).or_insert(Uses { tokens: 0, ..more });
        *uses = Uses { tokens: uses.tokens + more.tokens, last: uses.last.max(more.last) };
    }
}

impl Store {
    /// Counts a token that a key of this store has signed. [`Self::write_key_uses`] writes it down.
    pub fn count_key_use(&self, id: &KeyId, now: UnixTime) {
        self.key_uses().add(id.clone(), Uses { tokens: 1, last: now });
    }

    /// Writes down what was counted since the last call. What cannot be written waits for the next one.
    pub async fn write_key_uses(&self) -> Result<(), StoreError> {
        let uses = std::mem::take(&mut *self.key_uses().lock());
        if uses.is_empty() {
            return Ok(());
        }
        let written = self.write_uses(&uses).await;
        if written.is_err() {
            uses.into_iter().for_each(|(id, uses)| self.key_uses().add(id, uses));
        }
        written
    }

    async fn write_uses(&self, all: &HashMap<KeyId, Uses>) -> Result<(), StoreError> {
        let mut write = self.begin_write().await?;
        for (id, uses) in all {
            write.add_uses(id, *uses).await?;
        }
        write.finish().await
    }
}

impl Write<'_> {
    async fn add_uses(&mut self, id: &KeyId, uses: Uses) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE signing_key SET tokens_issued = tokens_issued + $2,
                last_used = CASE WHEN last_used > $3 THEN last_used ELSE $3 END
            WHERE id = $1";
        Ok(on_tx!(self.tx, db => {
            sqlx::query(SQL).bind(id.as_str()).bind(uses.tokens).bind(uses.last.0).execute(db).await.map(|_| ())
        })?)
    }
}
