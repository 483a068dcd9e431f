//! Where SpiceDB is and how it is spoken to.

use std::fmt;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};

/// Everything a client of SpiceDB needs to know.
#[derive(Debug, Clone)]
pub struct SpiceDbConfig {
    /// `host:port`.
    pub address: String,
    pub key: PresharedKey,
    pub tls: Tls,
    /// How long one call may take, its retries included.
    pub deadline: Duration,
    /// How long a whole answer of many parts may take: a lookup, a page of relationships.
    pub stream_deadline: Duration,
    /// How often a call that may be repeated is repeated, within its deadline.
    pub retries: u32,
}

impl SpiceDbConfig {
    /// TLS by the system's certificates, three seconds a call, thirty a stream, four retries.
    pub fn new(address: impl Into<String>, key: PresharedKey) -> Self {
        SpiceDbConfig {
            address: address.into(),
            key,
            tls: Tls::System,
            deadline: Duration::from_secs(3),
            stream_deadline: Duration::from_secs(30),
            retries: 4,
        }
    }
}

/// How the connection is protected.
#[derive(Debug, Clone)]
pub enum Tls {
    /// Not at all: the key and everything else go in clear. For a server on this machine.
    Off,
    /// The server's certificate is checked against those that the system trusts.
    System,
    /// The server's certificate is checked against these alone (PEM).
    Authority(String),
}

/// The secret that SpiceDB was started with. Never shown.
#[derive(Clone)]
pub struct PresharedKey(MetadataValue<Ascii>);

/// A key that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key for SpiceDB must be printable ASCII and not empty")]
pub struct PresharedKeyError;

impl PresharedKey {
    /// # Errors
    /// If it is empty or not printable ASCII.
    pub fn new(key: &str) -> Result<Self, PresharedKeyError> {
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PresharedKeyError);
        }
        let mut value: MetadataValue<Ascii> = format!("Bearer {key}").parse().map_err(|_| PresharedKeyError)?;
        value.set_sensitive(true);
        Ok(PresharedKey(value))
    }

    pub(super) fn bearer(&self) -> MetadataValue<Ascii> {
        self.0.clone()
    }
}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_checked_and_never_shown() {
        assert_eq!(PresharedKey::new("").err(), Some(PresharedKeyError));
        assert_eq!(PresharedKey::new("two words").err(), Some(PresharedKeyError));
        assert_eq!(PresharedKey::new("a\nb").err(), Some(PresharedKeyError));
        let key = PresharedKey::new("t0p-secret").expect("a key");
        assert_eq!(key.bearer().to_str().ok(), Some("Bearer t0p-secret"));
        let config = SpiceDbConfig::new("localhost:50051", key);
        assert!(!format!("{config:?}").contains("t0p-secret"));
    }
}
