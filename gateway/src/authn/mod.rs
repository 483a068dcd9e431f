//! Credentials become a [`Principal`]: who asks, through which app, under which grant.
//!
//! Three credentials count: a bearer token, the session cookie (on data routes only with proof that
//! our own page sent it), and the local token of whoever holds the machine.

mod cookie;
mod local;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderName};
use policy_core::{AppCaller, Caller, Holder, TenantId};

pub(crate) use cookie::strict;
pub use cookie::{SESSION_SECONDS, clear_cookie, page_session, session_cookie};
pub use local::is_local;

use crate::directory::{DirectoryError, Kind, SecretHash, Token};
use crate::node::Node;

/// The tenant of an owner whose account lives on another node: this one is a device of theirs.
pub const ELSEWHERE: TenantId = TenantId::from_bytes([0; 16]);

/// Who a request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub caller: Caller,
    /// The request carried the local token: it acts as the owner and may do what no one may over the network.
    pub operator: bool,
    pub tenant: TenantId,
    /// The session, if it is a person's: what signing out ends.
    pub session: Option<SecretHash>,
}

/// Why a request is from nobody.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("This needs a sign-in: send an access token as `Authorization: Bearer …`.")]
    Missing,
    #[error("The token is unknown, revoked or has lapsed; sign in again.")]
    Invalid,
    #[error("The session cookie counts only for requests of the node's own pages.")]
    CrossSite,
    #[error("This node is not set up yet: open the setup link that it printed when it started.")]
    NotSetUp,
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Who sent `req`, on a data route.
pub async fn authenticate(req: &HttpRequest, node: &dyn Node) -> Result<Principal, AuthError> {
    let directory = node.directory();
    let owner = node.owner().ok_or(AuthError::NotSetUp)?;
    let Some(text) = bearer(req)? else {
        let text = cookie::session_text(req, node).ok_or(AuthError::Missing)?;
        if !cookie::from_own_page(req) {
            return Err(AuthError::CrossSite);
        }
        let token = directory.token(&text, node.now()).await?.ok_or(AuthError::Invalid)?;
        // An app's token in a cookie is not a session of anyone.
        return if token.kind == Kind::Session { of_token(node, &token).await } else { Err(AuthError::Invalid) };
    };
    if SecretHash::of(text).matches(&node.local_token()) {
        if !is_local(req) {
            return Err(AuthError::Invalid);
        }
        let tenant = directory.tenant_of(owner).await?.unwrap_or(ELSEWHERE);
        let caller = Caller { user: owner, app: None, device: None };
        return Ok(Principal { caller, operator: true, tenant, session: None });
    }
    let token = directory.token(text, node.now()).await?.ok_or(AuthError::Invalid)?;
    of_token(node, &token).await
}

pub(crate) async fn of_token(node: &dyn Node, token: &Token) -> Result<Principal, AuthError> {
    let tenant = node.directory().tenant_of(token.user).await?.ok_or(AuthError::Invalid)?;
    let app = match token.kind {
        Kind::Session => None,
        Kind::Access { client, grant, .. } => {
            node.directory().used_grant(grant, node.now());
            Some(AppCaller { holder: Holder::Client(client), grant })
        }
        Kind::Link { grant } => {
            node.directory().used_grant(grant, node.now());
            Some(AppCaller { holder: Holder::Link(token.hash.link()), grant })
        }
    };
    let session = (token.kind == Kind::Session).then_some(token.hash);
    Ok(Principal { caller: Caller { user: token.user, app, device: None }, operator: false, tenant, session })
}

/// Whether the request carries the local token from this machine: true also of a node that nobody owns
/// yet, which whoever holds the machine may stop.
pub fn is_operator(req: &HttpRequest, node: &dyn Node) -> bool {
    let text = bearer(req).ok().flatten();
    text.is_some_and(|text| SecretHash::of(text).matches(&node.local_token())) && is_local(req)
}

/// The bearer token; an `Authorization` of another kind, or several, is none that counts.
fn bearer(req: &HttpRequest) -> Result<Option<&str>, AuthError> {
    let Some(value) = only(req, &AUTHORIZATION).map_err(|_| AuthError::Invalid)? else { return Ok(None) };
    let (scheme, token) = value.split_once(' ').ok_or(AuthError::Invalid)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(Some(token)) } else { Err(AuthError::Invalid) }
}

/// The one value of a header; an error if there are several or it is no text.
pub(crate) fn only<'a>(req: &'a HttpRequest, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = req.headers().get_all(name);
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(());
    }
    first.to_str().map(Some).map_err(|_| ())
}
