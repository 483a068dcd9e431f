//! Ceremonies that are on their way to a device and back. What they are checked by stays here, for five minutes, and is
//! taken once.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use policy_core::UserId;
use webauthn_rs::prelude::{DiscoverableAuthentication, PasskeyRegistration, Uuid};

use crate::directory::{Network, Secret, SecretHash};
use crate::one_time::{Bounds, OneTimeStore};

/// How long one waits: as long as devices are told to.
const LIFETIME: Duration = webauthn_rs::DEFAULT_AUTHENTICATOR_TIMEOUT;
/// How many wait at most: of one person, of those of one network whom nobody knows, and altogether.
const MAX_OF_PERSON: usize = 8;
const MAX_OF_NETWORK: usize = 64;
const MAX_CEREMONIES: usize = 4_096;

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
enum Owner {
    Person(UserId),
    Network(Option<Network>),
}

impl Owner {
    fn most(self) -> usize {
        match self {
            Owner::Person(_) => MAX_OF_PERSON,
            Owner::Network(_) => MAX_OF_NETWORK,
        }
    }
}

/// All of them, each of a person or of a network whom nobody knows.
#[derive(Debug)]
pub struct Ceremonies(OneTimeStore<Owner, Purpose>);

impl Default for Ceremonies {
    fn default() -> Self {
        Ceremonies(OneTimeStore::new(Bounds { lifetime: LIFETIME, entries_of: Owner::most, entries: MAX_CEREMONIES }))
    }
}

impl Ceremonies {
    /// Keeps one that begins; the name by which it is ended.
    pub fn begin(&self, purpose: Purpose, from: Option<IpAddr>) -> Secret {
        let owner = match &purpose {
            Purpose::Register { user, .. } | Purpose::Confirm { user, .. } => Owner::Person(*user),
            Purpose::SignIn(_) => Owner::Network(from.map(Network::of)),
        };
        let (name, now) = (Secret::draw(), Instant::now());
        self.0.put(name.hash(), owner, now, purpose, now);
        name
    }

    /// Takes the one of this name out: nobody else finds it any more, whatever comes of it.
    pub fn take(&self, name: &str) -> Option<Purpose> {
        self.0.take(&SecretHash::of(name), Instant::now())
    }
}

#[cfg(test)]
mod tests {
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
    fn one_network_and_one_person_push_out_their_own_alone() {
        let ceremonies = Ceremonies::default();
        let honest = ceremonies.begin(sign_in(), from(1));
        let known = ceremonies.begin(confirm(1), from(2));
        let first = ceremonies.begin(sign_in(), from(2));
        let many: Vec<Secret> = (0..3 * MAX_OF_NETWORK).map(|_| ceremonies.begin(sign_in(), from(2))).collect();
        let own: Vec<Secret> = (0..3 * MAX_OF_PERSON).map(|_| ceremonies.begin(confirm(2), from(2))).collect();
        assert!(ceremonies.take(first.text()).is_none(), "the oldest");
        for kept in [honest, known] {
            assert!(ceremonies.take(kept.text()).is_some());
            assert!(ceremonies.take(kept.text()).is_none(), "once");
        }
        let waiting = |all: &[Secret]| all.iter().filter(|name| ceremonies.take(name.text()).is_some()).count();
        assert_eq!((waiting(&many), waiting(&own)), (MAX_OF_NETWORK, MAX_OF_PERSON));
    }
}
