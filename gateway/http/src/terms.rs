//! On what terms a front serves: who asks, what a request may take, the shape of errors.

use std::time::Duration;

use actix_web::HttpRequest;
use futures::future::LocalBoxFuture;

use crate::authn::{self, AuthError, Principal};
use crate::error::{Errors, json_errors};
use crate::problem::problems;
use gateway_people::realm::Realm;

/// The largest body of documents and definitions, in bytes. No route takes a larger one.
pub const LARGE_BODY: usize = 16 << 20;
/// The largest body of a request that changes no documents and defines nothing, in bytes.
pub const SMALL_BODY: usize = 1 << 20;
/// The largest body of forms, and of whoever has not said who they are, in bytes.
pub const LEAST_BODY: usize = 64 << 10;
/// A request that has not been answered by then is cut: reads have 30 s of their own.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// On what terms a front serves.
#[derive(Clone, Copy)]
pub struct Terms {
    /// By what its clients say who they are.
    pub clients: Clients,
    /// The shape of what the shell itself refuses.
    pub errors: Errors,
    /// Of its routes, but for those that have limits of their own: `Routes::limited`.
    pub limits: Limits,
}

/// Finds who sent a request: whom its body is charged to, before it is read.
pub type Clients = for<'a> fn(&'a HttpRequest, &'a dyn Realm) -> LocalBoxFuture<'a, Result<Principal, AuthError>>;

/// What a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body of somebody who is known, in bytes; of others it is [`LEAST_BODY`] at most.
    pub body: usize,
    /// How long until the answer begins; `None`: as long as the request says itself.
    pub deadline: Option<Duration>,
    /// Whether the body goes on as it comes, and little of it is in memory at a time.
    pub streamed: bool,
}

impl Limits {
    /// Bodies of at most so many bytes, and answers that begin within [`DEADLINE`].
    pub const fn body(body: usize) -> Limits {
        Limits { body, deadline: Some(DEADLINE), streamed: false }
    }
}

impl Terms {
    /// The terms of the node's own routes: its tokens and sessions, errors as JSON.
    pub const fn own(body: usize) -> Terms {
        Terms { clients: own_clients, errors: json_errors, limits: Limits::body(body) }
    }

    /// The terms of `/api/v1`: as [`Terms::own`], errors as problems (RFC 9457).
    pub const fn api(body: usize) -> Terms {
        Terms { errors: problems, ..Terms::own(body) }
    }
}

/// As [`own_clients`], and the name of a person with an app password (Basic, RFC 7617): on routes for data.
pub fn data_clients<'a>(
    request: &'a HttpRequest,
    node: &'a dyn Realm,
) -> LocalBoxFuture<'a, Result<Principal, AuthError>> {
    Box::pin(authn::authenticate_tool(request, node))
}

/// A bearer token, the session of a page, or the local token: [`authn::authenticate`].
pub fn own_clients<'a>(
    request: &'a HttpRequest,
    node: &'a dyn Realm,
) -> LocalBoxFuture<'a, Result<Principal, AuthError>> {
    Box::pin(authn::authenticate(request, node))
}
