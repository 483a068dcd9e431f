//! Hosts: which are known to everybody, and how they are spelt.

use std::net::IpAddr;

/// A host of a URL without the brackets of IPv6 and the dot of the root.
pub(crate) fn bare(host: &str) -> &str {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

/// Names that are nobody's in the public DNS: special use (RFC 6761, 6762, 7686, 8375, 9476), and what homes and firms
/// use among themselves.
const OF_ONES_OWN: [&str; 17] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "localdomain",
    "arpa",
    "test",
    "example",
    "invalid",
    "onion",
    "alt",
    "workgroup",
    "box",
];

/// Whether `host` is a name of the public DNS: there alone a browser may be told to insist on TLS for a year. Numbers and
/// names of one's own network go to another machine tomorrow.
#[must_use]
pub fn is_public(host: &str) -> bool {
    let host = bare(host).to_ascii_lowercase();
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    host.parse::<IpAddr>().is_err() && !OF_ONES_OWN.contains(&last) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_names_are_told_from_those_of_ones_own_network() {
        for host in ["cloud.example.org", "CLOUD.example.ORG.", "xn--bcher-kva.de", "a.b.c.dev"] {
            assert!(is_public(host), "{host}");
        }
        for host in [
            "localhost",
            "allod.localhost",
            "nas",
            "nas.local",
            "nas.lan.",
            "cloud.home.arpa",
            "x.internal",
            "fritz.box",
            "10.0.0.7",
            "127.0.0.1",
            "[::1]",
            "2001:db8::1",
            "1.2.3",
            "a.test",
            "a.example",
            "",
            ".",
        ] {
            assert!(!is_public(host), "{host}");
        }
    }
}
