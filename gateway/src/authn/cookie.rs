//! The session cookie: for the node's own pages, and for nobody else's.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::HeaderName;

use super::only;
use crate::directory::{DirectoryError, Kind, Secret, Token};
use crate::node::Node;

/// How long a session lasts, in seconds.
pub const SESSION_SECONDS: i64 = 7 * 86_400;
/// Any value of this header shows that a script of our own origin sent the request: a page elsewhere
/// cannot set it without being asked about first, and nobody answers that question.
pub const CSRF_HEADER: &str = "allod-csrf";

/// Under TLS the name itself binds the cookie to this host and to secure connections.
fn name(node: &dyn Node) -> &'static str {
    if secure(node) { "__Host-allod" } else { "allod" }
}

fn secure(node: &dyn Node) -> bool {
    node.url().starts_with("https://")
}

/// A cookie that no script reads and no other site sends.
pub(crate) fn strict<'a>(node: &dyn Node, name: &'a str, value: String) -> Cookie<'a> {
    Cookie::build(name, value).path("/").http_only(true).same_site(SameSite::Strict).secure(secure(node)).finish()
}

/// The cookie of a session that begins.
pub fn session_cookie(node: &dyn Node, secret: &Secret) -> Cookie<'static> {
    let mut cookie = strict(node, name(node), secret.text().to_owned());
    cookie.set_max_age(Duration::seconds(SESSION_SECONDS));
    cookie
}

/// The cookie that ends one.
pub fn clear_cookie(node: &dyn Node) -> Cookie<'static> {
    let mut cookie = strict(node, name(node), String::new());
    cookie.make_removal();
    cookie
}

pub(super) fn session_text(req: &HttpRequest, node: &dyn Node) -> Option<String> {
    req.cookie(name(node)).map(|cookie| cookie.value().to_owned()).filter(|text| !text.is_empty())
}

/// Where the browser says who asks, it decides; else the header of our own scripts does.
pub(super) fn from_own_page(req: &HttpRequest) -> bool {
    match only(req, &HeaderName::from_static("sec-fetch-site")) {
        Ok(Some(site)) => site == "same-origin",
        Ok(None) => req.headers().get(CSRF_HEADER).is_some_and(|value| !value.is_empty()),
        Err(()) => false,
    }
}

/// The session of a person who opens one of our pages. What a page does is guarded by its forms.
pub async fn page_session(req: &HttpRequest, node: &dyn Node) -> Result<Option<Token>, DirectoryError> {
    let Some(text) = session_text(req, node) else { return Ok(None) };
    let token = node.directory().token(&text, node.now()).await?;
    Ok(token.filter(|token| token.kind == Kind::Session))
}
