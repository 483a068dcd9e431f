//! The setup page: once, for whoever holds the link that the node printed.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};

use super::Data;
use super::authorize::failed;
use super::form::{Fields, foreign};
use super::page::{alert, escape, hidden, notice, page};
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
    let [user, tenant, password, again] =
        ["user", "tenant", "password", "password-again"].map(|name| fields.get(name).unwrap_or_default());
    if password != again {
        return form(token, &fields, Some("The two passwords differ."));
    }
    match setup_by_link(node, token, Owner { user, tenant, password }).await {
        Ok(_) => welcome(),
        Err(error) if error.status == StatusCode::BAD_REQUEST || error.code == "name_taken" => {
            form(token, &fields, Some(&error.message))
        }
        Err(error) if matches!(error.code, "already_set_up" | "setup_link_spent") => spent(),
        Err(error) => failed(&error),
    }
}

fn welcome() -> HttpResponse {
    let text = "<p>Your node is ready. The setup link no longer works.</p>\n\
                <p><a href=\"/\">Open your node</a>, and sign in.</p>";
    page(StatusCode::OK, "Welcome home", text, None)
}

fn spent() -> HttpResponse {
    let text = "This setup link is not, or no longer, good: it counts once, and for half an hour. Of a node that is not \
                set up `allod setup-link` prints a new one.";
    notice(StatusCode::NOT_FOUND, "No such link", text)
}

fn form(token: &str, fields: &Fields, wrong: Option<&str>) -> HttpResponse {
    let kept = |name: &str| escape(fields.get(name).unwrap_or_default());
    let tenant = fields.get("tenant").map_or_else(|| "home".to_owned(), escape);
    let body = format!(
        "{}<p>This makes the first account. It owns the node.</p>\n<form method=\"post\" action=\"/setup\">\n{}\
         <label for=\"user\">Your name for signing in</label>\n\
         <input id=\"user\" name=\"user\" type=\"text\" value=\"{}\" autocomplete=\"username\" autocapitalize=\"none\" required autofocus>\n\
         <label for=\"tenant\">Name of your household or firm</label>\n\
         <input id=\"tenant\" name=\"tenant\" type=\"text\" value=\"{tenant}\" autocapitalize=\"none\" required>\n\
         <label for=\"password\">Password, at least {MIN_PASSWORD} characters</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" minlength=\"{MIN_PASSWORD}\" autocomplete=\"new-password\" required>\n\
         <label for=\"password-again\">The password again</label>\n\
         <input id=\"password-again\" name=\"password-again\" type=\"password\" minlength=\"{MIN_PASSWORD}\" autocomplete=\"new-password\" required>\n\
         <button type=\"submit\">Set up this node</button>\n</form>",
        alert(wrong),
        hidden("token", token),
        kept("user"),
    );
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    page(status, "Set up your node", &body, None)
}
