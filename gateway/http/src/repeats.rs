//! Which requests with an `Idempotency-Key` are under way or were answered, and how.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use parking_lot::Mutex;
use vault::shares::Payer;

use gateway_people::directory::SecretHash;

/// Requests of one sender that are under way with a key.
const RUNNING: usize = 8;
/// Keys of one sender, and of all.
const OF_ONE: usize = 256;
const OF_ALL: usize = 4_096;
/// A longer answer is not kept, in bytes; nor are so many bytes of one sender, and of all.
const ANSWER: usize = 64 << 10;
const BYTES_OF_ONE: usize = 1 << 20;
const BYTES_OF_ALL: usize = 16 << 20;
/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3_600);

/// Whose a key is. What the operator of the machine was told is for nobody else, the owner included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sender {
    pub payer: Payer,
    pub operator: bool,
}

/// What a request asked: method, address, space, kind and body.
pub type RequestHash = [u8; 32];

/// An answer as it was given.
#[derive(Debug, Clone)]
pub struct KeptAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug)]
enum State {
    Running,
    /// `None`: it is not kept.
    Done(Option<KeptAnswer>),
}

/// A key, and by what it was sent: an answer that one session was given, as one that had given the password again, is for
/// no other session of the same person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The session, or to what a token of an app is held; `None`: the operator, or an app that has the whole of its grant, which
    /// the sender names already.
    pub session: Option<SecretHash>,
    pub text: String,
}

#[derive(Debug)]
struct KeptKey {
    key: Key,
    asked: RequestHash,
    since: Instant,
    state: State,
}

impl KeptKey {
    fn bytes(&self) -> usize {
        if let State::Done(Some(given)) = &self.state { given.body.len() } else { 0 }
    }

    fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }
}

/// The keys of all senders, each sender's oldest first.
#[derive(Debug, Default)]
pub struct Repeats(Mutex<HashMap<Sender, Vec<KeptKey>>>);

/// How a request with a key was done.
#[derive(Debug)]
pub enum Answered {
    Kept(KeptAnswer),
    /// By something that is told once: a secret is not there for a day after.
    Unkept,
}

/// What is to become of a request with a key.
#[derive(Debug)]
pub enum Begun {
    /// It is the first.
    Now,
    /// It was answered before.
    Before(KeptAnswer),
    /// It was answered before, and the answer is not kept: it was too large, or says itself that nobody keeps it.
    Gone,
    /// It is still being done.
    Running,
    /// The key was sent with another request.
    Other,
    /// Too many are under way.
    TooMany,
}

impl Repeats {
    /// Takes the key for a request, unless it has it already.
    pub fn begin(&self, sender: Sender, key: &Key, asked: RequestHash, now: Instant) -> Begun {
        let mut all = self.0.lock();
        forget(&mut all, sender, now);
        let of_one = all.entry(sender).or_default();
        if let Some(known) = of_one.iter().find(|one| one.key == *key) {
            return match &known.state {
                _ if known.asked != asked => Begun::Other,
                State::Running => Begun::Running,
                State::Done(Some(given)) => Begun::Before(given.clone()),
                State::Done(None) => Begun::Gone,
            };
        }
        if of_one.iter().filter(|one| !one.is_done()).count() >= RUNNING {
            return Begun::TooMany;
        }
        of_one.push(KeptKey { key: key.clone(), asked, since: now, state: State::Running });
        Begun::Now
    }

    /// Keeps an answer, or that there was one; or (`None`) forgets the key: the request can be tried again.
    pub fn end(&self, sender: Sender, key: &Key, given: Option<Answered>, now: Instant) {
        let mut all = self.0.lock();
        let Some(of_one) = all.get_mut(&sender) else { return };
        match given {
            None => of_one.retain(|one| one.key != *key || one.is_done()),
            Some(answered) => {
                let given = match answered {
                    Answered::Kept(given) => Some(given).filter(|given| given.body.len() <= ANSWER),
                    Answered::Unkept => None,
                };
                if let Some(one) = of_one.iter_mut().find(|one| one.key == *key) {
                    one.state = State::Done(given);
                }
            }
        }
        forget(&mut all, sender, now);
    }
}

/// Forgets what is old, and the oldest of what is too much: of this sender, then of whoever has most.
fn forget(all: &mut HashMap<Sender, Vec<KeptKey>>, sender: Sender, now: Instant) {
    fn oldest(of_one: &mut Vec<KeptKey>) -> bool {
        let at = of_one.iter().position(KeptKey::is_done);
        at.map(|at| of_one.remove(at)).is_some()
    }
    let bytes = |of_one: &Vec<KeptKey>| of_one.iter().map(KeptKey::bytes).sum::<usize>();
    if let Some(of_one) = all.get_mut(&sender) {
        of_one.retain(|one| !one.is_done() || now.saturating_duration_since(one.since) < KEPT);
        while (of_one.len() >= OF_ONE || bytes(of_one) > BYTES_OF_ONE) && oldest(of_one) {}
    }
    loop {
        let (keys, held) = all.values().fold((0, 0), |(keys, held), one| (keys + one.len(), held + bytes(one)));
        if keys < OF_ALL && held <= BYTES_OF_ALL {
            break;
        }
        let largest = if held > BYTES_OF_ALL {
            all.values_mut().max_by_key(|of_one| bytes(of_one))
        } else {
            all.values_mut().max_by_key(|of_one| of_one.len())
        };
        if !largest.is_some_and(oldest) {
            break;
        }
    }
    all.retain(|_, of_one| !of_one.is_empty());
}

#[cfg(test)]
mod tests {
    use policy_core::UserId;

    use super::*;

    fn sender(n: u8) -> Sender {
        Sender { payer: Payer::Person(UserId::from_bytes([n; 16])), operator: false }
    }

    fn key(text: &str) -> Key {
        Key { session: Some(SecretHash([1; 32])), text: text.to_owned() }
    }

    fn given(length: usize) -> Option<Answered> {
        let (status, headers) = (StatusCode::CREATED, HeaderMap::new());
        Some(Answered::Kept(KeptAnswer { status, headers, body: vec![b'x'; length].into() }))
    }

    fn code(begun: Begun) -> &'static str {
        match begun {
            Begun::Now => "now",
            Begun::Before(_) => "before",
            Begun::Gone => "gone",
            Begun::Running => "running",
            Begun::Other => "other",
            Begun::TooMany => "too many",
        }
    }

    #[test]
    fn a_key_is_its_senders_and_stands_for_one_request() {
        let (all, now) = (Repeats::default(), Instant::now());
        let begin = |who: Sender, text: &str, asked: u8| code(all.begin(who, &key(text), [asked; 32], now));
        assert_eq!(begin(sender(1), "a", 1), "now");
        assert_eq!(begin(sender(1), "a", 1), "running");
        assert_eq!(begin(sender(1), "a", 2), "other");
        assert_eq!(begin(sender(2), "a", 2), "now", "another's");
        let operator = Sender { operator: true, ..sender(1) };
        assert_eq!(begin(operator, "a", 1), "now", "the operator's");
        all.end(sender(1), &key("a"), given(3), now);
        assert_eq!(begin(sender(1), "a", 1), "before");
        for session in [None, Some(SecretHash([2; 32]))] {
            let elsewhere = Key { session, ..key("a") };
            assert_eq!(code(all.begin(sender(1), &elsewhere, [1; 32], now)), "now", "another session of the person");
        }
        assert_eq!(begin(sender(1), "a", 2), "other");
        all.end(sender(2), &key("a"), None, now);
        assert_eq!(begin(sender(2), "a", 3), "now", "what was refused can be tried again");
        all.end(operator, &key("a"), given(ANSWER + 1), now);
        assert_eq!(begin(operator, "a", 1), "gone");
        assert_eq!(begin(sender(3), "a", 1), "now");
        all.end(sender(3), &key("a"), Some(Answered::Unkept), now);
        assert_eq!((begin(sender(3), "a", 1), begin(sender(3), "a", 2)), ("gone", "other"), "a secret is not kept");
        let later = now + KEPT;
        assert_eq!(code(all.begin(sender(1), &key("a"), [9; 32], later)), "now", "after a day it is forgotten");
    }

    #[test]
    fn keys_are_bounded_in_count_and_bytes_and_the_greedy_lose_theirs_first() {
        let (all, now) = (Repeats::default(), Instant::now());
        for n in 0..RUNNING {
            assert_eq!(code(all.begin(sender(1), &key(&n.to_string()), [0; 32], now)), "now");
        }
        assert_eq!(code(all.begin(sender(1), &key("more"), [0; 32], now)), "too many");
        assert_eq!(code(all.begin(sender(0), &key("mine"), [0; 32], now)), "now", "control: others are not kept out");
        all.end(sender(0), &key("mine"), given(1), now);
        for who in 10..60 {
            for n in 0..100 {
                let key = key(&n.to_string());
                assert_eq!(code(all.begin(sender(who), &key, [0; 32], now)), "now");
                all.end(sender(who), &key, given(ANSWER), now);
            }
        }
        let held = all.0.lock();
        let bytes = |of_one: &Vec<KeptKey>| of_one.iter().map(KeptKey::bytes).sum::<usize>();
        assert!(held.values().map(Vec::len).sum::<usize>() <= OF_ALL);
        assert!(held.values().map(bytes).sum::<usize>() <= BYTES_OF_ALL);
        assert!(held.values().all(|of_one| of_one.len() <= OF_ONE && bytes(of_one) <= BYTES_OF_ONE));
        drop(held);
        assert_eq!(code(all.begin(sender(0), &key("mine"), [0; 32], now)), "before", "who has one key keeps it");
    }
}
