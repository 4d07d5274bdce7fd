//! The key that signs where the caller brings none: one per account, made at first use, its private half sealed.

use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use vidpass_store::{Store, StoreError};
use vidpass_token::{AccountId, KeyId, SigningKey, UnixTime};

use crate::error::ApiError;

/// How many parsed keys are kept in memory.
const PARSED_KEYS: usize = 1000;

/// How often a key may be deleted under the hands of one request before it gives up.
const ATTEMPTS: usize = 3;

/// Makes signing keys, and keeps the parsed managed ones.
///
/// A kept key is no permission to sign: that a key is alive is read from the store for every token.
pub(crate) struct KeyRing {
    parsed: Cache<KeyId, SigningKey>,
    /// Making a key takes up to 300 ms of a core, so one is made at a time; and of many first requests of one account,
    /// one makes the key and the others find it.
    making: Semaphore,
}

impl KeyRing {
    pub(crate) fn new() -> Self {
        Self { parsed: Cache::new(PARSED_KEYS), making: Semaphore::new(1) }
    }

    /// Makes a key that nobody has yet.
    pub(crate) async fn make(&self) -> Result<SigningKey, ApiError> {
        let _turn = self.making.acquire().await.expect("the semaphore is never closed");
        generate().await
    }

    /// The account's managed key, made where there is none.
    pub(crate) async fn managed(
        &self,
        store: &Store,
        account: &AccountId,
        now: UnixTime,
    ) -> Result<SigningKey, ApiError> {
        for _ in 0..ATTEMPTS {
            let id = match store.managed_key(account).await? {
                Some(id) => id,
                None => self.make_managed(store, account, now).await?,
            };
            // `None` where the key was deleted in between: its successor is to be made then.
            if let Some(key) = self.open(store, account, &id).await? {
                return Ok(key);
            }
        }
        Err(ApiError::ManagedKeyContended)
    }

    /// Forgets a key that was deleted.
    pub(crate) fn forget(&self, id: &KeyId) {
        self.parsed.remove(id);
    }

    async fn open(&self, store: &Store, account: &AccountId, id: &KeyId) -> Result<Option<SigningKey>, ApiError> {
        if let Some(key) = self.parsed.get(id) {
            return Ok(Some(key));
        }
        let key = store.open_managed_key(account, id).await?;
        if let Some(key) = &key {
            self.parsed.insert(id.clone(), key.clone());
        }
        Ok(key)
    }

    async fn make_managed(&self, store: &Store, account: &AccountId, now: UnixTime) -> Result<KeyId, ApiError> {
        let _turn = self.making.acquire().await.expect("the semaphore is never closed");
        if let Some(id) = store.managed_key(account).await? {
            return Ok(id);
        }
        let key = generate().await?;
        match store.add_managed_key(account, &key, now).await {
            Ok(()) => {
                tracing::info!(account.id = %account, key.id = %key.id(), "a managed key was made");
                Ok(key.id().clone())
            }
            // Another process was faster.
            Err(StoreError::ManagedKeyExists { id, .. }) => Ok(id),
            Err(error) => Err(error.into()),
        }
    }
}

async fn generate() -> Result<SigningKey, ApiError> {
    let made = spawn_blocking(|| SigningKey::generate(KeyId::random())).await;
    made.map_err(ApiError::Task)?.map_err(ApiError::KeyGeneration)
}
