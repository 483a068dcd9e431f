//! How often this node dials: a bound for each person, and one for all of them together.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use policy_core::UserId;
use tokio::time::Instant;

/// The span that dials are counted over.
const SPAN: Duration = Duration::from_secs(60);
/// Dials in a span to addresses that one person named, and to those that all people named.
const A_PERSON: usize = 20;
const ALL: usize = 120;

/// The dials of the last minute to addresses that somebody other than the operator named.
#[derive(Debug, Default)]
pub(crate) struct Dials(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    all: VecDeque<(Instant, UserId)>,
    of: HashMap<UserId, usize>,
}

impl Dials {
    /// Counts a dial for a person; false: it has to wait.
    pub(crate) fn take(&self, user: UserId, now: Instant) -> bool {
        let mut recent = self.0.lock();
        while let Some(&(at, by)) = recent.all.front()
            && now.saturating_duration_since(at) >= SPAN
        {
            recent.all.pop_front();
            if let Some(count) = recent.of.get_mut(&by) {
                *count -= 1;
                if *count == 0 {
                    recent.of.remove(&by);
                }
            }
        }
        let own = recent.of.get(&user).copied().unwrap_or_default();
        // What is left of the whole is for those who have dialled least: one person never takes it all.
        if own >= A_PERSON || (recent.all.len() >= ALL && own > 0) || recent.all.len() >= ALL + ALL {
            return false;
        }
        recent.all.push_back((now, user));
        *recent.of.entry(user).or_default() += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_dials_so_often_and_keeps_nobody_else_from_it() {
        let dials = Dials::default();
        let user = |n: u8| UserId::from_bytes([n; 16]);
        let now = Instant::now();
        let taken = (0..1_000).filter(|_| dials.take(user(1), now)).count();
        assert_eq!(taken, A_PERSON);
        for n in 2..100 {
            assert!((0..1_000).filter(|_| dials.take(user(n), now)).count() <= A_PERSON);
        }
        assert!(dials.take(user(250), now), "somebody who has not dialled yet");
        (0..=255).for_each(|n| assert!((0..100).filter(|_| dials.take(user(n), now)).count() <= A_PERSON));
        assert_eq!(dials.0.lock().all.len(), 2 * ALL, "all people together");
        assert!(dials.take(user(1), now + SPAN), "a minute later");
    }
}
