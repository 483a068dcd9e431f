//! Signing in and out.

use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use policy_core::Timestamp;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{ApiError, Data, body, person};
use crate::authn::{
    CONFIRMED_SECONDS, SESSION_SECONDS, address, browser_cookies, clear_cookie, is_page, origin, session_cookie,
};
use crate::directory::{Actor, SignedIn};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    user: String,
    password: String,
}

/// `POST /api/v1/session {"user","password"}`: a bearer token; for a page of the node a cookie and a key, which count
/// together only.
pub(super) async fn sign_in(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let site = req.headers().get(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        let text = "Another site cannot sign you in.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "cross_site", text));
    }
    let SignIn { user, password } = body::json(&req, &bytes)?;
    // Whoever waits for a turn holds a name and a password, not what was sent around them.
    drop(bytes);
    let password = Zeroizing::new(password);
    let directory = node.directory();
    let from = origin(&req, &**node, &user);
    let Some(SignedIn { user, browser }) = directory.sign_in(&user, &password, from, node.now()).await? else {
        let text = "The name or the password is wrong.";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_password", text));
    };
    let now = node.now();
    let (answer, cookies) = if is_page(&req) {
        // Half of a page's session goes into a cookie, half into the storage of its origin; a bearer it does not get.
        let (secrets, token) = directory.open_page_session(user.id, now, SESSION_SECONDS).await?;
        let answer = json!({ "page_key": secrets.key.text(), "expires": body::instant(token.expires) });
        let cookies = std::iter::once(session_cookie(&**node, &secrets));
        (answer, cookies.chain(browser_cookies(&**node, &browser)).collect())
    } else {
        let (secret, token) = directory.open_session(user.id, now, SESSION_SECONDS, Some(now)).await?;
        (json!({ "access_token": secret.text(), "expires": body::instant(token.expires) }), Vec::new())
    };
    directory.audit(user.id, Actor::Person(user.id), "session.created", json!({}), now).await?;
    Ok(with_cookies(HttpResponse::Ok().json(answer), cookies))
}

fn with_cookies<'a>(mut answer: HttpResponse, cookies: impl IntoIterator<Item = Cookie<'a>>) -> HttpResponse {
    for cookie in cookies {
        // A cookie that we built is always a valid header.
        let _ = answer.add_cookie(&cookie);
    }
    answer
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirm {
    password: String,
}

/// `POST /api/v1/session/confirm {"password"}`: for the next five minutes the session may do dangerous acts.
pub(super) async fn confirm(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let Confirm { password } = body::json(&req, &bytes)?;
    drop(bytes);
    let password = Zeroizing::new(password);
    let directory = node.directory();
    let Some(session) = principal.session else {
        let text = "Whoever holds the machine is not asked for a password.";
        return Err(ApiError::bad_request(text));
    };
    let user = directory.user(principal.caller.user).await?.ok_or_else(ApiError::not_found)?;
    if !directory.is_password(&user, session, &password, address(&req), node.now()).await? {
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_password", "The password is wrong."));
    }
    let now = node.now();
    directory.confirm_session(session, now).await?;
    directory.audit(user.id, Actor::Person(user.id), "session.confirmed", json!({}), now).await?;
    let until = Timestamp(now.0 + CONFIRMED_SECONDS * 1_000_000);
    Ok(HttpResponse::Ok().json(json!({ "expires": body::instant(until) })))
}

/// `DELETE /api/v1/session`: ends the session that asks.
pub(super) async fn sign_out(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    if let Some(session) = principal.session {
        node.directory().end_token(session).await?;
        node.advance_epoch();
    }
    Ok(with_cookies(HttpResponse::NoContent().finish(), clear_cookie(&req, &**node)))
}

/// `DELETE /api/v1/sessions`: ends every session of the person, and knows none of their browsers any more. What they
/// granted to apps stays.
pub(super) async fn sign_out_everywhere(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let user = person(&req, &**node).await?.caller.user;
    node.directory().forget_browsers(user).await?;
    let ended = node.directory().end_sessions(user).await?;
    node.advance_epoch();
    let detail = json!({ "sessions": ended });
    node.directory().audit(user, Actor::Person(user), "session.ended_everywhere", detail, node.now()).await?;
    Ok(with_cookies(HttpResponse::Ok().json(json!({ "ended": ended })), clear_cookie(&req, &**node)))
}
