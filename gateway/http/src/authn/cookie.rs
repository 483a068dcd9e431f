//! The session of a page: a cookie and a key, which count together or not at all.
//!
//! Cookies know no ports. Whoever listens on another port of the pages' host receives them and can set them, so a
//! cookie proves nothing by itself. The key lies in the storage of the pages' origin (scheme, host and port), which
//! nobody else reads, and scripts of the pages send it in a header, which no form and no link of another page can.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{COOKIE, HeaderName};

use super::header::only;
use gateway_people::directory::sessions::PageSecrets;
use gateway_people::directory::{BROWSER_SECONDS, KnownBrowser, Token};
use gateway_people::principal::AuthError;
use gateway_people::realm::Realm;

/// Where a page's script sends the key of its session.
const PAGE_KEY: HeaderName = HeaderName::from_static("allod-page-key");
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Cookies of one name that are looked at: another port may have set some beside ours.
const MAX_COOKIES: usize = 8;

/// The name tells the nodes of one host apart. Under TLS it binds the cookie to this host and to secure connections.
fn name(node: &dyn Realm) -> String {
    let own = node.directory().node().get(..8).unwrap_or_default();
    if secure(node) { format!("__Host-allod-{own}") } else { format!("allod-{own}") }
}

fn secure(node: &dyn Realm) -> bool {
    node.url().starts_with("https://")
}

fn cookie(node: &dyn Realm, value: String) -> Cookie<'static> {
    let cookie = Cookie::build(name(node), value).path("/").http_only(true).same_site(SameSite::Strict);
    cookie.secure(secure(node)).finish()
}

/// The cookie of a page's session that begins, for as long as the session can last.
pub fn session_cookie(node: &dyn Realm, secrets: &PageSecrets, session: &Token) -> Cookie<'static> {
    let mut cookie = cookie(node, secrets.cookie.text().to_owned());
    cookie.set_max_age(Duration::microseconds(session.expires.0 - session.created.0));
    cookie
}

/// The cookie that ends one, for a browser that has one.
pub fn clear_cookie(req: &HttpRequest, node: &dyn Realm) -> Option<Cookie<'static>> {
    held(req, &name(node)).next()?;
    let mut cookie = cookie(node, String::new());
    cookie.make_removal();
    Some(cookie)
}

/// Where people sign in: there alone a browser shows that it is known.
const SIGN_IN: [&str; 3] = ["/api/v1/session", "/api/v1/passkeys/sign-in", "/oauth/authorize"];

/// The name tells nodes and people apart, as that of a session does; `__Host-` would have it sent to every path.
fn browser_name(node: &dyn Realm, mark: &str) -> String {
    let own = node.directory().node().get(..8).unwrap_or_default();
    let prefix = if secure(node) { "__Secure-" } else { "" };
    format!("{prefix}allod-{own}-known-{mark}")
}

/// The cookies by which a browser is known when the person signs in again.
pub fn browser_cookies<'a>(node: &'a dyn Realm, known: &'a KnownBrowser) -> impl Iterator<Item = Cookie<'static>> + 'a {
    SIGN_IN.into_iter().map(|path| {
        let cookie = Cookie::build(browser_name(node, &known.mark), known.token.clone()).path(path).http_only(true);
        let cookie = cookie.same_site(SameSite::Strict).secure(secure(node));
        cookie.max_age(Duration::seconds(BROWSER_SECONDS)).finish()
    })
}

/// What a browser that signs in under `name` keeps of sign-ins before.
pub fn known_browsers(req: &HttpRequest, node: &dyn Realm, name: &str) -> Vec<String> {
    let Some(mark) = node.directory().browser_mark(name) else { return Vec::new() };
    held(req, &browser_name(node, &mark)).take(MAX_COOKIES).map(str::to_owned).collect()
}

/// The values that a request carries under a cookie's name.
fn held<'a>(req: &'a HttpRequest, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = req.headers().get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(known, value)| *known == name && !value.is_empty()).map(|(_, value)| value)
}

/// Whether a sign-in is from a page of this node. Where the browser does not say so (it does at secure addresses and on
/// this machine), the header does, with whatever value: no other site's page can send it unasked.
pub fn is_page(req: &HttpRequest) -> bool {
    match only(req, &SITE) {
        Ok(None) => req.headers().contains_key(PAGE_KEY),
        site => site == Ok(Some("same-origin")),
    }
}

/// The session of the page that sent `req`. Of several cookies of the name the one that fits the key counts.
pub(super) async fn page_session(req: &HttpRequest, node: &dyn Realm) -> Result<Token, AuthError> {
    let name = name(node);
    let mut cookies = held(req, &name).take(MAX_COOKIES).peekable();
    if cookies.peek().is_none() {
        return Err(AuthError::Missing);
    }
    // A browser that says who asks must say that our own page does; one that does not cannot send the key for others.
    if !matches!(only(req, &SITE), Ok(None | Some("same-origin"))) {
        return Err(AuthError::CrossSite);
    }
    let key = only(req, &PAGE_KEY).map_err(|()| AuthError::CrossSite)?;
    let key = key.filter(|key| !key.is_empty()).ok_or(AuthError::CrossSite)?;
    for cookie in cookies {
        if let Some(token) = node.directory().page_session(cookie, key, node.now()).await? {
            return Ok(token);
        }
    }
    Err(AuthError::Invalid)
}
