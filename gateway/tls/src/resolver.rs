//! Which certificate a handshake gets.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::certificate::Certificate;

/// The protocol by which an ACME server checks a name (RFC 8737).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// The certificate of now, and those that show an ACME server that the name is ours.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    current: ArcSwapOption<Certificate>,
    /// By name; there only while an order is under way.
    challenges: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Resolver {
    /// What handshakes get from now on.
    pub(crate) fn put(&self, certificate: Certificate) {
        self.current.store(Some(Arc::new(certificate)));
    }

    pub(crate) fn current(&self) -> Option<Arc<Certificate>> {
        self.current.load_full()
    }

    /// Shows `certificate` to whoever checks `name`.
    pub(crate) fn show(&self, name: &str, certificate: CertifiedKey) {
        self.challenges.lock().insert(name.to_owned(), Arc::new(certificate));
    }

    pub(crate) fn hide(&self, name: &str) {
        self.challenges.lock().remove(name);
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_TLS)) {
            return self.challenges.lock().get(&hello.server_name()?.to_ascii_lowercase()).cloned();
        }
        self.current.load().as_ref().map(|certificate| Arc::clone(&certificate.key))
    }
}
