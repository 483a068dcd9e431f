//! Addresses of e-mail that letters are sent to.

use std::fmt;
use std::str::FromStr;

/// An address: ASCII, without quotes, comments or control characters, so that it is one address in every place that it is
/// put (RFC 5321, 4.1.2, of which this is a part). The domain is in small letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MailAddress(String);

/// It is no address that letters can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("That is no address of e-mail, as alice@example.org.")]
pub struct NoAddress;

impl MailAddress {
    /// As letters carry it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it belongs together with others: most servers know no case, and what is behind a plus as no other person.
    pub(super) fn box_of(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or_default();
        let local = local.split('+').next().unwrap_or(local).to_ascii_lowercase();
        format!("{local}@{domain}")
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MailAddress {
    type Err = NoAddress;
    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let (local, domain) = text.split_once('@').ok_or(NoAddress)?;
        let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
        let local_fits = local.len() <= 64 && local.split('.').all(|part| !part.is_empty() && part.chars().all(atom));
        let label = |part: &str| {
            let inner = part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            (1..=63).contains(&part.len()) && inner && !part.starts_with('-') && !part.ends_with('-')
        };
        // A number is no name of a domain, and leads past whatever the operator's server thinks of domains.
        let named = domain.rsplit('.').next().is_some_and(|last| last.chars().any(|c| c.is_ascii_alphabetic()));
        let domain_fits = domain.len() <= 190 && domain.split('.').all(label) && named;
        if !local_fits || !domain_fits {
            return Err(NoAddress);
        }
        Ok(MailAddress(format!("{local}@{}", domain.to_ascii_lowercase())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_address_is_one_wherever_it_is_put() {
        for text in ["alice@example.org", "a.b+c@Example.ORG", "o'neil@nas", "x@xn--bcher-kva.example"] {
            text.parse::<MailAddress>().unwrap_or_else(|_| panic!("{text}"));
        }
        for text in [
            "",
            "alice",
            "@example.org",
            "alice@",
            "alice@@example.org",
            "a@b@c",
            "alice @example.org",
            " alice@example.org",
            "alice@example.org\r\nBcc: eve@example.org",
            "alice@example.org,eve@example.org",
            "alice@example.org;eve@example.org",
            "<alice@example.org>",
            "Alice <alice@example.org>",
            "\"a b\"@example.org",
            "alice@[127.0.0.1]",
            "alice@127.0.0.1",
            "a..b@example.org",
            ".a@example.org",
            "alice@-x.org",
            "alice@x..org",
            "alice@exa\u{200d}mple.org",
            "älice@example.org",
            "alice\u{202e}@example.org",
            "alice%eve\0@example.org",
        ] {
            assert!(text.parse::<MailAddress>().is_err(), "{text:?}");
        }
        assert!(format!("{}@example.org", "a".repeat(65)).parse::<MailAddress>().is_err());
        assert!(format!("a@{}.org", "a".repeat(64)).parse::<MailAddress>().is_err());
        let one: MailAddress = "Alice+shop@EXAMPLE.org".parse().unwrap();
        assert_eq!((one.as_str(), one.box_of().as_str()), ("Alice+shop@example.org", "alice@example.org"));
    }
}
