//! The sign-in page, on the way to a consent. It begins no session: who signed in, and for which request, stands in the
//! consent form that the password opens, authenticated. The form is shown to who gave the password and to nobody else
//! (another port of the host is another origin, which does not read it), so no cookie has a part in it but the one by which
//! a browser that is known gets its turn, and that opens nothing.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{Timestamp, UserId};
use serde_json::json;

use super::authorize::{Wish, failed, read};
use super::form::{Fields, is_tag, stale, tag};
use super::page::{alert, attribute, escape, hidden, page, scripted_page};
use super::words::words;
use super::{consent, openid, passkey};
use crate::authn::{browser_cookies, origin, session_origin};
use crate::directory::sign_in::{Proof, Refused, SignedIn};
use crate::directory::{Actor, DirectoryError, User};
use crate::front::error::ApiError;
use crate::front::passkeys::proof::signed_in;
use crate::grants::reads_once;
use crate::node::Node;

const STEP: &str = "sign-in";
/// The field of a form that asks for a code too, also while none is typed.
pub(super) const ASKS_CODE: &str = "asks-code";
/// How long a password is good for the consent that it opened, in seconds.
const LASTS: i64 = 900;

/// Who signed in for one request.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) user: User,
    pub(super) at: Timestamp,
    pub(super) by: Factors,
}

/// By what somebody signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Factors {
    /// The password here, and not an account elsewhere.
    pub(crate) password: bool,
    /// A code of the second factor.
    pub(crate) code: bool,
    /// A passkey, which is both factors.
    pub(crate) passkey: bool,
    /// All of it just now. Who comes from a provider may have been signed in there all the time.
    pub(crate) fresh: bool,
}

impl Factors {
    fn byte(self) -> u8 {
        [self.password, self.code, self.fresh, self.passkey].iter().rev().fold(0, |all, so| all << 1 | u8::from(*so))
    }

    fn of_byte(byte: u8) -> Option<Factors> {
        let has = |bit: u8| byte & bit == bit;
        (byte < 16).then(|| Factors { password: has(1), code: has(2), fresh: has(4), passkey: has(8) })
    }

    /// In words of RFC 8176; what a provider elsewhere asked for is not known here.
    pub(super) fn amr(self) -> Vec<String> {
        let both = self.password && self.code || self.passkey;
        let words = [(self.password, "pwd"), (self.code, "otp"), (self.passkey, "pop"), (both, "mfa")];
        words.into_iter().filter(|(so, _)| *so).map(|(_, word)| word.to_owned()).collect()
    }
}

impl Signed {
    /// The hidden fields by which the next form proves it.
    pub(super) fn fields(&self, node: &dyn Node, wish: &Wish) -> String {
        let proof = tag(node, "signed", &binding(self.user.id, self.at, self.user.since, self.by), &wish.raw);
        let fields = [
            ("signed-user", self.user.id.to_string()),
            ("signed-at", self.at.0.to_string()),
            ("signed-since", self.user.since.to_string()),
            ("signed-by", self.by.byte().to_string()),
            ("proof", proof),
        ];
        fields.iter().map(|(name, value)| hidden(name, value)).collect()
    }

    /// Who signed in for `wish`, as the form's fields prove; `None` if they do not, or not any more.
    pub(super) async fn of(node: &dyn Node, wish: &Wish, fields: &Fields) -> Result<Option<Signed>, DirectoryError> {
        let user = fields.get("signed-user").and_then(|id| id.parse::<UserId>().ok());
        let at = fields.get("signed-at").and_then(|at| at.parse().ok()).map(Timestamp);
        let since = fields.get("signed-since").and_then(|since| since.parse().ok());
        let by = fields.get("signed-by").and_then(|by| by.parse().ok()).and_then(Factors::of_byte);
        let (Some(user), Some(at), Some(since), Some(by)) = (user, at, since, by) else { return Ok(None) };
        let proven = is_tag(node, "signed", &binding(user, at, since, by), &wish.raw, fields.get("proof"));
        if !proven || node.now().0.abs_diff(at.0) > (LASTS * 1_000_000).unsigned_abs() {
            return Ok(None);
        }
        // What was proved with a password that is changed by now counts no more.
        let user = node.directory().user(user).await?.filter(|user| user.since == since);
        Ok(user.map(|user| Signed { user, at, by }))
    }
}

fn binding(user: UserId, at: Timestamp, since: i64, by: Factors) -> Vec<u8> {
    [user.as_bytes().as_slice(), &at.0.to_be_bytes(), &since.to_be_bytes(), &[by.byte()]].concat()
}

/// What the page asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Password,
    /// The password, and a code of the second factor.
    Code,
}

/// The field of the code.
fn code_field(name: &str) -> String {
    let words = words();
    format!(
        "<label for=\"code\">{}</label>\n\
         <input id=\"code\" name=\"{name}\" type=\"text\" autocomplete=\"one-time-code\" autocapitalize=\"none\" \
         spellcheck=\"false\" aria-describedby=\"code-help\" required>\n\
         <p id=\"code-help\" class=\"soft\">{}</p>\n",
        words.code(),
        words.code_help(),
    )
}

/// The page; `user` is what was typed as a name before.
pub(super) fn show(
    node: &dyn Node,
    wish: &Wish,
    user: Option<&str>,
    asks: Asks,
    wrong: Option<(StatusCode, &str)>,
) -> HttpResponse {
    // Whoever mistyped goes on where the mistake most likely is. A password is never sent back into a page.
    let (at_user, at_password) = if user.is_some() { ("", " autofocus") } else { (" autofocus", "") };
    let told = if wrong.is_some() { " aria-invalid=\"true\" aria-describedby=\"wrong\"" } else { "" };
    let (told, code) = match asks {
        Asks::Password => (told, String::new()),
        Asks::Code => ("", hidden(ASKS_CODE, "yes") + &code_field("code")),
    };
    let (by_passkey, words) = (node.relying_party().is_some(), words());
    let body = format!(
        "{}<p>{}</p>\n\
         <form id=\"page\" method=\"post\" action=\"/oauth/authorize\">\n{}{}\
         <label for=\"user\">{}</label>\n\
         <input id=\"user\" name=\"user\" type=\"text\" value=\"{}\" autocomplete=\"username webauthn\" autocapitalize=\"none\" required{at_user}>\n\
         <label for=\"password\">{}</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required{at_password}{told}>\n{code}\
         <button type=\"submit\">{}</button>\n</form>{}{}",
        alert(wrong.map(|(_, text)| text)),
        words.to_continue_to(format!("<strong>{}</strong>", escape(&wish.app.manifest.name))),
        hidden("step", STEP),
        hidden("request", &wish.raw),
        words.name(),
        attribute(user.unwrap_or_default()),
        words.password(),
        words.sign_in(),
        if by_passkey { passkey::offer(words) } else { String::new() },
        elsewhere(node, wish),
    );
    let status = wrong.map_or(StatusCode::OK, |(status, _)| status);
    match by_passkey {
        true => scripted_page(status, words.sign_in(), &body, Some(&wish.redirect_uri), passkey::SCRIPT),
        false => page(status, words.sign_in(), &body, Some(&wish.redirect_uri)),
    }
}

/// Links to the providers by which people sign in too. No form: what a form leads to may lie on this node alone.
/// Whoever lets a device in gives their password here: a link could be sent to anybody.
fn elsewhere(node: &dyn Node, wish: &Wish) -> String {
    if wish.device.is_some() {
        return String::new();
    }
    let link = |config: &crate::oidc::ProviderConfig| {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("request", &wish.raw).finish();
        format!(
            "\n<p class=\"other\"><a href=\"/auth/oidc/{}/start?{}\">{}</a></p>",
            escape(&config.name),
            escape(&query),
            words().sign_in_with(escape(&config.label))
        )
    };
    node.providers().all().map(link).collect()
}

/// Shows the consent to what an app asks, to somebody whom a provider signed in.
/// `by`: what that counts for here.
pub(crate) async fn consent_outside(
    req: &HttpRequest,
    node: &dyn Node,
    request: &str,
    (user, by): (User, Factors),
) -> HttpResponse {
    match read(req, node, request).await {
        Ok(wish) => opened(req, node, &wish, user, by).await,
        Err(answer) => answer,
    }
}

/// Asks for the code of a second factor of somebody whom a provider signed in.
pub(crate) fn code_page(provider: &str, state: &str, wrong: Option<&str>) -> HttpResponse {
    let body = format!(
        "{}<form method=\"post\" action=\"/auth/oidc/{}/code\">\n{}{}<button type=\"submit\">{}</button>\n</form>",
        alert(wrong),
        escape(provider),
        hidden("state", state),
        code_field("totp"),
        words().go_on(),
    );
    let status = if wrong.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    page(status, words().your_second_factor(), &body, None)
}

/// Notes who signed in, and shows the consent; whoever let the app know before who they are is not asked for that again.
async fn opened(req: &HttpRequest, node: &dyn Node, wish: &Wish, user: User, by: Factors) -> HttpResponse {
    let browsers = origin(req, node, &user.name).browsers;
    node.directory().signed_in_from(user.id, &session_origin(req), &browsers, node.now()).await;
    let signed = Signed { user, at: node.now(), by };
    if let Some(answer) = openid::consent::known(node, wish, &signed).await {
        return answer;
    }
    let (id, detail) = (signed.user.id, json!({ "client_id": wish.app.client }));
    match node.directory().audit(id, Actor::Person(id), "consent.opened", detail, signed.at).await {
        Ok(()) => consent::show(node, wish, &signed).await,
        Err(error) => failed(&error.into()),
    }
}

/// Whether a posted form is the sign-in form.
pub(super) fn is_step(fields: &Fields) -> bool {
    fields.get("step") == Some(STEP)
}

/// Takes the proof of a passkey, and shows the consent.
pub(super) async fn submit_passkey(req: &HttpRequest, node: &dyn Node, wish: &Wish, fields: &Fields) -> HttpResponse {
    let [ceremony, text] = ["ceremony", "credential"].map(|name| fields.get(name).unwrap_or_default());
    let credential = Some(text).filter(|text| reads_once(text)).and_then(|text| serde_json::from_str(text).ok());
    let Some(credential) = credential else { return stale() };
    match signed_in(req, node, ceremony, &credential).await {
        Ok((SignedIn { user, browser, .. }, _)) => {
            let by = Factors { password: false, code: false, passkey: true, fresh: true };
            let mut answer = opened(req, node, wish, user, by).await;
            // Cookies that we built are always valid headers.
            browser_cookies(node, &browser).for_each(|cookie| _ = answer.add_cookie(&cookie));
            answer
        }
        Err(error) => show(node, wish, None, Asks::Password, Some((error.status, &words().refusal(&error)))),
    }
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
    let words = words();
    let name_again = Some(name).filter(|name| name.len() <= 64);
    let refused = |asks, status, text| show(node, wish, name_again, asks, Some((status, text)));
    let proof = Proof { password, code };
    match node.directory().sign_in(name, proof, origin(req, node, name), node.now()).await {
        Ok(Ok(SignedIn { user, browser, second })) => {
            let by = Factors { password: true, code: second, passkey: false, fresh: true };
            let mut answer = opened(req, node, wish, user, by).await;
            // Cookies that we built are always valid headers.
            browser_cookies(node, &browser).for_each(|cookie| _ = answer.add_cookie(&cookie));
            answer
        }
        Ok(Err(why)) => {
            let (asks, text) = match why {
                Refused::Wrong => (Asks::Password, words.wrong_name_or_password()),
                Refused::CodeNeeded => (Asks::Code, words.code_needed()),
                Refused::WrongCode => (Asks::Code, words.wrong_code()),
                Refused::Suspended => (Asks::Password, words.suspended()),
            };
            refused(asks, StatusCode::UNAUTHORIZED, text)
        }
        Err(DirectoryError::Busy) => refused(Asks::Password, StatusCode::TOO_MANY_REQUESTS, words.busy_signing_in()),
        Err(error) => failed(&ApiError::from(error)),
    }
}
