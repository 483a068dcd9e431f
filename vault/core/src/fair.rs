//! Fair shares of what all callers use together: places to run in, bytes of memory.
//!
//! Two levels: a part (one app, one link) has a share of its own and counts into that of its person, so that
//! whoever makes many links does not have many shares. Who waits is served by turns: of those whose shares have
//! room, the person who was served longest ago, of that person the part that was, of that part the first come.
//! What is asked for first and does not fit yet is waited for; nothing smaller overtakes it for ever.
//!
//! Pure: what happens when somebody's turn comes is for the caller to do.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use policy_core::{Caller, GrantId, UserId};

/// A network that strangers come from: what one person may hold many addresses of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Network(pub u128);

/// Who is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Payer {
    /// Whoever has not said yet who they are, by the network that they come from: all of them together are one person.
    Stranger(Network),
    /// Somebody by themselves.
    Person(UserId),
    /// An app or a link, for the person who gave it its grant.
    Part(UserId, GrantId),
}

impl From<&Caller> for Payer {
    fn from(caller: &Caller) -> Payer {
        match &caller.app {
            Some(app) => Payer::Part(caller.user, app.grant),
            None => Payer::Person(caller.user),
        }
    }
}

impl Payer {
    fn person(self) -> Option<UserId> {
        match self {
            Payer::Stranger(_) => None,
            Payer::Person(user) | Payer::Part(user, _) => Some(user),
        }
    }
}

/// What there is, and how much of it one caller may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Places, or bytes.
    pub total: u64,
    /// A person with all their apps and links.
    pub person: u64,
    /// One app or one link.
    pub part: u64,
    /// Everybody unknown of one network. All networks together have the share of a person.
    pub stranger: u64,
    /// How many of one person's requests may wait; of a part's or a network's, a quarter.
    pub waiting: usize,
}

impl Shares {
    /// Of `total`, half at most for a person, a quarter for a part and an eighth for a network, and never nothing.
    pub fn of(total: u64, waiting: usize) -> Shares {
        let part = |of: u64| (total / of).max(1);
        Shares { total: total.max(1), person: part(2), part: part(4), stranger: part(8), waiting }
    }

    /// The most that this payer can hold: who asks for more is given so much, alone.
    pub fn most(&self, payer: Payer) -> u64 {
        match payer {
            Payer::Person(_) => self.person.min(self.total),
            Payer::Part(..) => self.part.min(self.person).min(self.total),
            Payer::Stranger(_) => self.stranger.min(self.person).min(self.total),
        }
    }
}

/// What an asking brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// So much is the caller's until it is given back.
    Given(u64),
    /// The turn of this number comes, with so much.
    Waits(u64, u64),
    /// Too many of this caller's requests wait already.
    Busy,
}

#[derive(Debug, Default)]
struct Account {
    held: u64,
    waiting: usize,
    /// When it was last served, by the count of servings.
    served: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Fair {
    shares: Shares,
    free: u64,
    persons: HashMap<Option<UserId>, Account>,
    parts: HashMap<Payer, Account>,
    waiting: BTreeMap<u64, (Payer, u64)>,
    numbers: u64,
    servings: u64,
}

impl Fair {
    /// Nobody holds or waits for anything yet.
    pub fn new(shares: Shares) -> Fair {
        Fair {
            shares,
            free: shares.total,
            persons: HashMap::new(),
            parts: HashMap::new(),
            waiting: BTreeMap::new(),
            numbers: 0,
            servings: 0,
        }
    }

    /// What there is, and how much of it one may hold.
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// How much of it all is held.
    pub fn held(&self) -> u64 {
        self.shares.total - self.free
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether any request of this payer waits.
    pub fn waits(&self, payer: Payer) -> bool {
        self.parts.get(&payer).is_some_and(|account| account.waiting > 0)
    }

    /// Asks for `amount`, or for all that this payer may have if that is less. And whose turn has come thereby: who was
    /// first, and waited for what is not free, is behind others once somebody else of the same person is served.
    pub fn ask(&mut self, payer: Payer, amount: u64) -> (Asked, Vec<u64>) {
        let amount = amount.min(self.shares.most(payer));
        let most_waiting = match payer {
            Payer::Person(_) => self.shares.waiting,
            Payer::Part(..) | Payer::Stranger(_) => (self.shares.waiting / 4).max(1),
        };
        // Who comes anew has had no turn yet and takes none before those who wait.
        let served = self.servings;
        let new = || Account { served, ..Account::default() };
        let person = self.persons.entry(payer.person()).or_insert_with(new);
        let part = self.parts.entry(payer).or_insert_with(new);
        if person.waiting >= self.shares.waiting || part.waiting >= most_waiting {
            self.tidy(payer);
            return (Asked::Busy, Vec::new());
        }
        person.waiting += 1;
        part.waiting += 1;
        let number = self.numbers;
        self.numbers += 1;
        self.waiting.insert(number, (payer, amount));
        let mut turns = self.serve();
        let given = turns.iter().position(|turn| *turn == number).map(|at| turns.swap_remove(at));
        (given.map_or(Asked::Waits(number, amount), |_| Asked::Given(amount)), turns)
    }

    /// Takes `amount` for a payer, who may hold some already, without waiting and without overtaking anybody who could
    /// be served.
    pub fn more(&mut self, payer: Payer, amount: u64) -> bool {
        if amount > self.free || !self.has_room(payer, amount) || self.next().is_some() {
            return false;
        }
        let served = self.servings;
        let new = || Account { served, ..Account::default() };
        self.persons.entry(payer.person()).or_insert_with(new);
        self.parts.entry(payer).or_insert_with(new);
        self.hold(payer, amount);
        true
    }

    /// Gives back. Answers whose turn has come.
    pub fn give_back(&mut self, payer: Payer, amount: u64) -> Vec<u64> {
        self.free += amount;
        for account in [self.persons.get_mut(&payer.person()), self.parts.get_mut(&payer)].into_iter().flatten() {
            account.held -= amount;
        }
        self.tidy(payer);
        self.serve()
    }

    /// Forgets somebody who waited; false if their turn has come already. And whose turn has come thereby.
    pub fn forget(&mut self, number: u64) -> (bool, Vec<u64>) {
        let Some((payer, _)) = self.waiting.remove(&number) else { return (false, Vec::new()) };
        self.no_longer_waits(payer);
        self.tidy(payer);
        (true, self.serve())
    }

    fn has_room(&self, payer: Payer, amount: u64) -> bool {
        let held = |account: Option<&Account>| account.map_or(0, |account| account.held);
        held(self.persons.get(&payer.person())) + amount <= self.shares.person
            && held(self.parts.get(&payer)) + amount <= self.shares.most(payer)
    }

    /// Who is served next, whether or not what they ask for is free.
    fn next(&self) -> Option<u64> {
        let served = |account: Option<&Account>| account.map_or(0, |account| account.served);
        let could = self.waiting.iter().filter(|(_, (payer, amount))| self.has_room(*payer, *amount));
        let first = could.min_by_key(|(number, (payer, _))| {
            (served(self.persons.get(&payer.person())), served(self.parts.get(payer)), **number)
        });
        first.map(|(number, _)| *number)
    }

    fn serve(&mut self) -> Vec<u64> {
        let mut turns = Vec::new();
        while let Some(number) = self.next() {
            let Some((payer, amount)) = self.waiting.get(&number).copied() else { break };
            if amount > self.free {
                break;
            }
            self.waiting.remove(&number);
            self.no_longer_waits(payer);
            self.hold(payer, amount);
            turns.push(number);
        }
        turns
    }

    fn hold(&mut self, payer: Payer, amount: u64) {
        self.free -= amount;
        self.servings += 1;
        for account in [self.persons.get_mut(&payer.person()), self.parts.get_mut(&payer)].into_iter().flatten() {
            account.held += amount;
            account.served = self.servings;
        }
    }

    fn no_longer_waits(&mut self, payer: Payer) {
        for account in [self.persons.get_mut(&payer.person()), self.parts.get_mut(&payer)].into_iter().flatten() {
            account.waiting -= 1;
        }
    }

    /// Forgets accounts that hold nothing and wait for nothing: memory is bounded by who is here.
    fn tidy(&mut self, payer: Payer) {
        let idle = |account: &Account| account.held == 0 && account.waiting == 0;
        if self.parts.get(&payer).is_some_and(idle) {
            self.parts.remove(&payer);
        }
        if self.persons.get(&payer.person()).is_some_and(idle) {
            self.persons.remove(&payer.person());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(n: u8) -> Payer {
        Payer::Person(UserId::from_bytes([n; 16]))
    }
    fn part(n: u8, of: u8) -> Payer {
        Payer::Part(UserId::from_bytes([n; 16]), GrantId::from_bytes([of; 16]))
    }

    #[test]
    fn no_one_holds_everything_however_many_links_they_have() {
        let mut fair = Fair::new(Shares::of(8, 64));
        let links: Vec<Payer> = (0..16).map(|n| part(1, n)).collect();
        let given = links.iter().filter(|link| matches!(fair.ask(**link, 1).0, Asked::Given(1))).count();
        assert_eq!(given, 4, "a person with all their links has half");
        let (one, other) = (part(2, 0), person(2));
        assert_eq!(fair.ask(one, 1).0, Asked::Given(1));
        assert_eq!(fair.ask(one, 1).0, Asked::Given(1));
        assert!(matches!(fair.ask(one, 1).0, Asked::Waits(..)), "a link has a quarter");
        assert_eq!(fair.ask(other, 1).0, Asked::Given(1), "and its person more");
    }

    #[test]
    fn strangers_of_one_network_leave_others_room_and_all_of_them_leave_it_to_who_is_known() {
        let mut fair = Fair::new(Shares { total: 16, person: 8, part: 4, stranger: 2, waiting: 64 });
        let from = |n: u128| Payer::Stranger(Network(n));
        let given = (0..16).filter(|_| matches!(fair.ask(from(1), 1).0, Asked::Given(1))).count();
        assert_eq!(given, 2, "of one network");
        let given = (2..16).filter(|n| matches!(fair.ask(from(*n), 2).0, Asked::Given(2))).count();
        assert_eq!(given, 3, "all together have the share of a person");
        assert_eq!(fair.ask(person(1), 8).0, Asked::Given(8));
    }

    #[test]
    fn turns_go_round() {
        let mut fair = Fair::new(Shares { total: 1, person: 1, part: 1, stranger: 1, waiting: 64 });
        assert_eq!(fair.ask(person(1), 1).0, Asked::Given(1));
        let hog: Vec<Asked> = (0..10).map(|_| fair.ask(person(1), 1).0).collect();
        let Asked::Waits(neighbour, _) = fair.ask(person(2), 1).0 else { panic!("there is one place") };
        assert!(hog.iter().all(|asked| matches!(asked, Asked::Waits(..))));
        assert_eq!(fair.give_back(person(1), 1), [1], "the hog's, who came first and was last served before");
        assert_eq!(fair.give_back(person(1), 1), [neighbour], "then not the hog's again");
    }

    #[test]
    fn what_is_large_is_not_overtaken_for_ever_and_what_is_too_large_is_cut() {
        let mut fair = Fair::new(Shares { total: 10, person: 10, part: 5, stranger: 5, waiting: 8 });
        assert_eq!(fair.ask(person(1), 6).0, Asked::Given(6));
        let Asked::Waits(large, 10) = fair.ask(person(2), 99).0 else { panic!("cut to what a person may have") };
        let Asked::Waits(small, 1) = fair.ask(person(3), 1).0 else { panic!("it does not overtake") };
        assert!(!fair.more(person(1), 1), "nor does who holds some");
        assert_eq!(fair.give_back(person(1), 6), [large]);
        assert_eq!(fair.forget(small), (true, vec![]));
        assert_eq!(fair.forget(large), (false, vec![]), "its turn has come");
        assert!(fair.give_back(person(2), 10).is_empty());
        assert!(fair.persons.is_empty() && fair.parts.is_empty());
    }

    #[test]
    fn who_waits_too_often_is_told_so_and_nobody_else() {
        let mut fair = Fair::new(Shares { total: 1, person: 1, part: 1, stranger: 1, waiting: 4 });
        assert_eq!(fair.ask(person(9), 1).0, Asked::Given(1));
        assert!(matches!(fair.ask(part(1, 1), 1).0, Asked::Waits(..)));
        assert_eq!(fair.ask(part(1, 1), 1).0, Asked::Busy, "a quarter of what a person may have waiting");
        assert!((2..5).all(|n| matches!(fair.ask(part(1, n), 1).0, Asked::Waits(..))));
        assert_eq!(fair.ask(person(1), 1).0, Asked::Busy, "four of this person wait");
        assert!(matches!(fair.ask(person(2), 1).0, Asked::Waits(..)), "and another may");
    }

    proptest! {
        /// Whatever is asked, given back and forgotten: shares hold, nothing is lost, and nobody waits while
        /// there is room for them.
        #[test]
        fn shares_hold_and_nothing_is_lost(steps in prop::collection::vec((0u8..4, 0u8..4, 0u8..3, 1u64..12), 1..200)) {
            let shares = Shares { total: 16, person: 8, part: 4, stranger: 2, waiting: 8 };
            let mut fair = Fair::new(shares);
            let mut held: Vec<(Payer, u64)> = Vec::new();
            let mut waits: Vec<(u64, Payer, u64)> = Vec::new();
            for (act, n, of, amount) in steps {
                let payer = match (n, of) {
                    (3, of) => Payer::Stranger(Network(of.into())),
                    (n, 0) => person(n),
                    (n, of) => part(n, of),
                };
                let turns = match act {
                    0 | 1 => {
                        let (asked, turns) = fair.ask(payer, amount);
                        match asked {
                            Asked::Given(amount) => held.push((payer, amount)),
                            Asked::Waits(number, amount) => waits.push((number, payer, amount)),
                            Asked::Busy => {}
                        }
                        turns
                    }
                    2 if !held.is_empty() => {
                        let (payer, amount) = held.swap_remove(usize::from(n) % held.len());
                        fair.give_back(payer, amount)
                    }
                    3 if !waits.is_empty() => {
                        let (number, ..) = waits.swap_remove(usize::from(n) % waits.len());
                        let (forgotten, turns) = fair.forget(number);
                        prop_assert!(forgotten);
                        turns
                    }
                    _ => vec![],
                };
                for number in turns {
                    let at = waits.iter().position(|(waiting, ..)| *waiting == number).unwrap();
                    let (_, payer, amount) = waits.swap_remove(at);
                    held.push((payer, amount));
                }
                let sum = |test: &dyn Fn(Payer) -> bool| held.iter().filter(|(p, _)| test(*p)).map(|(_, n)| n).sum::<u64>();
                prop_assert_eq!(fair.free, shares.total - sum(&|_| true));
                for (payer, _) in &held {
                    prop_assert!(sum(&|p| p.person() == payer.person()) <= shares.person);
                    prop_assert!(sum(&|p| p == *payer) <= shares.most(*payer));
                }
                prop_assert_eq!(fair.waiting.len(), waits.len());
                if let Some(next) = fair.next() {
                    prop_assert!(fair.waiting[&next].1 > fair.free, "somebody waits for what is free");
                }
            }
            for (payer, amount) in std::mem::take(&mut held) {
                for number in fair.give_back(payer, amount) {
                    let at = waits.iter().position(|(waiting, ..)| *waiting == number).unwrap();
                    let (_, payer, amount) = waits.swap_remove(at);
                    held.push((payer, amount));
                }
            }
            while let Some((payer, amount)) = held.pop() {
                for number in fair.give_back(payer, amount) {
                    let at = waits.iter().position(|(waiting, ..)| *waiting == number).unwrap();
                    let (_, payer, amount) = waits.swap_remove(at);
                    held.push((payer, amount));
                }
            }
            prop_assert!(waits.is_empty() && fair.persons.is_empty() && fair.parts.is_empty());
        }
    }
}
