//! The passkeys of the person who asks.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use webauthn_rs_proto::AuthenticatorTransport;

use super::Data;
use crate::authn::whence;
use crate::directory::credentials::{CredentialId, Removed};
use crate::directory::passkeys::{KeptPasskey, name_of_passkey};
use crate::front::account::{body, person};
use crate::front::described::{Id, Instant};
use crate::front::error::ApiError;
use crate::front::listed::Page;
use crate::front::refusals::NotConfirmed;
use crate::passkeys::RelyingParty;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, rename, remove))]
pub(super) struct Api;

/// A passkey of the person who asks.
#[derive(Serialize, ToSchema)]
pub(super) struct PasskeyView {
    #[schema(value_type = Id)]
    passkey: String,
    #[schema(examples("My phone"))]
    name: String,
    #[schema(value_type = Instant)]
    created: String,
    /// When one last signed in by it, or proved by it who one is.
    #[schema(value_type = Option<Instant>, required = true)]
    last_used: Option<String>,
    /// The name that it is for.
    #[schema(examples("cloud.example.org"))]
    relying_party: String,
    /// Whether one signs in by it here. One that was made for another name of the node does no more.
    counts: bool,
    /// What the maker of the device calls its kind (AAGUID), if it says so.
    #[schema(required = true, examples("fbfc3007-154e-4ecc-8c0b-6e020557d7bd"))]
    model: Option<String>,
    /// How the device is reached.
    #[schema(value_type = Vec<String>, examples(json!(["internal", "hybrid"])))]
    transports: Vec<AuthenticatorTransport>,
}

impl PasskeyView {
    /// `here`: the name for which passkeys count.
    pub(super) fn of(one: &KeptPasskey, here: Option<&str>) -> PasskeyView {
        PasskeyView {
            passkey: HEXLOWER.encode(&one.id),
            name: one.name.clone(),
            created: body::instant(one.created),
            last_used: one.used.map(body::instant),
            relying_party: one.relying_party.clone(),
            counts: Some(one.relying_party.as_str()) == here,
            model: one.model.clone(),
            transports: one.transports.clone(),
        }
    }
}

fn read(id: &str) -> Result<CredentialId, ApiError> {
    let bytes = HEXLOWER.decode(id.as_bytes()).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(ApiError::not_found)
}

/// One's passkeys
///
/// Also those that count no more since the node has another name.
#[utoipa::path(get, path = "/api/v1/passkeys", tag = "session", params(Page), responses(
    (status = 200, description = "All of them, oldest first", body = Vec<PasskeyView>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let party = node.relying_party();
    let here = party.as_ref().map(RelyingParty::id);
    let all = node.directory().passkeys(principal.caller.user).await?;
    let list: Vec<PasskeyView> = all.iter().map(|one| PasskeyView::of(one, here)).collect();
    Page::answer(&req, &list, |one| one.passkey.clone())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasskeyName {
    #[schema(min_length = 1, max_length = 64, examples("My phone"))]
    name: String,
}

/// Calls one of one's passkeys otherwise
#[utoipa::path(put, path = "/api/v1/passkeys/{id}", tag = "session", request_body = PasskeyName,
    params(("id" = Id, Path, description = "The passkey")), responses(
    (status = 204, description = "It is called so"),
    (status = 400, description = "`invalid_input`: it is no name"),
    (status = 404, description = "`not_found`: there is no such passkey of the person who asks")))]
pub(super) async fn rename(
    node: Data,
    req: HttpRequest,
    id: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let PasskeyName { name } = body::json(&req, &bytes)?;
    let name = name_of_passkey(&name).ok_or_else(|| ApiError::bad_request("A passkey is called something."))?;
    match node.directory().rename_passkey(principal.caller.user, read(&id)?, &name).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(ApiError::not_found()),
    }
}

/// Removes one of one's passkeys
///
/// Sessions that it opened end, and all app passwords: whoever had it may have made some. The last way in stays.
#[utoipa::path(delete, path = "/api/v1/passkeys/{id}", tag = "session",
    params(("id" = Id, Path, description = "The passkey")), responses(
    (status = 204, description = "It counts no more"),
    NotConfirmed,
    (status = 404, description = "`not_found`: there is no such passkey of the person who asks"),
    (status = 409, description = "`last_way_in`: without it nobody could sign in")))]
pub(super) async fn remove(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    principal.confirmed(node.now())?;
    let (user, id, directory) = (principal.caller.user, read(&id)?, node.directory());
    let all = directory.passkeys(user).await?;
    let one = all.iter().find(|one| one.id == id).ok_or_else(ApiError::not_found)?;
    let party = node.relying_party();
    match directory.remove_credential(user, id, party.as_ref().map(RelyingParty::id)).await? {
        Removed::Done(_) => {}
        Removed::Unknown => return Err(ApiError::not_found()),
        Removed::LastWayIn => {
            let text = "Without it you could not sign in any more.";
            return Err(ApiError::new(StatusCode::CONFLICT, "last_way_in", text)
                .hint("Add another passkey, or another way in, first."));
        }
    }
    // Sessions may have ended with it.
    node.advance_epoch();
    let mut detail = whence(&req);
    detail["kind"] = "passkey".into();
    detail["label"] = one.name.as_str().into();
    directory.audit(user, principal.actor(), "credential.removed", detail, node.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}
