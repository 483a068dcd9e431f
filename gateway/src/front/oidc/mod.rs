//! Sign-in by outside providers (OpenID Connect Core 1.0), as a relying party.
//!
//! A page of the console begins by `POST …/start` with a key that it keeps in the storage of its origin, sends the browser
//! to the provider, and ends by `POST …/finish` with what came back and the key: so nobody is signed in by an address that
//! another page made. The consent to an app's request goes by links and redirects alone, and begins no session.

mod api;
mod arrive;
mod pages;

use super::account::Data;
use super::contract::LEAST_BODY;
use super::error::ApiError;
use super::problem::problems;
use crate::front::contract::{Front, Limits, Terms};
use crate::front::route::Routes;
use crate::node::Node;
use crate::oidc::{OidcError, Provider};

pub const FRONT: Front = Front { routes, terms: Terms::own(LEAST_BODY) };

/// Adds the routes. The app data must hold a [`Data`].
fn routes(routes: &mut Routes) {
    routes
        .get("/api/v1/oidc", api::list)
        .post("/api/v1/oidc/{name}/start", api::start)
        .post("/api/v1/oidc/{name}/finish", api::finish)
        .get("/auth/oidc/{name}/start", pages::start)
        .get("/auth/oidc/{name}/callback", pages::callback)
        .post("/auth/oidc/{name}/code", pages::code)
        .post("/auth/oidc/{name}/logout", pages::logout);
    routes.described::<api::Api>().described::<pages::Api>();
    for path in ["/api/v1/oidc", "/api/v1/oidc/{name}/start", "/api/v1/oidc/{name}/finish"] {
        routes.erring(path, problems);
    }
    for path in ["/api/v1/oidc/{name}/start", "/api/v1/oidc/{name}/finish", "/auth/oidc/{name}/code"] {
        routes.limited(path, Limits::body(LEAST_BODY));
    }
}

/// The provider of this name.
fn provider<'a>(node: &'a dyn Node, name: &str) -> Result<&'a std::sync::Arc<Provider>, ApiError> {
    node.providers().named(name).ok_or_else(|| {
        let text = "There is no such provider of sign-ins.";
        ApiError::new(actix_web::http::StatusCode::NOT_FOUND, "unknown_provider", text)
    })
}

/// What the person is told; the operator finds the rest in the log.
fn refusal(provider: &Provider, error: &OidcError) -> ApiError {
    use actix_web::http::StatusCode;
    let text = error.to_string();
    match error {
        OidcError::Stale => ApiError::new(StatusCode::BAD_REQUEST, "sign_in_stale", text)
            .hint("A sign-in is good for ten minutes, once, and in the browser that began it."),
        OidcError::Refused => ApiError::new(StatusCode::FORBIDDEN, "provider_refused", text),
        OidcError::NotAdmitted(_) => ApiError::new(StatusCode::FORBIDDEN, "not_admitted", text)
            .hint("Sign in there with another account, or ask the operator of this node."),
        OidcError::Failed(why) => {
            tracing::warn!(provider = %provider.config().name, error = %why, "a sign-in by a provider failed");
            ApiError::new(StatusCode::BAD_GATEWAY, "provider_failed", text)
                .hint("The operator finds in the node's log what is wrong.")
        }
    }
}
