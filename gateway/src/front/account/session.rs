//! Signing in and out.

use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{ApiError, Data, body, me, person};
use crate::authn::whence;
use crate::authn::{
    CONFIRMED_SECONDS, address, browser_cookies, clear_cookie, is_page, origin, session_cookie, session_origin,
};
use crate::directory::sessions::OpenedBy;
use crate::directory::sign_in::{Proof, Refused, SignedIn};
use crate::directory::{Actor, KnownBrowser, SecretHash, User};
use crate::front::described::Instant;
use crate::front::refusals::AccountElsewhere;
use crate::node::Node;

#[derive(utoipa::OpenApi)]
#[openapi(paths(sign_in, confirm, sign_out))]
pub(super) struct Api;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    #[schema(examples("alice"))]
    user: String,
    #[schema(examples("correct horse battery staple"))]
    password: String,
    /// A code of the second factor, or one of recovery; who has none needs none.
    #[schema(examples("287082"))]
    totp: Option<String>,
}

/// A session that was opened.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionOpened {
    /// The bearer token; a page of the node gets a cookie instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// For a page of the node: what it sends beside its cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    page_key: Option<String>,
    /// When it ends however much it is used; unused, it ends sooner (`limits.session_idle`).
    #[schema(value_type = Instant)]
    expires: String,
}

/// Until when a password that was given, or a passkey that was proved, counts.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfirmedUntil {
    #[schema(value_type = Instant)]
    expires: String,
}

/// Signs in
///
/// `POST /api/v1/session {"user","password"}`: a bearer token; for a page of the node a cookie and a key, which count
/// together only.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", security(()), request_body = SignIn, responses(
    (status = 200, description = "The session", body = SessionOpened),
    (status = 401, description = "`wrong_password`: the name or the password is wrong; `totp_needed`: send a code too; `wrong_code`: the code is wrong, or was used; or `not_set_up`"),
    (status = 403, description = "`suspended`: the account is suspended; or `cross_site`: another site cannot sign you in")))]
pub(super) async fn sign_in(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    same_site(&req)?;
    let SignIn { user, password, totp } = body::json(&req, &bytes)?;
    // Whoever waits for a turn holds a name and a password, not what was sent around them.
    drop(bytes);
    let password = Zeroizing::new(password);
    let proof = Proof { password: &password, code: totp.as_deref() };
    let directory = node.directory();
    let from = origin(&req, &**node, &user);
    let signed = directory.sign_in(&user, proof, from, node.now()).await?;
    let SignedIn { user, browser, .. } =
        signed.map_err(|refused| refusal(refused, "The name or the password is wrong."))?;
    opened(&**node, &req, &user, Some(&browser), None).await
}

/// Refuses what a page of another site sends.
pub(crate) fn same_site(req: &HttpRequest) -> Result<(), ApiError> {
    let site = req.headers().get(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        let text = "Another site cannot sign you in.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "cross_site", text));
    }
    Ok(())
}

/// Opens the session of somebody who proved who they are. `browser`: what their browser is known by from now on; `by`: the
/// credential with which it ends, if it is not the password.
pub(crate) async fn opened(
    node: &dyn Node,
    req: &HttpRequest,
    user: &User,
    browser: Option<&KnownBrowser>,
    by: Option<&OpenedBy>,
) -> Result<HttpResponse, ApiError> {
    let (directory, now) = (node.directory(), node.now());
    let (answer, cookies) = if is_page(req) {
        // Half of a page's session goes into a cookie, half into the storage of its origin; a bearer it does not get.
        let opened = directory.open_page_session(user, &session_origin(req), by, now).await?;
        let (secrets, token) = opened.ok_or_else(me::wrong_password)?;
        let page_key = Some(secrets.key.text().to_owned());
        let answer = SessionOpened { access_token: None, page_key, expires: body::instant(token.expires) };
        let mut cookies = vec![session_cookie(node, &secrets, &token)];
        cookies.extend(browser.into_iter().flat_map(|browser| browser_cookies(node, browser)));
        (answer, cookies)
    } else {
        let opened = directory.open_signed_session(user, &session_origin(req), by, now).await?;
        let (secret, token) = opened.ok_or_else(me::wrong_password)?;
        let access_token = Some(secret.text().to_owned());
        (SessionOpened { access_token, page_key: None, expires: body::instant(token.expires) }, Vec::new())
    };
    let mut detail = whence(req);
    if let Some(by) = by {
        detail["by"] = by.kind.word().into();
    }
    directory.audit(user.id, Actor::Person(user.id), "session.created", detail, now).await?;
    directory.signed_in_from(user.id, &session_origin(req), &origin(req, node, &user.name).browsers, now).await;
    let answer = HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer);
    Ok(with_cookies(answer, cookies))
}

/// What is lacking of a second factor, for whoever proved the rest.
pub(crate) fn second_factor(refused: Refused) -> ApiError {
    refusal(refused, "The second factor is wrong.")
}

/// `wrong`: what to say of a password that is not theirs.
fn refusal(refused: Refused, wrong: &'static str) -> ApiError {
    match refused {
        Refused::Wrong => ApiError::new(StatusCode::UNAUTHORIZED, "wrong_password", wrong),
        Refused::CodeNeeded => {
            let text = "The password is right; a code of the second factor is needed as well.";
            ApiError::new(StatusCode::UNAUTHORIZED, "totp_needed", text).hint("Send the code as `totp`.")
        }
        Refused::WrongCode => me::wrong_code(),
        Refused::Suspended => ApiError::new(StatusCode::FORBIDDEN, "suspended", "Your account is suspended.")
            .hint("Ask whoever runs this node."),
    }
}

pub(super) fn with_cookies<'a>(
    mut answer: HttpResponse,
    cookies: impl IntoIterator<Item = Cookie<'a>>,
) -> HttpResponse {
    for cookie in cookies {
        // A cookie that we built is always a valid header.
        let _ = answer.add_cookie(&cookie);
    }
    answer
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Confirm {
    #[schema(examples("correct horse battery staple"))]
    password: String,
    /// As at the sign-in.
    #[schema(examples("287082"))]
    totp: Option<String>,
}

/// Gives the password again
///
/// For the next five minutes the session may do dangerous acts.
#[utoipa::path(post, path = "/api/v1/session/confirm", tag = "session", request_body = Confirm, responses(
    (status = 200, description = "Until when it counts", body = ConfirmedUntil),
    (status = 401, description = "`wrong_password`: the password is wrong; `totp_needed`, `wrong_code`: as at the sign-in; or `unauthenticated`, `invalid_token`"),
    AccountElsewhere))]
pub(super) async fn confirm(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let Confirm { password, totp } = body::json(&req, &bytes)?;
    drop(bytes);
    let password = Zeroizing::new(password);
    let directory = node.directory();
    let Some(session) = principal.session else {
        let text = "Whoever holds the machine is not asked for a password.";
        return Err(ApiError::bad_request(text));
    };
    let user = directory.user(principal.caller.user).await?.ok_or_else(ApiError::not_found)?;
    let proof = Proof { password: &password, code: totp.as_deref() };
    let proved = directory.confirm(&user, session, proof, address(&req), node.now()).await?;
    proved.map_err(|refused| refusal(refused, "The password is wrong."))?;
    confirmed(&**node, &req, user.id, session).await
}

/// Notes that whoever has the session proved again who they are.
pub(crate) async fn confirmed(
    node: &dyn Node,
    req: &HttpRequest,
    user: UserId,
    session: SecretHash,
) -> Result<HttpResponse, ApiError> {
    let (directory, now) = (node.directory(), node.now());
    directory.confirm_session(session, now).await?;
    directory.audit(user, Actor::Person(user), "session.confirmed", whence(req), now).await?;
    let until = Timestamp(now.0 + CONFIRMED_SECONDS * 1_000_000);
    Ok(HttpResponse::Ok().json(ConfirmedUntil { expires: body::instant(until) }))
}

/// Ends the session that asks
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses(
    (status = 204, description = "It has ended")))]
pub(super) async fn sign_out(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    if let Some(session) = principal.session {
        node.directory().end_token(session).await?;
        node.advance_epoch();
    }
    Ok(with_cookies(HttpResponse::NoContent().finish(), clear_cookie(&req, &**node)))
}
