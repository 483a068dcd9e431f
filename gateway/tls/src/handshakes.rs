//! Handshakes that are under way, counted: who begins many and ends none takes the place of their own, and of nobody
//! else's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Handshakes under way at most, of everybody and of one address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub all: usize,
    pub of_one: usize,
}

/// A handshake takes some ten milliseconds, and two ways of the network: a thousand at once are thousands a second.
pub(crate) const BOUNDS: Bounds = Bounds { all: 1_024, of_one: 64 };

#[derive(Debug)]
pub(crate) struct Handshakes {
    bounds: Bounds,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// By age, the oldest first.
    all: BTreeMap<u64, (IpAddr, oneshot::Sender<()>)>,
    by_sender: HashMap<IpAddr, BTreeSet<u64>>,
}

/// A place among the handshakes; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Handshake {
    of: Arc<Handshakes>,
    number: u64,
    /// Answers (with an error: the sender is gone) when somebody else takes the place.
    pub taken: oneshot::Receiver<()>,
}

impl Handshakes {
    pub(crate) fn new(bounds: Bounds) -> Arc<Handshakes> {
        Arc::new(Handshakes { bounds, open: Mutex::default() })
    }

    /// A place for a handshake from `from`. Where there is none, the oldest gives way: of the sender's own, or of whoever
    /// has the most.
    pub(crate) fn begin(self: &Arc<Self>, from: IpAddr) -> Handshake {
        let (sender, taken) = oneshot::channel();
        let from = network(from);
        let mut open = self.open.lock();
        let number = open.next;
        open.next += 1;
        open.all.insert(number, (from, sender));
        open.by_sender.entry(from).or_default().insert(number);
        if open.by_sender.get(&from).is_some_and(|own| own.len() > self.bounds.of_one) {
            open.drop_oldest(from);
        } else if open.all.len() > self.bounds.all {
            // Of those who have as many, whoever has waited longest.
            let most =
                open.by_sender.iter().max_by_key(|(_, own)| (own.len(), std::cmp::Reverse(own.first().copied())));
            if let Some(most) = most.map(|(sender, _)| *sender) {
                open.drop_oldest(most);
            }
        }
        Handshake { of: Arc::clone(self), number, taken }
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.open.lock().all.len()
    }
}

impl Open {
    fn drop_oldest(&mut self, sender: IpAddr) {
        if let Some(oldest) = self.by_sender.get(&sender).and_then(|own| own.first().copied()) {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some((sender, _)) = self.all.remove(&number) else { return };
        if let Some(own) = self.by_sender.get_mut(&sender) {
            own.remove(&number);
            if own.is_empty() {
                self.by_sender.remove(&sender);
            }
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.of.open.lock().remove(self.number);
    }
}

/// Whoever has one address of IPv6 has its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(place: &mut Handshake) -> bool {
        !matches!(place.taken.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    #[test]
    fn who_begins_many_loses_their_own_oldest_and_nobody_elses() {
        let handshakes = Handshakes::new(Bounds { all: 6, of_one: 3 });
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut patient = handshakes.begin(other);
        let mut flood: Vec<Handshake> = (0..5).map(|_| handshakes.begin(one)).collect();
        let taken: Vec<bool> = flood.iter_mut().map(is_taken).collect();
        assert_eq!(taken, [true, true, false, false, false]);
        assert!(!is_taken(&mut patient));
        assert_eq!(handshakes.count(), 4);
        drop(flood);
        assert_eq!(handshakes.count(), 1);
    }

    #[test]
    fn many_senders_at_once_take_the_oldest_of_whoever_has_most() {
        let handshakes = Handshakes::new(Bounds { all: 6, of_one: 3 });
        let mut greedy: Vec<Handshake> = (0..3).map(|_| handshakes.begin("10.0.0.1".parse().unwrap())).collect();
        let mut others: Vec<Handshake> = (2..7).map(|last| handshakes.begin(IpAddr::from([10, 0, 0, last]))).collect();
        assert_eq!(handshakes.count(), 6);
        assert_eq!(greedy.iter_mut().map(is_taken).collect::<Vec<_>>(), [true, true, false]);
        assert!(!others.iter_mut().any(is_taken));
        // With one each, the oldest gives way to the newest.
        let mut last = handshakes.begin(IpAddr::from([10, 0, 0, 9]));
        assert!(is_taken(&mut greedy[2]) && !is_taken(&mut last));
    }

    #[test]
    fn a_network_of_ipv6_is_one_sender() {
        let handshakes = Handshakes::new(Bounds { all: 100, of_one: 2 });
        let places: Vec<Handshake> =
            (0..5).map(|n| handshakes.begin(format!("2001:db8::{n}").parse().unwrap())).collect();
        assert_eq!(handshakes.count(), 2);
        let _elsewhere = handshakes.begin("2001:db8:0:1::1".parse().unwrap());
        let _mapped = handshakes.begin("::ffff:10.0.0.1".parse().unwrap());
        assert_eq!(handshakes.count(), 4);
        drop(places);
    }
}
