//! Who typed wrong codes of late, by the network that they came from.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use policy_core::Timestamp;

/// Wrong codes of one network within [`FORGETS`] microseconds; then it waits.
const WRONG: u32 = 10;
const FORGETS: i64 = 60_000_000;
const KNOWN: NonZeroUsize = NonZeroUsize::new(4_096).expect("more than none");

/// When each network began, and how many codes came from it since.
#[derive(Debug)]
pub(super) struct Guesses(Mutex<LruCache<String, (i64, u32)>>);

impl Default for Guesses {
    fn default() -> Self {
        Guesses(Mutex::new(LruCache::new(KNOWN)))
    }
}

impl Guesses {
    /// Counts a code; whether it is looked at.
    pub(super) fn may(&self, from: &str, now: Timestamp) -> bool {
        let mut known = self.0.lock();
        let (since, count) = known.get_or_insert_mut(from.to_owned(), || (now.0, 0));
        if !(0..=FORGETS).contains(&now.0.saturating_sub(*since)) {
            (*since, *count) = (now.0, 0);
        }
        *count += 1;
        *count <= WRONG
    }

    /// It was right, and does not count. What was wrong before still does: who has a right code could go on guessing.
    pub(super) fn right(&self, from: &str) {
        if let Some((_, count)) = self.0.lock().peek_mut(from) {
            *count = count.saturating_sub(1);
        }
    }
}
