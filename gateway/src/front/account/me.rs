//! The person who asks: who they are here, and their password.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{SpaceId, TenantId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::people::unknown_user;
use super::{ApiError, Data, body, person};
use crate::authn::{AuthError, address, whence};
use crate::directory::Actor;
use crate::directory::password_change::ChangedBy;
use crate::directory::sign_in::{Proof, Refused};
use crate::front::described::Id;
use crate::front::operator::AtTheMachine;
use crate::front::refusals::UnknownUser;

#[derive(utoipa::OpenApi)]
#[openapi(paths(show, change_password, set_password))]
pub(super) struct Api;

pub(super) fn wrong_code() -> ApiError {
    let text = "The code is wrong, or was used before.";
    ApiError::new(StatusCode::UNAUTHORIZED, "wrong_code", text)
        .hint("Wait for the next code; if codes stay wrong, look at the clock of what makes them.")
}

pub(super) fn wrong_password() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "wrong_password", "The name or the password is wrong.")
}

/// Who asks.
#[derive(Serialize, ToSchema)]
struct Me {
    #[schema(value_type = Id)]
    user: UserId,
    /// Not known on a device: their account is kept at home.
    name: Option<String>,
    #[schema(value_type = Id)]
    tenant: TenantId,
    /// Their personal space.
    #[schema(value_type = Option<Id>)]
    space: Option<SpaceId>,
    /// Whether they may do what operators do: they are one, and signed in, or they hold the machine.
    operator: bool,
    /// Whether the node is theirs: they set it up, or hold the machine.
    owner: bool,
}

/// Who one is
#[utoipa::path(get, path = "/api/v1/me", tag = "session", responses(
    (status = 200, description = "The person who asks", body = Me)))]
pub(super) async fn show(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let user = principal.caller.user;
    let known = node.directory().user(user).await?;
    let space = known.as_ref().map(|known| known.space);
    let (name, tenant) = (known.map(|known| known.name), principal.tenant);
    let (operator, owner) = (principal.administers(), node.owner() == Some(user));
    Ok(HttpResponse::Ok().json(Me { user, name, tenant, space, operator, owner }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnPassword {
    /// Who has none leaves it out.
    #[schema(examples("correct horse battery staple"))]
    current: Option<String>,
    #[schema(examples("another horse, another battery"))]
    new: String,
    /// A code of the second factor, as at the sign-in; who confirmed their session within the last five minutes needs none.
    #[schema(examples("287082"))]
    totp: Option<String>,
}

/// A password was changed.
#[derive(Serialize, ToSchema)]
struct Changed {
    /// Sessions that ended with the former password.
    ended: u64,
}

/// Changes one's password
///
/// One's other sessions end with the former one. Who has a second factor gives a code of it, or proved within the last five
/// minutes who they are. Who has no password sets their first so, once they proved again who they are.
#[utoipa::path(put, path = "/api/v1/me/password", tag = "session", request_body = OwnPassword, responses(
    (status = 200, description = "It is changed", body = Changed),
    (status = 401, description = "`wrong_password`: the current password is another; `wrong_code`: the code is wrong, or was used before; `insufficient_user_authentication`: prove again who you are, for a first password, or where there is a second factor; or `unauthenticated`, `invalid_token`")))]
pub(super) async fn change_password(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let OwnPassword { current, new, totp } = body::json(&req, &bytes)?;
    drop(bytes);
    let (current, new) = (current.map(Zeroizing::new), Zeroizing::new(new));
    let Some(session) = principal.session else {
        let text = "Whoever holds the machine gives a person another password by `allod user password NAME`.";
        return Err(ApiError::bad_request(text));
    };
    let directory = node.directory();
    let user = directory.user(principal.caller.user).await?.ok_or_else(ApiError::not_found)?;
    let by = match &current {
        Some(current) => ChangedBy::Person {
            session,
            proof: Proof { password: current, code: totp.as_deref() },
            confirmed: principal.confirmed(node.now()).is_ok(),
            from: address(&req),
        },
        None => {
            principal.confirmed(node.now())?;
            ChangedBy::First { session }
        }
    };
    let ended = match directory.change_password(&user, by, &new, node.now()).await? {
        Ok(ended) => ended,
        // Asked for as before every act that outlives the session.
        Err(Refused::CodeNeeded) => return Err(AuthError::NotConfirmed.into()),
        Err(Refused::WrongCode) => return Err(wrong_code()),
        Err(Refused::Wrong | Refused::Suspended) => {
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_password", "The current password is another."));
        }
    };
    node.advance_epoch();
    directory.audit(user.id, Actor::Person(user.id), "password.changed", whence(&req), node.now()).await?;
    Ok(HttpResponse::Ok().json(Changed { ended }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GivenPassword {
    #[schema(examples("the new password of bob"))]
    password: String,
}

/// Gives a person another password
///
/// For whoever holds the machine. All of the person's sessions end.
#[utoipa::path(put, path = "/api/v1/users/{name}/password", tag = "people", request_body = GivenPassword,
    params(("name" = String, Path, description = "Their name", example = "bob")), responses(
    (status = 200, description = "It is changed", body = Changed),
    UnknownUser))]
pub(super) async fn set_password(
    node: Data,
    req: HttpRequest,
    _by: AtTheMachine,
    name: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let GivenPassword { password } = body::json(&req, &bytes)?;
    let password = Zeroizing::new(password);
    let directory = node.directory();
    let user = directory.user_named(&name).await?.ok_or_else(unknown_user)?;
    let given = directory.change_password(&user, ChangedBy::Operator, &password, node.now()).await?;
    let ended = given.map_err(|_| unknown_user())?;
    node.advance_epoch();
    directory.audit(user.id, Actor::Operator, "password.changed", json!({}), node.now()).await?;
    Ok(HttpResponse::Ok().json(Changed { ended }))
}
