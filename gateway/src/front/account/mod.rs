//! The JSON routes of people: signing in and out, users and tenants, apps, grants, audit.

mod app_passwords;
mod apps;
mod audit;
pub(crate) mod body;
pub(crate) mod credentials;
pub(crate) mod grants;
mod me;
mod people;
mod preview;
mod quotas;
mod registration_tokens;
mod removal;
mod requests;
pub(crate) mod session;
pub(crate) mod sessions;
mod setup;
pub(crate) mod sign_ins;
mod standing;
mod tenants;
#[cfg(test)]
mod tests;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{IF_MATCH, IF_NONE_MATCH};
use actix_web::web;

#[cfg(test)]
pub use setup::SetUp;
pub use setup::{Owner, setup, setup_by_link, setup_url};

use super::error::ApiError;
use crate::authn::{Principal, authenticate};
use crate::front::contract::{Front, Limits, Terms};
use crate::front::contract::{LEAST_BODY, SMALL_BODY};
use crate::front::route::Routes;
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
        .delete("/api/v1/me", removal::remove_oneself)
        .put("/api/v1/me/password", me::change_password)
        .get("/api/v1/me/credentials", credentials::list)
        .delete("/api/v1/me/credentials/{id}", credentials::remove)
        .post("/api/v1/me/totp", credentials::begin_totp)
        .post("/api/v1/me/totp/confirm", credentials::confirm_totp)
        .delete("/api/v1/users/{name}/totp", credentials::remove_totp)
        .delete("/api/v1/users/{name}/passkeys", credentials::remove_passkeys)
        .put("/api/v1/users/{name}/password", me::set_password)
        .post("/api/v1/tenants", tenants::add_tenant)
        .get("/api/v1/tenants", tenants::tenants)
        .delete("/api/v1/tenants/{name}", tenants::remove)
        .put("/api/v1/tenants/{name}/suspension", tenants::suspend)
        .delete("/api/v1/tenants/{name}/suspension", tenants::resume)
        .post("/api/v1/users", people::add_user)
        .get("/api/v1/users", people::users)
        .delete("/api/v1/users/{name}", removal::remove)
        .post("/api/v1/users/{name}/token", people::token)
        .post("/api/v1/users/{name}/invite", people::invite)
        .get("/api/v1/quotas", quotas::list)
        .put("/api/v1/quotas/{kind}", quotas::set)
        .heeding("/api/v1/quotas/{kind}", &Method::PUT, [IF_MATCH, IF_NONE_MATCH])
        .put("/api/v1/users/{name}/operator", standing::name_operator)
        .delete("/api/v1/users/{name}/operator", standing::remove_operator)
        .put("/api/v1/users/{name}/suspension", standing::suspend)
        .delete("/api/v1/users/{name}/suspension", standing::resume)
        .get("/api/v1/audit", audit::own)
        .get("/api/v1/audit/all", audit::all)
        .post("/api/v1/setup-link", setup::link)
        .post("/api/v1/apps", apps::add)
        .get("/api/v1/apps", apps::list)
        .delete("/api/v1/apps/{client}", apps::remove)
        .post("/api/v1/registration-tokens", registration_tokens::add)
        .get("/api/v1/registration-tokens", registration_tokens::list)
        .delete("/api/v1/registration-tokens/{id}", registration_tokens::end)
        .post("/api/v1/grants", grants::add)
        .get("/api/v1/grants", grants::list)
        .get("/api/v1/grants/{id}", grants::one)
        .put("/api/v1/grants/{id}", grants::narrow)
        .get("/api/v1/grants/{id}/preview", preview::first_rows)
        .put("/api/v1/grants/{id}/end", grants::extend)
        .delete("/api/v1/grants/{id}", grants::revoke)
        .post("/api/v1/app-passwords", app_passwords::add)
        .get("/api/v1/app-passwords", app_passwords::list)
        .get("/api/v1/app-passwords/{id}", app_passwords::one)
        .put("/api/v1/app-passwords/{id}", app_passwords::narrow)
        .put("/api/v1/app-passwords/{id}/end", app_passwords::extend)
        .delete("/api/v1/app-passwords/{id}", app_passwords::remove)
        .post("/api/v1/requests", requests::file)
        .get("/api/v1/requests", requests::list)
        .get("/api/v1/requests/{id}", requests::one)
        .post("/api/v1/requests/{id}/approve", requests::approve)
        .post("/api/v1/requests/{id}/decline", requests::decline)
        .get("/api/v1/sign-ins", sign_ins::list)
        .delete("/api/v1/sign-ins/{client}", sign_ins::end);
    routes
        .described::<session::Api>()
        .described::<sessions::Api>()
        .described::<me::Api>()
        .described::<credentials::Api>()
        .described::<people::Api>()
        .described::<tenants::Api>()
        .described::<standing::Api>()
        .described::<removal::Api>()
        .described::<audit::Api>()
        .described::<quotas::Api>()
        .described::<setup::Api>()
        .described::<apps::Api>()
        .described::<registration_tokens::Api>()
        .described::<grants::Api>()
        .described::<preview::Api>()
        .described::<app_passwords::Api>()
        .described::<requests::Api>()
        .described::<sign_ins::Api>();
    // Apps that run in a browser ask for more there.
    routes.open("/api/v1/requests").open("/api/v1/requests/{id}");
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
        return Err(ApiError::for_people());
    }
    Ok(principal)
}
