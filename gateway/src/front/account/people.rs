//! People: who there is, and what lets them in.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{SpaceId, TenantId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{ApiError, Data, body};
use crate::directory::{Actor, Directory, User};
use crate::front::described::{Id, Instant};
use crate::front::listed::Page;
use crate::front::operator::{AtTheMachine, ConfirmedOperator, Operator};
use crate::front::refusals::{UnknownUser, UserSuspended};

#[derive(utoipa::OpenApi)]
#[openapi(paths(add_user, users, token, invite))]
pub(super) struct Api;

/// People and tenants are kept where they sign in: at home. A device that joined is one person's.
pub(super) fn at_home(node: &dyn crate::node::Node) -> Result<(), ApiError> {
    if node.directory().owner().is_some() {
        return Ok(());
    }
    let message = "This node is one person's device: people and tenants are made at home.";
    Err(ApiError::new(StatusCode::CONFLICT, "not_home", message).hint("Run the command on the node that was set up."))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    #[schema(examples("bob"))]
    name: String,
    /// Without one they sign in once they have set theirs: `POST /api/v1/users/{name}/invite`.
    #[schema(examples("the long password of bob"))]
    password: Option<String>,
    /// Its name; without it, the owner's tenant.
    tenant: Option<String>,
}

/// Adds a person
#[utoipa::path(post, path = "/api/v1/users", tag = "people", request_body = NewUser, responses(
    (status = 201, description = "They are added", body = UserView),
    (status = 404, description = "`unknown_tenant`: there is no tenant of this name"),
    (status = 409, description = "`name_taken`: there is somebody of this name; `suspended`: the tenant is suspended; or `not_home`")))]
pub(super) async fn add_user(
    node: Data,
    req: HttpRequest,
    by: ConfirmedOperator,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    at_home(&**node)?;
    let NewUser { name, password, tenant } = body::json(&req, &bytes)?;
    let password = password.map(Zeroizing::new);
    let password = password.as_ref().map(|text| text.as_str());
    let directory = node.directory();
    let tenant = match tenant {
        None => by.tenant(),
        Some(name) => {
            let tenant = directory.tenant_named(&name).await?.ok_or_else(unknown_tenant)?;
            if tenant.is_suspended() {
                return Err(ApiError::new(StatusCode::CONFLICT, "suspended", "The tenant is suspended.")
                    .hint("`allod tenant resume NAME` ends that."));
            }
            tenant.id
        }
    };
    // Before the account is made: an account without a user could not be removed again.
    directory.can_add_user(&name, password).await?;
    // Broken off before they are named, the account waits for the next who is added; behind that, a start goes on.
    let (id, space) = node.create_account().await?;
    let user = directory.add_user((id, space), &name, tenant, password, node.now()).await?;
    node.enrol(tenant, id, space).await?;
    directory.audit(id, by.actor(), "user.created", json!({ "tenant": tenant }), node.now()).await?;
    Ok(HttpResponse::Created().json(user_view(directory, &user, password.is_some())))
}

/// The people of the node
#[utoipa::path(get, path = "/api/v1/users", tag = "people", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<UserView>)))]
pub(super) async fn users(node: Data, req: HttpRequest, _by: Operator) -> Result<HttpResponse, ApiError> {
    let directory = node.directory();
    let known = directory.with_password().await?;
    let view = |user: &User| user_view(directory, user, known.contains(&user.id));
    let list: Vec<UserView> = directory.users().await?.iter().map(view).collect();
    Page::answer(&req, &list, |one| one.user.to_string())
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserView {
    #[schema(value_type = Id)]
    user: UserId,
    name: String,
    #[schema(value_type = Id)]
    tenant: TenantId,
    /// Their personal space.
    #[schema(value_type = Id)]
    space: SpaceId,
    #[schema(value_type = Instant)]
    created: String,
    /// Whether they are an operator of the node.
    operator: bool,
    /// Whether they have a password; who has none is invited.
    has_password: bool,
    /// Since when they are suspended; null: they are not.
    #[schema(required = true, value_type = Option<Instant>)]
    suspended: Option<String>,
}

pub(super) fn user_view(directory: &Directory, user: &User, has_password: bool) -> UserView {
    UserView {
        user: user.id,
        name: user.name.clone(),
        tenant: user.tenant,
        space: user.space,
        created: body::instant(user.created),
        operator: directory.is_operator(user.id),
        has_password,
        suspended: user.suspended.map(body::instant),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    /// In seconds.
    #[schema(minimum = 1, maximum = 31_622_400, examples(3600))]
    ttl_s: i64,
}

/// A token that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenMade {
    pub(super) access_token: String,
    #[schema(value_type = Instant)]
    pub(super) expires: String,
}

/// A leap year, in seconds.
const MAX_LIFETIME_SECONDS: i64 = 366 * 86_400;

/// A token in the name of a person
///
/// Their audit shows it.
#[utoipa::path(post, path = "/api/v1/users/{name}/token", tag = "people", request_body = Lifetime,
    params(("name" = String, Path, description = "Their name", example = "bob")), responses(
    (status = 200, description = "The token, told here and nowhere else", body = TokenMade),
    UnknownUser,
    UserSuspended))]
pub(super) async fn token(
    node: Data,
    req: HttpRequest,
    _by: AtTheMachine,
    name: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let Lifetime { ttl_s } = body::json(&req, &bytes)?;
    if !(1..=MAX_LIFETIME_SECONDS).contains(&ttl_s) {
        return Err(ApiError::bad_request("`ttl_s` must lie between 1 and 31622400 (366 days)."));
    }
    let directory = node.directory();
    let user = directory.user_named(&name).await?.ok_or_else(unknown_user)?;
    if directory.is_suspended(user.id) {
        return Err(suspended());
    }
    let (secret, token) = directory.open_session(user.id, node.now(), ttl_s, None).await?;
    let detail = json!({ "expires": body::instant(token.expires) });
    directory.audit(user.id, Actor::Operator, "session.created", detail, node.now()).await?;
    let answer = TokenMade { access_token: secret.text().to_owned(), expires: body::instant(token.expires) };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
}

/// A link by which a person sets their password.
#[derive(Serialize, ToSchema)]
struct Invited {
    #[schema(examples("https://cloud.example.org/invite?token=q1x3Q"))]
    link: String,
    #[schema(value_type = Instant)]
    expires: String,
}

/// A link by which a person sets their own password
///
/// Once, within a day; a new one takes the place of that from before. For who is new, and for who forgot theirs. Nothing
/// changes until it is used; then all of the person's sessions end.
#[utoipa::path(post, path = "/api/v1/users/{name}/invite", tag = "people",
    params(("name" = String, Path, description = "Their name", example = "bob")), responses(
    (status = 201, description = "The link, told here and nowhere else", body = Invited),
    UnknownUser,
    UserSuspended))]
pub(super) async fn invite(node: Data, by: ConfirmedOperator, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let directory = node.directory();
    let user = directory.user_named(&name).await?.ok_or_else(unknown_user)?;
    if directory.is_suspended(user.id) {
        return Err(suspended());
    }
    let (secret, until) = directory.invite(user.id, node.now()).await?;
    let expires = body::instant(until);
    directory.audit(user.id, by.actor(), "invite.created", json!({ "expires": expires }), node.now()).await?;
    let answer = Invited { link: format!("{}/invite?token={}", node.url(), secret.text()), expires };
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(answer))
}

pub(super) fn suspended() -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "suspended", "They are suspended.")
        .hint("`allod user suspend NAME --end` ends that, and `allod tenant resume NAME` that of a whole tenant.")
}

pub(super) fn unknown_user() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_user", "There is no user of this name.")
}

pub(super) fn unknown_tenant() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_tenant", "There is no tenant of this name.")
        .hint("`allod tenant add NAME` makes one.")
}
