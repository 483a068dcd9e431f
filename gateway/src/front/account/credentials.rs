//! By what the person who asks signs in: what there is of it, and their second factor.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::me::wrong_code;
use super::people::unknown_user;
use super::{ApiError, Data, body, person};
use crate::authn::{Principal, whence};
use crate::directory::credentials::{Credential, CredentialId, CredentialKind, Removed};
use crate::directory::{Actor, User};
use crate::front::described::{Id, Instant};
use crate::front::listed::Page;
use crate::front::operator::AtTheMachine;
use crate::front::refusals::{AccountElsewhere, NotConfirmed, UnknownUser};
use crate::node::Node;
use crate::passkeys::RelyingParty;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, remove, begin_totp, confirm_totp, remove_totp, remove_passkeys))]
pub(super) struct Api;

/// Something that the person signs in by.
#[derive(Serialize, ToSchema)]
struct CredentialView {
    #[schema(value_type = Id)]
    credential: String,
    /// `password`, `outside` (an account at a provider), `passkey` (`GET /api/v1/passkeys` says more), `totp` (a second factor), `totp_begun` (one that waits for its
    /// first code), `recovery_code`.
    #[schema(examples("password"))]
    kind: &'static str,
    #[schema(value_type = Instant)]
    created: String,
    /// Of an account at a provider, and of a passkey: what it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("The firm's sign-in: bob"))]
    label: Option<String>,
}

fn credential_view(one: &Credential) -> CredentialView {
    let (credential, kind) = (HEXLOWER.encode(&one.id), one.kind.word());
    CredentialView { credential, kind, created: body::instant(one.created), label: one.label.clone() }
}

/// The account of whoever asks, if it is kept here.
async fn account(node: &dyn Node, principal: &Principal) -> Result<User, ApiError> {
    node.directory().user(principal.caller.user).await?.ok_or_else(ApiError::not_found)
}

/// By what one signs in
///
/// Each code of recovery that is left is one of them.
#[utoipa::path(get, path = "/api/v1/me/credentials", tag = "session", params(Page), responses(
    (status = 200, description = "All of it, oldest first", body = Vec<CredentialView>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let list = listed(&**node, &principal).await?;
    Page::answer(&req, &list, |one| one.credential.clone())
}

async fn listed(node: &dyn Node, principal: &Principal) -> Result<Vec<CredentialView>, ApiError> {
    let all = node.directory().credentials(principal.caller.user).await?;
    Ok(all.iter().map(credential_view).collect())
}

/// By what a person signs in: names and kinds, and no secrets.
pub(crate) async fn all(node: &dyn Node, principal: &Principal) -> Result<Vec<impl Serialize + use<>>, ApiError> {
    listed(node, principal).await
}

/// Removes something that one signs in by
///
/// The last way in stays, and so does the password of whoever owns the node. Codes of recovery go with the second
/// factor, sessions with the account at a provider that opened them, and all app passwords with any way in: whoever had it
/// may have made some.
#[utoipa::path(delete, path = "/api/v1/me/credentials/{id}", tag = "session",
    params(("id" = Id, Path, description = "The credential")), responses(
    (status = 204, description = "It counts no more"),
    NotConfirmed,
    (status = 404, description = "`not_found`: there is no such credential of the person who asks"),
    (status = 409, description = "`last_way_in`: without it nobody could sign in")))]
pub(super) async fn remove(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    principal.confirmed(node.now())?;
    let bytes = HEXLOWER.decode(id.as_bytes()).ok();
    let id: CredentialId = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(ApiError::not_found)?;
    let (user, party) = (principal.caller.user, node.relying_party());
    let kind = match node.directory().remove_credential(user, id, party.as_ref().map(RelyingParty::id)).await? {
        Removed::Done(kind) => kind,
        Removed::Unknown => return Err(ApiError::not_found()),
        Removed::LastWayIn => {
            let text = "Without it you could not sign in any more.";
            return Err(ApiError::new(StatusCode::CONFLICT, "last_way_in", text));
        }
    };
    // Sessions may have ended with it.
    node.advance_epoch();
    note_change(&node, &req, &principal, kind, "credential.removed").await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn note_change(
    node: &Data,
    req: &HttpRequest,
    principal: &Principal,
    kind: CredentialKind,
    action: &str,
) -> Result<(), ApiError> {
    let mut detail = whence(req);
    detail["kind"] = kind.word().into();
    let user = principal.caller.user;
    Ok(node.directory().audit(user, principal.actor(), action, detail, node.now()).await?)
}

/// What goes into the app that makes the codes.
#[derive(Serialize, ToSchema)]
struct TotpBegun {
    /// In base32, to type.
    #[schema(examples("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"))]
    secret: String,
    /// The same, to scan.
    #[schema(examples("otpauth://totp/Allod:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Allod"))]
    uri: String,
}

/// Begins a second factor
///
/// Codes that change with time (TOTP, RFC 6238). It counts once `POST /api/v1/me/totp/confirm` was given the first code,
/// within ten minutes.
#[utoipa::path(post, path = "/api/v1/me/totp", tag = "session", responses(
    (status = 201, description = "What makes the codes, told here and nowhere else", body = TotpBegun),
    NotConfirmed,
    AccountElsewhere,
    (status = 409, description = "`exists`: there is a second factor")))]
pub(super) async fn begin_totp(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    principal.confirmed(node.now())?;
    let user = account(&**node, &principal).await?;
    let Some(enrolment) = node.directory().begin_totp(&user, node.now()).await? else {
        let text = "There is a second factor; remove it first.";
        return Err(ApiError::new(StatusCode::CONFLICT, "exists", text));
    };
    let answer = TotpBegun { secret: enrolment.secret.to_string(), uri: enrolment.uri.to_string() };
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(answer))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FirstCode {
    #[schema(examples("287082"))]
    code: String,
}

/// The second factor counts.
#[derive(Serialize, ToSchema)]
struct TotpConfirmed {
    /// Each stands once for a code, for whoever has lost what makes them; told here and nowhere else.
    #[schema(examples(json!(["K5QW-4TZB-PX2M-7DGE"])))]
    recovery_codes: Vec<String>,
}

/// Ends the beginning of a second factor
///
/// From here on a code is asked for at each sign-in.
#[utoipa::path(post, path = "/api/v1/me/totp/confirm", tag = "session", request_body = FirstCode, responses(
    (status = 200, description = "It counts", body = TotpConfirmed),
    (status = 401, description = "`wrong_code`: the code is wrong, or nothing was begun; `insufficient_user_authentication`: give the password again; or `unauthenticated`, `invalid_token`"),
    AccountElsewhere))]
pub(super) async fn confirm_totp(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    principal.confirmed(node.now())?;
    let FirstCode { code } = body::json(&req, &bytes)?;
    let user = account(&**node, &principal).await?;
    let codes = node.directory().confirm_totp(&user, &code, node.now()).await?;
    let recovery_codes = codes.ok_or_else(wrong_code)?;
    note_change(&node, &req, &principal, CredentialKind::Totp, "credential.added").await?;
    let answer = TotpConfirmed { recovery_codes };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
}

/// Takes a person's second factor away
///
/// For whoever holds the machine: the person has lost what makes the codes, and the codes of recovery. Their sessions stay.
#[utoipa::path(delete, path = "/api/v1/users/{name}/totp", tag = "people",
    params(("name" = String, Path, description = "Their name", example = "bob")), responses(
    (status = 204, description = "They have none any more"),
    UnknownUser))]
pub(super) async fn remove_totp(node: Data, _by: AtTheMachine, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let user = node.directory().user_named(&name).await?.ok_or_else(unknown_user)?;
    if node.directory().remove_totp(user.id).await? {
        let detail = json!({ "kind": CredentialKind::Totp.word() });
        node.directory().audit(user.id, Actor::Operator, "credential.removed", detail, node.now()).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Removes a person's passkeys
///
/// For whoever holds the machine: somebody else was in, and may have added one. Their sessions end. Who has no other way in
/// needs an invite, or a password.
#[utoipa::path(delete, path = "/api/v1/users/{name}/passkeys", tag = "people",
    params(("name" = String, Path, description = "Their name", example = "bob")), responses(
    (status = 204, description = "They have none any more"),
    UnknownUser))]
pub(super) async fn remove_passkeys(
    node: Data,
    _by: AtTheMachine,
    name: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user = node.directory().user_named(&name).await?.ok_or_else(unknown_user)?;
    let removed = node.directory().remove_passkeys(user.id).await?;
    if removed > 0 {
        node.advance_epoch();
        let detail = json!({ "kind": CredentialKind::Passkey.word(), "removed": removed });
        node.directory().audit(user.id, Actor::Operator, "credential.removed", detail, node.now()).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}
