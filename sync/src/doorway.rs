//! Connections that have not proved yet whose they are.
//!
//! Whoever reaches the port can open connections and say nothing. They get so many places, an address
//! only some of them, and the oldest gives way to the newest: so nobody is shut out by those who came
//! before. Addresses at which known peers were seen give way last.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{AbortHandle, Abortable, Aborted};
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Transport};
use parking_lot::Mutex;

/// Connections whose handshake is not done, in all and of one address.
pub(crate) const HALF_OPEN: usize = 256;
const OF_ONE: usize = 128;
/// Addresses of known peers that are remembered.
const FRIENDS: usize = 4_096;

/// Whose places are counted together: an IPv4 address, or 64 bits of an IPv6 one, which is what one
/// household gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Origin(Option<IpAddr>);

impl Origin {
    pub(crate) fn of(addr: &Multiaddr) -> Self {
        let ip = addr.iter().find_map(|part| match part {
            Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
            Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
            _ => None,
        });
        Origin(ip.map(|ip| match ip.to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
            ip => ip,
        }))
    }
}

/// The places.
#[derive(Debug, Default)]
pub(crate) struct Doorway(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    next: u64,
    /// The oldest first.
    waiting: VecDeque<(u64, Origin, AbortHandle)>,
    friends: HashSet<Origin>,
}

impl Doorway {
    /// A known peer was seen there.
    pub(crate) fn befriend(&self, origin: Origin) {
        let mut places = self.0.lock();
        if places.friends.len() < FRIENDS {
            places.friends.insert(origin);
        }
    }

    /// Takes a place, from another if there is none.
    fn enter(&self, origin: Origin, handle: AbortHandle) -> u64 {
        let mut places = self.0.lock();
        let of = |places: &Places, origin| places.waiting.iter().filter(|(_, other, _)| *other == origin).count();
        let from = if of(&places, origin) >= OF_ONE {
            Some(origin)
        } else if places.waiting.len() >= HALF_OPEN {
            // Whoever holds the most, strangers before friends.
            let rank = |origin: &Origin| (!places.friends.contains(origin), of(&places, *origin));
            places.waiting.iter().map(|(_, origin, _)| *origin).max_by_key(rank)
        } else {
            None
        };
        if let Some(from) = from
            && let Some(at) = places.waiting.iter().position(|(_, origin, _)| *origin == from)
            && let Some((_, _, oldest)) = places.waiting.remove(at)
        {
            oldest.abort();
        }
        let id = places.next;
        places.next += 1;
        places.waiting.push_back((id, origin, handle));
        id
    }

    fn leave(&self, id: u64) {
        self.0.lock().waiting.retain(|(other, _, _)| *other != id);
    }
}

/// A place in the doorway; given back when it is dropped.
struct Ticket {
    doorway: Arc<Doorway>,
    id: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.doorway.leave(self.id);
    }
}

/// A transport whose incoming connections stand in the doorway until they are authenticated.
pub(crate) struct Guarded<O> {
    inner: Boxed<O>,
    doorway: Arc<Doorway>,
}

impl<O> Guarded<O> {
    pub(crate) fn new(inner: Boxed<O>, doorway: Arc<Doorway>) -> Self {
        Guarded { inner, doorway }
    }
}

type Upgrade<O> = Pin<Box<dyn Future<Output = io::Result<O>> + Send>>;

impl<O: Send + 'static> Transport for Guarded<O> {
    type Output = O;
    type Error = io::Error;
    type ListenerUpgrade = Upgrade<O>;
    type Dial = <Boxed<O> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, addr)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, addr: Multiaddr, opts: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(addr, opts)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let event = match Pin::new(&mut self.inner).poll(cx) {
            Poll::Ready(event) => event,
            Poll::Pending => return Poll::Pending,
        };
        let TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } = event else {
            return Poll::Ready(event.map_upgrade(|upgrade| Box::pin(upgrade) as Upgrade<O>));
        };
        let (handle, registration) = AbortHandle::new_pair();
        let doorway = Arc::clone(&self.doorway);
        let id = doorway.enter(Origin::of(&send_back_addr), handle);
        let place = Ticket { doorway, id };
        let upgrade: Upgrade<O> = Box::pin(async move {
            let _place = place;
            match Abortable::new(upgrade, registration).await {
                Ok(upgraded) => upgraded,
                Err(Aborted) => Err(io::Error::other("it gave its place to a newer connection")),
            }
        });
        Poll::Ready(TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::of(&text.parse().unwrap())
    }

    fn enter(doorway: &Doorway, from: Origin) -> AbortHandle {
        let (handle, _) = AbortHandle::new_pair();
        doorway.enter(from, handle.clone());
        handle
    }

    #[test]
    fn the_oldest_of_whoever_holds_most_gives_way_and_friends_last() {
        let doorway = Doorway::default();
        let (flood, friend) = (origin("/ip4/192.0.2.1/tcp/1"), origin("/ip4/192.0.2.2/tcp/1"));
        doorway.befriend(friend);
        let known: Vec<_> = (0..OF_ONE).map(|_| enter(&doorway, friend)).collect();
        let mut silent: Vec<_> = (0..OF_ONE).map(|_| enter(&doorway, flood)).collect();
        let other = enter(&doorway, origin("/ip4/192.0.2.3/tcp/1"));
        assert!(silent[0].is_aborted() && !silent[1].is_aborted());
        silent.extend((0..1_000).map(|_| enter(&doorway, flood)));
        assert_eq!(silent.iter().filter(|handle| !handle.is_aborted()).count(), OF_ONE - 1);
        assert!(!silent.last().unwrap().is_aborted(), "the newest stays");
        assert!(!other.is_aborted() && known.iter().all(|handle| !handle.is_aborted()));
        // From many addresses, one each: the friend's places are not touched.
        (0..1_000).for_each(|n| drop(enter(&doorway, origin(&format!("/ip4/198.51.{}.{}/tcp/1", n / 250, n % 250)))));
        assert!(known.iter().all(|handle| !handle.is_aborted()));
        assert_eq!(doorway.0.lock().waiting.len(), HALF_OPEN);
    }

    #[test]
    fn an_address_is_an_ipv4_address_or_a_household_of_ipv6() {
        assert_eq!(origin("/ip6/2001:db8::1/tcp/1"), origin("/ip6/2001:db8::ffff:0:0:2/tcp/9"));
        assert_ne!(origin("/ip6/2001:db8::1/tcp/1"), origin("/ip6/2001:db8:0:1::1/tcp/1"));
        assert_eq!(origin("/ip6/::ffff:192.0.2.1/tcp/1"), origin("/ip4/192.0.2.1/tcp/2"));
        assert_ne!(origin("/ip4/192.0.2.1/tcp/1"), origin("/ip4/192.0.2.2/tcp/1"));
    }
}
