//! The JSON routes of people: signing in and out, users and tenants, apps, grants, audit.

mod apps;
pub(crate) mod body;
pub(crate) mod grants;
mod people;
mod session;
mod setup;
#[cfg(test)]
mod tests;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};

#[cfg(test)]
pub use setup::SetUp;
pub use setup::setup;

use super::error::ApiError;
use crate::authn::{Principal, authenticate};
use crate::node::Node;

/// What handlers get of the node.
pub type Data = web::Data<dyn Node>;

/// Adds the routes. The app data must hold a [`Data`].
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/session", web::post().to(session::sign_in))
        .route("/api/v1/session", web::delete().to(session::sign_out))
        .route("/api/v1/sessions", web::delete().to(session::sign_out_everywhere))
        .route("/api/v1/tenants", web::post().to(people::add_tenant))
        .route("/api/v1/tenants", web::get().to(people::tenants))
        .route("/api/v1/users", web::post().to(people::add_user))
        .route("/api/v1/users", web::get().to(people::users))
        .route("/api/v1/users/{name}/token", web::post().to(people::token))
        .route("/api/v1/audit", web::get().to(people::audit))
        .route("/api/v1/apps", web::post().to(apps::add))
        .route("/api/v1/apps", web::get().to(apps::list))
        .route("/api/v1/grants", web::post().to(grants::add))
        .route("/api/v1/grants", web::get().to(grants::list))
        .route("/api/v1/grants/{id}", web::get().to(grants::one))
        .route("/api/v1/grants/{id}", web::delete().to(grants::revoke));
}

/// The person (or operator) who sent `req`: accounts are not for apps.
pub(crate) async fn person(req: &HttpRequest, node: &dyn Node) -> Result<Principal, ApiError> {
    let principal = authenticate(req, node).await?;
    if principal.caller.app.is_some() {
        let text = "An app cannot do this; its grant is for data only.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "not_for_apps", text));
    }
    Ok(principal)
}

/// Whoever holds the machine.
async fn operator(req: &HttpRequest, node: &dyn Node) -> Result<Principal, ApiError> {
    let principal = person(req, node).await?;
    if principal.operator {
        return Ok(principal);
    }
    let text = "Only the operator can do this, on the machine itself.";
    Err(ApiError::new(StatusCode::FORBIDDEN, "operator_only", text)
        .hint("Use the `allod` command on the node's machine."))
}
