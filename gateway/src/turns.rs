//! Who changes rights waits for whoever changes rights on the same space, or a group's members, and for nobody else.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use policy_core::{GroupId, SpaceId};
use tokio::sync::OwnedMutexGuard;

/// What one changes rights on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Turn {
    /// Who is in a group, and what is given to it.
    Group(GroupId),
    /// What is shared of a space.
    Space(SpaceId),
}

/// Turns that somebody has, until this goes.
pub(crate) type Turned = Vec<OwnedMutexGuard<()>>;

/// The turns of a node.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    all: Mutex<HashMap<Turn, Arc<tokio::sync::Mutex<()>>>>,
    /// Held while a group is put into another, for as long as the rows are looked at: two at once could close a circle.
    pub(crate) nesting: tokio::sync::Mutex<()>,
}

/// Turns that are kept though nobody has them.
const KEPT: usize = 1_024;

impl Turns {
    fn one(&self, turn: Turn) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.all.lock();
        if all.len() > KEPT {
            all.retain(|_, one| Arc::strong_count(one) > 1);
        }
        Arc::clone(all.entry(turn).or_default())
    }

    /// Waits for all of them. Whoever has turns asks for no more. Who changes rights asks [`crate::app::App::turns`].
    pub(crate) async fn of(&self, turns: impl IntoIterator<Item = Turn>) -> Turned {
        let mut turns: Vec<Turn> = turns.into_iter().collect();
        // In one order for all: nobody waits for whoever waits for them.
        turns.sort_unstable();
        turns.dedup();
        let mut held = Vec::with_capacity(turns.len());
        for turn in turns {
            held.push(self.one(turn).lock_owned().await);
        }
        held
    }

    /// The turn, if nobody has it.
    pub(crate) fn now(&self, turn: Turn) -> Option<OwnedMutexGuard<()>> {
        self.one(turn).try_lock_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_waits_for_the_same_space_or_group_and_for_no_other() {
        let turns = Turns::default();
        let space = |n| Turn::Space(SpaceId::from_bytes([n; 16]));
        let group = |n| Turn::Group(GroupId::from_bytes([n; 16]));
        let held = turns.of([space(1), group(1), space(1)]).await;
        assert!(turns.now(space(2)).is_some() && turns.now(group(2)).is_some(), "others");
        assert!(turns.now(space(1)).is_none() && turns.now(group(1)).is_none());
        let mut waits = Box::pin(turns.of([group(2), space(1)]));
        assert!((&mut waits).now_or_never().is_none());
        assert!(turns.of([space(3), group(3)]).now_or_never().is_some());
        drop(held);
        assert_eq!(waits.await.len(), 2);
        for n in 0..200 {
            (0..20)
                .for_each(|m| drop(turns.now(Turn::Space(SpaceId::from_bytes([n, m].repeat(8).try_into().unwrap())))));
        }
        assert!(turns.all.lock().len() <= KEPT + 1, "turns that nobody has are forgotten");
    }
}
