//! An app lets a person sign out (OpenID Connect RP-Initiated Logout 1.0).
//!
//! Nobody is signed out by a link alone: the page asks. It ends the one sign-in that the ID token is of; sessions of this
//! node's own pages end there.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use url::Url;

use super::super::Data;
use super::super::authorize::failed;
use super::super::form::{Fields, foreign, is_tag, stale, tag};
use super::super::page::{escape, hidden, notice, page};
use super::super::words::words;
use super::id_token;
use crate::directory::{Actor, Family, RegisteredApp};
use crate::front::pages::is_at_pages;
use crate::node::Node;

const STEP: &str = "logout";
/// The longest request.
const MAX_REQUEST_BYTES: usize = 16 * 1_024;

/// What an app asks.
struct Leaving {
    app: RegisteredApp,
    sid: String,
    /// Where the person goes afterwards.
    back: Option<Url>,
}

/// `GET /oauth/logout`
pub(in super::super) async fn show(node: Data, req: HttpRequest) -> HttpResponse {
    asked(&**node, &req, req.query_string()).await
}

/// `POST /oauth/logout`: what an app's page sends, which is asked about; and the answer of our own page.
pub(in super::super) async fn submit(node: Data, req: HttpRequest, body: Bytes) -> HttpResponse {
    let node = &**node;
    let Some(fields) = Fields::of_body(&req, &body) else { return stale() };
    if fields.get("step") != Some(STEP) {
        return asked(node, &req, std::str::from_utf8(&body).unwrap_or_default()).await;
    }
    if let Some(answer) = foreign(&req) {
        return answer;
    }
    let raw = fields.get("request").unwrap_or_default();
    if fields.chooses_language() {
        return asked(node, &req, raw).await;
    }
    if !is_tag(node, STEP, &[], raw, fields.get("proof")) {
        return stale();
    }
    let leaving = match read(node, &req, raw).await {
        Ok(Some(leaving)) => leaving,
        Ok(None) => return stale(),
        Err(answer) => return answer,
    };
    if fields.get("decision") != Some("leave") {
        return notice(StatusCode::OK, words().still_signed_in(), words().nothing_changed());
    }
    match left(node, &leaving).await {
        Ok(()) => {}
        Err(error) => return failed(&error.into()),
    }
    match leaving.back {
        Some(to) => HttpResponse::SeeOther()
            .insert_header((LOCATION, to.as_str()))
            .insert_header(("cache-control", "no-store"))
            .insert_header(("referrer-policy", "no-referrer"))
            .finish(),
        None => notice(StatusCode::OK, words().signed_out(), words().you_can_close()),
    }
}

/// Ends the sign-in.
async fn left(node: &dyn Node, leaving: &Leaving) -> Result<(), crate::directory::DirectoryError> {
    let Some(family) = Family::of_sid(&leaving.sid) else { return Ok(()) };
    let Some(user) = node.directory().end_login(leaving.app.client, family).await? else { return Ok(()) };
    node.advance_epoch();
    let detail = json!({ "client_id": leaving.app.client });
    node.directory().audit(user, Actor::Person(user), "app.signed_out", detail, node.now()).await
}

async fn asked(node: &dyn Node, req: &HttpRequest, raw: &str) -> HttpResponse {
    let leaving = match read(node, req, raw).await {
        Ok(Some(leaving)) => leaving,
        Ok(None) => {
            return notice(StatusCode::OK, words().signing_out(), words().sign_out_there());
        }
        Err(answer) => return answer,
    };
    let (name, words) = (&leaving.app.manifest.name, words());
    let body = format!(
        "<p>{}</p>\n\
         <form id=\"page\" method=\"post\" action=\"/oauth/logout\">\n{}{}{}<div class=\"choice\">\n\
         <button type=\"submit\" name=\"decision\" value=\"stay\" class=\"plain\">{}</button>\n\
         <button type=\"submit\" name=\"decision\" value=\"leave\">{}</button>\n</div>\n</form>",
        words.asks_to_sign_out(escape(name)),
        hidden("step", STEP),
        hidden("request", raw),
        hidden("proof", &tag(node, STEP, &[], raw)),
        words.stay(),
        words.sign_out(),
    );
    page(StatusCode::OK, &words.sign_out_of(name), &body, leaving.back.as_ref().map(Url::as_str))
}

/// Reads and checks a request; `None`: no app is named. What is wrong is told to the person, and leads nowhere.
async fn read(node: &dyn Node, req: &HttpRequest, raw: &str) -> Result<Option<Leaving>, HttpResponse> {
    let words = words();
    let bad = |text: &str| notice(StatusCode::BAD_REQUEST, words.link_does_not_work(), text);
    let fields = Fields::read(raw);
    if raw.len() > MAX_REQUEST_BYTES || fields.doubled() || raw.bytes().any(|b| b.is_ascii_control()) {
        return Err(bad(words.request_malformed()));
    }
    let Some(hint) = fields.get("id_token_hint") else {
        return match fields.get("post_logout_redirect_uri") {
            Some(_) => Err(bad(words.whom_not_said())),
            None => Ok(None),
        };
    };
    let told = id_token::read_id_token(node, hint).await.map_err(|error| failed(&error.into()))?;
    let told = told.ok_or_else(|| bad(words.token_not_ours()))?;
    if fields.get("client_id").is_some_and(|client| client != told.aud) {
        return Err(bad(words.token_of_another()));
    }
    let app = node.directory().app_called(&told.aud).await.map_err(|error| failed(&error.into()))?;
    let app = app.ok_or_else(|| bad(words.app_unknown()))?;
    let back = match fields.get("post_logout_redirect_uri") {
        None => None,
        // One that was registered when the pages had another name: whoever answers there would get their cookies.
        Some(uri) if is_at_pages(req, &node.url(), uri) => return Err(bad(words.answer_at_node())),
        Some(uri) if app.manifest.post_logout_redirect_uris.iter().any(|known| known == uri) => {
            let mut uri = Url::parse(uri).map_err(|_| bad(words.app_address_unopened()))?;
            if let Some(state) = fields.get("state") {
                uri.query_pairs_mut().append_pair("state", state);
            }
            Some(uri)
        }
        Some(_) => return Err(bad(words.sent_elsewhere())),
    };
    Ok(Some(Leaving { app, sid: told.sid, back }))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use gateway_people::realm::Realm as _;
    use url::form_urlencoded::Serializer;

    use super::*;
    use crate::node::fake::{Fake, REDIRECT, access};

    #[actix_web::test]
    async fn nobody_is_led_to_the_name_of_the_pages() {
        let (node, _) = Fake::set_up().await;
        let (far, near) = ("https://app.example/after", "https://allod.localhost:19999/after");
        // Registered when the pages had another name.
        let manifest = json!({ "name": "Near", "redirect_uris": [REDIRECT], "access": access(),
            "post_logout_redirect_uris": [far, near, "http://127.0.0.1:8420/after"] });
        let manifest = crate::grants::Manifest::parse(&manifest).unwrap();
        let (client, _) = node.directory().add_app(&manifest, node.now()).await.unwrap();
        let claims = json!({ "iss": node.url(), "sub": "somebody", "aud": client.to_string(), "sid": "00".repeat(32) });
        let hint = id_token::sign(&*node, "JWT", &claims, node.now()).await.unwrap();
        let asked = async |uri: &str| {
            let mut query = Serializer::new(String::new());
            query.append_pair("id_token_hint", &hint).append_pair("post_logout_redirect_uri", uri);
            node.call(TestRequest::get().uri(&format!("/oauth/logout?{}", query.finish()))).await
        };
        assert_eq!(asked(far).await.status, StatusCode::OK, "control");
        for uri in [near, "http://127.0.0.1:8420/after"] {
            let page = asked(uri).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{uri}");
            assert!(
                page.text.contains("the name of its own pages") && !page.text.contains("value=\"leave\""),
                "{}",
                page.text
            );
        }
    }
}
