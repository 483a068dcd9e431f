//! Making a passkey: for who is signed in, and has proved of late who they are.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use webauthn_rs::prelude::{RegisterPublicKeyCredential, Uuid, WebauthnError};
use webauthn_rs_proto::{AuthenticatorTransport, PublicKeyCredentialCreationOptions};

use super::own::PasskeyView;
use super::party::{party, stale};
use super::{Data, proof, same_session, session_of};
use crate::authn::{address, session_origin, whence};
use crate::directory::Actor;
use crate::directory::passkeys::{Added, MAX_PASSKEYS, NewPasskey, name_of_passkey};
use crate::front::account::{body, person};
use crate::front::error::ApiError;
use crate::front::refusals::{AccountElsewhere, NotConfirmed};
use crate::passkeys::Purpose;

#[derive(utoipa::OpenApi)]
#[openapi(paths(start, finish))]
pub(super) struct Api;

/// What a device is to make.
#[derive(Serialize, ToSchema)]
struct PasskeyAsked {
    /// Names this ceremony to `finish`.
    ceremony: String,
    /// `PublicKeyCredentialCreationOptionsJSON`: what `PublicKeyCredential.parseCreationOptionsFromJSON()` reads.
    #[schema(value_type = Object)]
    public_key: PublicKeyCredentialCreationOptions,
}

fn too_many() -> ApiError {
    let text = format!("You have {MAX_PASSKEYS} passkeys, which is the most; remove one first.");
    ApiError::new(StatusCode::CONFLICT, "too_many_passkeys", text)
}

/// Begins a passkey
///
/// For the name of the node's pages. Good for five minutes.
#[utoipa::path(post, path = "/api/v1/passkeys/register/start", tag = "session", responses(
    (status = 200, description = "What to ask a device for", body = PasskeyAsked),
    NotConfirmed,
    AccountElsewhere,
    (status = 409, description = "`no_passkeys`: the node's pages have no name; `passkeys_elsewhere`: passkeys count at another address of it; `too_many_passkeys`: remove one first")))]
pub(super) async fn start(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    principal.confirmed(node.now())?;
    let session = session_of(&principal)?;
    let party = party(&req, &**node)?;
    let directory = node.directory();
    let user = directory.user(principal.caller.user).await?.ok_or_else(ApiError::not_found)?;
    let held = directory.passkeys(user.id).await?;
    if held.len() as u64 >= MAX_PASSKEYS {
        return Err(too_many());
    }
    // Devices keep one passkey of a name for each handle: what they have of the person is replaced, and not doubled.
    let handle = held.last().map_or_else(Uuid::new_v4, |one| one.handle);
    let here = held.iter().filter(|one| one.relying_party == party.id()).map(|one| one.key.cred_id().clone());
    let begun = party.begin_making(handle, &user.name, here.collect());
    let (asked, state) = begun
        .map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "A challenge could not be made."))?;
    let purpose = Purpose::Register { user: user.id, session, handle, state };
    let ceremony = node.ceremonies().begin(purpose, address(&req)).text().to_owned();
    let answer = PasskeyAsked { ceremony, public_key: asked.public_key };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Made {
    /// As `start` named it.
    ceremony: String,
    /// What to call it; else what the browser calls itself.
    #[schema(max_length = 64, examples("My phone"))]
    name: Option<String>,
    /// A `RegistrationResponseJSON`: what `PublicKeyCredential.toJSON()` makes.
    #[schema(value_type = Object)]
    credential: RegisterPublicKeyCredential,
}

/// Ends a passkey that was begun
///
/// Once, in the session that began it. From here on one signs in by it, too.
#[utoipa::path(post, path = "/api/v1/passkeys/register/finish", tag = "session", request_body = Made, responses(
    (status = 201, description = "One signs in by it from now on", body = PasskeyView),
    (status = 400, description = "`sign_in_stale`: begin again, in this session; `passkey_unfit`: it is not what was asked for; or `invalid_input`"),
    (status = 401, description = "`insufficient_user_authentication`: prove again who you are; `passkey_unverified`: the device did not check the person; or `unauthenticated`, `invalid_token`"),
    (status = 409, description = "`exists`: somebody signs in by it already; `too_many_passkeys`: remove one first; `no_passkeys`, `passkeys_elsewhere`: as for `start`")))]
pub(super) async fn finish(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    person(&req, &**node).await?.confirmed(node.now())?;
    let Made { ceremony, name, credential } = body::json(&req, &bytes)?;
    let Some(Purpose::Register { user, session, handle, state }) = node.ceremonies().take(&ceremony) else {
        return Err(stale());
    };
    same_session(&req, &**node, user, session).await?;
    let party = party(&req, &**node)?;
    let unfit = |text: &str| ApiError::new(StatusCode::BAD_REQUEST, "passkey_unfit", text);
    let key = party.made(&credential, &state).map_err(|error| {
        tracing::debug!(%error, "a passkey was refused");
        match error {
            WebauthnError::UserNotVerified => proof::unverified(),
            _ => unfit("This is not the passkey that was asked for: it is for another name, page or challenge."),
        }
    })?;
    if credential.extensions.cred_props.as_ref().is_some_and(|told| told.rk == Some(false)) {
        let text = "The device does not keep the passkey, so it would not be found without a name.";
        return Err(unfit(text).hint("Use another device."));
    }
    let name = name.or_else(|| session_origin(&req).product).as_deref().and_then(name_of_passkey);
    let name = name.unwrap_or_else(|| "Passkey".to_owned());
    let known = |one: &AuthenticatorTransport| *one != AuthenticatorTransport::Unknown;
    let transports: Vec<_> =
        credential.response.transports.iter().flatten().filter(|one| known(one)).take(8).cloned().collect();
    let (relying_party, model) = (party.id(), party.model(&credential));
    let new = NewPasskey { name: &name, relying_party, handle, model, transports: &transports, key: &key };
    let (directory, now) = (node.directory(), node.now());
    let id = match directory.add_passkey(user, new, now).await? {
        Added::Done(id) => id,
        Added::TooMany => return Err(too_many()),
        Added::Taken => {
            let text = "Somebody signs in by this passkey already.";
            return Err(ApiError::new(StatusCode::CONFLICT, "exists", text));
        }
    };
    let mut detail = whence(&req);
    detail["kind"] = "passkey".into();
    detail["label"] = name.into();
    detail["credential"] = HEXLOWER.encode(&id).into();
    directory.audit(user, Actor::Person(user), "credential.added", detail, now).await?;
    let added = directory.passkeys(user).await?.into_iter().find(|one| one.id == id).ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Created().json(PasskeyView::of(&added, Some(party.id()))))
}
