//! Who is being handed everything of theirs: each person once at a time, and so many people at most.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use policy_core::UserId;

/// People who are handed everything of theirs at once: each holds an answer's memory for as long as they take to read it.
const MAX_EXPORTS: usize = 4;

/// The people who are being handed everything of theirs.
#[derive(Default)]
pub struct Exporting(Arc<Mutex<BTreeSet<UserId>>>);

/// Somebody is being handed everything of theirs, until this is dropped.
pub struct Turn {
    all: Arc<Mutex<BTreeSet<UserId>>>,
    user: UserId,
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
    /// If they are already, or as many as may be at once.
    pub fn begin(&self, user: UserId) -> Result<Turn, NoTurn> {
        let mut all = self.0.lock();
        if all.contains(&user) {
            return Err(NoTurn::Begun);
        }
        if all.len() >= MAX_EXPORTS {
            return Err(NoTurn::Others);
        }
        all.insert(user);
        Ok(Turn { all: Arc::clone(&self.0), user })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.all.lock().remove(&self.user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_one_at_a_time_and_the_node_a_few() {
        let all = Exporting::default();
        let user = |n: u8| UserId::from_bytes([n; 16]);
        let mut turns: Vec<Turn> = (0..MAX_EXPORTS).map(|n| all.begin(user(n as u8)).ok().unwrap()).collect();
        assert_eq!(all.begin(user(0)).err(), Some(NoTurn::Begun));
        assert_eq!(all.begin(user(100)).err(), Some(NoTurn::Others));
        turns.remove(0);
        assert!(all.begin(user(100)).is_ok(), "control");
    }
}
