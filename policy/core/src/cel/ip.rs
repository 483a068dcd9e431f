//! IP addresses and prefixes, as Go's netip reads and compares them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// An IP address. An IPv4 address mapped into IPv6 is an IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    address: IpAddr,
    zone: Option<Arc<str>>,
}

impl Address {
    /// # Errors
    /// Why the text is no address.
    pub(super) fn parse(text: &str) -> Result<Address, String> {
        let fault = |why: &str| format!("ParseAddr({text:?}): {why}");
        match text.chars().find(|c| matches!(c, '.' | ':' | '%')) {
            Some('.') => {
                let address = text.parse().map_err(|_| fault("invalid IPv4 address"))?;
                Ok(Address { address: IpAddr::V4(address), zone: None })
            }
            Some(':') => {
                let (address, zone) = match text.split_once('%') {
                    Some((_, "")) => return Err(fault("zone must be a non-empty string")),
                    Some((address, zone)) => (address, Some(zone.into())),
                    None => (text, None),
                };
                let address: Ipv6Addr = address.parse().map_err(|_| fault("invalid IPv6 address"))?;
                Ok(Address { address: IpAddr::V6(address), zone })
            }
            Some(_) => Err(fault("missing IPv6 address")),
            None => Err(fault("unable to parse IP")),
        }
    }

    /// Whether the address lies in a prefix such as `10.0.0.0/8`. One with a zone lies in none, and an
    /// IPv4 address mapped into IPv6 in no prefix of IPv4. `None` if the text is no prefix.
    pub(super) fn in_prefix(&self, prefix: &str) -> Option<bool> {
        let (network, bits) = prefix.rsplit_once('/')?;
        let network = Address::parse(network).ok()?;
        if network.zone.is_some() || bits.starts_with('+') || (bits.len() > 1 && bits.starts_with('0')) {
            return None;
        }
        let bits: u32 = bits.parse().ok()?;
        let (width, differing) = match (network.address, self.address) {
            (IpAddr::V4(one), IpAddr::V4(two)) => (32, Some(u128::from(u32::from(one) ^ u32::from(two)))),
            (IpAddr::V6(one), IpAddr::V6(two)) => (128, Some(u128::from(one) ^ u128::from(two))),
            (IpAddr::V4(_), _) => (32, None),
            (IpAddr::V6(_), _) => (128, None),
        };
        if bits > width {
            return None;
        }
        Some(self.zone.is_none() && differing.is_some_and(|bit| bit.checked_shr(width - bits).unwrap_or(0) == 0))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        match &self.zone {
            Some(zone) => write!(f, "%{zone}"),
            None => Ok(()),
        }
    }
}
