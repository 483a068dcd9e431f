//! Where this node dials because somebody named an address.
//!
//! A node dials from where it stands: behind a firewall, beside services that listen on loopback. Who
//! may make it dial there decides about all of them. So the operator of the machine names what they
//! like; everybody else public addresses only, and what the operator allows beside them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// What people may name who are not the operator.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    allowed: Vec<IpNet>,
}

/// Special-purpose addresses (RFC 6890 and the IANA registries that follow it), multicast and reserved.
const NOT_PUBLIC_V4: [(Ipv4Addr, u8); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Parts of 2000::/3 that are not somebody's address: protocol assignments (Teredo and ORCHID among
/// them), documentation, and 6to4, which carries any IPv4 address inside.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn within_v4(ip: Ipv4Addr, (net, bits): (Ipv4Addr, u8)) -> bool {
    (ip.to_bits() ^ net.to_bits()) >> (32 - bits) == 0
}

fn within_v6(ip: Ipv6Addr, (net, bits): (Ipv6Addr, u8)) -> bool {
    (ip.to_bits() ^ net.to_bits()) >> (128 - bits) == 0
}

/// Whether an address is one of the public Internet. IPv4 inside IPv6 counts as what it stands for, or
/// not at all.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !NOT_PUBLIC_V4.iter().any(|net| within_v4(ip, *net)),
        IpAddr::V6(ip) => {
            // Nothing outside of 2000::/3 is assigned to anybody: so no loopback, link-local, unique
            // local, multicast, translated (64:ff9b::/96) or compatible address.
            within_v6(ip, (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3))
                && !NOT_PUBLIC_V6.iter().any(|net| within_v6(ip, *net))
        }
    }
}

/// Whether this machine has the address itself: its public address leads to whatever listens on all
/// interfaces, behind the firewall. Asks the system which address it would send from; nothing is sent.
fn is_own(ip: IpAddr) -> bool {
    let any = if ip.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let from = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
        socket.connect(SocketAddr::new(ip, 9))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == ip)
}

/// How an address lies to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lies {
    /// In a range that the operator allows.
    Allowed,
    /// On the public Internet, and not this machine's own.
    Public,
    /// Somewhere that nobody but the operator may send this node.
    Within,
}

impl Reach {
    /// Public addresses, and these.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Reach { allowed }
    }

    /// How `ip` lies. IPv4 that is written in IPv6 counts as what it stands for.
    pub fn lies(&self, ip: IpAddr) -> Lies {
        let ip = ip.to_canonical();
        if self.allowed.iter().any(|net| net.contains(&ip)) {
            Lies::Allowed
        } else if !is_public(ip) || is_own(ip) {
            Lies::Within
        } else {
            Lies::Public
        }
    }

    /// Why somebody who is not the operator may not have `addr` dialled; `None`: they may.
    pub(crate) fn refuses(&self, addr: &Multiaddr) -> Option<&'static str> {
        let Some((ip, port)) = place(addr) else { return Some("it is not an IP address and a TCP port") };
        match self.lies(ip) {
            Lies::Allowed => None,
            Lies::Within => {
                Some("the operator of this node does not allow addresses of this range (`allod serve --dial-allow`)")
            }
            Lies::Public if port < 1_024 && port != 443 => Some("below 1024 only port 443 is dialled"),
            Lies::Public => None,
        }
    }
}

/// The IP address and port that `/ip4|ip6/…/tcp/PORT[/p2p/PEER]` names; `None` for any other form.
/// Names are among those: what they lead to may change between a check and a dial.
pub(crate) fn place(addr: &Multiaddr) -> Option<(IpAddr, u16)> {
    let mut parts = addr.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else { return None };
    let end = parts.next();
    (matches!(end, None | Some(Protocol::P2p(_))) && parts.next().is_none() && port != 0).then_some((ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reach: &Reach, ip: &str, port: u16) -> bool {
        let ip: IpAddr = ip.parse().unwrap();
        let kind = if ip.is_ipv4() { "ip4" } else { "ip6" };
        reach.refuses(&format!("/{kind}/{ip}/tcp/{port}").parse().unwrap()).is_some()
    }

    #[test]
    fn only_public_addresses_are_dialled_for_everybody() {
        let reach = Reach::default();
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(refused(&reach, ip, 4_001), "{ip}");
        }
        // The control: what is public.
        for ip in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2606:4700::1111",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2a00:1450::1",
            "3ffe::1",
        ] {
            assert!(!refused(&reach, ip, 4_001), "{ip}");
        }
        assert!(refused(&reach, "1.1.1.1", 25) && refused(&reach, "1.1.1.1", 22) && !refused(&reach, "1.1.1.1", 443));
    }

    #[test]
    fn the_operator_allows_ranges() {
        let reach = Reach::new(vec!["192.168.7.0/24".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        assert!(!refused(&reach, "192.168.7.9", 22) && !refused(&reach, "fd00::1", 4_001));
        assert!(!refused(&reach, "::ffff:192.168.7.9", 4_001), "the same address, written in IPv6");
        assert!(refused(&reach, "192.168.8.9", 4_001) && refused(&reach, "127.0.0.1", 4_001));
    }

    #[test]
    fn nothing_but_an_ip_address_and_a_port_is_a_place() {
        let peer = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        for bad in [
            "/dns4/localhost/tcp/4001".to_owned(),
            "/dns6/localhost/tcp/4001".to_owned(),
            "/dnsaddr/example.org/tcp/4001".to_owned(),
            "/dns/localhost/tcp/4001".to_owned(),
            "/ip4/1.1.1.1/udp/4001/quic-v1".to_owned(),
            "/ip4/1.1.1.1/tcp/0".to_owned(),
            "/ip4/1.1.1.1/tcp/4001/ws".to_owned(),
            "/ip4/1.1.1.1/tcp/4001/ip4/127.0.0.1/tcp/22".to_owned(),
            format!("/ip4/1.1.1.1/tcp/4001/p2p/{peer}/p2p-circuit"),
            "/unix/tmp".to_owned(),
        ] {
            if let Ok(addr) = bad.parse() {
                assert_eq!(place(&addr), None, "{bad}");
            }
        }
        let good = format!("/ip4/1.1.1.1/tcp/4001/p2p/{peer}").parse().unwrap();
        assert_eq!(place(&good), Some(("1.1.1.1".parse().unwrap(), 4_001)));
    }
}
