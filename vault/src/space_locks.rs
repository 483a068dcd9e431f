//! One lock a space: whoever works on a space for long keeps nobody from another. And how many work for long at once.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use policy_core::{SpaceId, UserId};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// Locks that are kept though nobody has them.
const KEPT: usize = 1_024;

/// Locks by space, made as they are asked for.
#[derive(Debug, Default)]
pub(crate) struct SpaceLocks(Mutex<HashMap<SpaceId, Arc<tokio::sync::Mutex<()>>>>);

impl SpaceLocks {
    fn one(&self, id: SpaceId) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock();
        if all.len() > KEPT {
            all.retain(|_, one| Arc::strong_count(one) > 1);
        }
        Arc::clone(all.entry(id).or_default())
    }

    /// Waits for the lock of a space.
    pub(crate) async fn of(&self, id: SpaceId) -> OwnedMutexGuard<()> {
        self.one(id).lock_owned().await
    }

    /// The lock of a space, if nobody has it.
    pub(crate) fn now(&self, id: SpaceId) -> Option<OwnedMutexGuard<()>> {
        self.one(id).try_lock_owned().ok()
    }
}

/// How many views are made ready at once: as many as there are processors, and of one person's spaces half of them, so that
/// nobody who has many keeps others from theirs.
#[derive(Debug)]
pub(crate) struct Ahead {
    all: Arc<Semaphore>,
    each: usize,
    of: Mutex<HashMap<UserId, Arc<Semaphore>>>,
}

/// One view is made ready, until this goes.
pub(crate) struct MayPrepare(#[expect(dead_code, reason = "held")] [OwnedSemaphorePermit; 2]);

impl Default for Ahead {
    fn default() -> Self {
        let all = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        Ahead { all: Arc::new(Semaphore::new(all)), each: all / 2, of: Mutex::default() }
    }
}

impl Ahead {
    /// So many of one person's spaces at once; one at least.
    #[cfg(test)]
    pub(crate) fn each(&self) -> usize {
        self.each
    }

    /// How many more of this person's may be at this moment.
    #[cfg(test)]
    pub(crate) fn left(&self, owner: UserId) -> usize {
        self.of.lock().get(&owner).map_or(self.each, |own| own.available_permits())
    }

    /// Waits until a view of this person's may be made ready. Never in a turn: it may take long.
    pub(crate) async fn of(&self, owner: UserId) -> MayPrepare {
        let own = {
            let mut of = self.of.lock();
            if of.len() > KEPT {
                of.retain(|_, own| Arc::strong_count(own) > 1);
            }
            Arc::clone(of.entry(owner).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
        };
        // First of their own: whoever waits for those has none of all.
        let own = own.acquire_owned().await;
        let one = Arc::clone(&self.all).acquire_owned().await;
        MayPrepare([own, one].map(|permit| permit.expect("nobody closes it")))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_lock_is_of_one_space_and_what_nobody_has_is_forgotten() {
        let (locks, id) =
            (SpaceLocks::default(), |n: u16| SpaceId::from_bytes([n.to_be_bytes(); 8].concat().try_into().unwrap()));
        let held = locks.now(id(1)).unwrap();
        assert!(locks.now(id(1)).is_none() && locks.of(id(1)).now_or_never().is_none());
        assert!(locks.of(id(2)).now_or_never().is_some(), "control");
        for n in 3..3_000 {
            drop(locks.now(id(n)));
        }
        assert!(locks.0.lock().len() <= KEPT + 1);
        assert!(locks.now(id(1)).is_none(), "what is held is kept");
        drop(held);
        assert!(locks.now(id(1)).is_some());
    }
}
