//! `/api/v1/policy/migrate`: schema and relationships to SpiceDB, or from it, with proof that nothing was lost.

use std::path::PathBuf;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use policy::{MigrateOptions, RelationshipService};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::engine;
use crate::front::account::body;
use crate::front::error::ApiError;
use crate::front::operator::AtTheMachine;

/// Where policy moves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Migration {
    to: Engine,
    #[schema(examples("127.0.0.1:50051"))]
    address: String,
    /// Read by the node, on its own machine.
    #[schema(value_type = String, examples("/etc/allod/spicedb.key"))]
    key_file: PathBuf,
    #[schema(examples("off"))]
    tls: String,
    #[serde(default)]
    #[schema(required = false)]
    merge: bool,
}

/// What was moved.
#[derive(Debug, Serialize, ToSchema)]
struct Migrated {
    definitions: u64,
    relationships: u64,
    lapsed: u64,
    others: u64,
    checks: u64,
    at: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Engine {
    Spicedb,
    Embedded,
}

/// Moves schema and relationships to SpiceDB, or from it
#[utoipa::path(post, path = "/api/v1/policy/migrate", tag = "policy", request_body = Migration, responses(
    (status = 200, description = "They are moved", body = Migrated),
    (status = 404, description = "`not_found`: a space is gone meanwhile"),
    (status = 409, description = "`not_migrated`: nothing was taken away from where policy came from")))]
pub async fn migrate(
    request: HttpRequest,
    app: web::Data<App>,
    _by: AtTheMachine,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let order: Migration = body::json(&request, &bytes)?;
    let unusable =
        |failure: crate::failure::Failure| ApiError::new(StatusCode::BAD_REQUEST, "spicedb_config", failure.message);
    let read = |file: &std::path::Path| -> Result<_, crate::failure::Failure> {
        let (key, _) = gateway_config::read_secret(file)?;
        engine::config(&order.address, &key, &order.tls)
    };
    let config = read(&order.key_file).map_err(unusable)?;
    let spicedb = engine::client(&config).map_err(unusable)?;
    // What follows from the catalogue of a space is known once somebody has used it: here, of all of them.
    for space in app.vault.users().into_iter().flat_map(|user| app.vault.space_ids(user)) {
        app.access.catalogue(space).await?;
    }
    let own = app.policy.stored("migration");
    let (from, to): (&dyn RelationshipService, &dyn RelationshipService) = match order.to {
        Engine::Spicedb => (&own, &*spicedb),
        Engine::Embedded => (&*spicedb, &own),
    };
    // The node's own facts are here already.
    let merge = order.merge || order.to == Engine::Embedded;
    let options = MigrateOptions { merge, ..MigrateOptions::default() };
    let moved =
        policy::migrate(from, to, &options, &*app.clock, &mut |step| tracing::info!(?step, "policy moves")).await;
    let moved = moved.map_err(|error| {
        ApiError::new(StatusCode::CONFLICT, "not_migrated", format!("Not moved: {error}."))
            .hint("Nothing was taken away from where policy came from; mend the cause and run it again with --merge.")
    })?;
    Ok(HttpResponse::Ok().json(Migrated {
        definitions: moved.definitions as u64,
        relationships: moved.relationships as u64,
        lapsed: moved.lapsed as u64,
        others: moved.others as u64,
        checks: moved.checks as u64,
        at: moved.at.to_string(),
    }))
}
