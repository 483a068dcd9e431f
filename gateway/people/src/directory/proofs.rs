//! Proofs of a key that were taken (RFC 9449, 11.1): each counts once.
//!
//! What is remembered is bounded, and lies in memory. Where there is no room, whoever has the most of it loses their oldest,
//! and none of theirs counts from then on that is as old as that: nothing that was forgotten is taken again, and who sends
//! many shortens the time for which their own are good, and nobody else's. Of an app in somebody's name it is told apart by
//! which key: one copy of the app that sends many takes nothing from another on another device.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use parking_lot::Mutex;
use policy_core::{ClientId, Timestamp, UserId};

use crate::dpop::{AHEAD, PAST, Proof, ProofError, Thumbprint};

/// Proofs that are remembered altogether.
const MOST: usize = 131_072;
/// How long one is remembered beyond the time for which it is good, in seconds: the clock may go back by so much.
const BEYOND: i64 = 60;
/// After a clock that went back by more than that none counts for so long, in seconds.
const BACK: i64 = 3_600;
/// How often what counts no more is dropped, in seconds.
const EVERY: i64 = 10;
/// Keys of one sender that are told apart; what comes of more lies together.
const KEYS: usize = 64;
/// Into so many parts the networks are divided from which an app's requests come that nobody stands for.
const PARTS: u64 = 64;

/// Whose proofs are remembered together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofOf {
    /// An app's in somebody's name.
    App(UserId, ClientId),
    /// An app's in nobody's name, from a part of the networks.
    Nobody(ClientId, u64),
}

/// The proofs that were taken of late.
#[derive(Debug)]
pub struct Proofs {
    kept: Mutex<Kept>,
    parts: RandomState,
}

#[derive(Debug)]
struct Kept {
    all: HashMap<ProofOf, Own>,
    count: usize,
    most: usize,
    /// Nobody's counts that was made before.
    since: i64,
    tended: i64,
}

#[derive(Debug, Default)]
struct Own {
    /// By key; under `None` those of keys for which there was no room.
    keys: HashMap<Option<Thumbprint>, OfKey>,
    /// How many proofs they are.
    count: usize,
    /// None counts that was made before.
    since: i64,
}

#[derive(Debug, Default)]
struct OfKey {
    /// By the second in which they were made.
    marks: BTreeMap<i64, HashSet<[u8; 16]>>,
    /// How many they are.
    count: usize,
    /// None counts that was made before.
    since: i64,
}

impl Own {
    /// Where proofs of a key lie: by themselves, if they did before or there is room, and nothing lies where there was none.
    fn place(&self, key: Thumbprint) -> Option<Thumbprint> {
        let alone = self.keys.contains_key(&Some(key)) || (self.keys.len() < KEYS && !self.keys.contains_key(&None));
        alone.then_some(key)
    }

    fn take(&mut self, proof: &Proof) -> Result<(), ProofError> {
        if proof.made < self.since {
            return Err(ProofError::Crowded);
        }
        let of_key = self.keys.entry(self.place(proof.key)).or_default();
        if proof.made < of_key.since {
            return Err(ProofError::Crowded);
        }
        if !of_key.marks.entry(proof.made).or_default().insert(proof.mark) {
            return Err(ProofError::Replayed);
        }
        of_key.count += 1;
        self.count += 1;
        Ok(())
    }

    /// Forgets the oldest of the key that has the most.
    fn forget(&mut self) -> usize {
        let most = self.keys.iter_mut().max_by_key(|(_, of_key)| of_key.count);
        let Some((&key, of_key)) = most else { return 0 };
        let Some((made, marks)) = of_key.marks.pop_first() else { return 0 };
        of_key.since = made + 1;
        of_key.count -= marks.len();
        if of_key.marks.is_empty() {
            // Nothing else says how old it may not be: so none of them all may.
            self.since = self.since.max(made + 1);
            self.keys.remove(&key);
        }
        self.count -= marks.len();
        marks.len()
    }

    /// Drops what is as old as that.
    fn drop_before(&mut self, oldest: i64) {
        self.keys.retain(|_, of_key| {
            of_key.marks = of_key.marks.split_off(&oldest);
            of_key.count = of_key.marks.values().map(HashSet::len).sum();
            !of_key.marks.is_empty() || of_key.since > oldest
        });
        self.count = self.keys.values().map(|of_key| of_key.count).sum();
    }
}

impl Default for Proofs {
    fn default() -> Self {
        Proofs::of(MOST)
    }
}

impl Proofs {
    fn of(most: usize) -> Proofs {
        let kept = Kept { all: HashMap::new(), count: 0, most, since: i64::MIN, tended: i64::MIN };
        Proofs { kept: Mutex::new(kept), parts: RandomState::new() }
    }

    /// Takes a proof, which counts once.
    ///
    /// # Errors
    /// [`ProofError::Replayed`], or [`ProofError::Crowded`] if it is as old as some that were forgotten.
    pub fn take(&self, of: ProofOf, proof: &Proof, now: Timestamp) -> Result<(), ProofError> {
        let mut kept = self.kept.lock();
        kept.tend(now.seconds());
        if proof.made < kept.since {
            return Err(ProofError::Crowded);
        }
        kept.all.entry(of).or_default().take(proof)?;
        kept.count += 1;
        while kept.count > kept.most {
            kept.forget();
        }
        Ok(())
    }

    /// Whose proofs are of an app that calls `from` a network in nobody's name. Anybody can name an app that does not prove
    /// itself: such callers are told apart by their networks, as far as there is room.
    pub fn of_nobody(&self, (client, proven): (ClientId, bool), from: &str) -> ProofOf {
        ProofOf::Nobody(client, if proven { PARTS } else { self.parts.hash_one(from) % PARTS })
    }

    /// None counts that was made before: what a process took that ended is not known to this one.
    pub fn count_from(&self, now: Timestamp) {
        let mut kept = self.kept.lock();
        kept.since = kept.since.max(now.seconds());
    }
}

impl Kept {
    /// Drops what counts no more, now and then.
    fn tend(&mut self, now: i64) {
        if self.tended.saturating_sub(BEYOND) > now {
            // The clock went back to where something was forgotten that would count again: none counts that is as old as
            // what was, within reason, and what is remembered stays.
            let forgotten = (self.tended - PAST - BEYOND).min(now + BACK);
            self.since = self.since.max(forgotten).max(now + AHEAD + 1);
            self.tended = now;
        }
        if now < self.tended.saturating_add(EVERY) {
            return;
        }
        let oldest = now - PAST - BEYOND;
        self.all.retain(|_, own| {
            own.drop_before(oldest);
            !own.keys.is_empty() || own.since > oldest
        });
        self.count = self.all.values().map(|own| own.count).sum();
        self.tended = now;
    }

    /// Forgets the oldest of whoever has the most.
    fn forget(&mut self) {
        if let Some(own) = self.all.values_mut().max_by_key(|own| own.count) {
            self.count -= own.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dpop::tests::Key;

    const NOW: i64 = 1_764_000_000;

    fn take(proofs: &Proofs, of: ProofOf, proof: &Proof, now: i64) -> Result<(), ProofError> {
        proofs.take(of, proof, Timestamp::from_seconds(now))
    }

    fn app(user: u8) -> ProofOf {
        ProofOf::App(UserId::from_bytes([user; 16]), ClientId::from_bytes([9; 16]))
    }

    #[test]
    fn a_proof_is_taken_once_for_as_long_as_it_is_good_and_another_is_taken() {
        let (proofs, key) = (Proofs::default(), Key::draw());
        let first = key.proof("a", NOW);
        assert_eq!(take(&proofs, app(1), &first, NOW), Ok(()));
        for now in [NOW, NOW + 1, NOW - AHEAD, NOW + PAST] {
            assert_eq!(take(&proofs, app(1), &first, now), Err(ProofError::Replayed), "{now}");
        }
        assert_eq!(take(&proofs, app(1), &key.proof("b", NOW), NOW), Ok(()), "control: another id");
        assert_eq!(take(&proofs, app(1), &Key::draw().proof("a", NOW), NOW), Ok(()), "control: another key");
        // What counts no more is not kept.
        assert_eq!(take(&proofs, app(2), &key.proof("a", NOW + 200), NOW + 200), Ok(()));
        assert_eq!(proofs.kept.lock().count, 1);
        assert_eq!(proofs.kept.lock().all.len(), 1);
    }

    #[test]
    fn who_sends_many_shortens_the_time_of_their_own_and_nothing_that_was_forgotten_is_taken_again() {
        let (proofs, key) = (Proofs::of(100), Key::draw());
        let of_others: Vec<Proof> = (0..5).map(|n| key.proof(&format!("other {n}"), NOW - 50)).collect();
        for proof in &of_others {
            assert_eq!(take(&proofs, app(2), proof, NOW), Ok(()));
        }
        let mut sent = Vec::new();
        for n in 0..300 {
            let proof = key.proof(&format!("many {n}"), NOW - 40 + n / 10);
            assert_eq!(take(&proofs, app(1), &proof, NOW), Ok(()), "a fresh one is always taken");
            sent.push(proof);
            assert!(proofs.kept.lock().count <= 100);
        }
        assert_eq!(take(&proofs, app(1), &key.proof("late", NOW - 40), NOW), Err(ProofError::Crowded));
        for proof in &sent {
            let again = take(&proofs, app(1), proof, NOW).unwrap_err();
            assert!(matches!(again, ProofError::Replayed | ProofError::Crowded), "{again}");
        }
        for proof in &of_others {
            assert_eq!(take(&proofs, app(2), proof, NOW), Err(ProofError::Replayed), "nobody pushed it out");
        }
        assert_eq!(take(&proofs, app(2), &key.proof("old", NOW - 50), NOW), Ok(()), "control: theirs are good as ever");
        // A flood of one second ends with the second.
        for n in 0..200 {
            let _ = take(&proofs, app(1), &key.proof(&format!("flood {n}"), NOW), NOW);
        }
        assert_eq!(take(&proofs, app(1), &key.proof("next", NOW + 1), NOW + 1), Ok(()));
    }

    #[test]
    fn one_copy_of_an_app_that_sends_many_takes_nothing_from_another_with_another_key() {
        let (proofs, many, few) = (Proofs::of(100), Key::draw(), Key::draw());
        let old = few.proof("old", NOW - 50);
        assert_eq!(take(&proofs, app(1), &old, NOW), Ok(()));
        for n in 0..300 {
            let proof = many.proof(&format!("many {n}"), NOW - 40 + n / 10);
            assert_eq!(take(&proofs, app(1), &proof, NOW), Ok(()));
        }
        assert_eq!(take(&proofs, app(1), &many.proof("late", NOW - 40), NOW), Err(ProofError::Crowded));
        assert_eq!(take(&proofs, app(1), &few.proof("as old", NOW - 50), NOW), Ok(()), "theirs are good as ever");
        assert_eq!(take(&proofs, app(1), &old, NOW), Err(ProofError::Replayed));
        // Of more keys than are told apart nothing is taken twice either, also once there is room again.
        let (proofs, keys) = (Proofs::default(), (0..KEYS + 8).map(|_| Key::draw()).collect::<Vec<_>>());
        let all: Vec<Proof> = keys.iter().map(|key| key.proof("a", NOW)).collect();
        for proof in &all {
            assert_eq!(take(&proofs, app(1), proof, NOW), Ok(()));
        }
        assert_eq!(proofs.kept.lock().all[&app(1)].keys.len(), KEYS + 1);
        for now in [NOW, NOW + PAST] {
            for proof in &all {
                assert_eq!(take(&proofs, app(1), proof, now), Err(ProofError::Replayed));
            }
        }
        // A flood of keys leaves as little as there is room for.
        let proofs = Proofs::of(100);
        for n in 0..300 {
            let _ = take(&proofs, app(1), &Key::draw().proof("a", NOW - 40 + n / 10), NOW);
            let kept = proofs.kept.lock();
            assert!(kept.count <= 100 && kept.all[&app(1)].keys.len() <= KEYS + 1, "{n}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_and_a_start_bring_nothing_back() {
        let (proofs, key) = (Proofs::default(), Key::draw());
        let proof = key.proof("a", NOW);
        assert_eq!(take(&proofs, app(1), &proof, NOW), Ok(()));
        assert_eq!(take(&proofs, app(1), &key.proof("b", NOW + 86_400), NOW + 86_400), Ok(()));
        assert_eq!(take(&proofs, app(1), &proof, NOW), Err(ProofError::Crowded), "it was forgotten");
        let fresh = NOW + BACK;
        assert_eq!(take(&proofs, app(1), &key.proof("c", fresh), fresh), Ok(()), "control");
        let again = take(&proofs, app(1), &key.proof("b", NOW + 86_400), NOW + 86_400 - AHEAD);
        assert_eq!(again, Err(ProofError::Replayed), "what was taken while the clock was ahead");
        // Back by little more than what is remembered.
        let (proofs, made) = (Proofs::default(), NOW + PAST);
        for (id, at) in [("d", NOW), ("e", made)] {
            assert_eq!(take(&proofs, app(1), &key.proof(id, at), at), Ok(()));
        }
        for now in [made - BEYOND - 5, made - AHEAD, made] {
            let again = take(&proofs, app(1), &key.proof("e", made), now).unwrap_err();
            assert!(matches!(again, ProofError::Replayed | ProofError::Crowded), "{now}: {again}");
        }
        let begun = Proofs::default();
        begun.count_from(Timestamp::from_seconds(NOW));
        assert_eq!(take(&begun, app(1), &key.proof("a", NOW - 1), NOW), Err(ProofError::Crowded));
        assert_eq!(take(&begun, app(1), &proof, NOW), Ok(()), "control");
    }
}
