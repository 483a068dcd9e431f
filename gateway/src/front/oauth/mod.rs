//! OAuth 2.1 for apps, and the pages on which people set up, sign in and consent.
//!
//! Authorization code with PKCE (S256 only), exact redirect addresses, refresh rotation,
//! introspection (RFC 7662), revocation (RFC 7009), metadata (RFC 8414). The pages are forms without
//! script.

mod authorize;
mod client;
mod consent;
mod form;
mod introspect;
mod metadata;
mod page;
mod setup;
mod sign_in;
mod style;
#[cfg(test)]
mod tests;
mod token;

use actix_web::web::{self, ServiceConfig};

pub(crate) use page::{escape, notice, page};
pub(crate) use token::token_answer;

use super::account::Data;

/// Adds the routes. The app data must hold a [`Data`].
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/setup", web::get().to(setup::show))
        .route("/setup", web::post().to(setup::submit))
        .route("/oauth/authorize", web::get().to(authorize::show))
        .route("/oauth/authorize", web::post().to(authorize::submit))
        .route("/oauth/token", web::post().to(token::token))
        .route("/oauth/introspect", web::post().to(introspect::introspect))
        .route("/oauth/revoke", web::post().to(introspect::revoke))
        .route("/oauth/style.css", web::get().to(style::sheet))
        .route("/.well-known/oauth-authorization-server", web::get().to(metadata::metadata));
}
