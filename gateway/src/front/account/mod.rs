//! The JSON routes of people: signing in and out, users and tenants, apps, grants, audit.

mod apps;
pub(crate) mod body;
mod credentials;
pub(crate) mod grants;
mod me;
mod people;
mod quotas;
mod session;
mod sessions;
mod setup;
#[cfg(test)]
mod tests;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web;

#[cfg(test)]
pub use setup::SetUp;
pub use setup::{Owner, setup, setup_by_link, setup_url};

use super::error::ApiError;
use crate::authn::{Principal, authenticate};
use crate::front::contract::{LEAST_BODY, SMALL_BODY};
use crate::front::{Front, Limits, Routes, Terms};
use crate::node::Node;

/// What handlers get of the node.
pub type Data = web::Data<dyn Node>;

pub const FRONT: Front = Front { routes, terms: Terms::api(SMALL_BODY) };

/// Adds the routes. The app data must hold a [`Data`].
fn routes(routes: &mut Routes) {
    routes
        .post("/api/v1/session", session::sign_in)
        .delete("/api/v1/session", session::sign_out)
        .post("/api/v1/session/confirm", session::confirm)
        .get("/api/v1/sessions", sessions::list)
        .delete("/api/v1/sessions", sessions::end_all)
        .delete("/api/v1/sessions/{id}", sessions::end)
        .get("/api/v1/me", me::show)
        .put("/api/v1/me/password", me::change_password)
        .get("/api/v1/me/credentials", credentials::list)
        .delete("/api/v1/me/credentials/{id}", credentials::remove)
        .post("/api/v1/me/totp", credentials::begin_totp)
        .post("/api/v1/me/totp/confirm", credentials::confirm_totp)
        .delete("/api/v1/users/{name}/totp", credentials::remove_totp)
        .put("/api/v1/users/{name}/password", me::set_password)
        .post("/api/v1/tenants", people::add_tenant)
        .get("/api/v1/tenants", people::tenants)
        .post("/api/v1/users", people::add_user)
        .get("/api/v1/users", people::users)
        .post("/api/v1/users/{name}/token", people::token)
        .post("/api/v1/users/{name}/invite", people::invite)
        .get("/api/v1/quotas", quotas::list)
        .put("/api/v1/quotas/{kind}", quotas::set)
        .get("/api/v1/audit", people::audit)
        .post("/api/v1/setup-link", setup::link)
        .post("/api/v1/apps", apps::add)
        .get("/api/v1/apps", apps::list)
        .post("/api/v1/grants", grants::add)
        .get("/api/v1/grants", grants::list)
        .get("/api/v1/grants/{id}", grants::one)
        .delete("/api/v1/grants/{id}", grants::revoke);
    routes
        .described::<session::Api>()
        .described::<sessions::Api>()
        .described::<me::Api>()
        .described::<credentials::Api>()
        .described::<people::Api>()
        .described::<quotas::Api>()
        .described::<setup::Api>()
        .described::<apps::Api>()
        .described::<grants::Api>();
    // Whoever signs in is not known.
    let small = ["/api/v1/session", "/api/v1/session/confirm", "/api/v1/sessions", "/api/v1/sessions/{id}"];
    for path in small.into_iter().chain(["/api/v1/me/password", "/api/v1/me/totp/confirm"]) {
        routes.limited(path, Limits::body(LEAST_BODY));
    }
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
