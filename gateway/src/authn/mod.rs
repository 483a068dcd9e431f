//! Credentials become a [`Principal`]: who asks, through which app, under which grant.
//!
//! A bearer token counts, and the session of a page (a cookie and a key that lies in the page's own storage, never one
//! of them alone). Whoever holds the machine comes by the directory's socket; over TCP, by the local token.

mod address;
pub mod control;
mod cookie;
mod header;
mod local;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpMessage as _, HttpRequest};
use policy_core::{AppCaller, Caller, Holder, TenantId, Timestamp, UserId};
use vault::shares::Payer;

pub use address::{CameFrom, address, agent, whence};
pub use cookie::{browser_cookies, clear_cookie, is_page, session_cookie};
pub(crate) use header::only;
pub use local::is_local;

use crate::directory::sessions::Seen;
use crate::directory::sign_in::Origin;
use crate::directory::{Actor, DirectoryError, SecretHash, Token, TokenKind};
use crate::node::Node;
use crate::spaces::ELSEWHERE;

/// Who a request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub caller: Caller,
    /// The request is from whoever holds the machine: it acts as the owner and may do what no one may over the network.
    pub operator: bool,
    pub tenant: TenantId,
    /// The session, if it is a person's: what signing out ends.
    pub session: Option<SecretHash>,
    /// When the person last gave their password in this session.
    confirmed: Option<Timestamp>,
}

/// How long a password that was given is good for dangerous acts, in seconds.
pub const CONFIRMED_SECONDS: i64 = 300;

impl Principal {
    /// A person for whom something is done that they asked for before: without a session, and nothing confirmed.
    pub fn of_person(caller: Caller, tenant: TenantId) -> Principal {
        Principal { caller, operator: false, tenant, session: None, confirmed: None }
    }

    /// Who acts, as the audit tells it of a person or whoever holds the machine.
    pub fn actor(&self) -> Actor {
        if self.operator { Actor::Operator } else { Actor::Person(self.caller.user) }
    }

    /// Refuses an act that outlives the session or widens who reads, unless the person gave their password within the
    /// last five minutes (RFC 9470). Whoever holds the machine is not asked.
    pub fn confirmed(&self, now: Timestamp) -> Result<(), AuthError> {
        let recent = |at: Timestamp| at <= now && now.0 - at.0 < CONFIRMED_SECONDS * 1_000_000;
        if self.operator || self.confirmed.is_some_and(recent) { Ok(()) } else { Err(AuthError::NotConfirmed) }
    }
}

/// Why a request is from nobody.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("This needs a sign-in: send an access token as `Authorization: Bearer …`.")]
    Missing,
    #[error("The token is unknown, revoked or has lapsed; sign in again.")]
    Invalid,
    #[error("The session cookie counts only for requests of the node's own pages, which send their key beside it.")]
    CrossSite,
    #[error("This needs your password again: send it to `POST /api/v1/session/confirm`, and ask once more.")]
    NotConfirmed,
    #[error("This node is not set up yet: open the set-up link that it printed, or a new one (`allod setup-link`).")]
    NotSetUp,
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Who sent `req`, on a data route.
pub async fn authenticate(req: &HttpRequest, node: &dyn Node) -> Result<Principal, AuthError> {
    let principal = credentials(req, node).await?;
    // Whom the answer is charged to.
    req.extensions_mut().insert(Payer::from(&principal.caller));
    Ok(principal)
}

async fn credentials(req: &HttpRequest, node: &dyn Node) -> Result<Principal, AuthError> {
    let directory = node.directory();
    let owner = node.owner().ok_or(AuthError::NotSetUp)?;
    let Some(text) = bearer(req)? else {
        if control::is_at_the_machine(req) {
            return operator(node, owner).await;
        }
        return used(req, node, &cookie::page_session(req, node).await?).await;
    };
    if SecretHash::of(text).matches(&node.local_token()) {
        return if is_local(req) { operator(node, owner).await } else { Err(AuthError::Invalid) };
    }
    let token = directory.token(text, node.now()).await?.ok_or(AuthError::Invalid)?;
    used(req, node, &token).await
}

/// Where a request comes from, as the person of a session is shown it.
pub fn seen(req: &HttpRequest) -> Seen {
    Seen { address: address(req), product: address::product(req) }
}

/// Who sent `req` by a token, whose use is noted.
async fn used(req: &HttpRequest, node: &dyn Node, token: &Token) -> Result<Principal, AuthError> {
    let principal = of_token(node, token).await?;
    node.directory().session_used(token, || seen(req), node.now()).await;
    Ok(principal)
}

/// Whoever holds the machine, who acts as the owner.
async fn operator(node: &dyn Node, owner: UserId) -> Result<Principal, AuthError> {
    let tenant = node.directory().tenant_of(owner).await?.unwrap_or(ELSEWHERE);
    let caller = Caller { user: owner, app: None, device: None };
    Ok(Principal { caller, operator: true, tenant, session: None, confirmed: None })
}

pub(crate) async fn of_token(node: &dyn Node, token: &Token) -> Result<Principal, AuthError> {
    let tenant = node.directory().tenant_of(token.user).await?.ok_or(AuthError::Invalid)?;
    let app = match token.kind {
        TokenKind::Session => None,
        TokenKind::Access { client, grant, .. } => {
            node.directory().used_grant(grant, node.now());
            Some(AppCaller { holder: Holder::Client(client), grant })
        }
        TokenKind::Link { grant } => {
            node.directory().used_grant(grant, node.now());
            Some(AppCaller { holder: Holder::Link(token.hash.link()), grant })
        }
    };
    let session = (token.kind == TokenKind::Session).then_some(token.hash);
    let caller = Caller { user: token.user, app, device: None };
    Ok(Principal { caller, operator: false, tenant, session, confirmed: token.confirmed })
}

/// Whether the request is from whoever holds the machine, and in nobody else's name: true also of a node that nobody
/// owns yet, which they may stop.
pub fn is_operator(req: &HttpRequest, node: &dyn Node) -> bool {
    match bearer(req) {
        Ok(None) => control::is_at_the_machine(req),
        Ok(Some(text)) => SecretHash::of(text).matches(&node.local_token()) && is_local(req),
        Err(_) => false,
    }
}

/// Where a sign-in under `name` comes from.
pub fn origin(req: &HttpRequest, node: &dyn Node, name: &str) -> Origin {
    Origin { address: address(req), browsers: cookie::known_browsers(req, node, name), agent: agent(req) }
}

/// The bearer token; an `Authorization` of another kind, or several, is none that counts.
pub(crate) fn bearer(req: &HttpRequest) -> Result<Option<&str>, AuthError> {
    let Some(value) = only(req, &AUTHORIZATION).map_err(|_| AuthError::Invalid)? else { return Ok(None) };
    let (scheme, token) = value.split_once(' ').ok_or(AuthError::Invalid)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(Some(token)) } else { Err(AuthError::Invalid) }
}
