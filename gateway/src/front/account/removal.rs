//! Removing a person for good: by operators, and by the person themselves.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use policy_core::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use super::people::{at_home, unknown_user};
use super::standing::is_operator;
use super::{ApiError, Data, person};
use crate::directory::removals::Removal;
use crate::directory::{Actor, User};
use crate::front::described::Id;
use crate::front::oauth::signed_out;
use crate::front::operator::ConfirmedOperator;
use crate::front::refusals::UnknownUser;
use crate::node::Node;

#[derive(utoipa::OpenApi)]
#[openapi(paths(remove, remove_oneself))]
pub(super) struct Api;

/// Somebody is removed.
#[derive(Serialize, ToSchema)]
struct PersonRemoved {
    #[schema(value_type = Id)]
    user: UserId,
    /// Nothing of theirs counts any more. False: what hung on them is not undone to the end yet, and the node goes on with it.
    finished: bool,
}

/// Removes a person for good
///
/// Everything that was issued in their name is refused from here on: sessions, tokens, app passwords, passkeys, links. The
/// keys of their spaces are destroyed: what lies there is gone, for those too with whom it was shared, and nobody brings it
/// back here. What they were given ends, and so does what they gave; what others own stays, with what the person wrote
/// there. Their name is free at once, and whoever gets it has nothing of theirs. What was copied before is not reached:
/// backups, their own devices, replicas. An account at an outside provider for which the node makes people makes a new one:
/// suspend whom you want to keep out.
#[utoipa::path(delete, path = "/api/v1/users/{name}", tag = "people",
    params(("name" = String, Path, description = "Their name", example = "bob")), responses(
    (status = 200, description = "They are removed", body = PersonRemoved),
    UnknownUser,
    (status = 409, description = "`is_owner`: the node is theirs; `is_operator`: they are an operator; or `not_home`")))]
pub(super) async fn remove(node: Data, by: ConfirmedOperator, name: Path<String>) -> Result<HttpResponse, ApiError> {
    at_home(&**node)?;
    let user = node.directory().user_named(&name).await?.ok_or_else(unknown_user)?;
    removed(node.into_inner(), user, (by.user(), by.actor())).await
}

/// Removes oneself for good
///
/// As an operator removes somebody, who has to take one's rights as an operator away first. Asks for the password or a
/// passkey again.
#[utoipa::path(delete, path = "/api/v1/me", tag = "session", responses(
    (status = 200, description = "One is removed", body = PersonRemoved),
    (status = 401, description = "`insufficient_user_authentication`: prove again who you are; or `unauthenticated`, `invalid_token`"),
    (status = 409, description = "`is_owner`: the node is yours; `is_operator`: you are an operator; or `not_home`")))]
pub(super) async fn remove_oneself(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    principal.confirmed(node.now())?;
    at_home(&**node)?;
    let user = node.directory().user(principal.caller.user).await?.ok_or_else(ApiError::not_found)?;
    let told = node.owner().unwrap_or(user.id);
    let by = (told, Actor::Person(user.id));
    removed(node.into_inner(), user, by).await
}

/// Removes somebody; `by`: in whose slice of the audit it is told, and who does it. To its end, whoever goes away.
async fn removed(node: Arc<dyn Node>, user: User, by: (UserId, Actor)) -> Result<HttpResponse, ApiError> {
    let id = user.id;
    let work = tokio::spawn(async move { remove_to_its_end(&*node, &user, by).await });
    // Broken off in the middle, the node goes on with it.
    let finished = work.await.unwrap_or(Ok(false))?;
    Ok(HttpResponse::Ok().json(PersonRemoved { user: id, finished }))
}

async fn remove_to_its_end(node: &dyn Node, user: &User, by: (UserId, Actor)) -> Result<bool, ApiError> {
    let marked = match node.directory().begin_removal(user, by, node.now()).await? {
        Removal::Begun(marked) => marked,
        Removal::OfTheOwner => {
            let text = "The node is theirs: who set it up cannot be removed.";
            return Err(ApiError::new(StatusCode::CONFLICT, "is_owner", text)
                .hint("To end the node, stop it and delete its directory, its backups and its replicas."));
        }
        Removal::OfAnOperator => return Err(is_operator()),
        Removal::Gone => return Err(unknown_user()),
    };
    node.advance_epoch();
    node.standing_moved();
    signed_out::tell(node, user.id, None).await;
    match node.finish_removal(&marked).await {
        Ok(()) => Ok(true),
        Err(error) => {
            tracing::error!(user = %user.id, %error, "somebody was removed, and is not forgotten to the end yet");
            Ok(false)
        }
    }
}
