//! SpiceDB behind TLS: a terminator of its own stands before the one that runs in clear.

use std::sync::Arc;

use policy::{Consistency, Reason, RelationshipService, SpiceDb, SpiceDbConfig, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::support::Store;
use super::{SCHEMA, allowed, check, touch};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Listens with a certificate for `name`, and hands everything on to `target`.
    async fn serve(&self, name: &str, target: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let target = target.to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, target) = (acceptor.clone(), target.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        address
    }
}

#[tokio::test]
async fn the_server_must_show_a_certificate_of_the_authority() {
    let Some(store) = Store::new() else { return };
    store.client().write_schema(SCHEMA).await.unwrap();
    store.client().write(touch(&["doc:d#viewer@user:tom"])).await.unwrap();
    let (authority, other) = (Authority::new(), Authority::new());
    let client = |address: &str, tls| {
        SpiceDb::new(&SpiceDbConfig { address: address.to_owned(), tls, ..store.config() }).unwrap()
    };
    let trusted = |authority: &Authority| Tls::Authority(authority.0.pem());
    let good = authority.serve("127.0.0.1", &store.address).await;
    assert!(allowed(&client(&good, trusted(&authority)), "doc:d#view@user:tom").await);

    let misnamed = authority.serve("spicedb.example", &store.address).await;
    for (client, what) in [
        (client(&good, trusted(&other)), "another authority"),
        (client(&good, Tls::System), "an authority that the system does not know"),
        (client(&misnamed, trusted(&authority)), "a certificate of another server"),
        (client(&store.address, trusted(&authority)), "no certificate at all"),
    ] {
        let error = client.check(&[check("doc:d#view@user:tom")], &Consistency::Full).await.unwrap_err();
        assert_eq!(error.reason, Reason::Unavailable, "{what}: {error:?}");
    }
}
