//! The key that signs where the caller brings none: the account's managed one, made at first use, its private half sealed.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use vidpass_store::{ActiveKey, MAX_SIGNING_KEYS, Store, StoreError};
use vidpass_token::{AccountId, Algorithm, KeyId, SigningKey, UnixTime};

use crate::error::ApiError;
use crate::recent::Recent;
use crate::rotation::{NextKey, Rotation, add_next, algorithm_of_next};

/// How many parsed keys are kept in memory.
const PARSED_KEYS: usize = 1000;

/// How often a key may be deleted under the hands of one request before it gives up.
const ATTEMPTS: usize = 4;

/// Makes signing keys, and keeps the parsed managed ones.
///
/// A kept key is no permission to sign: that a key is alive is read from the store for every token.
pub(crate) struct KeyRing {
    parsed: Cache<KeyId, SigningKey>,
    /// Which key signs.
    active: Recent<AccountId, ActiveKey>,
    /// Making a key takes up to 300 ms of a core, so one is made at a time; and of many first requests of one account,
    /// one makes the key and the others find it.
    making: Arc<Semaphore>,
}

impl KeyRing {
    pub(crate) fn new() -> Self {
        Self { parsed: Cache::new(PARSED_KEYS), active: Recent::new(), making: Arc::new(Semaphore::new(1)) }
    }

    /// Makes a key of the account's own, and adds its public half to the store.
    pub(crate) async fn make(
        &self,
        store: &Store,
        account: &AccountId,
        algorithm: Algorithm,
        now: UnixTime,
    ) -> Result<SigningKey, ApiError> {
        // An account that has all the keys it may have must not make the others wait.
        require_room(store, account).await?;
        let turn = self.turn().await;
        // Its own requests that waited before this one may have filled it.
        require_room(store, account).await?;
        let (key, _turn) = generate(algorithm, turn).await?;
        match store.add_signing_key(account, key.public(), key.id().clone(), now).await {
            Ok(()) => Ok(key),
            // The private half is shown this once: a refusal would leave a key that nobody can sign with.
            Err(error @ StoreError::NotApplied { .. }) => {
                tracing::warn!(error = %vidpass_token::Chain(&error), key.id = %key.id(), "a key was made that the gate does not know yet");
                Ok(key)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The account's managed key that signs now, made where there is none, for a token that is over at `exp`.
    pub(crate) async fn managed(
        &self,
        store: &Store,
        account: &AccountId,
        exp: UnixTime,
        mut now: UnixTime,
    ) -> Result<SigningKey, ApiError> {
        for _ in 0..ATTEMPTS {
            let read = async || store.managed_key(account, now).await;
            let Some(active) = self.active.get(store, account, read).await? else {
                now = Box::pin(self.await_first(store, account, now)).await?;
                continue;
            };
            // Where the key was deleted in between, another one is to sign.
            let Some(key) = self.open(store, account, &active.id).await? else { continue };
            if store.raise_latest_exp(account, &active.id, active.latest_exp, exp).await? {
                return Ok(key);
            }
            self.active.forget(account);
        }
        Err(ApiError::ManagedKeyContended)
    }

    /// Makes a managed key that takes the place of the one that signs.
    pub(crate) async fn rotate(
        &self,
        store: &Store,
        account: &AccountId,
        rotation: Rotation,
        now: UnixTime,
    ) -> Result<Option<NextKey>, ApiError> {
        let Some(algorithm) = algorithm_of_next(store, account, rotation, now).await? else { return Ok(None) };
        let (key, _turn) = generate(algorithm, self.turn().await).await?;
        Ok(add_next(store, account, &key, rotation, now).await?)
    }

    /// Forgets a key that was deleted.
    pub(crate) fn forget(&self, id: &KeyId) {
        self.parsed.remove(id);
    }

    async fn open(&self, store: &Store, account: &AccountId, id: &KeyId) -> Result<Option<SigningKey>, ApiError> {
        if let Some(key) = self.parsed.get(id) {
            return Ok(Some(key));
        }
        let key = Box::pin(store.open_managed_key(account, id)).await?;
        if let Some(key) = &key {
            self.parsed.insert(id.clone(), key.clone());
        }
        Ok(key)
    }

    /// Where no managed key signs: waits until one does, and says when that is. A pending one begins early, or one is made.
    ///
    /// Once in an account's life, where gates may be elsewhere, this takes the time that they need to learn the key.
    async fn await_first(&self, store: &Store, account: &AccountId, now: UnixTime) -> Result<UnixTime, ApiError> {
        let signs_from = match store.advance_managed_key(account, now).await? {
            Some(signs_from) => signs_from,
            None => self.make_managed(store, account, now).await?,
        };
        let wait = now.seconds_until(signs_from);
        tokio::time::sleep(Duration::from_secs(u64::try_from(wait).unwrap_or_default())).await;
        Ok(now.max(signs_from))
    }

    /// Makes the account's first managed key, and says from when it signs.
    async fn make_managed(&self, store: &Store, account: &AccountId, now: UnixTime) -> Result<UnixTime, ApiError> {
        let turn = self.turn().await;
        if let Some(signs_from) = store.advance_managed_key(account, now).await? {
            return Ok(signs_from);
        }
        let (key, _turn) = generate(Algorithm::Rs256, turn).await?;
        match store.add_managed_key(account, &key, now).await {
            Ok(signs_from) => {
                tracing::info!(account.id = %account, key.id = %key.id(), "a managed key was made");
                Ok(signs_from)
            }
            // Another process was faster.
            Err(StoreError::ManagedKeyExists { .. }) => Ok(now),
            Err(error) => Err(error.into()),
        }
    }

    async fn turn(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.making).acquire_owned().await.expect("the semaphore is never closed")
    }
}

async fn require_room(store: &Store, account: &AccountId) -> Result<(), ApiError> {
    if store.count_signing_keys(account).await? < MAX_SIGNING_KEYS {
        return Ok(());
    }
    Err(StoreError::TooManyKeys { account: account.clone() }.into())
}

async fn generate(
    algorithm: Algorithm,
    turn: OwnedSemaphorePermit,
) -> Result<(SigningKey, OwnedSemaphorePermit), ApiError> {
    let (made, turn) = work(turn, move || SigningKey::generate(algorithm, KeyId::random())).await?;
    Ok((made.map_err(ApiError::KeyGeneration)?, turn))
}

/// Works, and gives the turn back. It stays with the work, which goes on where the caller does not wait for its end.
async fn work<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<(T, OwnedSemaphorePermit), ApiError> {
    spawn_blocking(|| (work(), turn)).await.map_err(ApiError::Task)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use tokio::time::timeout;
    use vidpass_store::{DatabaseUrl, MasterKey, NewAccount, Occasion};

    use super::*;

    #[tokio::test]
    async fn an_account_without_room_waits_for_no_turn() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(folder.path().join("vidpass.db"));
        let store = Store::create_or_open(&url, &MasterKey::generate().unwrap()).await.unwrap();
        let now = UnixTime(1_800_000_000);
        let account = store.create_account(&NewAccount { id: None, name: "full".to_owned() }, now).await.unwrap().id;
        let key = SigningKey::generate(Algorithm::Rs256, KeyId::random()).unwrap();
        for _ in 0..MAX_SIGNING_KEYS {
            store.add_signing_key(&account, key.public(), KeyId::random(), now).await.unwrap();
        }
        let ring = KeyRing::new();
        let _turn = ring.turn().await;
        let refused =
            timeout(Duration::from_secs(30), ring.make(&store, &account, Algorithm::Rs256, now)).await.unwrap();
        assert!(matches!(refused, Err(ApiError::Invalid(_))));
        // Nor does one whose schedule asks for nothing.
        let rotation = Rotation { algorithm: None, occasion: Occasion::Scheduled, learnt_after: Duration::ZERO };
        let nothing = timeout(Duration::from_secs(30), ring.rotate(&store, &account, rotation, now)).await.unwrap();
        assert!(nothing.unwrap().is_none());
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_keeps_its_turn_until_its_end() {
        let ring = KeyRing::new();
        let (started, has_started) = channel();
        let (end, may_end) = channel::<()>();
        let work = tokio::spawn(work(ring.turn().await, move || {
            started.send(()).unwrap();
            may_end.recv().unwrap();
        }));
        tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
        work.abort();
        assert!(work.await.unwrap_err().is_cancelled());
        assert_eq!(ring.making.available_permits(), 0);
        end.send(()).unwrap();
        drop(timeout(Duration::from_secs(30), ring.turn()).await.unwrap());
    }
}
