//! The setup page: once, for whoever holds the link that the node printed.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::language::Language;
use url::form_urlencoded::Serializer;

use super::Data;
use super::authorize::failed;
use super::form::{Fields, foreign};
use super::page::{alert, escape, hidden, notice, page};
use super::taking;
use super::words::{Words, words};
use crate::directory::MIN_PASSWORD;
use crate::front::account::{Owner, setup_by_link};

/// `GET /setup?token=…`. Looking does not use the link up.
pub(super) async fn show(node: Data, req: HttpRequest) -> HttpResponse {
    let fields = Fields::read(req.query_string());
    let token = fields.get("token").unwrap_or_default();
    match node.directory().is_setup_secret(token, node.now()).await {
        Ok(true) => form(token, &fields, None),
        Ok(false) => spent(),
        Err(error) => failed(&error.into()),
    }
}

/// `POST /setup`: makes the owner. The link in the form is the proof that our page sent it.
pub(super) async fn submit(node: Data, req: HttpRequest, body: Bytes) -> HttpResponse {
    let node = &**node;
    if let Some(answer) = foreign(&req) {
        return answer;
    }
    let Some(fields) = Fields::of_body(&req, &body) else { return spent() };
    let token = fields.get("token").unwrap_or_default();
    match node.directory().is_setup_secret(token, node.now()).await {
        Ok(true) => (),
        Ok(false) => return spent(),
        Err(error) => return failed(&error.into()),
    }
    if fields.chooses_language() {
        return form(token, &fields, None);
    }
    let [user, tenant, password, again] =
        ["user", "tenant", "password", "password-again"].map(|name| fields.get(name).unwrap_or_default());
    if password != again {
        return form(token, &fields, Some((Field::Password, words().passwords_differ())));
    }
    match setup_by_link(node, token, Owner { user, tenant, password }).await {
        Ok(_) => welcome(user),
        Err(error) if error.status == StatusCode::BAD_REQUEST || error.code == "name_taken" => {
            let fits = node.directory().can_add_user(user, None).await.is_ok();
            let short = password.chars().count() < MIN_PASSWORD;
            let at = if short {
                Field::Password
            } else if fits {
                Field::Tenant
            } else {
                Field::Name
            };
            let said = match (words(), at) {
                (Words(Language::English), _) => error.message.clone(),
                (words, Field::Password) => words.password_unfit(MIN_PASSWORD),
                (words, _) => words.name_unfit().to_owned(),
            };
            form(token, &fields, Some((at, &said)))
        }
        Err(error) if matches!(error.code, "already_set_up" | "setup_link_spent") => spent(),
        Err(error) => failed(&error),
    }
}

/// Where the mistake most likely is: whoever sees the form again goes on there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Tenant,
    Password,
}

fn welcome(user: &str) -> HttpResponse {
    // The password that was chosen is given once more there: what the browser kept of it, or the person, is right.
    let words = words();
    let next = Serializer::new(String::new()).append_pair("user", user).append_pair("to", "/welcome").finish();
    let text = format!(
        "<p>{}</p>\n<p>{}</p>\n<p class=\"go\"><a href=\"/admin/sign-in?{}\" autofocus>{}</a></p>",
        words.node_is_ready(escape(user)),
        words.next_in_the_node(),
        escape(&next),
        words.sign_in_and_go_on(),
    );
    page(StatusCode::OK, words.welcome_home(), &text, None)
}

fn spent() -> HttpResponse {
    notice(StatusCode::NOT_FOUND, words().no_such_link(), words().setup_link_spent())
}

fn form(token: &str, fields: &Fields, wrong: Option<(Field, &str)>) -> HttpResponse {
    let words = words();
    let wrong_at = wrong.map(|(at, _)| at);
    let told = |at| if wrong_at == Some(at) { " aria-invalid=\"true\" aria-describedby=\"wrong\"" } else { "" };
    let first = wrong_at.unwrap_or(Field::Name);
    let focus = |at| if at == first { " autofocus" } else { "" };
    let kept = |name: &str| escape(fields.get(name).unwrap_or_default());
    let tenant = fields.get("tenant").map_or_else(|| "home".to_owned(), escape);
    let body = format!(
        "{}<p>{}</p>\n<form id=\"page\" method=\"post\" action=\"/setup\">\n{}\
         <label for=\"user\">{}</label>\n\
         <input id=\"user\" name=\"user\" type=\"text\" value=\"{}\" autocomplete=\"username\" autocapitalize=\"none\" required{}{}>\n\
         <label for=\"tenant\">{}</label>\n\
         <input id=\"tenant\" name=\"tenant\" type=\"text\" value=\"{tenant}\" autocapitalize=\"none\" required{}{}>\n\
         <p class=\"soft help\">{}</p>\n\
         <label for=\"password\">{}</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" minlength=\"{MIN_PASSWORD}\" autocomplete=\"new-password\" required{}{}>\n\
         <label for=\"password-again\">{}</label>\n\
         <input id=\"password-again\" name=\"password-again\" type=\"password\" minlength=\"{MIN_PASSWORD}\" autocomplete=\"new-password\" required>\n\
         <button type=\"submit\">{}</button>\n</form>\n\
         {}",
        alert(wrong.map(|(_, text)| text)),
        words.makes_first_account(),
        hidden("token", token),
        words.your_sign_in_name(),
        kept("user"),
        told(Field::Name),
        focus(Field::Name),
        words.household(),
        told(Field::Tenant),
        focus(Field::Tenant),
        words.small_letters(),
        words.password_of_at_least(MIN_PASSWORD),
        told(Field::Password),
        focus(Field::Password),
        words.password_again(),
        words.set_up_this_node(),
        taking::links(token, words),
    );
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    page(status, words.set_up_your_node(), &body, None)
}
