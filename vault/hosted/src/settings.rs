//! How another node is reached, and by what.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use url::Url;

use crate::secret::PlaceSecret;

/// Whether this node may call the server of an address at one of the addresses that its name leads to; else why not.
pub type Judge = Arc<dyn Fn(&Url, IpAddr) -> Result<(), &'static str> + Send + Sync>;

/// What a place is opened with.
#[derive(Clone)]
pub struct HostedSettings {
    /// What the other node printed beside the address.
    pub secret: PlaceSecret,
    /// PEM: the authority of the other node, if it is one of its own: then no other is trusted.
    pub root: Option<Vec<u8>>,
    /// What may be called.
    pub judge: Judge,
}

impl fmt::Debug for HostedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedSettings").field("root", &self.root.is_some()).finish_non_exhaustive()
    }
}

/// Whether bytes are certificates in PEM.
pub fn is_root(pem: &[u8]) -> bool {
    reqwest::Certificate::from_pem_bundle(pem).is_ok_and(|all| !all.is_empty())
}
