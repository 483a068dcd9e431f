//! The sign-in page, on the way to a consent.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::authorize::Wish;
use super::form::{Fields, is_tag, stale, tag};
use super::page::{alert, escape, hidden, page};
use crate::authn::{SESSION_SECONDS, session_cookie, strict};
use crate::directory::{Actor, DirectoryError, Secret};
use crate::front::error::ApiError;
use crate::node::Node;

const STEP: &str = "sign-in";
/// Binds the sign-in form to the browser that was shown it, so that no other site can sign a person
/// in under a name of its choice.
const FORM_COOKIE: &str = "allod-form";

/// The page. A browser that has no form cookie gets one.
pub(super) fn show(req: &HttpRequest, node: &dyn Node, wish: &Wish, wrong: Option<&str>) -> HttpResponse {
    let known = req.cookie(FORM_COOKIE).map(|cookie| cookie.value().to_owned()).filter(|text| text.len() == 43);
    let binding = known.clone().unwrap_or_else(|| Secret::draw().text().to_owned());
    let body = format!(
        "{}<p>to continue to <strong>{}</strong>. The app does not see your password.</p>\n\
         <form method=\"post\" action=\"/oauth/authorize\">\n{}{}{}\
         <label for=\"user\">Name</label>\n\
         <input id=\"user\" name=\"user\" type=\"text\" autocomplete=\"username\" autocapitalize=\"none\" required autofocus>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>\n\
         <button type=\"submit\">Sign in</button>\n</form>",
        alert(wrong),
        escape(&wish.app.manifest.name),
        hidden("step", STEP),
        hidden("request", &wish.raw),
        hidden("csrf", &tag(node, STEP, binding.as_bytes(), &wish.raw)),
    );
    let status = if wrong.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let mut answer = page(status, "Sign in", &body, Some(&wish.redirect_uri));
    if known.is_none() {
        let cookie = strict(node, FORM_COOKIE, binding);
        // A cookie that we built is always a valid header.
        let _ = answer.add_cookie(&cookie);
    }
    answer
}

/// Whether a posted form is the sign-in form.
pub(super) fn is_step(fields: &Fields) -> bool {
    fields.get("step") == Some(STEP)
}

/// Signs in, and goes on to the consent.
pub(super) async fn submit(req: &HttpRequest, node: &dyn Node, wish: &Wish, fields: &Fields) -> HttpResponse {
    let binding = req.cookie(FORM_COOKIE).map(|cookie| cookie.value().to_owned()).unwrap_or_default();
    if binding.is_empty() || !is_tag(node, STEP, binding.as_bytes(), &wish.raw, fields.get("csrf")) {
        return stale();
    }
    let (user, password) = (fields.get("user").unwrap_or_default(), fields.get("password").unwrap_or_default());
    match begin(node, user, password).await {
        Ok(Some(secret)) => {
            let mut answer = HttpResponse::SeeOther();
            answer.insert_header((LOCATION, format!("/oauth/authorize?{}", wish.raw)));
            answer.insert_header(("cache-control", "no-store"));
            answer.cookie(session_cookie(node, &secret)).finish()
        }
        Ok(None) => show(req, node, wish, Some("The name or the password is wrong.")),
        Err(DirectoryError::Busy) => show(req, node, wish, Some("Many people are signing in just now. Try again.")),
        Err(error) => super::authorize::failed(&ApiError::from(error)),
    }
}

async fn begin(node: &dyn Node, user: &str, password: &str) -> Result<Option<Secret>, DirectoryError> {
    let directory = node.directory();
    let Some(user) = directory.verify_password(user, password).await? else { return Ok(None) };
    // A fresh session, whatever the browser held before.
    let (secret, _) = directory.open_session(user.id, node.now(), SESSION_SECONDS).await?;
    directory.audit(user.id, Actor::Person(user.id), "session.created", json!({}), node.now()).await?;
    Ok(Some(secret))
}
