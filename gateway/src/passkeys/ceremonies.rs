//! Ceremonies that are on their way to a device and back. What they are checked by stays in memory, for five minutes, and
//! is taken once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use policy_core::UserId;
use webauthn_rs::prelude::{DiscoverableAuthentication, PasskeyRegistration, Uuid};

use crate::directory::{Network, Secret, SecretHash};

/// How long one waits: as long as devices are told to.
const WAITS: Duration = webauthn_rs::DEFAULT_AUTHENTICATOR_TIMEOUT;
/// How many wait at most: of one person, of those of one network whom nobody knows, and altogether.
const MAX_OF_PERSON: usize = 8;
const MAX_OF_NETWORK: usize = 64;
const MAX: usize = 4_096;

/// What a ceremony is for.
#[derive(Debug)]
pub enum Purpose {
    /// To sign in by a new passkey from now on. `handle`: as what devices know the person.
    Register { user: UserId, session: SecretHash, handle: Uuid, state: PasskeyRegistration },
    /// A session, or the consent to what an app asks for.
    SignIn(DiscoverableAuthentication),
    /// To prove once more who one is, for a dangerous act.
    Confirm { user: UserId, session: SecretHash, state: DiscoverableAuthentication },
}

/// Whom a ceremony counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Person(UserId),
    Network(Option<Network>),
}

impl Of {
    fn most(self) -> usize {
        match self {
            Of::Person(_) => MAX_OF_PERSON,
            Of::Network(_) => MAX_OF_NETWORK,
        }
    }
}

#[derive(Debug)]
struct Waiting {
    of: Of,
    at: Instant,
    purpose: Purpose,
}

/// All of them, by the hash of their name: what lies in memory brings nobody in.
#[derive(Debug, Default)]
pub struct Ceremonies(Mutex<HashMap<[u8; 32], Waiting>>);

impl Ceremonies {
    /// Keeps one that begins; the name by which it is ended. Where too many wait, the oldest of the same person or network
    /// gives way; where all places are taken, the oldest of whoever has the most.
    pub fn begin(&self, purpose: Purpose, from: Option<IpAddr>) -> Secret {
        let of = match &purpose {
            Purpose::Register { user, .. } | Purpose::Confirm { user, .. } => Of::Person(*user),
            Purpose::SignIn(_) => Of::Network(from.map(Network::of)),
        };
        let name = Secret::draw();
        let mut all = self.0.lock();
        all.retain(|_, one| one.at.elapsed() < WAITS);
        let gives_way = if all.values().filter(|one| one.of == of).count() >= of.most() {
            Some(of)
        } else if all.len() >= MAX {
            let mut held: HashMap<Of, usize> = HashMap::new();
            all.values().for_each(|one| *held.entry(one.of).or_default() += 1);
            held.into_iter().max_by_key(|(_, count)| *count).map(|(of, _)| of)
        } else {
            None
        };
        if let Some(gives_way) = gives_way {
            let oldest = all.iter().filter(|(_, one)| one.of == gives_way).min_by_key(|(_, one)| one.at);
            if let Some(oldest) = oldest.map(|(hash, _)| *hash) {
                all.remove(&oldest);
            }
        }
        all.insert(name.hash().0, Waiting { of, at: Instant::now(), purpose });
        name
    }

    /// Takes the one of this name out: nobody else finds it any more, whatever comes of it.
    pub fn take(&self, name: &str) -> Option<Purpose> {
        self.taken(name, Instant::now())
    }

    fn taken(&self, name: &str, now: Instant) -> Option<Purpose> {
        let one = self.0.lock().remove(&SecretHash::of(name).0)?;
        (now.saturating_duration_since(one.at) < WAITS).then_some(one.purpose)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::passkeys::RelyingParty;

    fn sign_in() -> Purpose {
        let party = RelyingParty::of("https://cloud.example.org").unwrap();
        Purpose::SignIn(party.begin_proof(Vec::new()).unwrap().1)
    }

    fn confirm(user: u8) -> Purpose {
        let Purpose::SignIn(state) = sign_in() else { unreachable!() };
        Purpose::Confirm { user: UserId::from_bytes([user; 16]), session: SecretHash([1; 32]), state }
    }

    fn from(n: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, n, 0, 1]))
    }

    #[test]
    fn of_fifty_who_end_one_at_once_one_does() {
        let ceremonies = Arc::new(Ceremonies::default());
        let name = ceremonies.begin(sign_in(), None);
        let (taken, start) = (AtomicUsize::new(0), std::sync::Barrier::new(50));
        std::thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    start.wait();
                    taken.fetch_add(usize::from(ceremonies.take(name.text()).is_some()), Ordering::SeqCst);
                });
            }
        });
        assert_eq!(taken.into_inner(), 1);
        assert!(ceremonies.take("another").is_none());
    }

    #[test]
    fn one_that_took_too_long_is_over() {
        let ceremonies = Ceremonies::default();
        let begun = Instant::now();
        let [late, in_time] = [(); 2].map(|()| ceremonies.begin(sign_in(), None));
        assert!(ceremonies.taken(in_time.text(), begun + WAITS / 2).is_some(), "control");
        assert!(ceremonies.taken(late.text(), begun + 2 * WAITS).is_none());
        assert!(ceremonies.taken(late.text(), begun).is_none(), "tried too late it is gone");
    }

    #[test]
    fn one_network_and_one_person_push_out_their_own_alone() {
        let ceremonies = Ceremonies::default();
        let honest = ceremonies.begin(sign_in(), from(1));
        let known = ceremonies.begin(confirm(1), from(2));
        let first = ceremonies.begin(sign_in(), from(2));
        let many: Vec<Secret> = (0..3 * MAX_OF_NETWORK).map(|_| ceremonies.begin(sign_in(), from(2))).collect();
        let own: Vec<Secret> = (0..3 * MAX_OF_PERSON).map(|_| ceremonies.begin(confirm(2), from(2))).collect();
        assert_eq!(ceremonies.0.lock().len(), 2 + MAX_OF_NETWORK + MAX_OF_PERSON);
        assert!(ceremonies.take(first.text()).is_none() && ceremonies.take(own[0].text()).is_none(), "the oldest");
        for kept in [honest, known] {
            assert!(ceremonies.take(kept.text()).is_some());
        }
        assert!(ceremonies.take(many.last().unwrap().text()).is_some(), "control");
    }

    #[test]
    fn where_all_places_are_taken_whoever_has_the_most_gives_way() {
        let ceremonies = Ceremonies::default();
        let honest = ceremonies.begin(sign_in(), from(1));
        for n in 0..MAX / MAX_OF_NETWORK + 2 {
            let network = IpAddr::from([10, 9, u8::try_from(n).unwrap(), 1]);
            (0..MAX_OF_NETWORK).for_each(|_| _ = ceremonies.begin(sign_in(), Some(network)));
        }
        assert_eq!(ceremonies.0.lock().len(), MAX);
        assert!(ceremonies.take(honest.text()).is_some());
    }
}
