//! A new managed key that takes the place of the one that signs.

use std::time::Duration;

use tokio::task::spawn_blocking;
use vidpass_store::{Occasion, Store, StoreError};
use vidpass_token::{AccountId, Algorithm, KeyError, KeyId, SigningKey, UnixTime};

/// What the new key is to be.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// What it signs with; where `None`, the same as the newest managed key.
    pub algorithm: Option<Algorithm>,
    /// Why it is made.
    pub occasion: Occasion,
    /// After how long every gate that lets in by tokens knows it.
    pub learnt_after: Duration,
}

/// A managed key that signs from a moment to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextKey {
    /// Its id.
    pub id: KeyId,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// When it begins to sign.
    pub signs_from: UnixTime,
    /// The key that signs until then.
    pub replaces: Option<KeyId>,
}

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// It could not be made.
    #[error("a signing key could not be made")]
    KeyGeneration(#[source] KeyError),
    /// The store does not take it.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The making of it was stopped.
    #[error("a task was stopped")]
    Task(#[from] tokio::task::JoinError),
}

/// Makes a managed key that signs as soon as gates know it. `None` where the occasion was a schedule that does not ask for
/// one (any more).
///
/// # Errors
/// [`RotationError`]
pub async fn rotate(
    store: &Store,
    account: &AccountId,
    rotation: Rotation,
    now: UnixTime,
) -> Result<Option<NextKey>, RotationError> {
    let Some(algorithm) = algorithm_of_next(store, account, rotation, now).await? else { return Ok(None) };
    let key = spawn_blocking(move || SigningKey::generate(algorithm, KeyId::random())).await?;
    add_next(store, account, &key.map_err(RotationError::KeyGeneration)?, rotation, now).await
}

/// What the new key is to sign with; `None` where there is to be none.
pub(crate) async fn algorithm_of_next(
    store: &Store,
    account: &AccountId,
    rotation: Rotation,
    now: UnixTime,
) -> Result<Option<Algorithm>, StoreError> {
    if !store.has_rotation(account, rotation.occasion, now).await? {
        return Ok(None);
    }
    Ok(Some(match rotation.algorithm {
        Some(algorithm) => algorithm,
        None => store.managed_key_algorithm(account).await?.unwrap_or(Algorithm::Rs256),
    }))
}

/// Adds a key that was made for it.
pub(crate) async fn add_next(
    store: &Store,
    account: &AccountId,
    key: &SigningKey,
    rotation: Rotation,
    now: UnixTime,
) -> Result<Option<NextKey>, RotationError> {
    let (signs_from, algorithm) = (now.plus(rotation.learnt_after), key.public().algorithm());
    let rotated = store.rotate_managed_key(account, key, signs_from, rotation.occasion, now).await?;
    Ok(rotated.map(|rotated| {
        tracing::info!(account.id = %account, key.id = %key.id(), key.alg = %algorithm, key.signs_from = %rotated.signs_from,
            "a managed key was made that takes over");
        NextKey { id: key.id().clone(), algorithm, signs_from: rotated.signs_from, replaces: rotated.replaces }
    }))
}
