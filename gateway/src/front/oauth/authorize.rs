//! The authorization endpoint. Its whole state is the query string: each step reads and checks it anew.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use policy_core::ClientId;
use url::Url;
use zeroize::Zeroizing;

use super::form::{Fields, foreign, stale};
use super::page::notice;
use super::sign_in::{Asks, Signed};
use super::{Data, consent, sign_in};
use crate::directory::RegisteredApp;
use crate::front::error::ApiError;
use crate::front::pages::is_at_pages;
use crate::grants::{Access, parse};
use crate::node::Node;

/// What an app asks a person for: a request that has passed every check.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) app: RegisteredApp,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) challenge: String,
    /// Within the manifest.
    pub(super) access: Vec<Access>,
    /// The query string.
    pub(super) raw: String,
}

/// The longest query string: sent back and forth in forms.
const LONGEST: usize = 32 * 1_024;

/// `GET /oauth/authorize`: asks who it is. A cookie would not tell, and nothing of anybody is shown before a password.
pub(super) async fn show(node: Data, req: HttpRequest) -> HttpResponse {
    match read(&req, &**node, req.query_string()).await {
        Ok(wish) => sign_in::show(&wish, None, Asks::Password, None),
        Err(answer) => answer,
    }
}

/// `POST /oauth/authorize`: the sign-in form and the consent form.
pub(super) async fn submit(node: Data, req: HttpRequest, body: Bytes) -> HttpResponse {
    let node = &**node;
    if let Some(answer) = foreign(&req) {
        return answer;
    }
    let Some(fields) = Fields::of_body(&req, &body) else { return stale() };
    let Some(raw) = fields.get("request") else { return stale() };
    let wish = match read(&req, node, raw).await {
        Ok(wish) => wish,
        Err(answer) => return answer,
    };
    if sign_in::is_step(&fields) {
        let [name, password, code] =
            ["user", "password", "code"].map(|name| fields.get(name).unwrap_or_default().to_owned());
        // Whoever waits for a turn holds a name and a password, not what was sent around them.
        drop((fields, body));
        return sign_in::submit(&req, node, &wish, &name, &Zeroizing::new(password), Some(&code)).await;
    }
    match Signed::of(node, &wish, &fields).await {
        Ok(Some(signed)) => consent::submit(node, &wish, &signed, &fields).await,
        Ok(None) => stale(),
        Err(error) => failed(&error.into()),
    }
}

/// A page for what went wrong inside.
pub(super) fn failed(error: &ApiError) -> HttpResponse {
    notice(error.status, "That did not work", &error.message)
}

/// Reads and checks a request. Before app and redirect address are known to belong together, what is
/// wrong is told to the person; after that, to the app.
async fn read(req: &HttpRequest, node: &dyn Node, raw: &str) -> Result<Wish, HttpResponse> {
    let bad = |text: &str| notice(StatusCode::BAD_REQUEST, "This link does not work", text);
    if node.owner().is_none() {
        let text =
            "This node is not set up yet. Open the set-up link that it printed, or a new one (`allod setup-link`).";
        return Err(notice(StatusCode::SERVICE_UNAVAILABLE, "Not set up yet", text));
    }
    let fields = Fields::read(raw);
    if raw.len() > LONGEST || fields.doubled() || raw.bytes().any(|b| b.is_ascii_control()) {
        return Err(bad("The app sent a request that is malformed."));
    }
    let app = match fields.get("client_id").and_then(|id| id.parse::<ClientId>().ok()) {
        Some(client) => node.directory().app(client).await.map_err(|error| failed(&error.into()))?,
        None => None,
    };
    let app = app.ok_or_else(|| bad("The app that sent you here is not known to this node."))?;
    let redirect_uri = fields.get("redirect_uri").unwrap_or_default();
    if !app.manifest.may_return_to(redirect_uri) {
        return Err(bad("The app wants its answer at an address that it has not registered."));
    }
    if is_at_pages(req, node, redirect_uri) {
        return Err(bad("The app wants its answer at this node itself, or at the name of its own pages."));
    }
    let state = fields.get("state").map(str::to_owned);
    let refuse = |error: &str, text: &str| {
        back(node, redirect_uri, state.as_deref(), &[("error", error), ("error_description", text)])
    };
    if fields.get("response_type") != Some("code") {
        return Err(refuse("unsupported_response_type", "Only the response type `code` is offered."));
    }
    if fields.get("request").is_some() || fields.get("request_uri").is_some() {
        return Err(refuse("request_not_supported", "Request objects are not taken."));
    }
    let challenge = fields.get("code_challenge").unwrap_or_default();
    let digest = data_encoding::BASE64URL_NOPAD.decode(challenge.as_bytes()).is_ok_and(|bytes| bytes.len() == 32);
    if fields.get("code_challenge_method") != Some("S256") || !digest {
        return Err(refuse("invalid_request", "PKCE with the method S256 is required."));
    }
    let asked = match fields.get("authorization_details") {
        Some(text) => parse(text),
        None => Ok(app.manifest.access.clone()),
    };
    let access = asked.and_then(|asked| app.manifest.narrow(&asked));
    let access = access.map_err(|error| refuse("invalid_authorization_details", &error.to_string()))?;
    let challenge = challenge.to_owned();
    Ok(Wish { redirect_uri: redirect_uri.to_owned(), state, challenge, access, raw: raw.to_owned(), app })
}

/// Sends the browser back to the app, naming us (RFC 9207) and returning the app's `state`.
pub(super) fn back(node: &dyn Node, redirect_uri: &str, state: Option<&str>, pairs: &[(&str, &str)]) -> HttpResponse {
    let Ok(mut to) = Url::parse(redirect_uri) else {
        return notice(StatusCode::BAD_REQUEST, "This link does not work", "The app's address cannot be opened.");
    };
    {
        let mut query = to.query_pairs_mut();
        for (name, value) in pairs {
            // RFC 6749 leaves quotes and backslashes out of descriptions, and all that is not ASCII.
            let plain: String = value.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
            query.append_pair(name, &plain);
        }
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &node.url());
    }
    HttpResponse::SeeOther()
        .insert_header((LOCATION, to.as_str()))
        .insert_header(("cache-control", "no-store"))
        .insert_header(("referrer-policy", "no-referrer"))
        .finish()
}
