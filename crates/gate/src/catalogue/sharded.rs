//! A map that is cheap to clone and change, for snapshots that are replaced at every change.

use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

/// One change copies one shard: of 100,000 videos, about 400.
const SHARDS: usize = 256;

type Shard<K, V> = HashTable<(K, V)>;

/// Tables of which each is told the hash, so that a key is hashed once for its shard and its place there. Who may choose keys has an
/// account, and does not learn the seed of the hash.
#[derive(Clone)]
pub(super) struct ShardedMap<K, V> {
    shards: Box<[Arc<Shard<K, V>>]>,
    /// Of all shards together: whether there is anything is asked at every decision.
    len: usize,
    hasher: DefaultHashBuilder,
}

impl<K: Clone + Eq + Hash, V: Clone> ShardedMap<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        if self.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        self.shards[shard(hash)].find(hash, |(known, _)| known == key).map(|(_, value)| value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        let Self { shards, len, hasher } = self;
        let hash = hasher.hash_one(&key);
        let shard = Arc::make_mut(&mut shards[shard(hash)]);
        match shard.entry(hash, |(known, _)| *known == key, |(known, _)| hasher.hash_one(known)) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = value,
            Entry::Vacant(entry) => {
                entry.insert((key, value));
                *len += 1;
            }
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        if self.get(key).is_none() {
            return;
        }
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = Arc::make_mut(&mut self.shards[shard(hash)]).find_entry(hash, |(known, _)| known == key) {
            entry.remove();
            self.len -= 1;
        }
    }
}

/// Of a hash, bits that a table of fewer than four billion entries does not look at.
fn shard(hash: u64) -> usize {
    usize::from(hash.to_le_bytes()[5])
}

impl<K, V> ShardedMap<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter()).map(|(key, value)| (key, value))
    }
}

impl<K, V> Default for ShardedMap<K, V> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Arc::default()).collect(), len: 0, hasher: DefaultHashBuilder::default() }
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
