//! Sign-ins that are on their way to a provider and back, each by its state, which is taken once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use policy_core::UserId;

use super::provider::{Begun, Person};
use crate::directory::outside::outside_session;
use crate::directory::{Network, SecretHash};
use crate::one_time::{Bounds, OneTimeStore};

/// How long one waits.
const LIFETIME: Duration = Duration::from_secs(600);
/// How many wait at most: of one network, and altogether.
const MAX_OF_NETWORK: usize = 32;
const MAX_FLOWS: usize = 512;
/// How many are asked for at once, of one network.
const MAX_EXCHANGES: u32 = 3;
/// How often a wrong second factor is taken before the person goes to the provider again.
pub(crate) const MAX_CODES: u32 = 3;

/// What a sign-in at a provider is for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// A session. `page`: the hash of what the page that began it keeps in the storage of its origin, if a page did.
    SignIn { page: Option<SecretHash> },
    /// The consent to what an app asks for: the query of its request.
    Consent { request: String },
    /// To sign in by this account from now on.
    Link { user: UserId, session: SecretHash, page: SecretHash },
    /// To prove once more who one is, for a dangerous act.
    Confirm { user: UserId, session: SecretHash, page: SecretHash },
}

impl Purpose {
    /// Whether the provider is to ask for the person anew, whoever is signed in there.
    pub(super) fn is_again(&self) -> bool {
        matches!(self, Purpose::Confirm { .. })
    }
}

/// One that is on its way.
#[derive(Debug)]
pub struct Flow {
    pub provider: String,
    pub begun: Begun,
    pub purpose: Purpose,
    /// Whom the provider signed in, once it has.
    pub proved: Option<Person>,
    /// Wrong codes of a second factor that were given since.
    pub wrong_codes: u32,
    at: Instant,
}

impl Flow {
    pub(super) fn new(provider: String, begun: Begun, purpose: Purpose) -> Flow {
        Flow { provider, begun, purpose, proved: None, wrong_codes: 0, at: Instant::now() }
    }
}

/// All of them, each of the network from which it was begun.
#[derive(Debug)]
pub struct Flows {
    waiting: OneTimeStore<Option<Network>, Flow>,
    /// How many are asked for at the provider now, by network.
    exchanges: Mutex<HashMap<Option<Network>, u32>>,
}

impl Default for Flows {
    fn default() -> Self {
        let bounds = Bounds { lifetime: LIFETIME, entries_of: |_| MAX_OF_NETWORK, entries: MAX_FLOWS };
        Flows { waiting: OneTimeStore::new(bounds), exchanges: Mutex::default() }
    }
}

/// One that is asked for; it ends when it is dropped.
pub(crate) struct Exchange<'a> {
    flows: &'a Flows,
    from: Option<Network>,
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        let mut all = self.flows.exchanges.lock();
        if let Some(open) = all.get_mut(&self.from) {
            *open -= 1;
            if *open == 0 {
                all.remove(&self.from);
            }
        }
    }
}

impl Flows {
    /// Keeps one that begins, or begins to wait again; its time runs from when it was begun.
    pub(crate) fn put(&self, flow: Flow, from: Option<IpAddr>) {
        let name = SecretHash::of(&flow.begun.state);
        self.waiting.put(name, from.map(Network::of), flow.at, flow, Instant::now());
    }

    /// Takes the flow of this state out; nobody else finds it any more.
    pub(crate) fn take(&self, provider: &str, state: &str) -> Option<Flow> {
        let flow = self.waiting.take(&SecretHash::of(state), Instant::now())?;
        (flow.provider == provider).then_some(flow)
    }

    /// Drops what waits of somebody who signed out there meanwhile.
    pub(crate) fn forget(&self, issuer: &str, subject: Option<&str>, session: Option<&str>) {
        let session = session.map(|session| outside_session(issuer, session));
        let of_them = |person: &Person| {
            person.identity.issuer == issuer
                && subject.is_none_or(|subject| person.identity.subject == subject)
                && session.as_ref().is_none_or(|session| person.session.as_ref() == Some(session))
        };
        self.waiting.retain(|flow| !flow.proved.as_ref().is_some_and(of_them));
    }

    /// Begins to ask a provider for somebody from there; `None` if that many are asked for already.
    pub(crate) fn exchange(&self, from: Option<IpAddr>) -> Option<Exchange<'_>> {
        let from = from.map(Network::of);
        let mut all = self.exchanges.lock();
        let open = all.entry(from).or_default();
        if *open >= MAX_EXCHANGES {
            return None;
        }
        *open += 1;
        Some(Exchange { flows: self, from })
    }

    /// What the flow of this state is for, without taking it.
    pub(crate) fn purpose(&self, provider: &str, state: &str) -> Option<Purpose> {
        let of_provider = |flow: &Flow| (flow.provider == provider).then(|| flow.purpose.clone());
        self.waiting.peek(&SecretHash::of(state), Instant::now(), of_provider).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(state: &str) -> Flow {
        let begun =
            Begun { url: String::new(), state: state.to_owned(), nonce: String::new(), verifier: String::new() };
        Flow::new("firm".to_owned(), begun, Purpose::SignIn { page: None })
    }

    #[test]
    fn a_state_is_taken_once_and_by_its_provider_alone() {
        let flows = Flows::default();
        flows.put(flow("a"), None);
        assert!(flows.purpose("firm", "a").is_some() && flows.purpose("other", "a").is_none());
        assert!(
            flows.take("firm", "b").is_none() && flows.take("firm", "a").is_some() && flows.take("firm", "a").is_none()
        );
        flows.put(flow("a"), None);
        assert!(flows.take("other", "a").is_none() && flows.take("firm", "a").is_none(), "tried elsewhere it is gone");
    }

    #[test]
    fn one_network_pushes_out_its_own_before_anybody_elses() {
        let flows = Flows::default();
        let address = |n: u8| Some(IpAddr::from([10, n, 0, 1]));
        flows.put(flow("honest"), address(1));
        for n in 0..MAX_FLOWS {
            flows.put(flow(&format!("many {n}")), address(2));
        }
        let waits = (0..MAX_FLOWS).filter(|n| flows.purpose("firm", &format!("many {n}")).is_some());
        assert!(waits.eq(MAX_FLOWS - MAX_OF_NETWORK..MAX_FLOWS), "the oldest gave way");
        assert!(flows.purpose("firm", "honest").is_some());
    }

    #[test]
    fn where_all_places_are_taken_whoever_has_the_most_gives_way() {
        let flows = Flows::default();
        let address = |n: u8| Some(IpAddr::from([10, n, 0, 1]));
        flows.put(flow("honest"), address(0));
        for network in 1..=MAX_FLOWS / MAX_OF_NETWORK {
            for n in 0..MAX_OF_NETWORK {
                flows.put(flow(&format!("{n} of {network}")), address(u8::try_from(network).unwrap()));
            }
        }
        assert!(flows.purpose("firm", "honest").is_some(), "it was the oldest of all");
        let last = format!("{} of {}", MAX_OF_NETWORK - 1, MAX_FLOWS / MAX_OF_NETWORK);
        assert!(flows.purpose("firm", &last).is_some(), "control");
    }

    #[test]
    fn who_signed_out_there_waits_no_longer_and_one_network_asks_for_few_at_once() {
        let flows = Flows::default();
        let identity = |subject: &str| crate::directory::outside::Identity {
            issuer: "https://id.example".to_owned(),
            subject: subject.to_owned(),
        };
        let person = |subject: &str, session: &str| Person {
            identity: identity(subject),
            names: Vec::new(),
            label: String::new(),
            session: Some(outside_session("https://id.example", session)),
            proved: None,
        };
        for (state, who) in
            [("a", Some(person("7", "s"))), ("b", Some(person("7", "t"))), ("c", Some(person("8", "s"))), ("d", None)]
        {
            flows.put(Flow { proved: who, ..flow(state) }, None);
        }
        let waits = || ["a", "b", "c", "d"].map(|state| flows.purpose("firm", state).is_some());
        flows.forget("https://other.example", Some("7"), None);
        assert_eq!(waits(), [true; 4]);
        flows.forget("https://id.example", Some("7"), Some("s"));
        assert_eq!(waits(), [false, true, true, true]);
        flows.forget("https://id.example", Some("7"), None);
        assert_eq!(waits(), [false, false, true, true]);
        let from = |n: u8| flows.exchange(Some(IpAddr::from([10, n, 0, 1])));
        let mut open: Vec<_> = (0..MAX_EXCHANGES).map(|_| from(1).unwrap()).collect();
        assert!(from(1).is_none() && from(2).is_some(), "nobody else's are used up");
        open.pop();
        assert!(from(1).is_some());
    }
}
