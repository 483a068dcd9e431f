//! What is begun in one request and ended in a later one, once: kept in memory for some minutes, by the hash of the secret
//! that ends it, so that what lies in memory opens nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::directory::SecretHash;

/// How much a store keeps, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<O> {
    /// How long an entry can be taken.
    pub lifetime: Duration,
    /// Entries of one owner.
    pub entries_of: fn(O) -> usize,
    /// Entries of all owners together.
    pub entries: usize,
}

#[derive(Debug)]
struct Entry<O, V> {
    owner: O,
    begun: Instant,
    value: V,
}

/// Entries that are each taken once. Each counts for an owner (a person, or the network from which somebody unknown came).
#[derive(Debug)]
pub struct OneTimeStore<O, V> {
    bounds: Bounds<O>,
    entries: Mutex<HashMap<SecretHash, Entry<O, V>>>,
}

impl<O: Copy + Eq + Hash, V> OneTimeStore<O, V> {
    pub fn new(bounds: Bounds<O>) -> Self {
        OneTimeStore { bounds, entries: Mutex::new(HashMap::new()) }
    }

    /// Keeps an entry that was begun then. Where its owner has as many as one may have, the oldest of them gives way; else,
    /// where the store is full, the oldest of whoever has the most: nobody's is pushed out by somebody who has more.
    pub fn put(&self, name: SecretHash, owner: O, begun: Instant, value: V, now: Instant) {
        let mut entries = self.entries.lock();
        entries.retain(|_, entry| self.lives(entry, now));
        let mut held: HashMap<O, usize> = HashMap::new();
        entries.values().for_each(|entry| *held.entry(entry.owner).or_default() += 1);
        let gives_way = if held.get(&owner).copied().unwrap_or_default() >= (self.bounds.entries_of)(owner) {
            Some(owner)
        } else if entries.len() >= self.bounds.entries {
            held.into_iter().max_by_key(|(_, count)| *count).map(|(owner, _)| owner)
        } else {
            None
        };
        if let Some(gives_way) = gives_way {
            let of_them = entries.iter().filter(|(_, entry)| entry.owner == gives_way);
            if let Some(oldest) = of_them.min_by_key(|(_, entry)| entry.begun).map(|(name, _)| *name) {
                entries.remove(&oldest);
            }
        }
        entries.insert(name, Entry { owner, begun, value });
    }

    /// Takes an entry out: nobody else finds it any more, whatever comes of it. `None`: there is none, or it is too old.
    pub fn take(&self, name: &SecretHash, now: Instant) -> Option<V> {
        let entry = self.entries.lock().remove(name)?;
        self.lives(&entry, now).then_some(entry.value)
    }

    /// What `read` makes of an entry, which stays.
    pub fn peek<R>(&self, name: &SecretHash, now: Instant, read: impl FnOnce(&V) -> R) -> Option<R> {
        let entries = self.entries.lock();
        let entry = entries.get(name).filter(|entry| self.lives(entry, now))?;
        Some(read(&entry.value))
    }

    /// Drops the entries for which `keeps` is false.
    pub fn retain(&self, keeps: impl Fn(&V) -> bool) {
        self.entries.lock().retain(|_, entry| keeps(&entry.value));
    }

    fn lives(&self, entry: &Entry<O, V>, now: Instant) -> bool {
        now.saturating_duration_since(entry.begun) < self.bounds.lifetime
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(600);
    const ENTRIES: usize = 8;
    const ENTRIES_OF_ONE: usize = 3;

    /// By whom, and what.
    type Store = OneTimeStore<u8, u32>;

    fn store() -> Store {
        OneTimeStore::new(Bounds { lifetime: LIFETIME, entries_of: |_| ENTRIES_OF_ONE, entries: ENTRIES })
    }

    fn name(n: u32) -> SecretHash {
        SecretHash::of(&n.to_string())
    }

    /// Puts entries of an owner, each a second after the one before; their names are their values.
    fn fill(store: &Store, owner: u8, values: std::ops::Range<u32>, begun: Instant) {
        for value in values {
            let at = begun + Duration::from_secs(value.into());
            store.put(name(value), owner, at, value, at);
        }
    }

    fn kept(store: &Store, values: std::ops::Range<u32>, now: Instant) -> Vec<u32> {
        values.filter(|value| store.peek(&name(*value), now, |_| ()).is_some()).collect()
    }

    #[test]
    fn of_fifty_who_take_one_at_once_one_does() {
        let (store, now) = (store(), Instant::now());
        store.put(name(1), 0, now, 1, now);
        let (taken, start) = (AtomicUsize::new(0), std::sync::Barrier::new(50));
        std::thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    start.wait();
                    taken.fetch_add(usize::from(store.take(&name(1), now).is_some()), Ordering::SeqCst);
                });
            }
        });
        assert_eq!(taken.into_inner(), 1);
        assert!(store.take(&name(2), now).is_none());
    }

    #[test]
    fn an_entry_lives_from_when_it_was_begun_though_it_is_put_back() {
        let (store, begun) = (store(), Instant::now());
        let (in_time, late) = (begun + LIFETIME / 2, begun + LIFETIME);
        fill(&store, 0, 0..2, begun);
        assert_eq!(store.take(&name(0), in_time), Some(0), "control");
        store.put(name(0), 0, begun, 0, in_time);
        assert_eq!(store.peek(&name(0), in_time, |value| *value), Some(0), "control: it waits again");
        assert_eq!(store.peek(&name(0), late, |value| *value), None);
        assert_eq!(store.take(&name(0), late), None);
        assert_eq!(store.take(&name(0), in_time), None, "tried too late it is gone");
        store.put(name(5), 1, late, 5, late);
        assert_eq!(store.entries.lock().len(), 2, "one that was begun a second later still lives");
        fill(&store, 1, 6..7, late + LIFETIME);
        assert_eq!(store.entries.lock().len(), 1, "what is too old makes room by itself");
    }

    #[test]
    fn whoever_has_too_many_loses_their_own_oldest() {
        let (store, begun) = (store(), Instant::now());
        fill(&store, 1, 0..1, begun);
        fill(&store, 2, 1..8, begun);
        assert_eq!(kept(&store, 0..8, begun), [0, 5, 6, 7]);
        // The oldest is whichever was begun first, not whichever was put first.
        store.put(name(8), 2, begun, 8, begun);
        fill(&store, 2, 9..10, begun);
        assert_eq!(kept(&store, 0..10, begun), [0, 6, 7, 9]);
    }

    #[test]
    fn where_the_store_is_full_whoever_has_the_most_gives_way() {
        let (store, begun) = (store(), Instant::now());
        fill(&store, 1, 0..1, begun);
        fill(&store, 2, 1..3, begun);
        fill(&store, 3, 3..6, begun);
        fill(&store, 4, 6..8, begun);
        assert_eq!(kept(&store, 0..8, begun), (0..8).collect::<Vec<_>>(), "control: it is not yet more than full");
        fill(&store, 5, 8..9, begun);
        assert_eq!(kept(&store, 0..9, begun), [0, 1, 2, 4, 5, 6, 7, 8], "the oldest of the third, of nobody else");
        assert_eq!(store.entries.lock().len(), ENTRIES);
    }

    #[test]
    fn what_is_not_kept_on_is_gone() {
        let (store, now) = (store(), Instant::now());
        fill(&store, 1, 0..3, now);
        store.retain(|value| *value != 1);
        assert_eq!(kept(&store, 0..3, now), [0, 2]);
    }
}
