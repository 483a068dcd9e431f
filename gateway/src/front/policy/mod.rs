//! The operator's routes to policy: its schema, questions with reasons, its audit, and moving to another engine.

mod audit;
mod explain;
mod migrate;
mod schema;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use policy::{Reason, ServiceError};

use super::error::ApiError;
use crate::app::App;
use crate::authn;

pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/policy/schema", web::get().to(schema::read))
        .route("/api/v1/policy/schema", web::put().to(schema::write))
        .route("/api/v1/policy/explain", web::post().to(explain::explain))
        .route("/api/v1/policy/audit", web::get().to(audit::rows))
        .route("/api/v1/policy/migrate", web::post().to(migrate::migrate));
}

/// Only whoever holds the machine may look at, or change, what everybody's rights rest on.
async fn operator(request: &HttpRequest, app: &App) -> Result<(), ApiError> {
    if authn::authenticate(request, app).await?.operator {
        return Ok(());
    }
    let text = "Only the operator can do this, on the machine itself.";
    Err(ApiError::new(StatusCode::FORBIDDEN, "operator_only", text)
        .hint("Use the `allod` command on the node's machine."))
}

fn refused(error: &ServiceError) -> ApiError {
    let (status, code) = match error.reason {
        Reason::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Reason::UnknownDefinition | Reason::UnknownRelationOrPermission => (StatusCode::BAD_REQUEST, "unknown_name"),
        Reason::MaximumDepthExceeded => (StatusCode::CONFLICT, "max_depth"),
        _ => (StatusCode::BAD_REQUEST, "policy_refused"),
    };
    ApiError::new(status, code, format!("Policy refuses: {}.", error.message))
}
