//! Whose password is checked next. A check costs 64 MiB and a core for a moment, and anybody may ask for one: so every
//! address, every name that signed in from there before, and every person whose browser is known waits in a lane of its
//! own, lanes take turns, and within a lane names do, or the sessions and browsers of one person. Whoever is known, or
//! has a session, goes before strangers, who get every fourth turn at least. Attempts that fail are slowed, by name and by address, and forgotten again; nobody
//! is locked out: the longest wait is shorter than a request's patience.
//!
//! The rules are pure: time comes in as an argument.

use std::collections::VecDeque;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use policy_core::UserId;

use super::SecretHash;
use super::browsers::BrowserId;

/// Attempts that wait in one lane, and in all of them.
const LANE: usize = 64;
const ALL: usize = 1_024;
/// Names, addresses and pairs of them that are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(8_192).expect("more than none");
/// Failures with which a browser is none that is known: whoever stole its token guesses no more often by it than without.
const SPENT: u32 = 10;
/// Failures that slow nothing: of one name from one address (or one browser, or one session), of one name from strangers,
/// of all strangers of an address.
const FREE: [u32; 3] = [10, 20, 60];
/// The first delay; each further failure doubles it, up to the longest, which is shorter for what strangers share: they
/// would else keep out who comes to an address, or with a name, for the first time.
const FIRST: Duration = Duration::from_millis(250);
const MAX_DELAYS: [Duration; 3] = [Duration::from_secs(8), Duration::from_secs(2), Duration::from_secs(1)];
/// Turns of people who are known that strangers let pass at most.
const PASSED: u32 = 3;
/// Half of the failures are forgotten after so long.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// The part of an address that one person may hold many of: all of IPv4, the network of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    pub fn of(ip: IpAddr) -> Network {
        match ip.to_canonical() {
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Network(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            ip => Network(ip),
        }
    }

    /// A number that is of no other network.
    pub fn number(self) -> u128 {
        match self.0 {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
            IpAddr::V6(ip) => ip.to_bits(),
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who wants a password checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Asker {
    /// Somebody who names themselves, from an address; `browser`: with a browser that this person signed in with before.
    SignIn { from: Option<Network>, name: String, browser: Option<BrowserId> },
    /// Somebody who has this session of this person.
    Session(UserId, SecretHash),
    /// Whoever holds the machine.
    Operator,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Lane {
    Operator,
    Session(UserId),
    /// The browsers that somebody of this name signed in with before.
    Browsers(String),
    /// A name that signed in from there before.
    Known(Option<Network>, String),
    Strangers(Option<Network>),
}

/// Failures that count together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Counter {
    Pair(Option<Network>, String),
    Session(SecretHash),
    Browser(BrowserId),
    Name(String),
    Address(Option<Network>),
}

impl Counter {
    fn kind(&self) -> usize {
        match self {
            Counter::Pair(..) | Counter::Session(_) | Counter::Browser(_) => 0,
            Counter::Name(_) => 1,
            Counter::Address(_) => 2,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn at(self, now: Instant) -> u32 {
        let halvings = now.saturating_duration_since(self.last).as_secs() / FORGOTTEN.as_secs();
        u32::try_from(halvings).ok().and_then(|halvings| self.count.checked_shr(halvings)).unwrap_or(0)
    }
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    asker: Asker,
}

/// Who waits, and what is known of failures.
#[derive(Debug)]
pub struct Turns {
    slots: usize,
    running: usize,
    next_id: u64,
    /// Turns that have begun.
    begun: u64,
    /// Turns that strangers have given way to, since they had one.
    passed: u32,
    /// In the order of their turns.
    lanes: VecDeque<(Lane, Vec<Waiting>)>,
    known: LruCache<(Option<Network>, String), ()>,
    failures: LruCache<Counter, Failures>,
    /// When a name last had its turn in a lane of strangers, and a session or browser in the lane of its person.
    served: LruCache<Asker, u64>,
}

/// What came of asking for a turn.
#[derive(Debug, PartialEq, Eq)]
pub struct Queued {
    pub id: u64,
    /// Who waits no more, so that this one can.
    pub refused: Option<u64>,
}

impl Turns {
    /// So many passwords are checked at once.
    pub fn new(slots: usize) -> Turns {
        Turns {
            slots,
            running: 0,
            next_id: 1,
            begun: 0,
            passed: 0,
            lanes: VecDeque::new(),
            known: LruCache::new(REMEMBERED),
            failures: LruCache::new(REMEMBERED),
            served: LruCache::new(REMEMBERED),
        }
    }

    /// The asker as it counts: a browser that failed too often is none that is known.
    fn counted(&self, asker: Asker, now: Instant) -> Asker {
        match asker {
            Asker::SignIn { from, name, browser } => {
                let failures = |id: &BrowserId| self.failures.peek(&Counter::Browser(*id)).map_or(0, |all| all.at(now));
                Asker::SignIn { from, name, browser: browser.filter(|id| failures(id) < SPENT) }
            }
            other => other,
        }
    }

    fn lane(&self, asker: &Asker) -> Lane {
        match asker {
            Asker::Operator => Lane::Operator,
            Asker::Session(user, _) => Lane::Session(*user),
            Asker::SignIn { name, browser: Some(_), .. } => Lane::Browsers(name.clone()),
            Asker::SignIn { from, name, .. } if self.known.contains(&(*from, name.clone())) => {
                Lane::Known(*from, name.clone())
            }
            Asker::SignIn { from, .. } => Lane::Strangers(*from),
        }
    }

    fn counters(&self, asker: &Asker) -> Vec<Counter> {
        match asker {
            Asker::Operator => Vec::new(),
            Asker::Session(_, session) => vec![Counter::Session(*session)],
            // What is done without it, wherever, does not slow a browser that is known.
            Asker::SignIn { browser: Some(id), .. } => vec![Counter::Browser(*id)],
            Asker::SignIn { from, name, browser: None } => {
                let mut counters = vec![Counter::Pair(*from, name.clone())];
                // What strangers do elsewhere, or under other names, does not slow who is known here.
                if !self.known.contains(&(*from, name.clone())) {
                    counters.extend([Counter::Name(name.clone()), Counter::Address(*from)]);
                }
                counters
            }
        }
    }

    /// When the next attempt of `asker` may begin.
    fn ready(&self, asker: &Asker, now: Instant) -> Instant {
        let after = |counter: &Counter| {
            let failures = self.failures.peek(counter)?;
            let over = failures.at(now).checked_sub(FREE[counter.kind()] + 1)?;
            Some(failures.last + FIRST.saturating_mul(2u32.saturating_pow(over)).min(MAX_DELAYS[counter.kind()]))
        };
        self.counters(asker).iter().filter_map(after).max().unwrap_or(now)
    }

    /// Waits for a turn. Where a lane is full, the oldest attempt of the name that waits most often gives way.
    pub fn ask(&mut self, asker: Asker, now: Instant) -> Queued {
        let id = self.next_id;
        self.next_id += 1;
        let asker = self.counted(asker, now);
        let lane = self.lane(&asker);
        let all: usize = self.lanes.iter().map(|(_, waiting)| waiting.len()).sum();
        let at = match self.lanes.iter().position(|(known, _)| *known == lane) {
            Some(at) => at,
            None => {
                self.lanes.push_back((lane, Vec::new()));
                self.lanes.len() - 1
            }
        };
        self.lanes[at].1.push(Waiting { id, asker });
        // Where all is full, the longest lane gives way.
        let full = match (self.lanes[at].1.len() > LANE, all >= ALL) {
            (true, _) => Some(at),
            (false, true) => (0..self.lanes.len()).max_by_key(|at| self.lanes[*at].1.len()),
            _ => None,
        };
        let refused = full.and_then(|at| {
            let waiting = &mut self.lanes.get_mut(at)?.1;
            let often = |asker: &Asker| waiting.iter().filter(|one| one.asker == *asker).count();
            // The first of several that wait equally often is the oldest.
            let most = waiting.iter().map(|one| often(&one.asker)).max()?;
            let place = waiting.iter().position(|one| often(&one.asker) == most)?;
            Some(waiting.remove(place).id)
        });
        self.lanes.retain(|(_, waiting)| !waiting.is_empty());
        Queued { id, refused }
    }

    /// Whoever waited has gone away.
    pub fn leave(&mut self, id: u64) {
        self.lanes.iter_mut().for_each(|(_, waiting)| waiting.retain(|one| one.id != id));
        self.lanes.retain(|(_, waiting)| !waiting.is_empty());
    }

    /// The attempt whose turn it is, if a slot is free. It is over when [`Turns::done`] is called.
    pub fn next(&mut self, now: Instant) -> Option<u64> {
        if self.running >= self.slots {
            return None;
        }
        let stranger = |lane: &Lane| matches!(lane, Lane::Strangers(_));
        let strangers_first = self.passed >= PASSED;
        let mut order: Vec<usize> = (0..self.lanes.len()).collect();
        order.sort_by_key(|at| stranger(&self.lanes[*at].0) != strangers_first);
        for at in order {
            let Some(place) = self.pick(at, now) else { continue };
            let waits = self.lanes.iter().any(|(lane, _)| stranger(lane));
            self.passed = if stranger(&self.lanes[at].0) || !waits { 0 } else { self.passed + 1 };
            let (lane, mut waiting) = self.lanes.remove(at)?;
            let one = waiting.remove(place);
            self.begun += 1;
            if one.asker != Asker::Operator {
                self.served.put(one.asker.clone(), self.begun);
            }
            if !waiting.is_empty() {
                self.lanes.push_back((lane, waiting));
            }
            self.running += 1;
            return Some(one.id);
        }
        None
    }

    /// Whose turn it is in a lane: of the names (sessions, browsers) that may begin now the one whose last turn is longest
    /// ago, and of its attempts the newest, since whoever waits longest has most likely gone.
    fn pick(&self, lane: usize, now: Instant) -> Option<usize> {
        let (_, waiting) = self.lanes.get(lane)?;
        let served = |asker: &Asker| self.served.peek(asker).copied().unwrap_or(0);
        let ready = waiting.iter().enumerate().filter(|(_, one)| self.ready(&one.asker, now) <= now);
        let best = ready.min_by_key(|(_, one)| (served(&one.asker), std::cmp::Reverse(one.id)));
        best.map(|(at, _)| at)
    }

    /// When somebody who waits may begin, if a slot is free by then; `None` if nobody is only being slowed.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        if self.running >= self.slots {
            return None;
        }
        let waiting = self.lanes.iter().flat_map(|(_, waiting)| waiting);
        waiting.map(|one| self.ready(&one.asker, now)).min()
    }

    /// A check is over: its slot is free.
    pub fn done(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Notes whether the password was right. How many failures there are now that count with this one.
    pub fn note(&mut self, asker: &Asker, right: bool, now: Instant) -> u32 {
        let asker = &self.counted(asker.clone(), now);
        let counters = self.counters(asker);
        if right {
            if let Some(own) = counters.first() {
                self.failures.pop(own);
            }
            if let Asker::SignIn { from, name, .. } = asker {
                self.known.put((*from, name.clone()), ());
            }
            return 0;
        }
        let mut own = None;
        for counter in counters {
            let count = self.failures.get(&counter).map_or(0, |failures| failures.at(now)).saturating_add(1);
            own.get_or_insert(count);
            self.failures.put(counter, Failures { count, last: now });
        }
        own.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Option<Network> {
        Some(Network::of(IpAddr::from([192, 0, 2, last])))
    }

    fn asker(address: u8, name: &str) -> Asker {
        Asker::SignIn { from: from(address), name: name.to_owned(), browser: None }
    }

    fn flood(turns: &mut Turns, attempts: std::ops::Range<u32>, asker: impl Fn(u32) -> Asker) {
        for n in attempts {
            turns.ask(asker(n), Instant::now());
        }
    }

    /// How many turns pass until this one's; each check takes no time and is over at once.
    fn turns_until(turns: &mut Turns, id: u64, now: Instant) -> Option<usize> {
        for passed in 0..5_000 {
            let next = turns.next(now)?;
            turns.done();
            if next == id {
                return Some(passed);
            }
        }
        None
    }

    #[test]
    fn a_flood_from_one_address_holds_nobody_elsewhere_and_no_other_name() {
        let now = Instant::now();
        for (address, honest) in [(2, "alice"), (1, "alice")] {
            let mut turns = Turns::new(1);
            flood(&mut turns, 0..300, |_| asker(1, "mallory"));
            let id = turns.ask(asker(address, honest), now).id;
            flood(&mut turns, 0..300, |_| asker(1, "mallory"));
            assert!(turns_until(&mut turns, id, now).expect("a turn") <= 1, "{address}");
        }
        // Under many names: who signed in from there before has a lane of their own.
        let mut turns = Turns::new(1);
        turns.note(&asker(1, "alice"), true, now);
        flood(&mut turns, 0..300, |n| asker(1, &format!("name{n}")));
        let id = turns.ask(asker(1, "alice"), now).id;
        flood(&mut turns, 300..600, |n| asker(1, &format!("name{n}")));
        assert!(turns_until(&mut turns, id, now).expect("a turn") <= 1);
        // Somebody who is known too, and floods with the right password, takes every other turn.
        let mut turns = Turns::new(1);
        turns.note(&asker(1, "alice"), true, now);
        turns.note(&asker(1, "mallory"), true, now);
        flood(&mut turns, 0..300, |_| asker(1, "mallory"));
        let id = turns.ask(asker(1, "alice"), now).id;
        assert!(turns_until(&mut turns, id, now).expect("a turn") <= 1);
        // Many addresses take turns with one another.
        let mut turns = Turns::new(1);
        (10..20).for_each(|address| flood(&mut turns, 0..50, |_| asker(address, "alice")));
        let id = turns.ask(asker(2, "alice"), now).id;
        assert!(turns_until(&mut turns, id, now).expect("a turn") <= 10);
    }

    #[test]
    fn who_is_known_goes_before_strangers_who_get_every_fourth_turn() {
        let now = Instant::now();
        let mut turns = Turns::new(1);
        turns.note(&asker(1, "alice"), true, now);
        turns.note(&asker(1, "mallory"), true, now);
        flood(&mut turns, 0..60, |n| asker(1, &format!("name{n}")));
        let alice = turns.ask(asker(1, "alice"), now).id;
        let confirms = turns.ask(Asker::Session(UserId::from_bytes([1; 16]), SecretHash([1; 32])), now).id;
        assert_eq!(turns_until(&mut turns, alice, now), Some(0));
        assert_eq!(turns_until(&mut turns, confirms, now), Some(0));
        // Nor can who is known keep strangers out.
        flood(&mut turns, 0..60, |_| asker(1, "mallory"));
        let stranger = turns.ask(asker(2, "carol"), now).id;
        assert!(turns_until(&mut turns, stranger, now).expect("a turn") <= 2 * PASSED as usize + 2);
    }

    fn browser(address: u8, name: &str, id: u8) -> Asker {
        Asker::SignIn { from: from(address), name: name.to_owned(), browser: Some([id; 16]) }
    }

    #[test]
    fn a_flood_under_ones_own_name_from_ones_own_address_does_not_hold_a_known_browser() {
        let now = Instant::now();
        let mut turns = Turns::new(1);
        turns.note(&asker(1, "alice"), true, now);
        (0..1_000).for_each(|_| _ = turns.note(&asker(1, "alice"), false, now));
        flood(&mut turns, 0..300, |_| asker(1, "alice"));
        let unknown = turns.ask(asker(1, "alice"), now).id;
        let known = turns.ask(browser(1, "alice", 1), now).id;
        flood(&mut turns, 0..300, |_| asker(1, "alice"));
        assert_eq!(turns_until(&mut turns, known, now), Some(0), "at once");
        assert_eq!(turns_until(&mut turns, unknown, now), None, "control: slowed, or refused");
        // Nor does one by whoever stole the token of another of her browsers, or one who floods with browsers of their own.
        for flooding in [("alice", 2), ("mallory", 3)] {
            let mut turns = Turns::new(1);
            flood(&mut turns, 0..300, |_| browser(1, flooding.0, flooding.1));
            let id = turns.ask(browser(1, "alice", 1), now).id;
            flood(&mut turns, 0..300, |_| browser(1, flooding.0, flooding.1));
            assert!(turns_until(&mut turns, id, now).expect("a turn") <= 1, "{flooding:?}");
        }
        // However many browsers somebody has, they have one lane.
        let mut turns = Turns::new(1);
        flood(&mut turns, 0..60, |n| browser(1, "mallory", n as u8));
        let id = turns.ask(browser(1, "alice", 1), now).id;
        assert!(turns_until(&mut turns, id, now).expect("a turn") <= 1);
        // One session of a person does not hold the other.
        let mut turns = Turns::new(1);
        let session = |id| Asker::Session(UserId::from_bytes([1; 16]), SecretHash([id; 32]));
        flood(&mut turns, 0..300, |_| session(1));
        let id = turns.ask(session(2), now).id;
        flood(&mut turns, 0..300, |_| session(1));
        assert!(turns_until(&mut turns, id, now).expect("a turn") <= 1);
        (0..1_000).for_each(|_| _ = turns.note(&session(1), false, now));
        assert_eq!((turns.ready(&session(2), now), turns.ready(&session(1), now)), (now, now + MAX_DELAYS[0]));
    }

    #[test]
    fn a_browser_that_guesses_too_often_is_a_stranger() {
        let now = Instant::now();
        let mut turns = Turns::new(1);
        let (stolen, other) = (browser(1, "alice", 1), browser(1, "alice", 2));
        let lane = |turns: &Turns, asker: &Asker, now| turns.lane(&turns.counted(asker.clone(), now));
        for _ in 0..SPENT {
            assert_eq!(lane(&turns, &stolen, now), Lane::Browsers("alice".to_owned()));
            turns.note(&stolen, false, now);
        }
        assert_eq!(lane(&turns, &stolen, now), Lane::Strangers(from(1)));
        assert_eq!(lane(&turns, &other, now), Lane::Browsers("alice".to_owned()), "control: another browser of hers");
        assert_eq!(turns.ready(&asker(1, "alice"), now), now, "her name is not slowed by it");
        // From then on it counts, and is slowed, as whoever has none.
        (0..1_000).for_each(|_| _ = turns.note(&stolen, false, now));
        assert_eq!(turns.ready(&turns.counted(stolen.clone(), now), now), now + MAX_DELAYS[0]);
        assert_eq!(turns.ready(&other, now), now);
        assert_eq!(lane(&turns, &stolen, now + FORGOTTEN), Lane::Browsers("alice".to_owned()), "forgotten by and by");
        turns.note(&other, false, now);
        turns.note(&other, true, now);
        assert_eq!(
            turns.failures.peek(&Counter::Browser([2; 16])).map(|all| all.count),
            None,
            "right: it counts no more"
        );
    }

    #[test]
    fn a_full_lane_refuses_its_oldest_and_only_its_own() {
        let now = Instant::now();
        let mut turns = Turns::new(1);
        let honest = turns.ask(asker(2, "alice"), now).id;
        let refused: Vec<u64> = (0..300).filter_map(|_| turns.ask(asker(1, "mallory"), now).refused).collect();
        assert_eq!(refused.len(), 300 - LANE);
        assert!(refused.windows(2).all(|two| two[0] < two[1]) && !refused.contains(&honest));
        for address in 10..100 {
            flood(&mut turns, 0..64, |_| asker(address, "mallory"));
        }
        let waiting: usize = turns.lanes.iter().map(|(_, waiting)| waiting.len()).sum();
        assert_eq!(waiting, ALL);
        assert!(turns.lanes.iter().any(|(_, waiting)| waiting.iter().any(|one| one.id == honest)), "the shortest lane");
        let leaving = turns.ask(asker(2, "bob"), now).id;
        turns.leave(leaving);
        turns.leave(honest);
        assert!(!turns.lanes.iter().any(|(lane, _)| *lane == Lane::Strangers(from(2))), "an empty lane is gone");
    }

    #[test]
    fn failures_slow_by_name_and_address_and_lock_nobody_out() {
        let start = Instant::now();
        let mut turns = Turns::new(1);
        turns.note(&asker(1, "alice"), true, start);
        let attacker = asker(9, "alice");
        for _ in 0..FREE[0] {
            assert_eq!(turns.ready(&attacker, start), start);
            turns.note(&attacker, false, start);
        }
        turns.note(&attacker, false, start);
        assert_eq!(turns.ready(&attacker, start), start + FIRST);
        turns.note(&attacker, false, start);
        assert_eq!(turns.ready(&attacker, start), start + FIRST * 2);
        for _ in 0..1_000 {
            turns.note(&attacker, false, start);
        }
        assert_eq!(turns.ready(&attacker, start), start + MAX_DELAYS[0], "never longer");
        // A stranger elsewhere who gives that name waits as well; who is known at their address does not.
        assert_eq!(turns.ready(&asker(8, "alice"), start), start + MAX_DELAYS[1]);
        assert_eq!(turns.ready(&asker(1, "alice"), start), start);
        // Nor does another name at that address, until many fail there.
        for n in 0..FREE[2] {
            turns.note(&asker(7, &format!("name{n}")), false, start);
        }
        assert_eq!(turns.ready(&asker(7, "bob"), start), start);
        turns.note(&asker(7, "one more"), false, start);
        assert_eq!(turns.ready(&asker(7, "bob"), start), start + FIRST);
        assert_eq!(turns.ready(&asker(6, "bob"), start), start, "control: another address");
        for n in 0..1_000 {
            turns.note(&asker(7, &format!("more{n}")), false, start);
        }
        assert_eq!(turns.ready(&asker(7, "bob"), start), start + MAX_DELAYS[2]);
        // Slowed attempts begin when their time has come, and hold no slot till then.
        let id = turns.ask(attacker.clone(), start).id;
        let other = turns.ask(asker(6, "bob"), start).id;
        assert_eq!(turns.next(start), Some(other));
        turns.done();
        assert_eq!(turns.next(start), None);
        assert_eq!(turns.wake(start), Some(start + MAX_DELAYS[0]));
        assert_eq!(turns.next(start + MAX_DELAYS[0]), Some(id));
        // It is forgotten by and by, and at once when the password was right.
        assert_eq!(turns.ready(&attacker, start + FORGOTTEN * 12), start + FORGOTTEN * 12);
        turns.note(&attacker, true, start);
        assert_eq!(turns.ready(&attacker, start), start);
    }

    #[test]
    fn networks_are_what_one_person_holds() {
        let of = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("192.0.2.1").number(), of("192.0.2.2").number());
        assert_ne!(of("192.0.2.1").number(), of("::c000:201").number());
    }
}
