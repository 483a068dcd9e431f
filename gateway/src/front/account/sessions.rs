//! The sessions of a person: which there are, and ending them.

use std::sync::Arc;

use actix_web::web::{Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::session::with_cookies;
use super::{ApiError, Data, body, person};
use crate::authn::{Principal, clear_cookie};
use crate::directory::sessions::{Session, SessionId};
use crate::directory::{DirectoryError, SecretHash};
use crate::front::described::{Id, Instant};
use crate::front::listed::Page;
use crate::front::oauth::signed_out;
use crate::node::{Node, NodeError};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, end, end_all))]
pub(super) struct Api;

/// A session of the person who asks.
#[derive(Serialize, ToSchema)]
struct SessionView {
    #[schema(value_type = Id)]
    session: String,
    /// When the person signed in, or when the operator made it.
    #[schema(value_type = Instant)]
    begun: String,
    /// When it was last used, to a minute.
    #[schema(value_type = Instant)]
    last_used: String,
    /// The address from which it was last used.
    #[schema(examples("192.0.2.7"))]
    from: Option<String>,
    /// What it was last used by: the name of a browser or of a program, as that calls itself.
    #[schema(examples("Firefox on Linux"))]
    by: Option<String>,
    /// When it ends if nobody uses it any more.
    #[schema(value_type = Instant)]
    ends_unused: String,
    /// When it ends however much it is used.
    #[schema(value_type = Instant)]
    expires: String,
    /// Whether it is the one that asks.
    this: bool,
}

fn session_view(one: Session, this: Option<SessionId>) -> SessionView {
    SessionView {
        session: HEXLOWER.encode(&one.id),
        begun: body::instant(one.begun),
        last_used: body::instant(one.used),
        from: one.address,
        by: one.product,
        ends_unused: body::instant(one.ends),
        expires: body::instant(one.expires),
        this: this == Some(one.id),
    }
}

/// One's sessions, those used last first
#[utoipa::path(get, path = "/api/v1/sessions", tag = "session", params(Page), responses(
    (status = 200, description = "Those that have not ended", body = Vec<SessionView>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let list = listed(&**node, &principal).await?;
    Page::answer(&req, &list, |one| one.session.clone())
}

async fn listed(node: &dyn Node, principal: &Principal) -> Result<Vec<SessionView>, ApiError> {
    let this = principal.session.map(|session| session.session());
    let sessions = node.directory().sessions(principal.caller.user, node.now()).await?;
    Ok(sessions.into_iter().map(|one| session_view(one, this)).collect())
}

/// The sessions of a person.
pub(crate) async fn all(node: &dyn Node, principal: &Principal) -> Result<Vec<impl Serialize + use<>>, ApiError> {
    listed(node, principal).await
}

/// Ends one of one's sessions
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "session",
    params(("id" = Id, Path, description = "The session")), responses(
    (status = 204, description = "It has ended"),
    (status = 404, description = "`not_found`: there is no such session of the person who asks")))]
pub(super) async fn end(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let bytes = HEXLOWER.decode(id.as_bytes()).ok();
    let id: SessionId = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(ApiError::not_found)?;
    let user = principal.caller.user;
    if !node.directory().end_session(user, id).await? {
        return Err(ApiError::not_found());
    }
    node.advance_epoch();
    let detail = json!({ "session": HEXLOWER.encode(&id) });
    node.directory().audit(user, principal.actor(), "session.ended", detail, node.now()).await?;
    let own = principal.session.is_some_and(|session| session.session() == id);
    let cookie = if own { clear_cookie(&req, &**node) } else { None };
    Ok(with_cookies(HttpResponse::NoContent().finish(), cookie))
}

/// Which sessions are to end.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// All but the one that asks.
    #[serde(default)]
    others: bool,
}

/// How many sessions ended.
#[derive(Serialize, ToSchema)]
struct SessionsEnded {
    ended: u64,
}

/// Ends every session of the person
///
/// With `?others=true` all but the one that asks; without it, app passwords end too, and apps that they sign in to are told
/// that they signed out. None of their browsers is known any more. What they granted to apps stays.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "session", params(Which), responses(
    (status = 200, description = "They have ended", body = SessionsEnded)))]
pub(super) async fn end_all(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let which = Query::<Which>::from_query(req.query_string());
    let which = which.map_err(|error| ApiError::bad_request(format!("The parameters do not fit: {error}.")))?;
    let kept = principal.session.filter(|_| which.others);
    let ended = end_to_its_end(node.clone().into_inner(), &principal, kept, !which.others).await?;
    let cookie = if kept.is_some() { None } else { clear_cookie(&req, &**node) };
    Ok(with_cookies(HttpResponse::Ok().json(SessionsEnded { ended }), cookie))
}

/// Whoever asks may go away: what they wanted ended is ended, told and noted all the same.
async fn end_to_its_end(
    node: Arc<dyn Node>,
    by: &Principal,
    kept: Option<SecretHash>,
    everywhere: bool,
) -> Result<u64, ApiError> {
    let (user, actor) = (by.caller.user, by.actor());
    let work = tokio::spawn(async move {
        let directory = node.directory();
        let ended = match everywhere {
            true => directory.sign_out_everywhere(user).await?,
            false => directory.end_sessions(user, kept).await?,
        };
        node.advance_epoch();
        if everywhere {
            signed_out::tell(&*node, user, None).await;
        }
        let detail = json!({ "sessions": ended });
        node.directory().audit(user, actor, "session.ended_everywhere", detail, node.now()).await?;
        Ok(ended)
    });
    let ended: Result<u64, DirectoryError> =
        work.await.map_err(|_| NodeError::Failed("the change was broken off".to_owned()))?;
    Ok(ended?)
}
