//! The transport key of a node, and the addresses of peers.

use std::fmt;
use std::str::FromStr;

use libp2p::identity::{Keypair, PublicKey, ed25519};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use policy_core::PeerKey;
use zeroize::Zeroizing;

use crate::AddReplicaError;

/// The Ed25519 key by which peers know this node. It signs nothing but the transport handshake:
/// commits are signed by device keys.
#[derive(Clone)]
pub struct Identity(Zeroizing<[u8; 32]>);

impl Identity {
    /// The identity of this secret seed (RFC 8032).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Identity(Zeroizing::new(seed))
    }

    pub(crate) fn keypair(&self) -> Keypair {
        // Any 32 bytes are an Ed25519 seed; the copy is wiped by `SecretKey::try_from_bytes`.
        let mut seed = *self.0;
        let secret = ed25519::SecretKey::try_from_bytes(&mut seed).expect("32 bytes are an Ed25519 seed");
        ed25519::Keypair::from(secret).into()
    }

    /// The public half, as control lanes and policy name it.
    pub fn peer(&self) -> PeerKey {
        key_of(&self.keypair().public().to_peer_id()).expect("our own key is Ed25519")
    }

    /// The public half as libp2p writes it.
    pub fn peer_id(&self) -> String {
        self.keypair().public().to_peer_id().to_string()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.peer_id())
    }
}

/// A peer's key as libp2p writes it.
pub fn peer_id(key: PeerKey) -> Option<String> {
    libp2p_id(key).map(|id| id.to_string())
}

pub(crate) fn libp2p_id(key: PeerKey) -> Option<PeerId> {
    let public = ed25519::PublicKey::try_from_bytes(&key.0).ok()?;
    Some(PublicKey::from(public).to_peer_id())
}

/// The Ed25519 key inside a peer id: such ids hold the whole key (identity multihash). Other key
/// types are no peers of ours.
pub(crate) fn key_of(peer: &PeerId) -> Option<PeerKey> {
    let multihash = peer.as_ref();
    if multihash.code() != 0 {
        return None;
    }
    let public = PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
    Some(PeerKey(public.try_into_ed25519().ok()?.to_bytes()))
}

/// Where a peer listens, and its key: a multiaddr that ends in `/p2p/PEER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddr {
    pub(crate) peer: PeerId,
    pub(crate) key: PeerKey,
    /// With the `/p2p/PEER` end.
    pub(crate) addr: Multiaddr,
}

impl PeerAddr {
    /// Parses `/ip4/…/tcp/…/p2p/PEER`. Refuses an address without the peer's key: whoever answers
    /// at an address could then take the replica's place.
    pub fn parse(text: &str) -> Result<Self, AddReplicaError> {
        let refuse = |reason| AddReplicaError::Address { addr: text.chars().take(256).collect(), reason };
        if text.len() > 1024 {
            return Err(refuse("it is too long"));
        }
        let addr: Multiaddr = text.parse().map_err(|_| refuse("it is not a multiaddr"))?;
        let mut peers = addr.iter().filter_map(|part| if let Protocol::P2p(id) = part { Some(id) } else { None });
        let peer = peers.next().ok_or_else(|| refuse("it must end with /p2p/PEER"))?;
        if peers.next().is_some() || !matches!(addr.iter().last(), Some(Protocol::P2p(_))) {
            return Err(refuse("it must end with one /p2p/PEER"));
        }
        if crate::reach::place(&addr).is_none() {
            return Err(refuse("it must name an IP address and a TCP port, as in /ip4/192.0.2.1/tcp/4001/p2p/PEER"));
        }
        let key = key_of(&peer).ok_or_else(|| refuse("its peer key is not Ed25519"))?;
        Ok(PeerAddr { peer, key, addr })
    }

    pub fn key(&self) -> PeerKey {
        self.key
    }
}

impl FromStr for PeerAddr {
    type Err = AddReplicaError;

    fn from_str(text: &str) -> Result<Self, AddReplicaError> {
        PeerAddr::parse(text)
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_peer_key_is_refused_and_with_one_taken() {
        let identity = Identity::from_seed([7; 32]);
        let good = format!("/ip4/127.0.0.1/tcp/4001/p2p/{}", identity.peer_id());
        assert_eq!(PeerAddr::parse(&good).unwrap().key(), identity.peer());
        assert_eq!(peer_id(identity.peer()).unwrap(), identity.peer_id());
        let long = format!("/ip4/127.0.0.1/tcp/1{}", "/tcp/1".repeat(500));
        for bad in ["", "x", "/ip4/127.0.0.1/tcp/4001", "/ip4/127.0.0.1/udp/1", &long, &format!("{good}/tcp/1")] {
            assert!(PeerAddr::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_output_does_not_show_the_seed() {
        let shown = format!("{:?}", Identity::from_seed([0xAB; 32]));
        assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"));
    }
}
