//! Where a person is written to. It is theirs alone to see and to change.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{ApiError, Data};
use crate::authn::Principal;
use crate::directory::mail::{MailAddress, Mailbox, NoAddress, Verified, Wished};
use crate::front::account::{body, person};
use crate::front::described::Instant;
use crate::front::refusals::{NotConfirmed, NotInTheirSession};
use crate::grants::rfc3339;
use crate::node::Node;

#[derive(utoipa::OpenApi)]
#[openapi(paths(show, wish, verify, remove))]
pub(super) struct Api;

/// Where one is written to.
#[derive(Debug, Serialize, ToSchema)]
struct AddressView {
    /// Whether this node sends letters.
    sends: bool,
    /// Null: one is not written to.
    #[schema(examples("alice@example.org"))]
    address: Option<String>,
    /// An address that was sent a code, and has not given it back.
    #[schema(examples("alice@example.com"))]
    wished: Option<String>,
    /// Until when it can.
    #[schema(value_type = Option<Instant>)]
    until: Option<String>,
}

async fn address_view(node: &dyn Node, principal: &Principal) -> Result<AddressView, ApiError> {
    let Mailbox { address, wished } = node.directory().mailbox(principal.caller.user, node.now()).await?;
    let (wished, until) = wished.map(|(wished, until)| (wished.to_string(), rfc3339(until))).unzip();
    let address = address.map(|address| address.to_string());
    Ok(AddressView { sends: node.directory().writes_letters(), address, wished, until })
}

/// The person themselves, in a session of theirs: whoever holds the machine sees nobody's address.
async fn oneself(req: &HttpRequest, node: &dyn Node) -> Result<Principal, ApiError> {
    let principal = person(req, node).await?;
    if principal.session.is_none() {
        let text = "An address is its person's own: sign in as them.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", text));
    }
    Ok(principal)
}

pub(super) fn no_address(error: NoAddress) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_address", error.to_string())
}

pub(super) fn unset() -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "mail_unset", "This node sends no letters.")
        .hint("Whoever runs it names a server for them in the section `mail` of its settings.")
}

/// Where one is written to
#[utoipa::path(get, path = "/api/v1/notices/address", tag = "notices", responses(
    (status = 200, description = "It", body = AddressView),
    NotInTheirSession))]
pub(super) async fn show(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = oneself(&req, &**node).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(address_view(&**node, &principal).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddressWish {
    #[schema(examples("alice@example.org"))]
    address: String,
}

/// Wishes to be written to at another address
///
/// It is sent a code, and counts once that was given back. For who proved within the last five minutes who they are.
#[utoipa::path(put, path = "/api/v1/notices/address", tag = "notices", request_body = AddressWish, responses(
    (status = 202, description = "A code is on its way", body = AddressView),
    (status = 200, description = "It is the address already", body = AddressView),
    (status = 400, description = "`invalid_address`: that is none; or `bad_request`"),
    NotConfirmed,
    NotInTheirSession,
    (status = 409, description = "`mail_unset`: this node sends no letters"),
    (status = 429, description = "`too_many_letters`: too many codes were sent today; or `busy`")))]
pub(super) async fn wish(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = oneself(&req, &**node).await?;
    principal.confirmed(node.now())?;
    let AddressWish { address } = body::json(&req, &bytes)?;
    let address: MailAddress = address.parse().map_err(no_address)?;
    if !node.directory().writes_letters() {
        return Err(unset());
    }
    let user = principal.caller.user;
    let wished = node.directory().wish_address(user, &address, node.now()).await?;
    let mut answer = match wished {
        Wished::Sent => {
            node.directory().audit(user, principal.actor(), "mail.asked", json!({}), node.now()).await?;
            HttpResponse::Accepted()
        }
        Wished::Already => HttpResponse::Ok(),
        Wished::TooMany => {
            let text = "Too many codes were sent today, for you or to this address.";
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_letters", text)
                .hint("Look for the codes that were sent; tomorrow there are others."));
        }
    };
    Ok(answer.insert_header(("cache-control", "no-store")).json(address_view(&**node, &principal).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddressCode {
    #[schema(examples("1234 5678"))]
    code: String,
}

/// Gives back the code that an address was sent
///
/// From then on it is written to, and the one before is told that it is not.
#[utoipa::path(post, path = "/api/v1/notices/address/verify", tag = "notices", request_body = AddressCode, responses(
    (status = 200, description = "It counts", body = AddressView),
    (status = 401, description = "`insufficient_user_authentication`: the password is asked for again; `wrong_code`: it is another; or `unauthenticated`, `invalid_token`"),
    NotInTheirSession,
    (status = 404, description = "`not_found`: no code waits: it lapsed, or was tried too often")))]
pub(super) async fn verify(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = oneself(&req, &**node).await?;
    principal.confirmed(node.now())?;
    let AddressCode { code } = body::json(&req, &bytes)?;
    let user = principal.caller.user;
    match node.directory().verify_address(user, &code, node.now()).await? {
        Verified::Done => {}
        Verified::Wrong => {
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_code", "That is another code."));
        }
        Verified::Lapsed => {
            return Err(ApiError::not_found().hint("Give the address again: it is sent another code."));
        }
    }
    node.directory().audit(user, principal.actor(), "mail.set", json!({}), node.now()).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(address_view(&**node, &principal).await?))
}

/// Is written to no more
///
/// The address is told, for the last time. For who proved within the last five minutes who they are.
#[utoipa::path(delete, path = "/api/v1/notices/address", tag = "notices", responses(
    (status = 204, description = "Nothing more is sent"),
    NotConfirmed,
    NotInTheirSession))]
pub(super) async fn remove(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = oneself(&req, &**node).await?;
    principal.confirmed(node.now())?;
    let user = principal.caller.user;
    if node.directory().remove_address(user, node.now()).await? {
        node.directory().audit(user, principal.actor(), "mail.removed", json!({}), node.now()).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}
