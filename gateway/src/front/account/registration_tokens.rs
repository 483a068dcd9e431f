//! Tokens by which apps may register themselves (RFC 7591), where the operator lets them by such.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{ApiError, Data, body};
use crate::directory::registrations::{MAX_REGISTRATION_TOKENS, RegistrationToken};
use crate::front::described::{Id, Instant};
use crate::front::listed::Page;
use crate::front::operator::{ConfirmedOperator, Operator};
use crate::registration::RegistrationPolicy;

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list, end))]
pub(super) struct Api;

/// Apps that may come by one token, and how long it may last, in seconds.
const MAX_COUNT: u32 = 1_000;
const MAX_TTL: u32 = 90 * 86_400;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRegistrationToken {
    /// How many apps may register themselves by it.
    #[schema(examples(1))]
    count: u32,
    /// For how long, in seconds.
    #[schema(examples(86_400))]
    ttl_s: u32,
}

/// A token by which apps may register themselves.
#[derive(Debug, Serialize, ToSchema)]
struct RegistrationTokenView {
    #[schema(value_type = Id)]
    registration_token: String,
    /// How many apps may still come by it.
    count: i64,
    #[schema(value_type = Instant)]
    created: String,
    #[schema(value_type = Instant)]
    expires: String,
}

/// The same, with what is told once.
#[derive(Debug, Serialize, ToSchema)]
struct RegistrationTokenAdded {
    /// For `Authorization: Bearer` at `/oauth/register`.
    token: String,
    #[serde(flatten)]
    of: RegistrationTokenView,
}

fn view(token: &RegistrationToken) -> RegistrationTokenView {
    RegistrationTokenView {
        registration_token: data_encoding::HEXLOWER.encode(&token.id),
        count: token.remaining,
        created: body::instant(token.created),
        expires: body::instant(token.expires),
    }
}

/// Makes a token by which apps may register themselves
#[utoipa::path(post, path = "/api/v1/registration-tokens", tag = "apps", request_body = NewRegistrationToken, responses(
    (status = 201, description = "It is told here and nowhere else", body = RegistrationTokenAdded),
    (status = 400, description = "`invalid_input`: 1 to 1,000 apps, for 1 second to 90 days"),
    (status = 409, description = "`registration_off`: `oauth.registration` is not `token`; or `too_many_tokens`")))]
pub(super) async fn add(
    node: Data,
    req: HttpRequest,
    by: ConfirmedOperator,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let NewRegistrationToken { count, ttl_s } = body::json(&req, &bytes)?;
    if !(1..=MAX_COUNT).contains(&count) || !(1..=MAX_TTL).contains(&ttl_s) {
        return Err(ApiError::bad_request("A token is for 1 to 1,000 apps, and for 1 second to 90 days."));
    }
    if node.registrations().policy != RegistrationPolicy::Token {
        let text = "Apps do not register themselves by tokens here.";
        return Err(ApiError::new(StatusCode::CONFLICT, "registration_off", text)
            .hint("`oauth.registration = \"token\"` in `allod.toml`, and another start, let them."));
    }
    let (directory, now) = (node.directory(), node.now());
    let until = Timestamp(now.0 + i64::from(ttl_s) * 1_000_000);
    let made = directory.add_registration_token(count, until, now).await?;
    let (secret, token) = made.ok_or_else(|| {
        let text = format!("There are {MAX_REGISTRATION_TOKENS} tokens, which is the most; end some.");
        ApiError::new(StatusCode::CONFLICT, "too_many_tokens", text)
    })?;
    let of = view(&token);
    let detail = json!({ "registration_token": of.registration_token, "count": count });
    directory.audit(by.user(), by.actor(), "registration_token.created", detail, now).await?;
    let added = RegistrationTokenAdded { token: secret.text().to_owned(), of };
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(added))
}

/// The tokens by which apps may register themselves, oldest first
#[utoipa::path(get, path = "/api/v1/registration-tokens", tag = "apps", params(Page), responses(
    (status = 200, description = "Those that are good", body = Vec<RegistrationTokenView>)))]
pub(super) async fn list(node: Data, req: HttpRequest, _by: Operator) -> Result<HttpResponse, ApiError> {
    let list: Vec<_> = node.directory().registration_tokens(node.now()).await?.iter().map(view).collect();
    Page::answer(&req, &list, |one| one.registration_token.clone())
}

/// Ends a token by which apps may register themselves
///
/// The apps that came by it stay.
#[utoipa::path(delete, path = "/api/v1/registration-tokens/{id}", tag = "apps",
    params(("id" = Id, Path, description = "The token's id")), responses(
    (status = 204, description = "No app comes by it any more"),
    (status = 404, description = "`not_found`: there is none of this id")))]
pub(super) async fn end(node: Data, by: ConfirmedOperator, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let bytes = data_encoding::HEXLOWER.decode(id.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    let bytes: [u8; 16] = bytes.ok_or_else(ApiError::not_found)?;
    if !node.directory().end_registration_token(bytes).await? {
        return Err(ApiError::not_found());
    }
    let detail = json!({ "registration_token": *id });
    node.directory().audit(by.user(), by.actor(), "registration_token.ended", detail, node.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}
