//! What can be wrong with a certificate, its key, or the way to one.

use std::path::PathBuf;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Why TLS cannot be served so, or why a certificate does not take the place of another. Never holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why, as the system says it.
        reason: String,
    },
    /// A file that should hold certificates holds none that can be read.
    #[error("{} holds no certificate in PEM ({reason})", .path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that should hold a key holds none that can be used.
    #[error("{} holds no private key in PEM that can be used", .0.display())]
    NoKey(PathBuf),
    /// Who can write the key can put their own there.
    #[error("others can write {}, so the key in it is no secret", .0.display())]
    KeyWritable(PathBuf),
    /// The key of the node's own authority can be read by others: they could be any server to whoever trusts it.
    #[error("others can read {}, the key of the node's own authority", .0.display())]
    KeyExposed(PathBuf),
    /// Certificate and key do not belong together.
    #[error("the key in {} is not that of the first certificate in {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The time of a certificate is over.
    #[error("the certificate in {} has expired at {}", path.display(), moment(*at))]
    Expired {
        /// The file.
        path: PathBuf,
        /// When, in seconds since 1970.
        at: i64,
    },
    /// The time of a certificate has not begun.
    #[error("the certificate in {} is not valid before {}", path.display(), moment(*at))]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// When it begins, in seconds since 1970.
        at: i64,
    },
    /// A certificate is for other names than the node's.
    #[error("the certificate in {} is for {} and not for {host}, the host of http.public_url", path.display(), list(names))]
    WrongName {
        /// The file.
        path: PathBuf,
        /// The node's host.
        host: String,
        /// What it is for.
        names: Vec<String>,
    },
    /// ACME certifies names alone.
    #[error(
        "a certificate by ACME needs a name that others can look up as the host of http.public_url, and {0} is none"
    )]
    NoName(String),
    /// An ACME server did not give a certificate.
    #[error("{directory} gave no certificate for {host}: {reason}")]
    NotIssued {
        /// Whose directory.
        directory: String,
        /// For what.
        host: String,
        /// What it said, or what failed on the way.
        reason: String,
    },
    /// Something of the node's own could not be made or written.
    #[error("{0}")]
    Failed(String),
}

impl TlsError {
    /// Stable, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            TlsError::Unreadable { .. } => "certificate_unreadable",
            TlsError::NoCertificate { .. } => "certificate_malformed",
            TlsError::NoKey(_) => "certificate_key_malformed",
            TlsError::KeyWritable(_) => "secret_file_writable",
            TlsError::KeyExposed(_) => "certificate_key_exposed",
            TlsError::KeyMismatch { .. } => "certificate_key_mismatch",
            TlsError::Expired { .. } => "certificate_expired",
            TlsError::NotYetValid { .. } => "certificate_not_yet_valid",
            TlsError::WrongName { .. } => "certificate_name",
            TlsError::NoName(_) => "acme_name",
            TlsError::NotIssued { .. } => "acme_failed",
            TlsError::Failed(_) => "tls_failed",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            TlsError::Unreadable { .. } => "tls.cert and tls.key name PEM files that the node can read".to_owned(),
            TlsError::NoCertificate { .. } => {
                "it begins with -----BEGIN CERTIFICATE-----: the node's own first, then those of the authorities"
                    .to_owned()
            }
            TlsError::NoKey(_) => "it begins with -----BEGIN PRIVATE KEY-----, and is not encrypted".to_owned(),
            TlsError::KeyWritable(path) | TlsError::KeyExposed(path) => format!("chmod 600 {}", path.display()),
            TlsError::KeyMismatch { .. } => "name the key that the certificate was made for".to_owned(),
            TlsError::Expired { .. } => {
                "get a new one; with tls.mode acme or internal the node does so itself".to_owned()
            }
            TlsError::NotYetValid { .. } => "is the clock of this machine right?".to_owned(),
            TlsError::WrongName { .. } => "get one for that name, or say the right http.public_url".to_owned(),
            TlsError::NoName(_) => {
                "say --public-url https://NAME; for numbers and names of one's own network there is --tls internal"
                    .to_owned()
            }
            TlsError::NotIssued { .. } => {
                "does the name lead to this machine, and can the authority reach port 443 (tls-alpn-01) or, by \
                 http.redirect_listen, port 80 (http-01)? It is tried again by itself"
                    .to_owned()
            }
            TlsError::Failed(_) => "see the log".to_owned(),
        }
    }
}

/// A moment in seconds since 1970, for people.
pub(crate) fn moment(seconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| format!("second {seconds} since 1970"))
}

fn list(names: &[String]) -> String {
    /// As many names as a sentence holds.
    const MAX_NAMES: usize = 5;
    match names.len() {
        0 => "no name".to_owned(),
        n if n <= MAX_NAMES => names.join(", "),
        n => format!("{} and {} more names", names[..MAX_NAMES].join(", "), n - MAX_NAMES),
    }
}
