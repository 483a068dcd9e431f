//! The pages on which a fresh node becomes one that there was before: from a backup, or as a device of an account. They need
//! no script; one that is under way asks again by itself.

use std::fmt::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, LOCATION};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::language::Language;
use url::form_urlencoded::Serializer;

use super::authorize::failed;
use super::form::{Fields, foreign};
use super::page::{alert, escape, hidden, notice, page};
use super::words::{Words, words};
use crate::app::App;
use crate::front::backups::joining::of_code;
use crate::front::backups::setup::{RestoreRequest, S3Access, begin, is_known, of_backup};
use crate::front::error::ApiError;
use crate::front::refusals::{FormAgain, LinkNotGood, SentByAnotherSite};
use crate::places::PlaceKey;
use crate::restoring::{JoinStanding, JoinState, RestoreProblem, RestoreStanding, RestoreState};

/// Asks a browser to ask again, after so many seconds.
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// What the node becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Restore,
    Join,
}

impl Way {
    const fn path(self) -> &'static str {
        match self {
            Way::Restore => "/setup/restore",
            Way::Join => "/setup/join",
        }
    }
}

/// The links of the set-up page to these.
pub(super) fn links(token: &str, words: Words) -> String {
    let link = |way: Way, text: &str| {
        let query = Serializer::new(String::new()).append_pair("token", token).finish();
        format!("<p class=\"other\"><a href=\"{}?{}\">{text}</a></p>\n", way.path(), escape(&query))
    };
    let (restore, join) = (link(Way::Restore, words.restore_a_backup()), link(Way::Join, words.join_a_node()));
    format!("<div class=\"else\">\n<p class=\"soft\">{}</p>\n{restore}{join}</div>\n", words.have_one_already())
}

pub(super) async fn show_restore(app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    show(&app, &req, Way::Restore).await
}

pub(super) async fn show_join(app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    show(&app, &req, Way::Join).await
}

pub(super) async fn restore(app: web::Data<App>, req: HttpRequest, body: Bytes) -> HttpResponse {
    submitted(&app, &req, &body, Way::Restore).await
}

pub(super) async fn join(app: web::Data<App>, req: HttpRequest, body: Bytes) -> HttpResponse {
    submitted(&app, &req, &body, Way::Join).await
}

async fn show(app: &App, req: &HttpRequest, way: Way) -> HttpResponse {
    let fields = Fields::read(req.query_string());
    let token = fields.get("token").unwrap_or_default();
    match is_known(req, app, token).await {
        Ok(true) => {}
        Ok(false) => return spent(),
        Err(error) => return failed(&error),
    }
    let (restore, join) = (app.restoring.standing(), app.restoring.joining());
    // Whatever is under way is what there is to see.
    if restore.state != RestoreState::Idle && restore.state != RestoreState::Failed {
        return restoring(&restore);
    }
    if join.state != JoinState::Idle && join.state != JoinState::Failed {
        return joining(&join);
    }
    let problem = match way {
        Way::Restore => restore.problem,
        Way::Join => join.problem,
    };
    form(way, token, &fields, problem.map(|problem| problem_words(&problem)).as_deref())
}

async fn submitted(app: &App, req: &HttpRequest, body: &[u8], way: Way) -> HttpResponse {
    if let Some(answer) = foreign(req) {
        return answer;
    }
    let Some(fields) = Fields::of_body(req, body) else { return spent() };
    let token = fields.get("token").unwrap_or_default();
    if fields.chooses_language() {
        return match is_known(req, app, token).await {
            Ok(true) => form(way, token, &fields, None),
            Ok(false) => spent(),
            Err(error) => failed(&error),
        };
    }
    let asked = || match way {
        Way::Restore => of_backup(app, asked_of(&fields)?),
        Way::Join => of_code(fields.get("code").unwrap_or_default()),
    };
    match begin(req, app, token, asked).await {
        Ok(()) => {
            let query = Serializer::new(String::new()).append_pair("token", token).finish();
            let to = format!("{}?{query}", way.path());
            let mut answer = HttpResponse::SeeOther();
            answer.insert_header((LOCATION, to)).insert_header((CACHE_CONTROL, "no-store")).finish()
        }
        Err(error) if error.code() == "setup_link_spent" => spent(),
        Err(error) => {
            let problem = RestoreProblem { code: error.code().to_owned(), message: error.message.clone(), hint: None };
            form(way, token, &fields, Some(&problem_words(&problem)))
        }
    }
}

/// What the form asks for.
fn asked_of(fields: &Fields) -> Result<RestoreRequest, ApiError> {
    let get = |name: &str| fields.get(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let s3 = get("access-key").map(|access_key_id| S3Access {
        endpoint: get("endpoint"),
        region: get("region"),
        access_key_id,
        secret_access_key: get("secret-key").unwrap_or_default(),
        session_token: None,
        virtual_hosted: fields.get("virtual-hosted").is_some(),
        allow_http: fields.get("allow-http").is_some(),
    });
    let place_key = get("place-secret").map(|secret| PlaceKey { secret, root: get("place-root") });
    let from = get("from").unwrap_or_default();
    let from = from.parse().map_err(|_| ApiError::bad_request(words().place_malformed()))?;
    Ok(RestoreRequest { from, words: get("words").unwrap_or_default(), backup: get("backup"), s3, place_key })
}

/// Why it did not come to it, in the page's language.
fn problem_words(problem: &RestoreProblem) -> String {
    let words = words();
    match words.setup_problem(&problem.code) {
        Some(text) => text.to_owned(),
        None if words.0 == Language::English => {
            let hint = problem.hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
            format!("{}{hint}", problem.message)
        }
        None => words.did_not_come_to_it(&problem.code),
    }
}

fn spent() -> HttpResponse {
    notice(StatusCode::NOT_FOUND, words().no_such_link(), words().setup_link_spent())
}

/// A page of something that is under way: it is asked for again.
fn under_way(title: &str, body: &str, seconds: &'static str) -> HttpResponse {
    let mut answer = page(StatusCode::OK, title, body, None);
    answer.headers_mut().insert(REFRESH, HeaderValue::from_static(seconds));
    answer
}

fn restoring(standing: &RestoreStanding) -> HttpResponse {
    let words = words();
    let (text, seconds) = match standing.state {
        RestoreState::Opening => (words.looks_for_backup().to_owned(), "1"),
        RestoreState::Fetching => (words.fetches(standing.files_done, standing.files), "1"),
        RestoreState::Comparing => (words.compares_it().to_owned(), "1"),
        RestoreState::Starting => (words.starts_as_that().to_owned(), "6"),
        RestoreState::Idle | RestoreState::Failed | RestoreState::Done => {
            let of = standing.restored.as_ref().map(|made| escape(&made.restored_as_of)).unwrap_or_default();
            let body = format!(
                "<p>{}</p>\n<p>{}</p>\n<p class=\"go\"><a href=\"/admin/\" autofocus>{}</a></p>",
                words.is_restored(of),
                words.sleeps(),
                words.sign_in()
            );
            return page(StatusCode::OK, words.welcome_back(), &body, None);
        }
    };
    let all = standing.files.max(1);
    let body = format!(
        "<p role=\"status\">{text}</p>\n<progress aria-label=\"{}\" max=\"{all}\" value=\"{}\"></progress>\n<p class=\"soft\">{}</p>",
        words.restore_a_backup(),
        standing.files_done.min(all),
        words.asks_by_itself(),
    );
    under_way(words.is_being_restored(), &body, seconds)
}

fn joining(standing: &JoinStanding) -> HttpResponse {
    let words = words();
    let (text, seconds) = match standing.state {
        JoinState::Asking => (words.asks_other_device(), "1"),
        JoinState::Starting => (words.starts_as_that(), "6"),
        JoinState::Idle | JoinState::Failed | JoinState::Done => {
            let body = format!("<p>{}</p>\n<p>{}</p>", words.is_device(), words.device_comes());
            return page(StatusCode::OK, words.is_joined(), &body, None);
        }
    };
    let body = format!("<p role=\"status\">{text}</p>\n<p class=\"soft\">{}</p>", words.asks_by_itself());
    under_way(words.is_joining(), &body, seconds)
}

/// The form; `fields`: what was typed before. A secret is never sent back into a page, but words that may hold a mistake.
fn form(way: Way, token: &str, fields: &Fields, wrong: Option<&str>) -> HttpResponse {
    let words = words();
    let kept = |name: &str| escape(fields.get(name).unwrap_or_default());
    let told = if wrong.is_some() { " aria-invalid=\"true\" aria-describedby=\"wrong\"" } else { "" };
    let text = |name: &str, label: &str, more: &str| {
        format!(
            "<label for=\"{name}\">{label}</label>\n<input id=\"{name}\" name=\"{name}\" type=\"text\" value=\"{}\" \
             autocapitalize=\"none\" autocomplete=\"off\" spellcheck=\"false\"{more}>\n",
            kept(name)
        )
    };
    let tick = |name: &str, label: &str| {
        let checked = if fields.get(name).is_some() { " checked" } else { "" };
        format!(
            "<label class=\"tick\"><input type=\"checkbox\" name=\"{name}\" value=\"yes\"{checked}> <span>{label}</span></label>\n"
        )
    };
    let secret = |name: &str, label: &str| {
        format!(
            "<label for=\"{name}\">{label}</label>\n<input id=\"{name}\" name=\"{name}\" type=\"password\" autocomplete=\"off\">\n"
        )
    };
    let area = |name: &str, label: &str, rows: u8, more: &str| {
        format!(
            "<label for=\"{name}\">{label}</label>\n<textarea id=\"{name}\" name=\"{name}\" rows=\"{rows}\" autocapitalize=\"none\" \
             autocomplete=\"off\" spellcheck=\"false\"{more}>{}</textarea>\n",
            kept(name)
        )
    };
    let mut body = alert(wrong);
    let (title, help, button) = match way {
        Way::Restore => (words.restore_a_backup(), words.restore_help(), words.restore_now()),
        Way::Join => (words.join_a_node(), words.join_help(), words.join_now()),
    };
    let _ = write!(
        body,
        "<p>{help}</p>\n<form id=\"page\" method=\"post\" action=\"{}\">\n{}",
        way.path(),
        hidden("token", token)
    );
    match way {
        Way::Restore => {
            body.push_str(&text("from", words.place_of_backups(), &format!(" required autofocus{told}")));
            let _ = writeln!(body, "<p class=\"soft help\">{}</p>", words.place_help());
            body.push_str(&area("words", words.recovery_words(), 4, " required"));
            let open = ["place-secret", "place-root", "backup", "endpoint", "region", "access-key"]
                .iter()
                .any(|name| fields.get(name).is_some_and(|text| !text.is_empty()));
            let elsewhere = fields.get("from").is_some_and(|from| from.contains("://"));
            let open = if open || elsewhere { " open" } else { "" };
            let _ =
                write!(body, "<details class=\"more\"{open}>\n<summary>{}</summary>\n", words.elsewhere_and_older());
            body.push_str(&secret("place-secret", words.place_secret()));
            body.push_str(&area("place-root", words.place_root(), 3, ""));
            body.push_str(&text("backup", words.older_backup(), ""));
            body.push_str(&text("endpoint", words.bucket_server(), ""));
            body.push_str(&text("region", words.bucket_region(), ""));
            body.push_str(&text("access-key", words.bucket_key(), ""));
            body.push_str(&secret("secret-key", words.bucket_secret()));
            body.push_str(&tick("virtual-hosted", words.bucket_as_host()));
            body.push_str(&tick("allow-http", words.bucket_in_clear()));
            body.push_str("</details>\n");
        }
        Way::Join => body.push_str(&area("code", words.device_code(), 5, &format!(" required autofocus{told}"))),
    }
    let query = Serializer::new(String::new()).append_pair("token", token).finish();
    let _ = write!(
        body,
        "<button type=\"submit\">{button}</button>\n</form>\n<p class=\"other\"><a href=\"/setup?{}\">{}</a></p>",
        escape(&query),
        words.set_up_anew()
    );
    page(if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK }, title, &body, None)
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(restore_page, restore_sent, join_page, join_sent))]
pub(super) struct Api;

/// The page on which a backup is restored in place of a fresh node
#[utoipa::path(get, path = "/setup/restore", tag = "pages", security(()), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    (status = 400, description = "It did not come to it; the form again", body = String, content_type = "text/html; charset=utf-8"),
    LinkNotGood))]
#[expect(dead_code, reason = "it carries the description")]
fn restore_page() {}

/// Restores it
#[utoipa::path(post, path = "/setup/restore", tag = "pages", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "The form, in another language", body = String, content_type = "text/html; charset=utf-8"),
    (status = 303, description = "It is begun"),
    FormAgain,
    SentByAnotherSite,
    LinkNotGood))]
#[expect(dead_code, reason = "it carries the description")]
fn restore_sent() {}

/// The page on which a fresh node joins an account as a device
#[utoipa::path(get, path = "/setup/join", tag = "pages", security(()), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    (status = 400, description = "It did not come to it; the form again", body = String, content_type = "text/html; charset=utf-8"),
    LinkNotGood))]
#[expect(dead_code, reason = "it carries the description")]
fn join_page() {}

/// Joins
#[utoipa::path(post, path = "/setup/join", tag = "pages", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "The form, in another language", body = String, content_type = "text/html; charset=utf-8"),
    (status = 303, description = "It is begun"),
    FormAgain,
    SentByAnotherSite,
    LinkNotGood))]
#[expect(dead_code, reason = "it carries the description")]
fn join_sent() {}
