//! Who is an operator, and who is suspended: said by operators.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Path;
use serde_json::json;

use super::people::{UserView, suspended, unknown_user, user_view};
use super::{ApiError, Data};
use crate::directory::{OperatorRemoved, Suspension, User};
use crate::front::oauth::signed_out;
use crate::front::operator::ConfirmedOperator;
use crate::front::refusals::{UnknownUser, UserSuspended};
use crate::node::Node;

#[derive(utoipa::OpenApi)]
#[openapi(paths(name_operator, remove_operator, suspend, resume))]
pub(super) struct Api;

async fn named(node: &dyn Node, name: &str) -> Result<User, ApiError> {
    node.directory().user_named(name).await?.ok_or_else(unknown_user)
}

/// How somebody is now.
async fn now_is(node: &dyn Node, name: &str) -> Result<HttpResponse, ApiError> {
    let user = named(node, name).await?;
    let has_password = node.directory().with_password().await?.contains(&user.id);
    Ok(HttpResponse::Ok().json(user_view(node.directory(), &user, has_password)))
}

/// Makes a person an operator
///
/// In a session of theirs they may do then what operators do: see who there is, invite, suspend, set quotas, look at the
/// node and its audit. Nobody's documents show to them for it.
#[utoipa::path(put, path = "/api/v1/users/{name}/operator", tag = "people",
    params(("name" = String, Path, description = "Their name", example = "bob")), responses(
    (status = 200, description = "They are one", body = UserView),
    UnknownUser,
    UserSuspended))]
pub(super) async fn name_operator(
    node: Data,
    by: ConfirmedOperator,
    name: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user = named(&**node, &name).await?;
    if node.directory().name_operator(user.id, node.now()).await? {
        node.directory().audit(user.id, by.actor(), "operator.named", json!({}), node.now()).await?;
    } else if node.directory().is_suspended(user.id) {
        return Err(suspended());
    }
    now_is(&**node, &name).await
}

/// Takes an operator's rights away
#[utoipa::path(delete, path = "/api/v1/users/{name}/operator", tag = "people",
    params(("name" = String, Path, description = "Their name", example = "bob")), responses(
    (status = 200, description = "They are none", body = UserView),
    UnknownUser,
    (status = 409, description = "`last_operator`: nobody else is one")))]
pub(super) async fn remove_operator(
    node: Data,
    by: ConfirmedOperator,
    name: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user = named(&**node, &name).await?;
    match node.directory().remove_operator(user.id).await? {
        OperatorRemoved::Done => {
            node.directory().audit(user.id, by.actor(), "operator.removed", json!({}), node.now()).await?;
        }
        OperatorRemoved::None => {}
        OperatorRemoved::Last => {
            let text = "Nobody else is an operator of this node.";
            return Err(ApiError::new(StatusCode::CONFLICT, "last_operator", text).hint("Name another one first."));
        }
    }
    now_is(&**node, &name).await
}

/// Suspends a person
///
/// Their sessions end, and what apps and links hold in their name is refused from here on. What they have stays, what they
/// shared with others too. Their own devices keep what they hold, and the node syncs nothing with them, or with replicas of
/// theirs, meanwhile; nor does a device join by a code.
#[utoipa::path(put, path = "/api/v1/users/{name}/suspension", tag = "people",
    params(("name" = String, Path, description = "Their name", example = "bob")), responses(
    (status = 200, description = "They are suspended", body = UserView),
    UnknownUser,
    (status = 409, description = "`is_operator`: they are an operator")))]
pub(super) async fn suspend(node: Data, by: ConfirmedOperator, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let user = named(&**node, &name).await?;
    let done = node.directory().suspend(user.id, node.now()).await?;
    if matches!(done, Suspension::Done(_)) {
        signed_out::tell(&**node, user.id, None).await;
    }
    // Also if they were suspended before: whoever asked then may have gone away before this.
    node.advance_epoch();
    node.standing_moved();
    match done {
        Suspension::Done(ended) => {
            let detail = json!({ "ended": ended });
            node.directory().audit(user.id, by.actor(), "user.suspended", detail, node.now()).await?;
        }
        Suspension::Already => {}
        Suspension::OfAnOperator => return Err(is_operator()),
    }
    now_is(&**node, &name).await
}

/// Ends a person's suspension
///
/// They sign in again; apps and links go on.
#[utoipa::path(delete, path = "/api/v1/users/{name}/suspension", tag = "people",
    params(("name" = String, Path, description = "Their name", example = "bob")), responses(
    (status = 200, description = "They are not suspended", body = UserView),
    UnknownUser))]
pub(super) async fn resume(node: Data, by: ConfirmedOperator, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let user = named(&**node, &name).await?;
    if node.directory().resume(user.id).await? {
        node.standing_moved();
        node.directory().audit(user.id, by.actor(), "user.resumed", json!({}), node.now()).await?;
    }
    now_is(&**node, &name).await
}

pub(super) fn is_operator() -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "is_operator", "They are an operator of this node.")
        .hint("Take their operator's rights away first: `allod user operator NAME --remove`.")
}
