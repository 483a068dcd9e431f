//! Signing in by a passkey, and proving by one who one is before a dangerous act.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;
use webauthn_rs_proto::PublicKeyCredentialRequestOptions;

use super::party::{party, stale};
use super::{Data, Proved, proof, same_session, session_of};
use crate::authn::address;
use crate::directory::sign_in::SignedIn;
use crate::front::account::session::{ConfirmedUntil, SessionOpened, confirmed, opened, same_site};
use crate::front::account::{body, person};
use crate::front::error::ApiError;
use crate::passkeys::{Purpose, RelyingParty};

#[derive(utoipa::OpenApi)]
#[openapi(paths(start, finish, start_confirming, finish_confirming))]
pub(super) struct Api;

/// What a device is to answer.
#[derive(Serialize, ToSchema)]
struct ProofAsked {
    /// Names this ceremony to `finish`.
    ceremony: String,
    /// `PublicKeyCredentialRequestOptionsJSON`: what `PublicKeyCredential.parseRequestOptionsFromJSON()` reads.
    #[schema(value_type = Object)]
    public_key: PublicKeyCredentialRequestOptions,
}

fn internal(_: webauthn_rs::prelude::WebauthnError) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "A challenge could not be made.")
}

/// Begins a sign-in by a passkey
///
/// No name is needed: the device knows whose its passkeys are. Good for five minutes.
#[utoipa::path(post, path = "/api/v1/passkeys/sign-in/start", tag = "session", security(()), responses(
    (status = 200, description = "What to ask the device for", body = ProofAsked),
    (status = 403, description = "`cross_site`: another site cannot sign you in"),
    (status = 409, description = "`no_passkeys`: the node's pages have no name; `passkeys_elsewhere`: passkeys count at another address of it")))]
pub(super) async fn start(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    same_site(&req)?;
    let (asked, state) = party(&req, &**node)?.begin_proof(Vec::new()).map_err(internal)?;
    let ceremony = node.ceremonies().begin(Purpose::SignIn(state), address(&req)).text().to_owned();
    let answer = ProofAsked { ceremony, public_key: asked.public_key };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
}

/// Signs in by a passkey
///
/// Once. The device has checked the person, so no code of a second factor is asked for.
#[utoipa::path(post, path = "/api/v1/passkeys/sign-in/finish", tag = "session", security(()), request_body = Proved, responses(
    (status = 200, description = "The session", body = SessionOpened),
    (status = 400, description = "`sign_in_stale`: begin again; or `invalid_input`"),
    (status = 401, description = "`passkey_refused`: nobody signs in by it here; `passkey_unverified`: the device did not check the person; `passkey_went_back`: it may have been copied"),
    (status = 403, description = "`suspended`: the account is suspended; or `cross_site`: another site cannot sign you in"),
    (status = 409, description = "`no_passkeys`, `passkeys_elsewhere`: as for `start`"),
    (status = 429, description = "`busy`: too many people are signing in")))]
pub(super) async fn finish(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    same_site(&req)?;
    let Proved { ceremony, credential } = body::json(&req, &bytes)?;
    let (SignedIn { user, browser, .. }, by) = proof::signed_in(&req, &**node, &ceremony, &credential).await?;
    opened(&**node, &req, &user, Some(&browser), Some(&by)).await
}

/// Begins to prove by a passkey who one is
///
/// What `POST /api/v1/session/confirm` is for a password. Good for five minutes.
#[utoipa::path(post, path = "/api/v1/passkeys/confirm/start", tag = "session", responses(
    (status = 200, description = "What to ask the device for", body = ProofAsked),
    (status = 404, description = "`not_found`: there is no passkey of the person who asks that counts"),
    (status = 409, description = "`no_passkeys`, `passkeys_elsewhere`: as for a sign-in")))]
pub(super) async fn start_confirming(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let (user, session) = (principal.caller.user, session_of(&principal)?);
    let party: RelyingParty = party(&req, &**node)?;
    let theirs = node.directory().passkeys(user).await?.into_iter().filter(|one| one.relying_party == party.id());
    let theirs: Vec<_> = theirs.map(|one| (one.key.cred_id().clone(), one.transports)).collect();
    if theirs.is_empty() {
        return Err(ApiError::not_found());
    }
    let (asked, state) = party.begin_proof(theirs).map_err(internal)?;
    let ceremony = node.ceremonies().begin(Purpose::Confirm { user, session, state }, address(&req)).text().to_owned();
    let answer = ProofAsked { ceremony, public_key: asked.public_key };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
}

/// Proves by a passkey who one is
///
/// For the next five minutes the session may do dangerous acts.
#[utoipa::path(post, path = "/api/v1/passkeys/confirm/finish", tag = "session", request_body = Proved, responses(
    (status = 200, description = "Until when it counts", body = ConfirmedUntil),
    (status = 400, description = "`sign_in_stale`: begin again, in this session; or `invalid_input`"),
    (status = 401, description = "`passkey_refused`, `passkey_unverified`, `passkey_went_back`: as at a sign-in; or `unauthenticated`, `invalid_token`"),
    (status = 409, description = "`no_passkeys`, `passkeys_elsewhere`: as for a sign-in"),
    (status = 429, description = "`busy`: too many people are signing in")))]
pub(super) async fn finish_confirming(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    person(&req, &**node).await?;
    let Proved { ceremony, credential } = body::json(&req, &bytes)?;
    let Some(Purpose::Confirm { user, session, state }) = node.ceremonies().take(&ceremony) else {
        return Err(stale());
    };
    same_session(&req, &**node, user, session).await?;
    proof::confirmed(&req, &**node, (user, session), state, &credential).await?;
    confirmed(&**node, &req, user, session).await
}
