//! Fair shares at work: whoever asks waits for their turn, and gives back by dropping what they hold.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use vault_core::fair::{Asked, Fair};
pub use vault_core::fair::{Network, Payer, Shares};

/// Places or bytes that callers share. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Mutex<State>>);

struct State {
    fair: Fair,
    turns: HashMap<u64, oneshot::Sender<()>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// Too many of one caller's requests wait, or one has waited too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("you ask for too much at a time: wait for some of it to be answered, then try again")]
pub struct Busy;

/// How a pool is used, by all callers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    /// Places, or bytes.
    pub total: u64,
    /// Of the same.
    pub held: u64,
    /// Requests.
    pub waiting: usize,
}

impl Pool {
    /// How it is used at this moment.
    pub fn usage(&self) -> Use {
        let state = self.0.lock();
        Use { total: state.fair.shares().total, held: state.fair.held(), waiting: state.fair.waiting() }
    }

    pub fn new(shares: Shares) -> Pool {
        Pool(Arc::new(Mutex::new(State { fair: Fair::new(shares), turns: HashMap::new() })))
    }

    /// The most that this payer can hold.
    pub fn most(&self, payer: Payer) -> u64 {
        self.0.lock().fair.shares().most(payer)
    }

    /// Whether any request of this payer waits.
    pub fn waits(&self, payer: Payer) -> bool {
        self.0.lock().fair.waits(payer)
    }

    /// Takes `amount` (or all that the payer may have, if that is less), waiting for its turn for `patience` at most.
    pub async fn take(&self, payer: Payer, amount: u64, patience: Duration) -> Result<Lease, Busy> {
        let (waiting, turn) = {
            let mut state = self.0.lock();
            let (asked, turns) = state.fair.ask(payer, amount);
            Pool::tell(&mut state, turns);
            match asked {
                Asked::Given(amount) => return Ok(Lease { pool: self.clone(), payer, amount }),
                Asked::Busy => return Err(Busy),
                Asked::Waits(number, amount) => {
                    let (tell, turn) = oneshot::channel();
                    state.turns.insert(number, tell);
                    (Waiting { pool: self, payer, number, amount, over: false }, turn)
                }
            }
        };
        match tokio::time::timeout(patience, turn).await {
            Ok(Ok(())) => Ok(waiting.given()),
            _ => Err(Busy),
        }
    }

    /// Takes `amount`, if it is there at once and nobody waits who could be served.
    pub fn take_now(&self, payer: Payer, amount: u64) -> Option<Lease> {
        let taken = self.0.lock().fair.more(payer, amount);
        taken.then(|| Lease { pool: self.clone(), payer, amount })
    }

    fn tell(state: &mut State, turns: Vec<u64>) {
        for number in turns {
            // One who does not listen any more gives back by themselves: see `Waiting`.
            if let Some(turn) = state.turns.remove(&number) {
                let _ = turn.send(());
            }
        }
    }
}

/// Whoever waits; dropped, they wait no more.
struct Waiting<'a> {
    pool: &'a Pool,
    payer: Payer,
    number: u64,
    amount: u64,
    over: bool,
}

impl Waiting<'_> {
    fn given(mut self) -> Lease {
        self.over = true;
        Lease { pool: self.pool.clone(), payer: self.payer, amount: self.amount }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut state = self.pool.0.lock();
        state.turns.remove(&self.number);
        let (forgotten, turns) = state.fair.forget(self.number);
        Pool::tell(&mut state, turns);
        if !forgotten {
            let turns = state.fair.give_back(self.payer, self.amount);
            Pool::tell(&mut state, turns);
        }
    }
}

/// What somebody holds; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    pool: Pool,
    payer: Payer,
    amount: u64,
}

impl Lease {
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// Whether it is of this pool.
    pub(crate) fn is_of(&self, pool: &Pool) -> bool {
        Arc::ptr_eq(&self.pool.0, &pool.0)
    }

    /// How the pool is used that it is of.
    pub fn usage(&self) -> Use {
        self.pool.usage()
    }

    /// Holds at least `amount`; false, and as before, if that is not to be had at once.
    #[must_use]
    pub fn grow(&mut self, amount: u64) -> bool {
        let more = amount.saturating_sub(self.amount);
        if more > 0 && !self.pool.0.lock().fair.more(self.payer, more) {
            return false;
        }
        self.amount += more;
        true
    }

    /// Holds at most `amount`.
    pub fn shrink(&mut self, amount: u64) {
        let less = self.amount.saturating_sub(amount);
        self.give_back(less);
    }

    fn give_back(&mut self, amount: u64) {
        if amount > 0 {
            let mut state = self.pool.0.lock();
            let turns = state.fair.give_back(self.payer, amount);
            Pool::tell(&mut state, turns);
            self.amount -= amount;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use policy_core::UserId;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn person(n: u8) -> Payer {
        Payer::Person(UserId::from_bytes([n; 16]))
    }

    #[tokio::test]
    async fn turns_come_to_who_waits_and_pass_by_who_went_away() {
        let pool = Pool::new(Shares { total: 1, person: 1, part: 1, stranger: 1, waiting: 4 });
        let held = pool.take(person(1), 1, LONG).await.unwrap();
        assert_eq!(pool.usage(), Use { total: 1, held: 1, waiting: 0 });
        let gone = tokio::spawn({
            let pool = pool.clone();
            async move { pool.take(person(2), 1, LONG).await.map(drop) }
        });
        while !pool.waits(person(2)) {
            tokio::task::yield_now().await;
        }
        let patient = tokio::spawn({
            let pool = pool.clone();
            async move { pool.take(person(3), 1, LONG).await.map(drop) }
        });
        while !pool.waits(person(3)) {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.usage(), Use { total: 1, held: 1, waiting: 2 });
        gone.abort();
        assert!(gone.await.is_err());
        drop(held);
        patient.await.unwrap().unwrap();
        assert!(pool.take(person(1), 1, Duration::ZERO).await.is_ok(), "everything came back");
    }

    #[tokio::test]
    async fn who_has_waited_too_long_is_told_so() {
        let pool = Pool::new(Shares { total: 1, person: 1, part: 1, stranger: 1, waiting: 4 });
        let held = pool.take(person(1), 1, LONG).await.unwrap();
        assert_eq!(pool.take(person(2), 1, Duration::from_millis(1)).await.map(drop), Err(Busy));
        drop(held);
        assert!(pool.take(person(2), 1, Duration::ZERO).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_held_grows_and_shrinks_within_the_share() {
        let pool = Pool::new(Shares { total: 10, person: 5, part: 2, stranger: 1, waiting: 4 });
        let mut held = pool.take(person(1), 1, LONG).await.unwrap();
        assert!(held.grow(5) && !held.grow(6));
        held.shrink(2);
        assert_eq!(held.amount(), 2);
        let other = pool.take(person(1), 3, Duration::ZERO).await.unwrap();
        assert_eq!(other.amount(), 3);
    }
}
