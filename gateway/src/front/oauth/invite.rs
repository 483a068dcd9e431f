//! The page behind a link by which a person sets their own password.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::language::Language;
use zeroize::Zeroizing;

use super::Data;
use super::authorize::failed;
use super::form::{Fields, foreign};
use super::page::{alert, escape, hidden, notice, page};
use super::words::words;
use crate::authn::whence;
use crate::directory::{Actor, DirectoryError, MIN_PASSWORD};
use crate::node::Node;

/// `GET /invite?token=…`. Looking does not use the link up.
pub(super) async fn show(node: Data, req: HttpRequest) -> HttpResponse {
    let fields = Fields::read(req.query_string());
    form(&**node, fields.get("token").unwrap_or_default(), None).await
}

/// `POST /invite`: sets the password. The link in the form is the proof that our page sent it.
pub(super) async fn submit(node: Data, req: HttpRequest, body: Bytes) -> HttpResponse {
    let node = &**node;
    if let Some(answer) = foreign(&req) {
        return answer;
    }
    let Some(fields) = Fields::of_body(&req, &body) else { return spent() };
    let [token, password, again] = ["token", "password", "password-again"]
        .map(|name| Zeroizing::new(fields.get(name).unwrap_or_default().to_owned()));
    let chooses_language = fields.chooses_language();
    drop((fields, body));
    if chooses_language {
        return form(node, &token, None).await;
    }
    if *password != *again {
        return form(node, &token, Some(words().passwords_differ())).await;
    }
    match node.directory().take_invite(&token, &password, node.now()).await {
        Ok(Some(user)) => {
            node.advance_epoch();
            let told =
                node.directory().audit(user.id, Actor::Person(user.id), "password.changed", whence(&req), node.now());
            match told.await {
                Ok(()) => welcome(),
                Err(error) => failed(&error.into()),
            }
        }
        Ok(None) => spent(),
        Err(DirectoryError::Unfit(text)) => form(node, &token, Some(&unfit(text))).await,
        Err(DirectoryError::Busy) => form(node, &token, Some(words().busy_signing_in())).await,
        Err(error) => failed(&error.into()),
    }
}

/// Why a password does not do.
fn unfit(text: &str) -> String {
    let words = words();
    if words.0 == Language::English { text.to_owned() } else { words.password_unfit(MIN_PASSWORD) }
}

fn welcome() -> HttpResponse {
    let words = words();
    let text =
        format!("<p>{}</p>\n<p class=\"go\"><a href=\"/\">{}</a></p>", words.password_is_set(), words.open_the_node());
    page(StatusCode::OK, words.welcome(), &text, None)
}

fn spent() -> HttpResponse {
    notice(StatusCode::NOT_FOUND, words().no_such_link(), words().invite_spent())
}

async fn form(node: &dyn Node, token: &str, wrong: Option<&str>) -> HttpResponse {
    let user = match node.directory().invited(token, node.now()).await {
        Ok(Some(user)) => user,
        Ok(None) => return spent(),
        Err(error) => return failed(&error.into()),
    };
    let words = words();
    let told = if wrong.is_some() { " aria-invalid=\"true\" aria-describedby=\"wrong\"" } else { "" };
    let body = format!(
        "{}<p>{}</p>\n\
         <form id=\"page\" method=\"post\" action=\"/invite\">\n{}\
         <label for=\"user\">{}</label>\n\
         <input id=\"user\" type=\"text\" value=\"{}\" autocomplete=\"username\" readonly>\n\
         <label for=\"password\">{}</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" minlength=\"{MIN_PASSWORD}\" autocomplete=\"new-password\" required autofocus{told}>\n\
         <label for=\"password-again\">{}</label>\n\
         <input id=\"password-again\" name=\"password-again\" type=\"password\" minlength=\"{MIN_PASSWORD}\" autocomplete=\"new-password\" required>\n\
         <button type=\"submit\">{}</button>\n</form>",
        alert(wrong),
        words.choose_password(),
        hidden("token", token),
        words.your_sign_in_name(),
        escape(&user.name),
        words.password_of_at_least(MIN_PASSWORD),
        words.password_again(),
        words.set_the_password(),
    );
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    page(status, words.set_your_password(), &body, None)
}
