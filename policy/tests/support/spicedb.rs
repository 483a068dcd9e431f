//! An empty store of the real SpiceDB that `deploy/with-spicedb.sh` starts.
#![allow(dead_code, reason = "not every test that takes this file in needs all of it")]

use policy::{PresharedKey, SpiceDb, SpiceDbConfig, Tls};
use spicedb_grpc_tonic::v1::permissions_service_client::PermissionsServiceClient;
use spicedb_grpc_tonic::v1::schema_service_client::SchemaServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A store of its own: nobody else has its token. It costs the server some 5 MB until the server ends.
#[derive(Clone, Debug)]
pub struct Store {
    /// `127.0.0.1:PORT`, without TLS.
    pub address: String,
    /// The bearer token.
    pub token: String,
}

impl Store {
    /// A new, empty store; `None`, with a note, when no SpiceDB runs for tests.
    pub fn new() -> Option<Store> {
        let Ok(address) = std::env::var("ALLOD_TEST_SPICEDB") else {
            eprintln!(
                "note: skipped on SpiceDB, because ALLOD_TEST_SPICEDB is not set (deploy/with-spicedb.sh sets it)"
            );
            return None;
        };
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("randomness");
        Some(Store { address, token: data_encoding::HEXLOWER.encode(&bytes) })
    }

    pub fn config(&self) -> SpiceDbConfig {
        let key = PresharedKey::new(&self.token).expect("a key");
        SpiceDbConfig { tls: Tls::Off, ..SpiceDbConfig::new(&self.address, key) }
    }

    pub fn client(&self) -> SpiceDb {
        SpiceDb::new(&self.config()).expect("a client")
    }

    pub fn permissions(&self) -> PermissionsServiceClient<InterceptedService<Channel, Bearer>> {
        PermissionsServiceClient::with_interceptor(self.channel(), self.bearer())
    }

    pub fn schema(&self) -> SchemaServiceClient<InterceptedService<Channel, Bearer>> {
        SchemaServiceClient::with_interceptor(self.channel(), self.bearer())
    }

    /// Must be called within a Tokio runtime. Connects at the first call.
    fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).expect("an address").connect_lazy()
    }

    fn bearer(&self) -> Bearer {
        Bearer(format!("Bearer {}", self.token).parse().expect("an ASCII token"))
    }
}

/// Puts the token on every call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}
