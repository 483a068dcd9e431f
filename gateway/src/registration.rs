//! Whether apps may register themselves (RFC 7591), and how often.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

/// Apps that may register themselves within a [`MINUTE`], from one network and altogether.
const OF_NETWORK: u32 = 10;
const ALTOGETHER: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);
/// Networks of which it is known.
const KNOWN: NonZeroUsize = NonZeroUsize::new(4_096).expect("more than none");

/// Who may register an app that no operator registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegistrationPolicy {
    /// Nobody.
    #[default]
    Off,
    /// Whoever has a token that an operator handed out.
    Token,
    /// Everybody.
    Open,
}

impl FromStr for RegistrationPolicy {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "off" => Ok(RegistrationPolicy::Off),
            "token" => Ok(RegistrationPolicy::Token),
            "open" => Ok(RegistrationPolicy::Open),
            _ => Err("it is off, token or open".to_owned()),
        }
    }
}

/// Who may, and who did of late.
#[derive(Debug, Default)]
pub struct Registrations {
    pub policy: RegistrationPolicy,
    recent: Mutex<Option<Recent>>,
}

#[derive(Debug)]
struct Recent {
    networks: LruCache<String, (Instant, u32)>,
    all: (Instant, u32),
}

impl Registrations {
    pub fn new(policy: RegistrationPolicy) -> Self {
        Registrations { policy, recent: Mutex::default() }
    }

    /// Counts an app that registers itself `from` a network; false: too many did.
    pub fn may(&self, from: &str) -> bool {
        self.may_at(from, Instant::now())
    }

    fn may_at(&self, from: &str, now: Instant) -> bool {
        let mut recent = self.recent.lock();
        let recent = recent.get_or_insert_with(|| Recent { networks: LruCache::new(KNOWN), all: (now, 0) });
        let network = recent.networks.get_or_insert_mut(from.to_owned(), || (now, 0));
        for window in [&mut *network, &mut recent.all] {
            if now.duration_since(window.0) >= MINUTE {
                *window = (now, 0);
            }
        }
        if network.1 >= OF_NETWORK || recent.all.1 >= ALTOGETHER {
            return false;
        }
        network.1 += 1;
        recent.all.1 += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_come_from_a_network_and_altogether_within_a_minute() {
        let (all, now) = (Registrations::new(RegistrationPolicy::Open), Instant::now());
        for _ in 0..OF_NETWORK {
            assert!(all.may_at("here", now));
        }
        assert!(!all.may_at("here", now));
        for n in 0..ALTOGETHER - OF_NETWORK {
            assert!(all.may_at(&format!("net {n}"), now), "control: {n}");
        }
        assert!(!all.may_at("there", now));
        assert!(all.may_at("here", now + MINUTE) && all.may_at("there", now + MINUTE), "control: later");
    }
}
