//! A map that is cheap to clone and change, for snapshots that are replaced at every change.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;

/// One change copies one shard: of 100,000 videos, about 400.
const SHARDS: usize = 256;

#[derive(Clone)]
pub(super) struct ShardedMap<K, V> {
    shards: Box<[Arc<HashMap<K, V>>]>,
    /// Of all shards together: whether there is anything is asked at every decision.
    len: usize,
    hasher: RandomState,
}

impl<K: Clone + Eq + Hash, V: Clone> ShardedMap<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.shards[self.shard(key)].get(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        let shard = self.shard(&key);
        let before = Arc::make_mut(&mut self.shards[shard]).insert(key, value);
        self.len += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, key: &K) {
        let shard = self.shard(key);
        if self.shards[shard].contains_key(key) {
            Arc::make_mut(&mut self.shards[shard]).remove(key);
            self.len -= 1;
        }
    }

    fn shard(&self, key: &K) -> usize {
        usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).expect("a remainder of 256 fits")
    }
}

impl<K, V> ShardedMap<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }
}

impl<K, V> Default for ShardedMap<K, V> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Arc::default()).collect(), len: 0, hasher: RandomState::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let mut map = ShardedMap::default();
        for number in 0..1000 {
            map.insert(number, number);
        }
        let before = map.clone();
        map.insert(7, 8);
        map.remove(&9);
        map.insert(1000, 1000);
        assert_eq!((before.get(&7), before.get(&9), before.get(&1000), before.len()), (Some(&7), Some(&9), None, 1000));
        map.insert(7, 8);
        map.remove(&9);
        assert_eq!(map.len(), map.iter().count(), "what is there twice, or gone already, counts once");
        assert_eq!((map.get(&7), map.get(&9), map.get(&1000), map.len()), (Some(&8), None, Some(&1000), 1000));
    }
}
