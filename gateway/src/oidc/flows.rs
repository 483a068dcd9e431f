//! Sign-ins that are on their way to a provider and back. They are kept in memory, each for ten minutes, and a state is
//! taken once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use policy_core::UserId;

use super::provider::{Begun, Person};
use crate::directory::outside::outside_session;
use crate::directory::{Network, SecretHash};

/// How long one waits.
const WAITS: Duration = Duration::from_secs(600);
/// How many wait at most: of one network, and altogether. The oldest gives way, of the same network first.
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

/// All of them, by the hash of their state: what lies in memory brings nobody in.
#[derive(Debug, Default)]
pub struct Flows {
    waiting: Mutex<HashMap<[u8; 32], Waiting>>,
    /// How many are asked for at the provider now, by network.
    exchanges: Mutex<HashMap<Option<Network>, u32>>,
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

/// From where it was begun, and what.
type Waiting = (Option<Network>, Flow);

impl Flows {
    pub(crate) fn put(&self, flow: Flow, from: Option<IpAddr>) {
        let from = from.map(Network::of);
        let mut all = self.waiting.lock();
        all.retain(|_, (_, flow)| flow.at.elapsed() < WAITS);
        let own = all.values().filter(|(network, _)| *network == from).count();
        if own >= MAX_OF_NETWORK || all.len() >= MAX_FLOWS {
            let gives_way = |network: &Option<Network>| own < MAX_OF_NETWORK || *network == from;
            let oldest = all.iter().filter(|(_, (network, _))| gives_way(network)).min_by_key(|(_, (_, flow))| flow.at);
            if let Some(state) = oldest.map(|(state, _)| *state) {
                all.remove(&state);
            }
        }
        all.insert(SecretHash::of(&flow.begun.state).0, (from, flow));
    }

    /// Takes the flow of this state out; nobody else finds it any more.
    pub(crate) fn take(&self, provider: &str, state: &str) -> Option<Flow> {
        let (_, flow) = self.waiting.lock().remove(&SecretHash::of(state).0)?;
        (flow.provider == provider && flow.at.elapsed() < WAITS).then_some(flow)
    }

    /// Drops what waits of somebody who signed out there meanwhile.
    pub(crate) fn forget(&self, issuer: &str, subject: Option<&str>, session: Option<&str>) {
        let session = session.map(|session| outside_session(issuer, session));
        let of_them = |person: &Person| {
            person.identity.issuer == issuer
                && subject.is_none_or(|subject| person.identity.subject == subject)
                && session.as_ref().is_none_or(|session| person.session.as_ref() == Some(session))
        };
        self.waiting.lock().retain(|_, (_, flow)| !flow.proved.as_ref().is_some_and(of_them));
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
        let all = self.waiting.lock();
        let (_, flow) = all.get(&SecretHash::of(state).0)?;
        (flow.provider == provider && flow.at.elapsed() < WAITS).then(|| flow.purpose.clone())
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
        assert_eq!(flows.waiting.lock().len(), MAX_OF_NETWORK + 1);
        assert!(flows.purpose("firm", "honest").is_some());
        assert!(flows.purpose("firm", "many 0").is_none(), "the oldest gave way");
        assert!(flows.purpose("firm", &format!("many {}", MAX_FLOWS - 1)).is_some(), "control");
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
