//! Which engine answers policy: the embedded one, or SpiceDB with the embedded one as its source.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use policy::{
    DEFAULT_HORIZON, Embedded, Outbox, PresharedKey, RelationshipService, SpiceDb, SpiceDbConfig, SpiceDbEngine, Tls,
};
use policy_core::{Engine, Schema};

use crate::cli::{Failure, read_secret};

/// Where SpiceDB is, as the command line says it.
#[derive(Debug, Clone, Args)]
pub struct SpiceDbArgs {
    /// Let the SpiceDB at this address (host:port) answer policy [default: the embedded engine]
    #[arg(long, value_name = "ADDRESS", requires = "spicedb_key_file")]
    pub spicedb: Option<String>,
    /// A file that holds SpiceDB's preshared key
    #[arg(long, value_name = "FILE")]
    pub spicedb_key_file: Option<PathBuf>,
    /// `system`: trust what the system trusts; `off`: speak in clear, on this machine only; or a file of certificates
    #[arg(long, value_name = "TLS", default_value = "system")]
    pub spicedb_tls: String,
}

impl SpiceDbArgs {
    /// The client; `None` if the embedded engine is to answer.
    ///
    /// # Errors
    /// If a file cannot be read or nothing can be made of it.
    pub fn config(&self) -> Result<Option<SpiceDbConfig>, Failure> {
        let (Some(address), Some(file)) = (&self.spicedb, &self.spicedb_key_file) else { return Ok(None) };
        config(address, file, &self.spicedb_tls).map(Some)
    }
}

/// A client's configuration from what an operator says.
///
/// # Errors
/// If a file cannot be read or nothing can be made of it.
pub fn config(address: &str, key_file: &Path, tls: &str) -> Result<SpiceDbConfig, Failure> {
    let key = read_secret(key_file)?;
    let key = PresharedKey::new(&key).map_err(|error| Failure::usage("spicedb_key", &error.to_string()))?;
    let mut config = SpiceDbConfig::new(address, key);
    config.tls = match tls {
        "system" => Tls::System,
        "off" => Tls::Off,
        file => Tls::Authority(std::fs::read_to_string(file).map_err(|error| {
            Failure::usage("spicedb_tls", &format!("`{file}` is not `system`, `off` or a readable file: {error}"))
        })?),
    };
    Ok(config)
}

/// The engine that the gate asks.
///
/// # Errors
/// If SpiceDB cannot be configured so.
pub fn start(
    embedded: &Arc<Embedded>,
    database: &sea_orm::DatabaseConnection,
    spicedb: Option<&SpiceDbConfig>,
) -> Result<Arc<dyn Engine>, Failure> {
    let local = Arc::clone(embedded) as Arc<dyn Engine>;
    let Some(config) = spicedb else { return Ok(local) };
    let service = client(config)?;
    let to = Arc::clone(&service) as Arc<dyn RelationshipService>;
    let outbox = Outbox::new(database.clone(), to, Arc::clone(embedded.clock()));
    embedded.deliver_to(Arc::clone(&outbox));
    let delivering = Arc::clone(&outbox);
    tokio::spawn(async move { delivering.run().await });
    Ok(SpiceDbEngine::start(service, local, outbox, DEFAULT_HORIZON))
}

/// A client of SpiceDB.
///
/// # Errors
/// If address or certificates are malformed.
pub fn client(config: &SpiceDbConfig) -> Result<Arc<SpiceDb>, Failure> {
    let client = SpiceDb::new(config).map_err(|error| Failure::usage("spicedb_config", &error.to_string()))?;
    Ok(Arc::new(client))
}

/// Whether SpiceDB holds the schema that this node rests on. One that does not, or cannot be asked, must not answer.
///
/// # Errors
/// If it does not, with what to do about it.
pub async fn ready(embedded: &Embedded, config: &SpiceDbConfig) -> Result<(), Failure> {
    let own = embedded.schema();
    let (theirs, _) = client(config)?.read_schema().await.map_err(|error| {
        Failure::failed("spicedb_not_ready", &format!("SpiceDB has no schema to answer by: {error}"))
            .hint("start without --spicedb and move policy there: `allod policy migrate --to spicedb …`")
    })?;
    let theirs = Schema::parse(&theirs).map(|schema| schema.to_source()).unwrap_or(theirs);
    if theirs == own {
        return Ok(());
    }
    Err(Failure::failed("spicedb_other_schema", "SpiceDB holds another schema than this node")
        .hint("start without --spicedb and move policy there: `allod policy migrate --to spicedb --merge …`"))
}
