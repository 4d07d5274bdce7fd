//! What was read of the store a moment ago, for callers who ask for tokens thousands of times a second.
//!
//! A change that this process makes is seen at the next request. One that another process makes is seen a moment later, as
//! much later as it may take to tell gates anyway; and a store that is away is noticed as soon.

use std::hash::Hash;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use vidpass_store::{Store, StoreError};

/// For how long what was read counts.
const FRESH: Duration = Duration::from_millis(100);

/// How much is kept.
const CAPACITY: usize = 10_000;

/// What was read of one kind of thing. That there is none is not kept.
pub(crate) struct Recent<K, V>(Cache<K, Kept<V>>);

#[derive(Clone)]
struct Kept<V> {
    value: V,
    /// How often this process had written before it was read.
    writes: u64,
    read: Instant,
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    pub(crate) fn new() -> Self {
        Self(Cache::new(CAPACITY))
    }

    /// What `read` gave a moment ago, or gives now.
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) async fn get(
        &self,
        store: &Store,
        key: &K,
        read: impl AsyncFnOnce() -> Result<Option<V>, StoreError>,
    ) -> Result<Option<V>, StoreError> {
        // Before it is read: of a write that comes in between nobody can tell whether it was seen.
        let writes = store.writes();
        if let Some(kept) = self.0.get(key)
            && kept.writes == writes
            && kept.read.elapsed() < FRESH
        {
            return Ok(Some(kept.value));
        }
        let begun = Instant::now();
        // Apart: a query is seldom, and every request would carry the kilobytes that it takes.
        let value = Box::pin(read()).await?;
        match &value {
            Some(value) => self.0.insert(key.clone(), Kept { value: value.clone(), writes, read: begun }),
            None => self.forget(key),
        }
        Ok(value)
    }

    pub(crate) fn forget(&self, key: &K) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use vidpass_store::{DatabaseUrl, MasterKey, NewAccount};
    use vidpass_token::UnixTime;

    use super::*;

    #[tokio::test]
    async fn what_was_read_counts_for_a_moment_and_until_this_process_writes() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(folder.path().join("vidpass.db"));
        let store = Store::create_or_open(&url, &MasterKey::generate().unwrap()).await.unwrap();
        let recent = Recent::new();
        let get = async |value: Option<u32>| recent.get(&store, &"key", async || Ok(value)).await.unwrap();
        assert_eq!(get(None).await, None);
        assert_eq!(get(Some(1)).await, Some(1), "that there is none is not kept");
        assert_eq!(get(Some(2)).await, Some(1));
        store.create_account(&NewAccount::default(), UnixTime(1_800_000_000)).await.unwrap();
        assert_eq!(get(Some(3)).await, Some(3), "this process wrote");
        assert_eq!(get(Some(4)).await, Some(3));
        tokio::time::sleep(FRESH).await;
        assert_eq!(get(Some(5)).await, Some(5), "it is over");
        tokio::time::sleep(FRESH).await;
        assert_eq!(get(None).await, None);
        assert_eq!(get(Some(6)).await, Some(6), "what has gone is forgotten");
        recent.forget(&"key");
        assert_eq!(get(Some(7)).await, Some(7));
    }
}
