//! What is kept for many, in room that they share: whoever keeps most loses first, so that nobody empties it for the others.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashMap;
use lru::LruCache;

/// Values by key, of which each is somebody's: of `O`. Together they take so many bytes at most. What does not fit goes: of
/// whoever keeps most, what was used longest ago. A value is found whoever looks for it.
#[derive(Debug)]
pub struct SharedCache<O, K: Hash + Eq, V> {
    owner_of: HashMap<Arc<K>, O>,
    owners: HashMap<O, Owned<K, V>>,
    /// By how much they keep.
    by_bytes: BTreeSet<(usize, O)>,
    bytes: usize,
    most: usize,
}

#[derive(Debug)]
struct Owned<K: Hash + Eq, V> {
    /// With the bytes of each.
    kept: LruCache<Arc<K>, (usize, V)>,
    bytes: usize,
}

impl<O: Copy + Ord + Hash, K: Hash + Eq, V> SharedCache<O, K, V> {
    /// With room for so many bytes.
    pub fn new(most: usize) -> Self {
        let (owner_of, owners, by_bytes) = (HashMap::new(), HashMap::new(), BTreeSet::new());
        SharedCache { owner_of, owners, by_bytes, bytes: 0, most }
    }

    /// The value, used now.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        let owner = self.owner_of.get(key)?;
        self.owners.get_mut(owner)?.kept.get::<K>(key).map(|(_, value)| value)
    }

    /// Keeps a value of so many bytes, in place of what was kept by this key; one that is larger than all the room is not.
    pub fn put(&mut self, owner: O, key: K, bytes: usize, value: V) {
        self.remove(&key);
        if bytes > self.most {
            return;
        }
        let key = Arc::new(key);
        self.owner_of.insert(Arc::clone(&key), owner);
        let new = || Owned { kept: LruCache::unbounded(), bytes: 0 };
        self.owners.entry(owner).or_insert_with(new).kept.put(key, (bytes, value));
        self.count(owner, |of_one| of_one + bytes);
        while self.bytes > self.most {
            let Some(&(_, largest)) = self.by_bytes.last() else { break };
            let oldest = self.owners.get_mut(&largest).and_then(|of_one| of_one.kept.pop_lru());
            let Some((key, (bytes, _))) = oldest else { break };
            self.owner_of.remove::<K>(key.borrow());
            self.count(largest, |of_one| of_one - bytes);
        }
    }

    fn remove(&mut self, key: &K) {
        let Some(owner) = self.owner_of.remove(key) else { return };
        let gone = self.owners.get_mut(&owner).and_then(|of_one| of_one.kept.pop::<K>(key));
        if let Some((bytes, _)) = gone {
            self.count(owner, |of_one| of_one - bytes);
        }
    }

    /// Notes how much somebody keeps now.
    fn count(&mut self, owner: O, change: impl FnOnce(usize) -> usize) {
        let Some(of_one) = self.owners.get_mut(&owner) else { return };
        let before = of_one.bytes;
        of_one.bytes = change(before);
        let (now, empty) = (of_one.bytes, of_one.kept.is_empty());
        self.bytes = self.bytes + now - before;
        self.by_bytes.remove(&(before, owner));
        if empty {
            self.owners.remove(&owner);
        } else {
            self.by_bytes.insert((now, owner));
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.owner_of.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.owner_of.is_empty()
    }

    /// What they take together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_keeps_much_takes_nothing_from_who_keeps_little() {
        let mut cache = SharedCache::new(1_000);
        cache.put(1, "hers".to_owned(), 100, 1);
        for n in 0..100 {
            cache.put(2, format!("his {n}"), 100, n);
        }
        assert_eq!(cache.get(&"hers".to_owned()), Some(&1));
        assert_eq!(cache.get(&"his 99".to_owned()), Some(&99), "control: what was put last is there");
        assert_eq!(cache.get(&"his 90".to_owned()), None, "the oldest of his went");
        assert_eq!((cache.len(), cache.bytes()), (10, 1_000));
        cache.put(3, "too large".to_owned(), 1_001, 0);
        assert!(cache.get(&"too large".to_owned()).is_none() && cache.len() == 10);
        cache.put(3, "hers".to_owned(), 50, 2);
        assert_eq!(cache.get(&"hers".to_owned()), Some(&2));
        assert_eq!(cache.bytes(), 950, "in place of the old one");
    }

    proptest! {
        /// Whatever is kept: it stays within its room, is counted right, and what goes is of whoever keeps most.
        #[test]
        fn it_stays_within_its_room(steps in prop::collection::vec((0u8..4, 0u16..40, 0usize..60), 1..200)) {
            let mut cache = SharedCache::new(200);
            for (owner, key, bytes) in steps {
                cache.put(owner, key, bytes, (owner, bytes));
                prop_assert!(cache.bytes() <= 200);
                let there = cache.owner_of.contains_key(&key);
                prop_assert_eq!(cache.get(&key).copied(), there.then_some((owner, bytes)));
                let mut all = 0;
                for (owner, of_one) in &cache.owners {
                    let sum: usize = of_one.kept.iter().map(|(_, (bytes, _))| bytes).sum();
                    prop_assert_eq!(sum, of_one.bytes);
                    prop_assert!(cache.by_bytes.contains(&(sum, *owner)) && !of_one.kept.is_empty());
                    all += sum;
                }
                prop_assert_eq!(all, cache.bytes());
                prop_assert_eq!(cache.by_bytes.len(), cache.owners.len());
                let kept: usize = cache.owners.values().map(|of_one| of_one.kept.len()).sum();
                prop_assert_eq!(kept, cache.len());
            }
        }
    }
}
