//! Who the person of an access token is (OpenID Connect Core, 5.3).

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Data;
use super::super::client::OAuthError;
use super::super::form::Fields;
use super::subject;
use crate::authn::{AuthError, Sent, sent, token};
use crate::directory::TokenKind;
use crate::node::Node;

#[derive(utoipa::OpenApi)]
#[openapi(paths(get, post))]
pub(in super::super) struct Api;

/// What an app knows of somebody.
#[derive(Serialize, ToSchema)]
struct UserInfo {
    /// Stands for the person; another for each app.
    sub: String,
    /// The name under which they sign in, if they let the app know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
}

/// Who the person of an access token is
///
/// For a token whose scope holds `openid`. What the app may know is what the person let it.
#[utoipa::path(get, path = "/oauth/userinfo", tag = "oauth", responses(
    (status = 200, description = "Them", body = UserInfo),
    (status = 401, description = "`invalid_token`; `invalid_dpop_proof`: the proof beside the token does not fit"),
    (status = 403, description = "`insufficient_scope`: the token is not of an app that asked who somebody is")))]
pub(in super::super) async fn get(node: Data, req: HttpRequest) -> Result<HttpResponse, OAuthError> {
    let sent = sent(&req).map_err(OAuthError::token)?;
    answer(&**node, &req, sent).await
}

/// The same token, in a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read as a form")]
struct TokenInForm {
    access_token: Option<String>,
}

/// Who the person of an access token is
///
/// The token stands in `Authorization` or in the form, and not in both (RFC 6750).
#[utoipa::path(post, path = "/oauth/userinfo", tag = "oauth",
    request_body(content = TokenInForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "Them", body = UserInfo),
    (status = 400, description = "`invalid_request`: the token is sent twice"),
    (status = 401, description = "`invalid_token`; `invalid_dpop_proof`: the proof beside the token does not fit"),
    (status = 403, description = "`insufficient_scope`: the token is not of an app that asked who somebody is")))]
pub(in super::super) async fn post(node: Data, req: HttpRequest, body: Bytes) -> Result<HttpResponse, OAuthError> {
    let fields = if body.is_empty() { Some(Fields::default()) } else { Fields::of_body(&req, &body) };
    let fields = fields.filter(|fields| !fields.doubled());
    let fields = fields.ok_or_else(|| OAuthError::new("invalid_request", "The body must be a form."))?;
    let sent = match (sent(&req).map_err(OAuthError::token)?, fields.get("access_token")) {
        (Some(_), Some(_)) => {
            return Err(OAuthError::new("invalid_request", "The token is sent in two ways."));
        }
        // In a form it counts for whoever has it: one that is bound to a key comes in the header.
        (sent, in_form) => sent.or(in_form.map(Sent::Bearer)),
    };
    answer(&**node, &req, sent).await
}

async fn answer(node: &dyn Node, req: &HttpRequest, sent: Option<Sent<'_>>) -> Result<HttpResponse, OAuthError> {
    let directory = node.directory();
    let invalid = || OAuthError::token(AuthError::Invalid);
    let token = token(req, node, sent.ok_or_else(invalid)?).await.map_err(OAuthError::token)?;
    let (client, openid) = match token.kind {
        TokenKind::Identity { client, openid, .. } | TokenKind::Access { client, openid: Some(openid), .. } => {
            (client, openid)
        }
        TokenKind::Access { .. } => {
            let text = "The app did not ask who the person is: `scope=openid`.";
            return Err(OAuthError::bearer("insufficient_scope", text, StatusCode::FORBIDDEN));
        }
        TokenKind::Session | TokenKind::AppPassword { .. } | TokenKind::Link { .. } => return Err(invalid()),
    };
    let app = directory.app(client).await?.ok_or_else(invalid)?;
    // What the person takes back counts at once, whatever the token was issued for.
    let allowed = directory.sign_in_at(token.user, client).await?.ok_or_else(invalid)?.scope;
    let user = directory.user(token.user).await?.ok_or_else(invalid)?;
    let name = (openid.profile && allowed.profile).then(|| user.name.clone());
    let info = UserInfo { sub: subject(node, token.user, &app), preferred_username: name };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(info))
}
