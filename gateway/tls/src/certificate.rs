//! A certificate with its key: read, and looked at before it is used.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::ring::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::TlsError;
use crate::names;

/// No file of certificates or of a key is longer, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A certificate, the chain behind it, and its key.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// As handshakes use it.
    pub key: Arc<CertifiedKey>,
    /// From when on it is valid, in seconds since 1970.
    pub not_before: i64,
    /// Until when, in seconds since 1970.
    pub not_after: i64,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
}

/// The SHA-256 of a certificate (DER), as browsers and `openssl x509 -fingerprint` show it.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    let pairs: Vec<String> = Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// What a file holds, bounded; only a file that can be read again is taken.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |reason: String| TlsError::Unreadable { path: path.to_owned(), reason };
    // Looked at before it is opened: opening a pipe waits for whoever writes into it.
    let found = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !found.is_file() {
        return Err(unreadable("it is not a file".to_owned()));
    }
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(unreadable("it is longer than a mebibyte".to_owned()));
    }
    Ok(bytes)
}

/// A key file that others can read is taken and warned of, since container engines mount secrets so; one that others
/// can write is refused.
pub(crate) fn look_at_key(path: &Path) -> Result<Option<String>, TlsError> {
    let found = std::fs::metadata(path)
        .map_err(|error| TlsError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
    if found.is_file() && found.mode() & 0o022 != 0 {
        return Err(TlsError::KeyWritable(path.to_owned()));
    }
    Ok((found.is_file() && found.mode() & 0o044 != 0)
        .then(|| format!("others on this machine can read {} (chmod 600 keeps it)", path.display())))
}

impl Certificate {
    /// The pair in two files, or both in one.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Certificate, TlsError> {
        let chain = read(certificate)?;
        let secret = read(key)?;
        Self::parse(&chain, &secret, certificate, key)
    }

    /// The pair in PEM; the paths are for what is said of it.
    pub(crate) fn parse(chain: &[u8], secret: &[u8], certificate: &Path, key: &Path) -> Result<Certificate, TlsError> {
        let malformed = |reason: String| TlsError::NoCertificate { path: certificate.to_owned(), reason };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| malformed(error.to_string()))?;
        let first = chain.first().ok_or_else(|| malformed("nothing in it is one".to_owned()))?;
        let (_, parsed) = X509Certificate::from_der(first).map_err(|error| malformed(error.to_string()))?;
        let (not_before, not_after) =
            (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        let names = names_of(&parsed);
        let secret = PrivateKeyDer::from_pem_slice(secret).map_err(|_| TlsError::NoKey(key.to_owned()))?;
        let signing = any_supported_type(&secret).map_err(|_| TlsError::NoKey(key.to_owned()))?;
        let certified = CertifiedKey::new(chain, signing);
        certified
            .keys_match()
            .map_err(|_| TlsError::KeyMismatch { certificate: certificate.to_owned(), key: key.to_owned() })?;
        Ok(Certificate { key: Arc::new(certified), not_before, not_after, names })
    }

    /// Whether it is good at `now` and, where the node has a public host, for that.
    pub(crate) fn check(&self, now: i64, host: Option<&str>, path: &Path) -> Result<(), TlsError> {
        if now < self.not_before {
            return Err(TlsError::NotYetValid { path: path.to_owned(), at: self.not_before });
        }
        if now > self.not_after {
            return Err(TlsError::Expired { path: path.to_owned(), at: self.not_after });
        }
        match host {
            Some(host) if !self.is_for(host) => {
                Err(TlsError::WrongName { path: path.to_owned(), host: host.to_owned(), names: self.names.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whether clients that ask for `host` take it.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        use tokio_rustls::rustls::client::verify_server_name;
        use tokio_rustls::rustls::server::ParsedCertificate;
        let Ok(name) = ServerName::try_from(names::bare(host).to_owned()) else { return false };
        let Some(first) = self.key.cert.first() else { return false };
        ParsedCertificate::try_from(first).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
    }

    /// When it is to be renewed: when a third of its time is left.
    pub(crate) fn renew_at(&self) -> i64 {
        self.not_after - (self.not_after - self.not_before) / 3
    }
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let one = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    };
    names.value.general_names.iter().filter_map(one).collect()
}
