//! OAuth 2.1 for apps, and the pages on which people set up, sign in and consent.
//!
//! Authorization code with PKCE (S256 only), exact redirect addresses, refresh rotation,
//! introspection (RFC 7662), revocation (RFC 7009), metadata (RFC 8414). The pages are forms without
//! script.

mod authorize;
mod client;
mod consent;
pub(crate) mod form;
mod introspect;
mod invite;
mod metadata;
mod page;
mod pages;
mod setup;
mod sign_in;
mod style;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use page::{escape, notice, wide_page};
pub(crate) use token::{TokensShown, token_answer};

use super::account::Data;
use crate::front::contract::LEAST_BODY;
use crate::front::shape::oauth_errors;
use crate::front::{Front, Routes, Terms};

pub const FRONT: Front = Front { routes, terms: Terms::own(LEAST_BODY) };

/// Adds the routes. The app data must hold a [`Data`].
fn routes(routes: &mut Routes) {
    routes
        .get("/setup", setup::show)
        .post("/setup", setup::submit)
        .get("/invite", invite::show)
        .post("/invite", invite::submit)
        .get("/oauth/authorize", authorize::show)
        .post("/oauth/authorize", authorize::submit)
        .post("/oauth/token", token::token)
        .post("/oauth/introspect", introspect::introspect)
        .post("/oauth/revoke", introspect::revoke)
        .get("/oauth/style.css", style::sheet)
        .get("/.well-known/oauth-authorization-server", metadata::metadata);
    routes
        .described::<token::Api>()
        .described::<introspect::Api>()
        .described::<metadata::Api>()
        .described::<pages::Api>();
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
        routes.erring(path, oauth_errors);
    }
}
