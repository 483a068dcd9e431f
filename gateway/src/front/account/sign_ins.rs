//! The apps that know who a person is: which there are, and ending that.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use policy_core::ClientId;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{ApiError, Data, body, person};
use crate::authn::Principal;
use crate::directory::sign_ins::SignInRow;
use crate::front::described::{Id, Instant};
use crate::front::listed::Page;
use crate::front::oauth::signed_out;
use crate::node::Node;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, end))]
pub(super) struct Api;

/// An app that the person who asks lets know who they are.
#[derive(Debug, Serialize, ToSchema)]
struct SignInView {
    #[schema(value_type = Id)]
    client_id: ClientId,
    app: String,
    /// Whether it knows their name as well.
    name: bool,
    #[schema(value_type = Instant)]
    created: String,
    /// When they last signed in there.
    #[schema(value_type = Instant)]
    last_used: String,
}

async fn listed(node: &dyn Node, principal: &Principal) -> Result<Vec<SignInView>, ApiError> {
    let directory = node.directory();
    let mut list = Vec::new();
    for row in directory.sign_ins(principal.caller.user).await? {
        let SignInRow { client, scope, created, last_used, .. } = row;
        let app = directory.app(client).await?.map(|app| app.manifest.name).unwrap_or_default();
        let (created, last_used) = (body::instant(created), body::instant(last_used));
        list.push(SignInView { client_id: client, app, name: scope.profile, created, last_used });
    }
    Ok(list)
}

/// The apps that one signs in to with this node, oldest first
#[utoipa::path(get, path = "/api/v1/sign-ins", tag = "grants", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<SignInView>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let list = listed(&**node, &principal).await?;
    Page::answer(&req, &list, |one| one.client_id.to_string())
}

/// The apps that a person signs in to with this node.
pub(crate) async fn all(node: &dyn Node, principal: &Principal) -> Result<Vec<impl Serialize + use<>>, ApiError> {
    listed(node, principal).await
}

/// Lets an app know no more who one is
///
/// Its tokens for that end. The next time the app asks, the person is asked again. What it may do with data is taken back
/// by itself: `DELETE /api/v1/grants/{id}`.
#[utoipa::path(delete, path = "/api/v1/sign-ins/{client}", tag = "grants",
    params(("client" = Id, Path, description = "The app")), responses(
    (status = 204, description = "It knows no more"),
    (status = 404, description = "`not_found`: it is no app that the person who asks signs in to")))]
pub(super) async fn end(node: Data, req: HttpRequest, client: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let client: ClientId = client.parse().map_err(|_| ApiError::not_found())?;
    let user = principal.caller.user;
    if !node.directory().end_sign_in(user, client).await? {
        return Err(ApiError::not_found());
    }
    node.advance_epoch();
    signed_out::tell(&**node, user, Some(client)).await;
    let detail = json!({ "client_id": client });
    node.directory().audit(user, principal.actor(), "app.sign_in_ended", detail, node.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}
