//! Who is being handed everything of theirs: each person once at a time, and so many people at most. Where others wait,
//! whoever reads most slowly gives way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use policy_core::UserId;
use tokio::sync::Notify;
use tokio::time::Instant;

/// People who are handed everything of theirs at once: each holds an answer's memory for as long as they take to read it.
const MAX_EXPORTS: usize = 4;
/// Whoever has been waited for so long altogether, and takes fewer bytes in a second of that, gives way to others.
const WAITED: Duration = Duration::from_secs(10);
const SLOW: f64 = 256.0 * 1_024.0;

/// The people who are being handed everything of theirs.
#[derive(Default)]
pub struct Exporting(Arc<Mutex<BTreeMap<UserId, Arc<Pace>>>>);

/// How fast somebody takes what they are handed.
#[derive(Default)]
pub struct Pace {
    taken: Mutex<Taken>,
    /// Told when they are to give way.
    gives_way: Notify,
}

#[derive(Default)]
struct Taken {
    bytes: u64,
    /// How long they were waited for, up to the beginning of the present wait.
    waited: Duration,
    since: Option<Instant>,
}

impl Taken {
    fn waited(&self, now: Instant) -> Duration {
        self.waited + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// Somebody is being handed everything of theirs, until this is dropped.
pub struct Turn {
    all: Arc<Mutex<BTreeMap<UserId, Arc<Pace>>>>,
    user: UserId,
    pace: Arc<Pace>,
}

/// Why nobody is handed anything now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTurn {
    /// They are already.
    Begun,
    /// So many others are.
    Others,
}

impl Exporting {
    /// # Errors
    /// If they are already, or as many as may be at once, none of them slow.
    pub fn begin(&self, user: UserId, now: Instant) -> Result<Turn, NoTurn> {
        let mut all = self.0.lock();
        if all.contains_key(&user) {
            return Err(NoTurn::Begun);
        }
        if all.len() >= MAX_EXPORTS {
            let rates = all.iter().filter_map(|(user, pace)| Some((*user, pace.slowness(now)?)));
            let slowest = rates.min_by(|(_, one), (_, other)| one.total_cmp(other)).ok_or(NoTurn::Others)?;
            if let Some(pace) = all.remove(&slowest.0) {
                pace.gives_way.notify_one();
            }
        }
        let pace = Arc::new(Pace::default());
        all.insert(user, Arc::clone(&pace));
        Ok(Turn { all: Arc::clone(&self.0), user, pace })
    }
}

impl Turn {
    pub fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        // Who gave way may have begun again meanwhile.
        if all.get(&self.user).is_some_and(|pace| Arc::ptr_eq(pace, &self.pace)) {
            all.remove(&self.user);
        }
    }
}

impl Pace {
    /// Somebody is waited for, until [`Pace::took`].
    pub fn waits(&self, now: Instant) {
        self.taken.lock().since = Some(now);
    }

    /// They took so many bytes.
    pub fn took(&self, bytes: usize, now: Instant) {
        let mut taken = self.taken.lock();
        taken.waited = taken.waited(now);
        taken.since = None;
        taken.bytes += bytes as u64;
    }

    /// Comes when others wait for whom they give way.
    pub async fn given_way(&self) {
        self.gives_way.notified().await;
    }

    /// How many bytes they take in a second, if they are slow.
    fn slowness(&self, now: Instant) -> Option<f64> {
        let taken = self.taken.lock();
        let waited = taken.waited(now);
        let rate = taken.bytes as f64 / waited.as_secs_f64();
        (waited >= WAITED && rate < SLOW).then_some(rate)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn user(n: u8) -> UserId {
        UserId::from_bytes([n; 16])
    }

    #[test]
    fn a_person_has_one_at_a_time_and_the_node_a_few() {
        let (all, now) = (Exporting::default(), Instant::now());
        let mut turns: Vec<Turn> = (0..MAX_EXPORTS).map(|n| all.begin(user(n as u8), now).ok().unwrap()).collect();
        assert_eq!(all.begin(user(0), now).err(), Some(NoTurn::Begun));
        assert_eq!(all.begin(user(100), now).err(), Some(NoTurn::Others));
        turns.remove(0);
        assert!(all.begin(user(100), now).is_ok(), "control");
    }

    #[test]
    fn the_slowest_gives_way_and_nobody_who_reads() {
        let (all, now) = (Exporting::default(), Instant::now());
        let turns: Vec<Turn> = (0..MAX_EXPORTS).map(|n| all.begin(user(n as u8), now).ok().unwrap()).collect();
        let later = now + Duration::from_secs(20);
        // 1 reads as fast as it is handed over, 2 and 3 slowly, and what 0 is told is still being read.
        for (n, bytes) in [(1, 100 << 20), (2, 2 << 20), (3, 1 << 20)] {
            turns[n].pace().waits(now);
            turns[n].pace().took(bytes, later);
        }
        let gave_way = |turn: &Turn| turn.pace().given_way().now_or_never().is_some();
        let fifth = all.begin(user(5), later).ok().unwrap();
        assert!(gave_way(&turns[3]) && !gave_way(&turns[2]), "the slowest");
        let sixth = all.begin(user(6), later).ok().unwrap();
        assert!(gave_way(&turns[2]));
        assert_eq!(all.begin(user(7), later).err(), Some(NoTurn::Others), "control: nobody else is slow");
        drop(turns);
        assert_eq!(all.begin(user(5), later).err(), Some(NoTurn::Begun), "who gave way takes no other's turn with it");
        // A reader that takes nothing at all is waited for at this moment.
        sixth.pace().waits(later);
        for n in [8, 9] {
            std::mem::forget(all.begin(user(n), later).ok().unwrap());
        }
        assert!(all.begin(user(10), later + WAITED / 2).is_err());
        assert!(all.begin(user(10), later + WAITED).is_ok() && gave_way(&sixth));
        drop(fifth);
    }
}
