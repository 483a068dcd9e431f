//! An app sends its request here itself, and then its person with a name for it (RFC 9126): nobody on the way reads or
//! changes it.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::Data;
use super::authorize::{MAX_REQUEST_BYTES, URN, Wrong, checked};
use super::client::{OAuthError, client, fields};
use crate::authn::network;
use crate::directory::pushed::PUSHED_SECONDS;
use crate::front::refusals::UnknownClient;

#[derive(utoipa::OpenApi)]
#[openapi(paths(par))]
pub(super) struct Api;

/// What proves the app, and is no part of its request.
const SECRETS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// What the authorization endpoint takes, and what proves the app.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read as a form")]
struct PushForm {
    client_id: Option<String>,
    client_secret: Option<String>,
    #[schema(examples("code"))]
    response_type: String,
    redirect_uri: String,
    code_challenge: String,
    #[schema(examples("S256"))]
    code_challenge_method: String,
    scope: Option<String>,
    authorization_details: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
}

/// The name of a request.
#[derive(Serialize, ToSchema)]
struct Pushed {
    /// Goes to the authorization endpoint, with `client_id`; good for one answer.
    request_uri: String,
    /// In seconds.
    expires_in: i64,
}

/// Takes a request of an app, and names it
#[utoipa::path(post, path = "/oauth/par", tag = "oauth", security(()),
    request_body(content = PushForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 201, description = "The name of the request", body = Pushed),
    (status = 400, description = "What the authorization endpoint would refuse: `invalid_request`, `invalid_authorization_details`, …"),
    UnknownClient))]
pub(super) async fn par(node: Data, req: HttpRequest, body: Bytes) -> Result<HttpResponse, OAuthError> {
    let node = &**node;
    let fields = fields(&req, &body)?;
    let app = client(node, &req, &fields).await?;
    if fields.get("request_uri").is_some() {
        return Err(OAuthError::new("invalid_request", "A request that is sent here names no other."));
    }
    checked(&req, node, &app, &fields).await.map_err(|wrong| match wrong {
        Wrong::Person(text) => OAuthError::new("invalid_request", text),
        Wrong::App { error, text, .. } => OAuthError::new(error, text),
        Wrong::Failed(error) => error.into(),
    })?;
    let request = fields.without(&SECRETS);
    if request.len() > MAX_REQUEST_BYTES {
        return Err(OAuthError::new("invalid_request", "The request is too long."));
    }
    let kept = node
        .directory()
        .push_request((app.client, app.manifest.confidential), &network(&req), &request, node.now())
        .await?;
    let answer = Pushed { request_uri: format!("{URN}{}", kept.text()), expires_in: PUSHED_SECONDS };
    Ok(HttpResponse::build(StatusCode::CREATED).insert_header((CACHE_CONTROL, "no-store")).json(answer))
}
