//! OAuth 2.1 for apps, and the pages on which people set up, sign in and consent.
//!
//! Authorization code with PKCE (S256 only), exact redirect addresses, refresh rotation,
//! introspection (RFC 7662), revocation (RFC 7009), metadata (RFC 8414), tokens that are bound to keys (RFC 9449); and who somebody is (OpenID Connect Core 1.0),
//! for apps that ask. The pages are forms, and need no script.

mod authorize;
mod client;
mod consent;
mod device;
mod exchange;
pub(crate) mod form;
mod introspect;
mod invite;
mod metadata;
mod named;
mod openid;
mod page;
mod pages;
mod par;
mod passkey;
mod register;
mod setup;
mod sign_in;
mod speech;
mod style;
mod taking;
#[cfg(test)]
mod tests;
mod token;
mod words;

pub(crate) use authorize::is_request;
pub(crate) use form::foreign;
pub(crate) use openid::signed_out;
pub(crate) use page::{escape, notice, wide_page};
pub(crate) use sign_in::{Factors, code_page, consent_outside};
pub(crate) use speech::spoken;
pub(crate) use token::{TokensView, token_answer};
pub(crate) use words::words;

use super::account::Data;
use crate::front::contract::LEAST_BODY;
use crate::front::contract::{Front, Terms};
use crate::front::resource::METADATA;
use crate::front::route::Routes;
use crate::front::shape::oauth_errors;

pub const FRONT: Front = Front { routes, terms: Terms::own(LEAST_BODY) };

/// Adds the routes. The app data must hold a [`Data`].
fn routes(routes: &mut Routes) {
    routes
        // First: beside it nobody finds a page, and is answered as apps are.
        .post("/oauth/par", par::par)
        .get("/setup", setup::show)
        .post("/setup", setup::submit)
        .get("/setup/restore", taking::show_restore)
        .post("/setup/restore", taking::restore)
        .get("/setup/join", taking::show_join)
        .post("/setup/join", taking::join)
        .get("/invite", invite::show)
        .post("/invite", invite::submit)
        .get("/oauth/authorize", authorize::show)
        .post("/oauth/authorize", authorize::submit)
        .post("/oauth/device_authorization", device::begin)
        .get("/oauth/device", device::show)
        .post("/oauth/device", device::submit)
        .post("/oauth/token", token::token)
        .post("/oauth/introspect", introspect::introspect)
        .post("/oauth/revoke", introspect::revoke)
        .get("/oauth/style.css", style::sheet)
        .get(passkey::SCRIPT, passkey::script)
        .get(consent::SCRIPT, consent::script)
        .get("/oauth/userinfo", openid::userinfo::get)
        .post("/oauth/userinfo", openid::userinfo::post)
        .get("/oauth/logout", openid::logout::show)
        .post("/oauth/logout", openid::logout::submit)
        .get("/oauth/jwks", openid::jwks::jwks)
        .post("/oauth/register", register::register)
        .get("/oauth/register/{client}", register::read)
        .delete("/oauth/register/{client}", register::delete)
        .get("/.well-known/oauth-authorization-server", metadata::metadata)
        .get("/.well-known/openid-configuration", metadata::openid_configuration)
        .get(METADATA, metadata::protected_resource);
    routes
        .described::<token::Api>()
        .described::<introspect::Api>()
        .described::<metadata::Api>()
        .described::<par::Api>()
        .described::<register::Api>()
        .described::<device::Api>()
        .described::<openid::userinfo::Api>()
        .described::<openid::jwks::Api>()
        .described::<taking::Api>()
        .described::<pages::Api>();
    let about_apps =
        ["/oauth/par", "/oauth/device_authorization", "/oauth/token", "/oauth/introspect", "/oauth/revoke"];
    let others = ["/oauth/userinfo", "/oauth/jwks", "/oauth/register", "/oauth/register/{client}"];
    for path in about_apps.into_iter().chain(others) {
        routes.erring(path, oauth_errors);
    }
    for path in
        ["/oauth/par", "/oauth/device_authorization", "/oauth/token", "/oauth/revoke", "/oauth/userinfo", "/oauth/jwks"]
    {
        routes.open(path);
    }
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", METADATA] {
        routes.open(path);
    }
}
