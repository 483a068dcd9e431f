//! Certificates that are no good, an authority and its limits, and handshakes.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair};
use time::OffsetDateTime;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::certificate::look_at_key;
use crate::*;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

/// A folder with certificates of an authority.
struct Made {
    dir: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

impl Made {
    fn new() -> Made {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Made { dir: tempfile::tempdir().unwrap(), authority }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes `NAME.pem` and `NAME.key`, valid within these days from [`NOW`] on.
    fn pair(&self, name: &str, hosts: &[&str], from: i64, until: i64) -> FilesOptions {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        (params.not_before, params.not_after) = (at(NOW + from * DAY), at(NOW + until * DAY));
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let (path, key_path) = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        std::fs::write(&path, format!("{}{}", certificate.pem(), self.authority.pem())).unwrap();
        std::fs::write(&key_path, key.serialize_pem()).unwrap();
        private(&key_path, 0o600);
        FilesOptions { certificate: path, key: key_path, host: Some("cloud.example.org".to_owned()) }
    }
}

fn private(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn refused(files: &FilesOptions) -> TlsError {
    let error = Source::Files(files.clone()).check(NOW).unwrap_err();
    assert!(Tls::open(Source::Files(files.clone()), Arc::new(|| NOW)).is_err());
    assert!(!error.to_string().contains('\n') && !error.fix().is_empty(), "{error}");
    error
}

#[test]
fn a_certificate_that_is_no_good_is_refused_in_a_sentence() {
    let made = Made::new();
    let good = made.pair("good", &["cloud.example.org", "10.0.0.7"], -1, 90);
    assert_eq!(Source::Files(good.clone()).check(NOW), Ok(None), "control");
    let wild = made.pair("wild", &["*.example.org"], -1, 90);
    assert_eq!(Source::Files(wild).check(NOW), Ok(None), "a wildcard is for it too");
    let by_number = FilesOptions { host: Some("10.0.0.7".to_owned()), ..good.clone() };
    assert_eq!(Source::Files(by_number).check(NOW), Ok(None));
    let code = |files: &FilesOptions| refused(files).code();
    assert_eq!(code(&made.pair("old", &["cloud.example.org"], -90, -1)), "certificate_expired");
    assert!(refused(&made.pair("old", &["cloud.example.org"], -90, -1)).to_string().contains("2027-01-14T08:00:00Z"));
    assert_eq!(code(&made.pair("early", &["cloud.example.org"], 1, 90)), "certificate_not_yet_valid");
    let other = made.pair("other", &["www.example.org", "example.org"], -1, 90);
    assert_eq!(code(&other), "certificate_name");
    assert!(refused(&other).to_string().contains("www.example.org, example.org and not for cloud.example.org"));
    assert_eq!(code(&FilesOptions { host: Some("10.0.0.8".to_owned()), ..good.clone() }), "certificate_name");
    assert_eq!(code(&FilesOptions { key: other.key.clone(), ..good.clone() }), "certificate_key_mismatch");
    assert_eq!(code(&FilesOptions { key: made.path("none"), ..good.clone() }), "certificate_unreadable");
    assert_eq!(code(&FilesOptions { certificate: made.path("none"), ..good.clone() }), "certificate_unreadable");
    assert_eq!(code(&FilesOptions { key: good.certificate.clone(), ..good.clone() }), "certificate_key_malformed");
    assert_eq!(code(&FilesOptions { certificate: good.key.clone(), ..good.clone() }), "certificate_malformed");
    let held = |text: &[u8]| {
        std::fs::write(made.path("held"), text).unwrap();
        private(&made.path("held"), 0o600);
        let as_key = code(&FilesOptions { key: made.path("held"), ..good.clone() });
        (code(&FilesOptions { certificate: made.path("held"), ..good.clone() }), as_key)
    };
    let malformed = ("certificate_malformed", "certificate_key_malformed");
    assert_eq!(held(b""), malformed);
    assert_eq!(held(&[0xff; 40]), malformed);
    assert_eq!(held(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), malformed);
    assert_eq!(held(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), malformed);
    assert_eq!(held(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), malformed);
    assert_eq!(held(&vec![b'a'; 2 << 20]), ("certificate_unreadable", "certificate_unreadable"));
    assert_eq!(
        code(&FilesOptions { certificate: made.dir.path().to_owned(), ..good.clone() }),
        "certificate_unreadable"
    );
    // A pipe would be waited for.
    assert_eq!(code(&FilesOptions { certificate: "/dev/zero".into(), ..good }), "certificate_unreadable");
}

#[test]
fn a_key_that_others_write_is_refused_and_one_that_they_read_is_warned_of() {
    let made = Made::new();
    let files = made.pair("good", &["cloud.example.org"], -1, 90);
    for mode in [0o640, 0o644, 0o444] {
        private(&files.key, mode);
        assert!(look_at_key(&files.key).unwrap().is_some_and(|said| said.contains("good.key")), "{mode:o}");
        assert!(Source::Files(files.clone()).check(NOW).unwrap().is_some());
    }
    for mode in [0o660, 0o602, 0o666] {
        private(&files.key, mode);
        assert_eq!(refused(&files).code(), "secret_file_writable", "{mode:o}");
    }
}

#[test]
fn files_are_known_again_until_they_change() {
    let made = Made::new();
    let files = made.pair("good", &["cloud.example.org"], -1, 90);
    let seen = files.stamps();
    assert_eq!(files.stamps(), seen);
    made.pair("next", &["cloud.example.org"], -1, 80);
    // As the tools that renew do: another file takes the place.
    std::fs::rename(made.path("next.key"), &files.key).unwrap();
    assert_ne!(files.stamps(), seen);
    assert_eq!(files.load(NOW).unwrap_err().code(), "certificate_key_mismatch", "half-way");
    let half = files.stamps();
    std::fs::rename(made.path("next.pem"), &files.certificate).unwrap();
    assert_ne!(files.stamps(), half);
    assert_eq!(files.load(NOW).unwrap().0.not_after, NOW + 80 * DAY);
    std::fs::remove_file(&files.certificate).unwrap();
    assert_eq!(files.load(NOW).unwrap_err().code(), "certificate_unreadable");
}

fn internal(dir: &Path, host: Option<&str>) -> InternalOptions {
    InternalOptions { dir: dir.join("certs"), host: host.map(str::to_owned), listening: None }
}

#[test]
fn an_authority_stays_and_its_certificates_are_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let options = internal(dir.path(), Some("nas.lan"));
    let (first, root) = options.certificate(NOW).unwrap();
    assert!(root.is_new && first.is_for("nas.lan") && first.is_for("127.0.0.1") && first.is_for("[::1]"));
    assert!(first.is_for("allod.localhost") && !first.is_for("other.lan"));
    for file in ["root.pem", "root.key", "internal.pem"] {
        let mode = std::fs::metadata(options.dir.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
    }
    assert_eq!(std::fs::metadata(&options.dir).unwrap().permissions().mode() & 0o077, 0);
    let (again, same) = options.certificate(NOW + DAY).unwrap();
    assert_eq!((&again.key.cert, &same.sha256, same.is_new), (&first.key.cert, &root.sha256, false));
    // A third of its time is left.
    let (renewed, same) = options.certificate(NOW + 21 * DAY).unwrap();
    assert_ne!(renewed.key.cert, first.key.cert);
    assert_eq!((same.sha256.as_str(), renewed.not_after), (root.sha256.as_str(), NOW + 51 * DAY));
    // A clock that was ahead.
    let (back, _) = options.certificate(NOW).unwrap();
    assert!((back.not_before..back.not_after).contains(&NOW));
    // After ten years there is another root.
    let (late, other) = options.certificate(NOW + 3_650 * DAY).unwrap();
    assert!(other.is_new && other.sha256 != root.sha256 && late.is_for("nas.lan"));
}

#[test]
fn a_root_certifies_the_names_of_its_node_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let options = internal(dir.path(), Some("nas.lan"));
    let (_, root) = options.certificate(NOW).unwrap();
    let (pem, sha256) = read_root(&root.path).unwrap();
    assert_eq!(sha256, root.sha256);
    assert_eq!(pem.replace('\r', ""), std::fs::read_to_string(&root.path).unwrap().replace('\r', ""), "and no key");
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, parsed) = X509Certificate::from_der(&der).unwrap();
    assert!(parsed.name_constraints().unwrap().expect("name constraints").critical);
    assert_eq!(parsed.basic_constraints().unwrap().unwrap().value.path_len_constraint, Some(0));
    // Whoever takes the key makes themselves a certificate for another name: no device takes it.
    let stolen = KeyPair::from_pem(&std::fs::read_to_string(options.dir.join("root.key")).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let name = parsed.subject().iter_common_name().next().unwrap().as_str().unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let issuer = Issuer::new(params, stolen);
    let mut roots = RootCertStore::empty();
    roots.add(der.clone()).unwrap();
    let takes = |host: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (at(NOW - DAY), at(NOW + DAY));
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let parsed = tokio_rustls::rustls::server::ParsedCertificate::try_from(leaf.der()).unwrap();
        let algorithms = default_provider().signature_verification_algorithms;
        let time = tokio_rustls::rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(NOW as u64));
        tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &roots,
            &[],
            time,
            algorithms.all,
        )
        .is_ok()
    };
    for host in ["nas.lan", "localhost", "127.0.0.1", "::1"] {
        assert!(takes(host), "control: {host}");
    }
    for host in ["bank.example", "lan", "evil-nas.lan", "127.0.0.2", "192.168.1.1", "2001:db8::1"] {
        assert!(!takes(host), "{host}");
    }
    // Another name of the node asks for another root.
    let (leaf, other) = internal(dir.path(), Some("cloud.example.org")).certificate(NOW).unwrap();
    assert!(other.is_new && other.sha256 != root.sha256 && leaf.is_for("cloud.example.org"));
}

#[test]
fn what_a_kill_leaves_of_an_authority_is_made_anew_and_an_exposed_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = internal(dir.path(), None);
    let made = |options: &InternalOptions| options.certificate(NOW).unwrap().1;
    let mut last = made(&options).sha256;
    for lost in ["root.pem", "root.key"] {
        std::fs::remove_file(options.dir.join(lost)).unwrap();
        let root = made(&options);
        assert!(root.is_new && root.sha256 != last, "{lost}");
        last = root.sha256;
    }
    // The key of a new root, and the certificate of the old one.
    std::fs::write(options.dir.join("root.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(made(&options).is_new);
    let before = made(&options);
    for lost in ["internal.pem", "internal.pem.new"] {
        let _ = std::fs::remove_file(options.dir.join(lost));
        std::fs::write(options.dir.join("internal.pem"), "half").unwrap();
        assert_eq!(made(&options), before, "the root stays");
    }
    private(&options.dir.join("root.key"), 0o640);
    assert_eq!(options.certificate(NOW).unwrap_err().code(), "certificate_key_exposed");
}

#[test]
fn acme_needs_a_name() {
    let options = |host: Option<&str>| AcmeOptions {
        dir: PathBuf::new(),
        host: host.map(str::to_owned),
        email: None,
        directory: LETS_ENCRYPT.to_owned(),
        root: None,
        by_http: false,
    };
    assert_eq!(options(Some("cloud.example.org")).check(), Ok(()));
    for host in [None, Some("10.0.0.1"), Some("[::1]"), Some("localhost"), Some("a/../b"), Some("")] {
        assert_eq!(options(host).check().unwrap_err().code(), "acme_name", "{host:?}");
    }
}

/// What a client of these versions gets, or how it is refused.
async fn handshake(
    tls: &Arc<Tls>,
    root: &CertificateDer<'static>,
    host: &str,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> Result<(ProtocolVersion, Option<Vec<u8>>), String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(versions);
    let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let (client, server) = tokio::io::duplex(1 << 16);
    let serving = tokio::spawn({
        let tls = Arc::clone(tls);
        async move { tls.accept(server, "127.0.0.1".parse().unwrap()).await }
    });
    let connected =
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(host.to_owned()).unwrap(), client).await;
    let stream = connected.map_err(|error| error.to_string())?;
    serving.await.unwrap().map_err(|error| error.to_string())?;
    let (_, connection) = stream.get_ref();
    Ok((connection.protocol_version().unwrap(), connection.alpn_protocol().map(<[u8]>::to_vec)))
}

#[tokio::test]
async fn clients_that_trust_the_root_speak_tls_1_2_and_1_3_and_http_1_1() {
    let dir = tempfile::tempdir().unwrap();
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
    let tls = Tls::open(Source::Internal(internal(dir.path(), Some("nas.lan"))), Arc::new(now)).unwrap();
    let root = CertificateDer::from_pem_file(tls.root().unwrap().path).unwrap();
    let stranger = Made::new().authority.der().clone();
    for (version, spoken) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let got = handshake(&tls, &root, "nas.lan", &[version], &[b"http/1.1"]).await;
        assert_eq!(got, Ok((spoken, Some(b"http/1.1".to_vec()))));
        assert!(handshake(&tls, &root, "127.0.0.1", &[version], &[]).await.is_ok());
        assert!(handshake(&tls, &root, "other.lan", &[version], &[]).await.is_err());
        assert!(handshake(&tls, &stranger, "nas.lan", &[version], &[]).await.is_err());
        assert!(handshake(&tls, &root, "nas.lan", &[version], &[b"h2"]).await.is_err());
        assert!(handshake(&tls, &root, "nas.lan", &[version], &[b"acme-tls/1"]).await.is_err());
    }
    let standing = tls.standing();
    assert_eq!((standing.mode, standing.trouble), ("internal", None));
    assert!(standing.names.contains(&"nas.lan".to_owned()));
}
