//! TLS of a node: one certificate at a time, from one source, kept fresh.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::version::{TLS12, TLS13};
pub use tokio_rustls::server::TlsStream;

use crate::TlsError;
use crate::acme::{Acme, AcmeOptions};
use crate::error::moment;
use crate::files::{FileStamps, FilesOptions};
use crate::handshakes::{BOUNDS, Handshakes};
use crate::internal::{InternalOptions, Root};
use crate::resolver::{ACME_TLS, Resolver};

/// What time it is, in seconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Handshakes end within so long, or are ended.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often it is looked whether a certificate of the node's own is to be renewed, and one that was refused is good now.
const RENEW: Duration = Duration::from_secs(60);
/// A certificate that nobody renewed by so long before its end is spoken of.
const SOON: i64 = 7 * 86_400;

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Files that somebody else keeps.
    Files(FilesOptions),
    /// An authority of the node's own.
    Internal(InternalOptions),
    /// An authority that speaks ACME (RFC 8555).
    Acme(AcmeOptions),
}

impl Source {
    /// Whether a node could be served with it at `now`; makes nothing. What is to be warned of.
    ///
    /// # Errors
    /// As [`Tls::open`].
    pub fn check(&self, now: i64) -> Result<Option<String>, TlsError> {
        match self {
            Source::Files(files) => files.load(now).map(|(_, warning)| warning),
            Source::Internal(_) => Ok(None),
            Source::Acme(acme) => acme.check().map(|()| None),
        }
    }

    /// As the setting `tls.mode` says it.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Source::Files(_) => "files",
            Source::Internal(_) => "internal",
            Source::Acme(_) => "acme",
        }
    }
}

/// What is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Stable, for programs.
    pub code: &'static str,
    /// In a sentence.
    pub detail: String,
    /// What to do next.
    pub fix: String,
}

impl Trouble {
    /// For everybody: no path of a file, and nothing that others said.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        match self.code {
            "certificate_expired" | "certificate_expires_soon" => "The certificate ends, or has ended.",
            "certificate_awaited" => "There is no certificate yet; it is being asked for.",
            _ => "There is something wrong with a new certificate; the one before it, if there was one, stays.",
        }
    }
}

/// How things stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where certificates come from, as `tls.mode` says it.
    pub mode: &'static str,
    /// Until when the one in use is good (RFC 3339); absent while there is none.
    pub until: Option<String>,
    /// What it is for.
    pub names: Vec<String>,
    /// What is wrong, if something is.
    pub trouble: Option<Trouble>,
}

/// TLS of a running node.
pub struct Tls {
    source: Source,
    acme: Option<Acme>,
    resolver: Arc<Resolver>,
    acceptor: TlsAcceptor,
    handshakes: Arc<Handshakes>,
    refused: Mutex<Option<TlsError>>,
    root: Mutex<Option<Root>>,
    now: Clock,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the certificate, or makes it; by ACME it comes later ([`Tls::tend`]). What is to be warned of, [`Source::check`] says.
    ///
    /// # Errors
    /// If files are unreadable, are no certificate and key, do not belong together, are not good now or not for the
    /// node's public host; if the node's own authority cannot be made, or its key is exposed; if ACME lacks a name.
    pub fn open(source: Source, now: Clock) -> Result<Arc<Tls>, TlsError> {
        let resolver = Arc::new(Resolver::default());
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| TlsError::Failed(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&resolver) as Arc<_>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (mut acme, mut root) = (None, None);
        match &source {
            Source::Files(files) => {
                resolver.put(files.load(now())?.0);
            }
            Source::Internal(internal) => {
                let (certificate, made) = internal.certificate(now())?;
                resolver.put(certificate);
                root = Some(made);
            }
            Source::Acme(options) => {
                options.check()?;
                config.alpn_protocols.push(ACME_TLS.to_vec());
                let opened = Acme::open(options.clone(), Arc::clone(&resolver))?;
                acme = Some(opened);
            }
        }
        Ok(Arc::new(Tls {
            source,
            acme,
            resolver,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            handshakes: Handshakes::new(BOUNDS),
            refused: Mutex::default(),
            root: Mutex::new(root),
            now,
        }))
    }

    /// Where certificates come from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What devices are to trust, if the node has an authority of its own.
    #[must_use]
    pub fn root(&self) -> Option<Root> {
        self.root.lock().clone()
    }

    /// Whether the certificate in use is for `host`.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        self.resolver.current().is_some_and(|certificate| certificate.is_for(host))
    }

    /// What is answered to an ACME server that asks for this token by http-01 (RFC 8555, 8.3).
    #[must_use]
    pub fn answer(&self, token: &str) -> Option<String> {
        self.acme.as_ref()?.answer(token)
    }

    /// A connection from `from` becomes one over TLS, within ten seconds. Connections that are not there yet are counted:
    /// who begins too many loses the oldest of them.
    ///
    /// # Errors
    /// If the peer does not speak TLS 1.2 or 1.3, takes too long, or its place was needed.
    pub async fn accept<IO: AsyncRead + AsyncWrite + Unpin>(&self, io: IO, from: IpAddr) -> io::Result<TlsStream<IO>> {
        let mut place = self.handshakes.begin(from);
        let given_up = |reason: &str| io::Error::new(io::ErrorKind::TimedOut, reason.to_owned());
        tokio::select! {
            done = timeout(HANDSHAKE, self.acceptor.accept(io)) => {
                done.map_err(|_| given_up("the handshake took too long"))?
            }
            _ = &mut place.taken => Err(given_up("too many handshakes at once")),
        }
    }

    /// Keeps the certificate fresh; never ends.
    pub async fn tend(self: Arc<Self>) {
        match (&self.source, &self.acme) {
            (Source::Files(files), _) => self.tend_files(files.clone()).await,
            (Source::Internal(internal), _) => self.tend_internal(internal.clone()).await,
            (Source::Acme(_), Some(acme)) => acme.tend(&self.now, |outcome| self.note(outcome.err())).await,
            (Source::Acme(_), None) => {}
        }
    }

    /// Keeps in mind, and says once, what is wrong.
    fn note(&self, trouble: Option<TlsError>) {
        let mut refused = self.refused.lock();
        match &trouble {
            Some(error) if Some(error) != refused.as_ref() => {
                let old = self
                    .resolver
                    .current()
                    .map(|old| format!("; the one that is good until {} stays", moment(old.not_after)));
                tracing::warn!(code = error.code(), "{error}{}", old.unwrap_or_default());
            }
            _ => {}
        }
        *refused = trouble;
    }

    async fn tend_files(&self, files: FilesOptions) {
        let mut seen: Option<FileStamps> = None;
        let mut refused_at: Option<Instant> = None;
        loop {
            sleep(LOOK).await;
            // What was refused as too early may be good by now.
            let again = refused_at.is_some_and(|at| at.elapsed() >= RENEW);
            let (looked_at, files, now) = (seen.clone().filter(|_| !again), files.clone(), (self.now)());
            let looked = tokio::task::spawn_blocking(move || {
                let found = files.stamps();
                (Some(&found) != looked_at.as_ref()).then(|| (found, files.load(now)))
            });
            let Ok(Some((found, loaded))) = looked.await else { continue };
            seen = Some(found);
            match loaded {
                Ok((certificate, warning)) => {
                    if self.resolver.current().is_none_or(|current| current.key.cert != certificate.key.cert) {
                        tracing::info!(target: "allod", until = %moment(certificate.not_after), "there is a new certificate");
                        if let Some(warning) = warning {
                            tracing::warn!("{warning}");
                        }
                    }
                    self.resolver.put(certificate);
                    refused_at = None;
                    self.note(None);
                }
                Err(error) => {
                    refused_at = Some(Instant::now());
                    self.note(Some(error));
                }
            }
        }
    }

    async fn tend_internal(&self, internal: InternalOptions) {
        loop {
            sleep(RENEW).await;
            let now = (self.now)();
            let lasts = self
                .resolver
                .current()
                .is_some_and(|now_used| (now_used.not_before..now_used.renew_at()).contains(&now));
            if lasts {
                continue;
            }
            let internal = internal.clone();
            match tokio::task::spawn_blocking(move || internal.certificate(now)).await {
                Ok(Ok((certificate, root))) => {
                    self.resolver.put(certificate);
                    *self.root.lock() = Some(root);
                    self.note(None);
                }
                Ok(Err(error)) => self.note(Some(error)),
                Err(_) => {}
            }
        }
    }

    /// How things stand.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let current = self.resolver.current();
        let trouble = match (self.refused.lock().clone(), &current) {
            (Some(error), _) => Some(Trouble { code: error.code(), detail: format!("{error}."), fix: error.fix() }),
            (None, Some(current)) => self.ending(current.not_after),
            (None, None) => Some(Trouble {
                code: "certificate_awaited",
                detail: "There is no certificate yet; it is being asked for.".to_owned(),
                fix: "Wait a minute.".to_owned(),
            }),
        };
        Standing {
            mode: self.source.mode(),
            until: current.as_ref().map(|current| moment(current.not_after)),
            names: current.map(|current| current.names.clone()).unwrap_or_default(),
            trouble,
        }
    }

    /// A certificate from files that ends soon, or has ended.
    fn ending(&self, not_after: i64) -> Option<Trouble> {
        let (left, files) = (not_after - (self.now)(), matches!(self.source, Source::Files(_)));
        if left < 0 {
            let detail = format!("The certificate has expired at {}.", moment(not_after));
            return Some(Trouble {
                code: "certificate_expired",
                detail,
                fix: "Put a new one in its place.".to_owned(),
            });
        }
        (files && left < SOON).then(|| Trouble {
            code: "certificate_expires_soon",
            detail: format!("The certificate expires at {}.", moment(not_after)),
            fix: "Put a new one in its place: it is used from then on, without a restart.".to_owned(),
        })
    }
}
