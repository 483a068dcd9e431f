//! Where others reach a node that cannot see it itself: a port of the machine around it, or of a router, that is passed on.

use std::fmt;
use std::str::FromStr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::reach::place;

/// An address that is told to others, whatever is listened on: an IP address and a TCP port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced(Multiaddr);

impl Announced {
    /// The address with the id of the peer that is reached there.
    pub fn of(&self, peer: &str) -> String {
        format!("{}/p2p/{peer}", self.0)
    }
}

/// It is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncedError {
    /// It is of another shape.
    #[error("it is an IP address and a TCP port, as /ip4/203.0.113.7/tcp/4001")]
    Shape,
    /// Nobody is reached there.
    #[error("nobody reaches a machine there")]
    Nowhere,
}

impl FromStr for Announced {
    type Err = AnnouncedError;

    fn from_str(text: &str) -> Result<Self, AnnouncedError> {
        let addr: Multiaddr = text.parse().map_err(|_| AnnouncedError::Shape)?;
        // The peer's key comes behind it by itself.
        if addr.iter().any(|part| matches!(part, Protocol::P2p(_))) {
            return Err(AnnouncedError::Shape);
        }
        let (ip, _) = place(&addr).ok_or(AnnouncedError::Shape)?;
        let ip = ip.to_canonical();
        if ip.is_unspecified() || ip.is_multicast() {
            return Err(AnnouncedError::Nowhere);
        }
        Ok(Announced(addr))
    }
}

impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_is_an_address_that_somebody_can_dial() {
        for text in ["/ip4/203.0.113.7/tcp/4001", "/ip6/2001:db8::7/tcp/1", "/ip4/192.168.1.5/tcp/65535"] {
            assert_eq!(text.parse::<Announced>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "203.0.113.7:4001",
            "/ip4/203.0.113.7",
            "/ip4/203.0.113.7/udp/4001",
            "/ip4/203.0.113.7/tcp/4001/ws",
            "/ip4/203.0.113.7/tcp/0",
            "/dns4/cloud.example.org/tcp/4001",
            "/ip4/203.0.113.7/tcp/4001/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp",
        ] {
            assert_eq!(text.parse::<Announced>(), Err(AnnouncedError::Shape), "{text}");
        }
        for text in ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001", "/ip4/224.0.0.1/tcp/4001"] {
            assert_eq!(text.parse::<Announced>(), Err(AnnouncedError::Nowhere), "{text}");
        }
    }
}
