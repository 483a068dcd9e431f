//! An authority of the node's own, for networks where no public one reaches: whoever installs its root on a device
//! trusts it for this node's names and addresses, and by critical name constraints (RFC 5280, 4.2.1.10) for no others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use time::OffsetDateTime;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use vault::data_dir::{is_exposed, write_private};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::certificate::{Certificate, fingerprint, read};
use crate::{TlsError, names};

const DAY: i64 = 86_400;
/// How long a root is good: to trust it is asked of people once.
const ROOT_LIFE: i64 = 3_652 * DAY;
/// A root that ends sooner is replaced.
const ROOT_LEFT: i64 = 60 * DAY;
/// How long a certificate under it is good: a third before its end it is renewed.
const LEAF_LIFE: i64 = 30 * DAY;
/// Clocks of devices may be behind by so much.
const BEFORE: i64 = 3_600;
/// Names under which a node is reached on its own machine.
const HERE: [&str; 2] = ["localhost", "allod.localhost"];

/// Where the authority lies, and for what it certifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalOptions {
    /// The directory `certs` of the node.
    pub dir: PathBuf,
    /// The node's public host, if it has one.
    pub host: Option<String>,
    /// The address that it listens on, if that is a certain one.
    pub listening: Option<IpAddr>,
}

/// What devices are to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The file of its certificate, in PEM.
    pub path: PathBuf,
    /// Its fingerprint, as [`fingerprint`].
    pub sha256: String,
    /// Whether it was made by this start: nobody trusts it yet.
    pub is_new: bool,
}

/// Where the root's certificate lies within the directory `certs` of a node.
#[must_use]
pub fn root_file(certs: &Path) -> PathBuf {
    certs.join("root.pem")
}

/// A root with its key.
struct Authority {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn failed(error: impl std::fmt::Display) -> TlsError {
    TlsError::Failed(format!("the node's own authority could not be made: {error}"))
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

impl InternalOptions {
    /// What a certificate is for: this machine, and what the operator said.
    fn names(&self) -> Vec<String> {
        let mut all: Vec<String> = HERE.map(str::to_owned).to_vec();
        all.extend([IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)].map(|ip| ip.to_string()));
        let listening = self.listening.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_canonical().to_string());
        let host = self.host.as_deref().map(|host| names::bare(host).to_ascii_lowercase());
        for name in host.into_iter().chain(listening) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// The certificate to use at `now`, and what is to be trusted. What is on disk is used as long as it is good; else it
    /// is made anew, and written so that a kill at any point leaves what the next start takes or makes anew.
    pub(crate) fn certificate(&self, now: i64) -> Result<(Certificate, Root), TlsError> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(failed)?;
        if let Some(authority) = self.authority(now)? {
            if let Some(leaf) = self.kept(&authority, now) {
                return Ok((leaf, self.root(&authority, false)));
            }
            if let Some(leaf) = self.issue(&authority, now)? {
                return Ok((leaf, self.root(&authority, false)));
            }
            tracing::warn!(
                "the node has names that its root was not made for: there is a new root, to be trusted anew"
            );
        }
        let authority = self.make(now)?;
        let leaf = self.issue(&authority, now)?;
        let leaf = leaf.ok_or_else(|| failed("what it issues does not verify"))?;
        Ok((leaf, self.root(&authority, true)))
    }

    fn root(&self, authority: &Authority, is_new: bool) -> Root {
        Root { path: root_file(&self.dir), sha256: fingerprint(&authority.der), is_new }
    }

    /// The authority on disk, if there is a whole one that lasts.
    fn authority(&self, now: i64) -> Result<Option<Authority>, TlsError> {
        let (path, key_path) = (root_file(&self.dir), self.dir.join("root.key"));
        let Ok(key_file) = std::fs::File::open(&key_path) else { return Ok(None) };
        if is_exposed(&key_file).unwrap_or(true) {
            return Err(TlsError::KeyExposed(key_path));
        }
        let Ok(pem) = read(&path) else { return Ok(None) };
        // A certificate and a key of two different roots: the making of the second was cut off.
        if Certificate::load(&path, &key_path).is_err() {
            tracing::warn!("{} and its key do not fit: there is a new root, to be trusted anew", path.display());
            return Ok(None);
        }
        let secret = read(&key_path)?;
        let secret = std::str::from_utf8(&secret).map_err(failed)?;
        let key = KeyPair::from_pem(secret).map_err(failed)?;
        let der = CertificateDer::from_pem_slice(&pem).map_err(failed)?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(failed)?;
        if parsed.validity().not_after.timestamp() - now < ROOT_LEFT {
            tracing::warn!("the root in {} ends soon: there is a new one, to be trusted anew", path.display());
            return Ok(None);
        }
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
        let issuer = Issuer::new(self.root_params(name, now), key);
        Ok(Some(Authority { der: der.clone(), issuer }))
    }

    fn root_params(&self, name: &str, now: i64) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.not_before, params.not_after) = (at(now - DAY), at(now + ROOT_LIFE));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let names = self.names();
        let permitted = names.iter().map(|name| match name.parse::<IpAddr>() {
            Ok(ip) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip, if ip.is_ipv4() { 32 } else { 128 })),
            Err(_) => GeneralSubtree::DnsName(name.clone()),
        });
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees: permitted.collect(), excluded_subtrees: Vec::new() });
        params
    }

    /// A new root, written down: the key first, so that a certificate on disk always has its key.
    fn make(&self, now: i64) -> Result<Authority, TlsError> {
        let key = KeyPair::generate().map_err(failed)?;
        // Its own name, or a device that trusts several roots of one name takes the wrong one.
        let name = format!("Allod node {:08x}", rand::random::<u32>());
        let params = self.root_params(&name, now);
        let certificate = params.self_signed(&key).map_err(failed)?;
        let secret = Zeroizing::new(key.serialize_pem());
        write_private(&self.dir.join("root.key"), secret.as_bytes()).map_err(failed)?;
        write_private(&root_file(&self.dir), certificate.pem().as_bytes()).map_err(failed)?;
        Ok(Authority { der: certificate.der().clone(), issuer: Issuer::new(params, key) })
    }

    fn leaf_file(&self) -> PathBuf {
        self.dir.join("internal.pem")
    }

    /// The certificate on disk, if it is good for a while, for these names and under this root.
    fn kept(&self, authority: &Authority, now: i64) -> Option<Certificate> {
        let path = self.leaf_file();
        let leaf = Certificate::load(&path, &path).ok()?;
        let lasts = (leaf.not_before..leaf.renew_at()).contains(&now);
        (lasts && leaf.names == self.names() && is_under(authority, &leaf)).then_some(leaf)
    }

    /// A new certificate, written down; `None` if this root may not certify these names.
    fn issue(&self, authority: &Authority, now: i64) -> Result<Option<Certificate>, TlsError> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(self.names()).map_err(failed)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Allod node");
        (params.not_before, params.not_after) = (at(now - BEFORE), at(now + LEAF_LIFE));
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issued = params.signed_by(&key, &authority.issuer).map_err(failed)?;
        let pem = Zeroizing::new(format!("{}{}", key.serialize_pem(), issued.pem()));
        let path = self.leaf_file();
        let leaf = Certificate::parse(pem.as_bytes(), pem.as_bytes(), &path, &path)?;
        if !is_under(authority, &leaf) {
            return Ok(None);
        }
        write_private(&path, pem.as_bytes()).map_err(failed)?;
        Ok(Some(leaf))
    }
}

/// Whether devices that trust this root take the certificate: signature, and the names that the root may certify.
fn is_under(authority: &Authority, leaf: &Certificate) -> bool {
    let mut roots = RootCertStore::empty();
    let Some(first) = leaf.key.cert.first() else { return false };
    let Ok(parsed) = ParsedCertificate::try_from(first) else { return false };
    let within = u64::try_from(leaf.not_before + 1).unwrap_or_default();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(within));
    let algorithms = default_provider().signature_verification_algorithms;
    roots.add(authority.der.clone()).is_ok()
        && verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], time, algorithms.all).is_ok()
}

/// The certificate in the file of a root, in PEM, and its fingerprint; nothing else that may be in that file.
///
/// # Errors
/// If it cannot be read or is none.
pub fn read_root(path: &Path) -> Result<(String, String), TlsError> {
    let bytes = read(path)?;
    let malformed = |reason: String| TlsError::NoCertificate { path: path.to_owned(), reason };
    let der = CertificateDer::from_pem_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    Ok((in_pem(&der), fingerprint(&der)))
}

/// A certificate in PEM (RFC 7468).
fn in_pem(der: &CertificateDer<'_>) -> String {
    let text = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
