//! Credentials become a [`Principal`]: who asks, through which app, under which grant.
//!
//! A bearer token counts, a token that is bound to a key with a proof of that, and the session of a page (a cookie and a key that lies in the page's own storage, never one
//! of them alone). On routes for data a tool may come with an app password. Whoever holds the machine comes by the directory's socket; over TCP, by the local token.

mod address;
mod basic;
pub mod control;
mod cookie;
mod header;
mod local;
mod proof;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpMessage as _, HttpRequest};
use vault::shares::Payer;

pub use address::{CameFrom, address, agent, network, stranger, whence};
pub use cookie::{browser_cookies, clear_cookie, is_page, session_cookie};
pub use gateway_people::principal::{AuthError, CONFIRMED_SECONDS, Principal};
pub use header::only;
pub use local::is_local;
pub use proof::{DPOP, proof};

use gateway_people::directory::sessions::SessionOrigin;
use gateway_people::directory::sign_in::Origin;
use gateway_people::directory::{SecretHash, Token};
use gateway_people::realm::Realm;

/// Who sent `req`.
pub async fn authenticate(req: &HttpRequest, node: &dyn Realm) -> Result<Principal, AuthError> {
    let principal = credentials(req, node).await?;
    charged(req, &principal);
    Ok(principal)
}

/// Who sent `req`, on a route for data: as [`authenticate`] finds them, or by an app password.
///
/// # Errors
/// As [`authenticate`]; [`AuthError::AppPassword`] whatever is wrong with an app password.
pub async fn authenticate_tool(req: &HttpRequest, node: &dyn Realm) -> Result<Principal, AuthError> {
    node.owner().ok_or(AuthError::NotSetUp)?;
    let Some(token) = basic::token(req, node).await? else { return authenticate(req, node).await };
    let principal = used(req, node, &token).await?;
    charged(req, &principal);
    Ok(principal)
}

/// Whom a request is charged to, and its answer.
fn charged(req: &HttpRequest, principal: &Principal) {
    req.extensions_mut().insert(Payer::from(&principal.caller));
}

async fn credentials(req: &HttpRequest, node: &dyn Realm) -> Result<Principal, AuthError> {
    let directory = node.directory();
    let owner = node.owner().ok_or(AuthError::NotSetUp)?;
    let Some(sent) = sent(req)? else {
        if control::is_at_the_machine(req) {
            return Ok(Principal::at_the_machine(directory, owner).await?);
        }
        return used(req, node, &cookie::page_session(req, node).await?).await;
    };
    if let Sent::Bearer(text) = sent
        && SecretHash::of(text).matches(&node.local_token())
    {
        return if is_local(req) {
            Ok(Principal::at_the_machine(directory, owner).await?)
        } else {
            Err(AuthError::Invalid)
        };
    }
    let token = token(req, node, sent).await?;
    used(req, node, &token).await
}

/// A token, and how it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent<'a> {
    /// As one that counts for whoever has it (RFC 6750).
    Bearer(&'a str),
    /// Beside a proof of a key (RFC 9449).
    Dpop(&'a str),
}

/// What was sent, if the node issued it and it counts for who sent it so.
pub async fn token(req: &HttpRequest, node: &dyn Realm, sent: Sent<'_>) -> Result<Token, AuthError> {
    match sent {
        Sent::Dpop(text) => proof::token(req, node, text).await,
        Sent::Bearer(text) => {
            let token = node.directory().token(text, node.now()).await?.ok_or(AuthError::Invalid)?;
            if token.key.is_some() { Err(AuthError::Bound) } else { Ok(token) }
        }
    }
}

/// Where a request comes from, as the person of a session is shown it.
pub fn session_origin(req: &HttpRequest) -> SessionOrigin {
    SessionOrigin { address: address(req), product: address::product(req) }
}

/// Who sent `req` by a token, whose use is noted.
async fn used(req: &HttpRequest, node: &dyn Realm, token: &Token) -> Result<Principal, AuthError> {
    let principal = Principal::of_token(node.directory(), token, node.now()).await?;
    node.directory().session_used(token, || session_origin(req), node.now()).await;
    Ok(principal)
}

/// Whether the request is from whoever holds the machine, and in nobody else's name: true also of a node that nobody
/// owns yet, which they may stop.
pub fn is_operator(req: &HttpRequest, node: &dyn Realm) -> bool {
    match bearer(req) {
        Ok(None) => control::is_at_the_machine(req),
        Ok(Some(text)) => SecretHash::of(text).matches(&node.local_token()) && is_local(req),
        Err(_) => false,
    }
}

/// Where a sign-in under `name` comes from.
pub fn origin(req: &HttpRequest, node: &dyn Realm, name: &str) -> Origin {
    Origin { address: address(req), browsers: cookie::known_browsers(req, node, name), agent: agent(req) }
}

/// The bearer token; an `Authorization` of another kind, or several, is none that counts.
pub fn bearer(req: &HttpRequest) -> Result<Option<&str>, AuthError> {
    match sent(req)? {
        None => Ok(None),
        Some(Sent::Bearer(text)) => Ok(Some(text)),
        Some(Sent::Dpop(_)) => Err(AuthError::Invalid),
    }
}

/// The token in `Authorization`; one of another kind, or several, is none that counts.
pub fn sent(req: &HttpRequest) -> Result<Option<Sent<'_>>, AuthError> {
    let Some(value) = only(req, &AUTHORIZATION).map_err(|_| AuthError::Invalid)? else { return Ok(None) };
    let (scheme, token) = value.split_once(' ').ok_or(AuthError::Invalid)?;
    match token.trim() {
        "" => Err(AuthError::Invalid),
        token if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(Sent::Bearer(token))),
        token if scheme.eq_ignore_ascii_case("dpop") => Ok(Some(Sent::Dpop(token))),
        _ => Err(AuthError::Invalid),
    }
}
