//! Signing in and out.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{ApiError, Data, body, person};
use crate::authn::{SESSION_SECONDS, clear_cookie, session_cookie};
use crate::directory::Actor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    user: String,
    password: String,
}

/// `POST /api/v1/session {"user","password"}`.
pub(super) async fn sign_in(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let site = req.headers().get(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        let text = "Another site cannot sign you in.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "cross_site", text));
    }
    let SignIn { user, password } = body::json(&req, &bytes)?;
    let password = Zeroizing::new(password);
    let directory = node.directory();
    let Some(user) = directory.verify_password(&user, &password).await? else {
        let text = "The name or the password is wrong.";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_password", text));
    };
    let (secret, token) = directory.open_session(user.id, node.now(), SESSION_SECONDS).await?;
    directory.audit(user.id, Actor::Person(user.id), "session.created", json!({}), node.now()).await?;
    let answer = json!({ "access_token": secret.text(), "expires": body::instant(token.expires) });
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .cookie(session_cookie(&**node, &secret))
        .json(answer))
}

/// `DELETE /api/v1/session`: ends the session that asks.
pub(super) async fn sign_out(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    if let Some(session) = principal.session {
        node.directory().end_token(session).await?;
        node.advance_epoch();
    }
    Ok(HttpResponse::NoContent().cookie(clear_cookie(&**node)).finish())
}

/// `DELETE /api/v1/sessions`: ends every session of the person. What they granted to apps stays.
pub(super) async fn sign_out_everywhere(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let user = person(&req, &**node).await?.caller.user;
    let ended = node.directory().end_sessions(user).await?;
    node.advance_epoch();
    let detail = json!({ "sessions": ended });
    node.directory().audit(user, Actor::Person(user), "session.ended_everywhere", detail, node.now()).await?;
    Ok(HttpResponse::Ok().cookie(clear_cookie(&**node)).json(json!({ "ended": ended })))
}
