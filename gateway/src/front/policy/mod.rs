//! The operator's routes to policy: its schema, questions with reasons, its audit, and moving to another engine.

mod audit;
mod explain;
mod migrate;
mod schema;

use actix_web::http::header::{IF_MATCH, IF_NONE_MATCH};
use actix_web::http::{Method, StatusCode};
use policy::{Reason, ServiceError};

use super::error::ApiError;
use crate::access::unanswered;
use crate::front::contract::LARGE_BODY;
use crate::front::contract::{Front, Terms};
use crate::front::route::Routes;

pub const FRONT: Front = Front { routes, terms: Terms::api(LARGE_BODY) };

fn routes(routes: &mut Routes) {
    routes
        .get("/api/v1/policy/schema", schema::read)
        .put("/api/v1/policy/schema", schema::write)
        .heeding("/api/v1/policy/schema", &Method::PUT, [IF_MATCH, IF_NONE_MATCH])
        .post("/api/v1/policy/schema/check", schema::check)
        .post("/api/v1/policy/explain", explain::explain)
        .get("/api/v1/policy/audit", audit::rows)
        .post("/api/v1/policy/migrate", migrate::migrate)
        .described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(schema::read, schema::write, schema::check, explain::explain, audit::rows, migrate::migrate))]
struct Api;

fn refused(error: &ServiceError) -> ApiError {
    if matches!(error.reason, Reason::Unavailable | Reason::Unauthenticated | Reason::TooSlow) {
        return crate::front::error::policy_unavailable(&unanswered(error));
    }
    let (status, code) = match error.reason {
        Reason::UnknownDefinition | Reason::UnknownRelationOrPermission => (StatusCode::BAD_REQUEST, "unknown_name"),
        Reason::MaximumDepthExceeded => (StatusCode::CONFLICT, "max_depth"),
        _ => (StatusCode::BAD_REQUEST, "policy_refused"),
    };
    ApiError::new(status, code, format!("Policy refuses: {}.", error.message))
}
