//! In which language the pages of a request speak: as the person chose, or as their browser likes best.
//!
//! The choice lies in a cookie that opens nothing. Whoever sets it from elsewhere makes a page speak German.

use std::cell::RefCell;

use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT_LANGUAGE, COOKIE};
use actix_web::middleware::Next;
use gateway_people::language::Language;

/// The cookie of the choice.
const COOKIE_NAME: &str = "allod-language";
/// By which parameter or field somebody chooses.
pub(crate) const CHOICE: &str = "lang";
/// The field by which a form says in which language its page speaks: the answer speaks the same.
pub(super) const SPEAKS: &str = "speaks";
/// What an app thinks that the person reads (OpenID Connect Core, 3.1.2.1).
pub(super) const WISHED: &str = "ui_locales";
/// The longest address that is shown anew in another language.
const MAX_QUERY_BYTES: usize = 32 * 1_024;
/// A year.
const KEPT: Duration = Duration::days(365);
/// Pages that are shown again by the same address.
const PAGES: [&str; 7] =
    ["/setup", "/setup/restore", "/setup/join", "/invite", "/oauth/authorize", "/oauth/device", "/oauth/logout"];

/// How the request that is being answered is spoken to.
#[derive(Debug, Clone, Default)]
struct Spoken {
    language: Language,
    /// It was chosen by this request, on a page of the node.
    chosen: bool,
    /// The person chose it, now or before, or the form's page spoke it.
    settled: bool,
    /// The address at which the same page is shown, up to the choice of a language; `None`: a form shows it again.
    here: Option<String>,
}

tokio::task_local! {
    static SPOKEN: RefCell<Spoken>;
}

/// Answers each request in its language.
pub(crate) async fn spoken<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let spoken = RefCell::new(Spoken::of(request.request()));
    SPOKEN.scope(spoken, next.call(request)).await
}

/// The language of the request that is being answered.
pub(crate) fn language() -> Language {
    SPOKEN.try_with(|spoken| spoken.borrow().language).unwrap_or_default()
}

/// Whoever sent a form chose a language with it.
pub(super) fn choose(tag: &str) {
    let Some(language) = Language::of_tag(tag) else { return };
    let _ = SPOKEN.try_with(|spoken| {
        let mut spoken = spoken.borrow_mut();
        (spoken.language, spoken.chosen, spoken.settled) = (language, true, true);
    });
}

/// A form goes on in the language of its page.
pub(super) fn keep(tag: &str) {
    let Some(language) = Language::of_tag(tag) else { return };
    let _ = SPOKEN.try_with(|spoken| {
        let mut spoken = spoken.borrow_mut();
        (spoken.language, spoken.settled) = (language, true);
    });
}

/// An app that sent its request here itself thinks that the person reads these languages.
pub(super) fn wished(locales: &str) {
    let Some(language) = Language::accepted(&locales.replace(' ', ",")) else { return };
    let _ = SPOKEN.try_with(|spoken| {
        let mut spoken = spoken.borrow_mut();
        if !spoken.settled {
            spoken.language = language;
        }
    });
}

/// The address of the same page, for the choice of a language to be put behind it.
pub(super) fn here() -> Option<String> {
    SPOKEN.try_with(|spoken| spoken.borrow().here.clone()).ok().flatten()
}

/// By which the choice is remembered, if this request made one.
pub(super) fn cookie() -> Option<Cookie<'static>> {
    let spoken = SPOKEN.try_with(|spoken| spoken.borrow().clone()).ok().filter(|spoken| spoken.chosen)?;
    let cookie = Cookie::build(COOKIE_NAME, spoken.language.tag()).path("/").http_only(true);
    Some(cookie.same_site(SameSite::Lax).max_age(KEPT).finish())
}

impl Spoken {
    fn of(req: &HttpRequest) -> Spoken {
        let asked = |name: &str| {
            let query = req.query_string();
            let pairs = url::form_urlencoded::parse(query.get(..MAX_QUERY_BYTES).unwrap_or(query).as_bytes());
            pairs.into_iter().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
        };
        let is_page = PAGES.contains(&req.path()) || req.path().starts_with("/l/");
        let shown = is_page && matches!(*req.method(), Method::GET | Method::HEAD);
        let chosen = shown.then(|| asked(CHOICE)).flatten().and_then(|tag| Language::of_tag(&tag));
        // A link from elsewhere chooses for its page, and no further.
        let is_ours = req.headers().get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        let remembered = remembered(req);
        let settled = chosen.or(remembered).is_some();
        let wished = || shown.then(|| asked(WISHED)).flatten();
        let language = chosen
            .or(remembered)
            .or_else(|| Language::accepted(&wished()?.replace(' ', ",")))
            .or_else(|| Language::accepted(req.headers().get(ACCEPT_LANGUAGE)?.to_str().ok()?))
            .unwrap_or_default();
        let here = (shown && req.query_string().len() <= MAX_QUERY_BYTES).then(|| {
            let kept = url::form_urlencoded::parse(req.query_string().as_bytes()).filter(|(name, _)| name != CHOICE);
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
            format!("{}?{query}{}{CHOICE}=", req.path(), if query.is_empty() { "" } else { "&" })
        });
        Spoken { language, chosen: chosen.is_some() && is_ours, settled, here }
    }
}

/// The choice of before.
fn remembered(req: &HttpRequest) -> Option<Language> {
    let pairs = req.headers().get_all(COOKIE).filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='));
    values.find_map(Language::of_tag)
}

#[cfg(test)]
mod tests;
