//! Passkeys (Web Authentication Level 3): making them, signing in by them, and what a person sees of theirs.
//!
//! Each ceremony begins with a challenge and ends, once and within five minutes, with what a device answered to it.

mod own;
mod party;
pub(crate) mod proof;
mod register;
mod sign_in;

use actix_web::HttpRequest;
use policy_core::UserId;
use serde::Deserialize;
use utoipa::ToSchema;
use webauthn_rs::prelude::PublicKeyCredential;

use party::stale;

use super::account::Data;
use super::contract::{Front, LEAST_BODY, Terms};
use super::error::ApiError;
use super::route::Routes;
use crate::authn::Principal;
use crate::directory::SecretHash;
use crate::front::account::person;
use crate::node::Node;

pub const FRONT: Front = Front { routes, terms: Terms::api(LEAST_BODY) };

/// Adds the routes. The app data must hold a [`Data`].
fn routes(routes: &mut Routes) {
    routes
        .get("/api/v1/passkeys", own::list)
        .put("/api/v1/passkeys/{id}", own::rename)
        .delete("/api/v1/passkeys/{id}", own::remove)
        .post("/api/v1/passkeys/register/start", register::start)
        .post("/api/v1/passkeys/register/finish", register::finish)
        .post("/api/v1/passkeys/sign-in/start", sign_in::start)
        .post("/api/v1/passkeys/sign-in/finish", sign_in::finish)
        .post("/api/v1/passkeys/confirm/start", sign_in::start_confirming)
        .post("/api/v1/passkeys/confirm/finish", sign_in::finish_confirming);
    routes.described::<own::Api>().described::<register::Api>().described::<sign_in::Api>();
}

/// What a device answered to a challenge.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Proved {
    /// As `start` named it.
    ceremony: String,
    /// An `AuthenticationResponseJSON`: what `PublicKeyCredential.toJSON()` makes.
    #[schema(value_type = Object)]
    credential: PublicKeyCredential,
}

/// The session of a person, to do this in.
fn session_of(principal: &Principal) -> Result<SecretHash, ApiError> {
    principal.session.ok_or_else(|| ApiError::bad_request("Whoever holds the machine has no session to do this in."))
}

/// Whoever asks, if it was begun in their session.
async fn same_session(
    req: &HttpRequest,
    node: &dyn Node,
    user: UserId,
    session: SecretHash,
) -> Result<Principal, ApiError> {
    let principal = person(req, node).await?;
    let same = principal.caller.user == user && principal.session == Some(session);
    same.then_some(principal).ok_or_else(stale)
}
