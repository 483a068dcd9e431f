//! The page behind a link by which a person sets their own password.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use zeroize::Zeroizing;

use super::Data;
use super::authorize::failed;
use super::form::{Fields, foreign};
use super::page::{alert, escape, hidden, notice, page};
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
    drop((fields, body));
    if *password != *again {
        return form(node, &token, Some("The two passwords differ.")).await;
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
        Err(DirectoryError::Unfit(text)) => form(node, &token, Some(text)).await,
        Err(DirectoryError::Busy) => {
            form(node, &token, Some("Many people are signing in just now. Try again in a few seconds.")).await
        }
        Err(error) => failed(&error.into()),
    }
}

fn welcome() -> HttpResponse {
    let text = "<p>Your password is set. The link no longer works.</p>\n\
                <p><a href=\"/\">Open the node</a>, and sign in.</p>";
    page(StatusCode::OK, "Welcome", text, None)
}

fn spent() -> HttpResponse {
    let text = "This link is not, or no longer, good: it works once, and for a day. Ask who sent it for another.";
    notice(StatusCode::NOT_FOUND, "No such link", text)
}

async fn form(node: &dyn Node, token: &str, wrong: Option<&str>) -> HttpResponse {
    let user = match node.directory().invited(token, node.now()).await {
        Ok(Some(user)) => user,
        Ok(None) => return spent(),
        Err(error) => return failed(&error.into()),
    };
    let told = if wrong.is_some() { " aria-invalid=\"true\" aria-describedby=\"wrong\"" } else { "" };
    let body = format!(
        "{}<p>Choose the password with which you sign in here. You will need your name, too.</p>\n\
         <form method=\"post\" action=\"/invite\">\n{}\
         <label for=\"user\">Your name for signing in</label>\n\
         <input id=\"user\" type=\"text\" value=\"{}\" autocomplete=\"username\" readonly>\n\
         <label for=\"password\">Password, at least {MIN_PASSWORD} characters</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" minlength=\"{MIN_PASSWORD}\" autocomplete=\"new-password\" required autofocus{told}>\n\
         <label for=\"password-again\">The password again</label>\n\
         <input id=\"password-again\" name=\"password-again\" type=\"password\" minlength=\"{MIN_PASSWORD}\" autocomplete=\"new-password\" required>\n\
         <button type=\"submit\">Set the password</button>\n</form>",
        alert(wrong),
        hidden("token", token),
        escape(&user.name),
    );
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    page(status, "Set your password", &body, None)
}
