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
use crate::authn::bearer;
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
    (status = 401, description = "`invalid_token`"),
    (status = 403, description = "`insufficient_scope`: the token is not of an app that asked who somebody is")))]
pub(in super::super) async fn get(node: Data, req: HttpRequest) -> Result<HttpResponse, OAuthError> {
    let token = bearer(&req).ok().flatten().map(str::to_owned);
    answer(&**node, token).await
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
    (status = 401, description = "`invalid_token`"),
    (status = 403, description = "`insufficient_scope`: the token is not of an app that asked who somebody is")))]
pub(in super::super) async fn post(node: Data, req: HttpRequest, body: Bytes) -> Result<HttpResponse, OAuthError> {
    let fields = if body.is_empty() { Some(Fields::default()) } else { Fields::of_body(&req, &body) };
    let fields = fields.filter(|fields| !fields.doubled());
    let fields = fields.ok_or_else(|| OAuthError::new("invalid_request", "The body must be a form."))?;
    let token = match (bearer(&req), fields.get("access_token")) {
        (Ok(Some(_)), Some(_)) => {
            return Err(OAuthError::new("invalid_request", "The token is sent in two ways."));
        }
        (Ok(Some(token)), None) => Some(token.to_owned()),
        (Ok(None), token) => token.map(str::to_owned),
        (Err(_), _) => None,
    };
    answer(&**node, token).await
}

async fn answer(node: &dyn Node, token: Option<String>) -> Result<HttpResponse, OAuthError> {
    let directory = node.directory();
    let invalid = || {
        let text = "The access token is missing, unknown, revoked, or has lapsed.";
        OAuthError::bearer("invalid_token", text, StatusCode::UNAUTHORIZED)
    };
    let token = directory.token(&token.ok_or_else(invalid)?, node.now()).await?.ok_or_else(invalid)?;
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
