//! Which engine answers policy: the embedded one, or SpiceDB with the embedded one as its source.

use std::sync::Arc;

use policy::{
    DEFAULT_HORIZON, Embedded, EmbeddedService, Explainer, Forwarded, Outbox, PresharedKey, RelationshipService,
    Relationships, SpiceDb, SpiceDbConfig, SpiceDbEngine, Tls,
};
use policy_core::{Engine, Schema};

use crate::failure::Failure;
use crate::tasks::Tasks;

/// A client's configuration from what an operator says.
///
/// # Errors
/// If the key cannot be one, or the certificates cannot be read.
pub fn config(address: &str, key: &str, tls: &str) -> Result<SpiceDbConfig, Failure> {
    let key = PresharedKey::new(key).map_err(|error| Failure::usage("spicedb_key", &error.to_string()))?;
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

/// The engine that answers every question of policy, and what serves SpiceDB's API of this node.
pub struct Chosen {
    pub engine: Arc<dyn Explainer>,
    pub api: Arc<dyn RelationshipService>,
}

/// The engine that is to answer.
///
/// # Errors
/// If SpiceDB cannot be configured so.
pub fn start(
    embedded: &Arc<Embedded>,
    database: &sea_orm::DatabaseConnection,
    spicedb: Option<&SpiceDbConfig>,
    tasks: &Tasks,
    clock: &policy::Clock,
) -> Result<Chosen, Failure> {
    let own = EmbeddedService::new(Arc::clone(embedded), "policy_api");
    let Some(config) = spicedb else {
        return Ok(Chosen { engine: Arc::clone(embedded) as Arc<dyn Explainer>, api: Arc::new(own) });
    };
    let service = client(config)?;
    let to = Arc::clone(&service) as Arc<dyn RelationshipService>;
    let outbox = Outbox::new(database.clone(), to, Arc::clone(embedded.clock()), Arc::clone(clock));
    embedded.deliver_to(Arc::clone(&outbox));
    let delivering = Arc::clone(&outbox);
    tasks.spawn(async move { delivering.run().await });
    let api = Forwarded::new(own, Arc::clone(&service), Arc::clone(&outbox));
    let local = Arc::clone(embedded) as Arc<dyn Engine>;
    let engine = SpiceDbEngine::start(service, local, outbox, DEFAULT_HORIZON);
    Ok(Chosen { engine, api: Arc::new(api) })
}

/// Why policy does not answer, from an engine's word for it, and what to do.
pub fn sentence(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "revocation_pending" => (
            "something was taken away that SpiceDB has not been told yet, and until then nothing is allowed by it",
            "It is delivered as soon as SpiceDB answers; `GET /readyz` says what is pending.",
        ),
        "spicedb_unavailable" => (
            "SpiceDB does not answer",
            "Start SpiceDB, or its network, again; or stop the node, start it without --spicedb and move policy back: \
             `allod policy migrate --to embedded`.",
        ),
        "spicedb_refuses_the_key" => ("SpiceDB refuses the key", "Start the node with the right --spicedb-key-file."),
        "max_depth" => ("groups or folders lie in one another too deep, or in a circle", "Take one of them out."),
        _ => ("the engine gave no answer", "The node's log says why; try again."),
    }
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
pub async fn ready(relationships: &Relationships, config: &SpiceDbConfig) -> Result<(), Failure> {
    let own = relationships.schema();
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
