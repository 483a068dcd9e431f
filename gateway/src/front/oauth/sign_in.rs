//! The sign-in page, on the way to a consent. It begins no session: who signed in, and for which request, stands in the
//! consent form that the password opens, authenticated. The form is shown to who gave the password and to nobody else
//! (another port of the host is another origin, which does not read it), so no cookie has a part in it but the one by which
//! a browser that is known gets its turn, and that opens nothing.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{Timestamp, UserId};
use serde_json::json;

use super::authorize::{Wish, failed};
use super::consent;
use super::form::{Fields, is_tag, tag};
use super::page::{alert, escape, hidden, page};
use crate::authn::{browser_cookies, origin};
use crate::directory::sign_in::{Proof, Refused, SignedIn};
use crate::directory::{Actor, DirectoryError, User};
use crate::front::error::ApiError;
use crate::node::Node;

const STEP: &str = "sign-in";
/// How long a password is good for the consent that it opened, in seconds.
const LASTS: i64 = 900;

/// Who signed in for one request.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) user: User,
    at: Timestamp,
}

impl Signed {
    /// The hidden fields by which the next form proves it.
    pub(super) fn fields(&self, node: &dyn Node, wish: &Wish) -> String {
        let proof = tag(node, "signed", &binding(self.user.id, self.at, self.user.since), &wish.raw);
        let fields = [
            ("signed-user", self.user.id.to_string()),
            ("signed-at", self.at.0.to_string()),
            ("signed-since", self.user.since.to_string()),
            ("proof", proof),
        ];
        fields.iter().map(|(name, value)| hidden(name, value)).collect()
    }

    /// Who signed in for `wish`, as the form's fields prove; `None` if they do not, or not any more.
    pub(super) async fn of(node: &dyn Node, wish: &Wish, fields: &Fields) -> Result<Option<Signed>, DirectoryError> {
        let user = fields.get("signed-user").and_then(|id| id.parse::<UserId>().ok());
        let at = fields.get("signed-at").and_then(|at| at.parse().ok()).map(Timestamp);
        let since = fields.get("signed-since").and_then(|since| since.parse().ok());
        let (Some(user), Some(at), Some(since)) = (user, at, since) else { return Ok(None) };
        let proven = is_tag(node, "signed", &binding(user, at, since), &wish.raw, fields.get("proof"));
        if !proven || node.now().0.abs_diff(at.0) > (LASTS * 1_000_000).unsigned_abs() {
            return Ok(None);
        }
        // What was proved with a password that is changed by now counts no more.
        let user = node.directory().user(user).await?.filter(|user| user.since == since);
        Ok(user.map(|user| Signed { user, at }))
    }
}

fn binding(user: UserId, at: Timestamp, since: i64) -> Vec<u8> {
    [user.as_bytes().as_slice(), &at.0.to_be_bytes(), &since.to_be_bytes()].concat()
}

/// What the page asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Password,
    /// The password, and a code of the second factor.
    Code,
}

/// The field of the code.
fn code_field() -> &'static str {
    "<label for=\"code\">Code</label>\n\
         <input id=\"code\" name=\"code\" type=\"text\" autocomplete=\"one-time-code\" autocapitalize=\"none\" \
         spellcheck=\"false\" aria-describedby=\"code-help\" required>\n\
         <p id=\"code-help\" class=\"soft\">The six digits that your app for codes shows, or one of your recovery codes.</p>\n"
}

/// The page; `user` is what was typed as a name before.
pub(super) fn show(wish: &Wish, user: Option<&str>, asks: Asks, wrong: Option<(StatusCode, &str)>) -> HttpResponse {
    // Whoever mistyped goes on where the mistake most likely is. A password is never sent back into a page.
    let (at_user, at_password) = if user.is_some() { ("", " autofocus") } else { (" autofocus", "") };
    let told = if wrong.is_some() { " aria-invalid=\"true\" aria-describedby=\"wrong\"" } else { "" };
    let (told, code) = match asks {
        Asks::Password => (told, ""),
        Asks::Code => ("", code_field()),
    };
    let body = format!(
        "{}<p>to continue to <strong>{}</strong>. The app does not see your password.</p>\n\
         <form method=\"post\" action=\"/oauth/authorize\">\n{}{}\
         <label for=\"user\">Name</label>\n\
         <input id=\"user\" name=\"user\" type=\"text\" value=\"{}\" autocomplete=\"username\" autocapitalize=\"none\" required{at_user}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required{at_password}{told}>\n{code}\
         <button type=\"submit\">Sign in</button>\n</form>",
        alert(wrong.map(|(_, text)| text)),
        escape(&wish.app.manifest.name),
        hidden("step", STEP),
        hidden("request", &wish.raw),
        escape(user.unwrap_or_default()),
    );
    let status = wrong.map_or(StatusCode::OK, |(status, _)| status);
    page(status, "Sign in", &body, Some(&wish.redirect_uri))
}

/// Whether a posted form is the sign-in form.
pub(super) fn is_step(fields: &Fields) -> bool {
    fields.get("step") == Some(STEP)
}

/// Checks the password, and shows the consent.
pub(super) async fn submit(
    req: &HttpRequest,
    node: &dyn Node,
    wish: &Wish,
    name: &str,
    password: &str,
    code: Option<&str>,
) -> HttpResponse {
    let name_again = Some(name).filter(|name| name.len() <= 64);
    let refused = |asks, status, text| show(wish, name_again, asks, Some((status, text)));
    let proof = Proof { password, code };
    match node.directory().sign_in(name, proof, origin(req, node, name), node.now()).await {
        Ok(Ok(SignedIn { user, browser })) => {
            let signed = Signed { user, at: node.now() };
            let (id, detail) = (signed.user.id, json!({ "client_id": wish.app.client }));
            match node.directory().audit(id, Actor::Person(id), "consent.opened", detail, signed.at).await {
                Ok(()) => {
                    let mut answer = consent::show(node, wish, &signed, None).await;
                    // Cookies that we built are always valid headers.
                    browser_cookies(node, &browser).for_each(|cookie| _ = answer.add_cookie(&cookie));
                    answer
                }
                Err(error) => failed(&error.into()),
            }
        }
        Ok(Err(why)) => {
            let (asks, text) = match why {
                Refused::Wrong => (Asks::Password, "The name or the password is wrong."),
                Refused::CodeNeeded => (Asks::Code, "Give your password once more, and a code of your second factor."),
                Refused::WrongCode => (Asks::Code, "The code is wrong, or was used before."),
            };
            refused(asks, StatusCode::UNAUTHORIZED, text)
        }
        Err(DirectoryError::Busy) => {
            let text = "Many people are signing in just now. Try again in a few seconds.";
            refused(Asks::Password, StatusCode::TOO_MANY_REQUESTS, text)
        }
        Err(error) => failed(&ApiError::from(error)),
    }
}
