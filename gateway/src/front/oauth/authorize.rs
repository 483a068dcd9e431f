//! The authorization endpoint. Its whole state is the query string: each step reads and checks it anew.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::language::Language;
use url::Url;
use zeroize::Zeroizing;

use super::form::{Fields, foreign, is_tag, stale};
use super::named::{Unnamed, named};
use super::page::{escape, notice, quoted};
use super::sign_in::{Asks, Signed};
use super::words::words;
use super::{Data, consent, openid, passkey, sign_in, speech};
use crate::directory::waiting::Waiting;
use crate::directory::{AppSource, DirectoryError, NewCode, RegisteredApp};
use crate::dpop::Thumbprint;
use crate::front::error::ApiError;
use crate::front::pages::is_at_pages;
use crate::grants::{Access, marked, parse};
use crate::node::Node;

/// What an app asks a person for: a request that has passed every check.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) app: RegisteredApp,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) challenge: String,
    /// The key whose holder alone may exchange the code, if the app names one.
    pub(super) key: Option<Thumbprint>,
    /// Within the manifest; empty where the app asks only who somebody is.
    pub(super) access: Vec<Access>,
    /// Whether it asks who somebody is.
    pub(super) openid: Option<openid::OpenidRequest>,
    /// The query string.
    pub(super) raw: String,
    /// The request that the app sent here itself.
    pushed: Option<String>,
    /// The device without a browser that waits for the answer.
    pub(super) device: Option<Waiting>,
}

impl Wish {
    /// The person answers: what the app sent here itself, and a device, is answered once.
    pub(super) async fn answered(&self, node: &dyn Node) -> Result<(), ApiError> {
        let first = match (&self.pushed, &self.device) {
            (Some(text), _) => node.directory().answer_pushed(text).await?,
            (None, Some(device)) => node.directory().answer_device(device).await?,
            (None, None) => true,
        };
        if first { Ok(()) } else { Err(ApiError::bad_request("What the app asks was answered before.")) }
    }

    /// The person says yes: the code, or the device that waits is let in.
    pub(super) async fn allowed(&self, node: &dyn Node, new: NewCode) -> Result<String, ApiError> {
        let Some(device) = &self.device else {
            return Ok(node.directory().issue_code(new, node.now()).await?.text().to_owned());
        };
        match node.directory().allow_device(device, &new).await? {
            true => Ok(String::new()),
            false => Err(ApiError::bad_request("The device does not wait any more.")),
        }
    }

    /// Where the person goes from here.
    pub(super) fn done(&self, node: &dyn Node, code: &str) -> HttpResponse {
        if self.device.is_some() {
            return notice(StatusCode::OK, words().device_let_in(), words().go_on_at_device());
        }
        back(node, &self.redirect_uri, self.state.as_deref(), &[("code", code)])
    }

    /// The person says no.
    pub(super) async fn denied(&self, node: &dyn Node) -> Result<HttpResponse, ApiError> {
        self.answered(node).await?;
        if let Some(device) = &self.device {
            node.directory().deny_device(device).await?;
            return Ok(notice(StatusCode::OK, words().device_not_let_in(), words().nothing_changed()));
        }
        let denied = [("error", "access_denied"), ("error_description", "The person denied the access.")];
        Ok(back(node, &self.redirect_uri, self.state.as_deref(), &denied))
    }

    /// Where the answer goes, in words.
    pub(super) fn place(&self) -> String {
        if self.device.is_some() {
            return words().device_with_the_code().to_owned();
        }
        let uri = Url::parse(&self.redirect_uri).ok();
        uri.and_then(|uri| uri.host_str().map(str::to_owned)).unwrap_or_else(|| words().this_device().to_owned())
    }

    /// What a person reads before they let a device in, or an app that nobody registered.
    pub(super) fn warning(&self) -> String {
        let words = words();
        if self.device.is_some() {
            return format!("<p class=\"alert\">{}</p>\n", words.lets_a_device_in());
        }
        let url = match &self.app.source {
            AppSource::Operator => return String::new(),
            AppSource::Itself => return format!("<p class=\"alert\">{}</p>\n", words.registered_itself()),
            AppSource::Document(url) => url,
        };
        let mut html = format!("<p class=\"alert\">{}</p>\n", words.is_its_host(strong(&url.host())));
        if let Some(name) = &self.app.calls_itself {
            let text = words.calls_itself(marked(name));
            html += &format!("<p>{}</p>\n", quoted(&text, words.0));
        }
        html
    }

    /// The name that the app thinks the person signs in under.
    fn login_hint(&self) -> Option<&str> {
        self.openid.as_ref()?.login_hint.as_deref()
    }
}

fn strong(text: &str) -> String {
    format!("<strong>{}</strong>", escape(text))
}

/// What the name of a request begins with that an app sent here itself (RFC 9126).
pub(super) const URN: &str = "urn:ietf:params:oauth:request_uri:";
/// The form on which the code of a device is typed, and the field of the code.
pub(super) const DEVICE: &str = "device";
/// The parameter that names the key that a code is for (RFC 9449, 10).
pub(super) const KEY: &str = "dpop_jkt";

/// The longest query string: sent back and forth in forms.
pub(super) const MAX_REQUEST_BYTES: usize = 32 * 1_024;

/// `GET /oauth/authorize`: asks who it is. A cookie would not tell, and nothing of anybody is shown before a password.
pub(super) async fn show(node: Data, req: HttpRequest) -> HttpResponse {
    match read(&req, &**node, req.query_string()).await {
        Ok(wish) if wish.device.is_some() => no_link(),
        Ok(wish) => sign_in::show(&**node, &wish, wish.login_hint(), Asks::Password, None),
        Err(answer) => answer,
    }
}

/// Whether this is the query of an app's request that a person can be asked about; else what they are told.
pub(crate) async fn is_request(req: &HttpRequest, node: &dyn Node, raw: &str) -> Result<(), HttpResponse> {
    let wish = read(req, node, raw).await?;
    if wish.device.is_some() { Err(no_link()) } else { Ok(()) }
}

/// A device is let in by who types its code on our page, and by no address that somebody may have been sent.
fn no_link() -> HttpResponse {
    notice(StatusCode::BAD_REQUEST, words().link_does_not_work(), words().type_where_device_says())
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
        let chosen = fields.chooses_language().then(|| fields.get(sign_in::ASKS_CODE).is_some());
        drop((fields, body));
        if let Some(code) = chosen {
            let asks = if code { Asks::Code } else { Asks::Password };
            return sign_in::show(
                node,
                &wish,
                Some(&name).filter(|name| !name.is_empty()).map(String::as_str),
                asks,
                None,
            );
        }
        return sign_in::submit(&req, node, &wish, &name, &Zeroizing::new(password), Some(&code)).await;
    }
    if passkey::is_step(&fields) {
        return sign_in::submit_passkey(&req, node, &wish, &fields).await;
    }
    match Signed::of(node, &wish, &fields).await {
        Ok(Some(signed)) => consent::submit(node, &wish, &signed, &fields).await,
        Ok(None) => stale(),
        Err(error) => failed(&error.into()),
    }
}

/// A page for what went wrong inside.
pub(super) fn failed(error: &ApiError) -> HttpResponse {
    notice(error.status, words().did_not_work(), &words().refusal(error))
}

/// Reads and checks a request. Before app and redirect address are known to belong together, what is
/// wrong is told to the person; after that, to the app.
pub(super) async fn read(req: &HttpRequest, node: &dyn Node, raw: &str) -> Result<Wish, HttpResponse> {
    let words = words();
    let bad = |text: &str| notice(StatusCode::BAD_REQUEST, words.link_does_not_work(), text);
    if node.owner().is_none() {
        return Err(notice(StatusCode::SERVICE_UNAVAILABLE, words.not_set_up(), words.open_setup_link()));
    }
    let fields = Fields::read(raw);
    if raw.len() > MAX_REQUEST_BYTES || fields.doubled() || raw.bytes().any(|b| b.is_ascii_control()) {
        return Err(bad(words.request_malformed()));
    }
    let device = match fields.get(DEVICE) {
        None => None,
        Some(_) => {
            let found = typed(node, &fields).await;
            let gone = || bad(words.device_gone());
            Some(found.map_err(|error| failed(&error.into()))?.ok_or_else(gone)?)
        }
    };
    let app = match &device {
        Some(device) => {
            let app = node.directory().app(device.client).await.map_err(|error| failed(&error.into()))?;
            app.ok_or_else(|| bad(words.app_unknown()))?
        }
        None => named(node, req, fields.get("client_id").unwrap_or_default()).await.map_err(unnamed)?,
    };
    if let Some(device) = device {
        let asked = looked_into(node, &app, &Fields::read(&device.request)).await;
        let (access, openid) = asked.map_err(|wrong| match wrong {
            Wrong::App { text, .. } if words.0 == Language::English => bad(&text),
            Wrong::App { .. } => bad(words.asks_anew()),
            Wrong::Person(text) => bad(text),
            Wrong::Failed(error) => failed(&error),
        })?;
        let (redirect_uri, challenge, raw) = (String::new(), String::new(), raw.to_owned());
        let device = Some(device);
        return Ok(Wish {
            redirect_uri,
            state: None,
            challenge,
            key: None,
            access,
            openid,
            raw,
            pushed: None,
            device,
            app,
        });
    }
    let pushed = fields.get("request_uri").and_then(|uri| uri.strip_prefix(URN)).map(str::to_owned);
    let fields = match &pushed {
        Some(text) => {
            let found = node.directory().pushed(text, app.client, node.now()).await;
            let found = found.map_err(|error| failed(&error.into()))?;
            let gone = || bad(words.asked_and_over());
            let fields = Fields::read(&found.ok_or_else(gone)?);
            fields.get(speech::WISHED).into_iter().for_each(speech::wished);
            fields
        }
        None => fields,
    };
    let mut wish = checked(req, node, &app, &fields).await.map_err(|wrong| match wrong {
        Wrong::Person(text) => bad(text),
        Wrong::App { redirect_uri, state, error, text } => {
            back(node, &redirect_uri, state.as_deref(), &[("error", error), ("error_description", &text)])
        }
        Wrong::Failed(error) => failed(&error),
    })?;
    if pushed.is_none() && app.manifest.require_pushed_authorization_requests {
        let text = "The app is registered to send its requests to the node itself (RFC 9126).";
        let told = [("error", "invalid_request"), ("error_description", text)];
        return Err(back(node, &wish.redirect_uri, wish.state.as_deref(), &told));
    }
    (wish.raw, wish.pushed) = (raw.to_owned(), pushed);
    Ok(wish)
}

/// What the person is told who was sent here by what names no app.
fn unnamed(unnamed: Unnamed) -> HttpResponse {
    let words = words();
    let (status, text) = match unnamed {
        Unnamed::Unknown => (StatusCode::BAD_REQUEST, words.app_unknown()),
        Unnamed::Undescribed => (StatusCode::BAD_REQUEST, words.app_undescribed()),
        Unnamed::Busy => (StatusCode::TOO_MANY_REQUESTS, words.busy()),
        Unnamed::Failed(error) => return failed(&error.into()),
    };
    notice(status, words.link_does_not_work(), text)
}

/// The device whose code was typed on our page, if it still waits: `fields` prove that it was.
async fn typed(node: &dyn Node, fields: &Fields) -> Result<Option<Waiting>, DirectoryError> {
    let code = fields.get(DEVICE).unwrap_or_default();
    if !is_tag(node, DEVICE, &[], code, fields.get("seen")) {
        return Ok(None);
    }
    node.directory().waiting(code, node.now()).await
}

/// What is wrong with a request.
pub(super) enum Wrong {
    /// App and redirect address do not belong together: the person is told.
    Person(&'static str),
    /// The app is told.
    App {
        redirect_uri: String,
        state: Option<String>,
        error: &'static str,
        text: String,
    },
    Failed(ApiError),
}

/// Checks what an app asks.
pub(super) async fn checked(
    req: &HttpRequest,
    node: &dyn Node,
    app: &RegisteredApp,
    fields: &Fields,
) -> Result<Wish, Wrong> {
    let redirect_uri = fields.get("redirect_uri").unwrap_or_default();
    if !app.manifest.may_return_to(redirect_uri) {
        return Err(Wrong::Person(words().answer_not_registered()));
    }
    if is_at_pages(req, &node.url(), redirect_uri) {
        return Err(Wrong::Person(words().answer_at_node()));
    }
    let state = fields.get("state").map(str::to_owned);
    let refuse = |error, text: &str| Wrong::App {
        redirect_uri: redirect_uri.to_owned(),
        state: state.clone(),
        error,
        text: text.to_owned(),
    };
    if fields.get("response_type") != Some("code") {
        return Err(refuse("unsupported_response_type", "Only the response type `code` is offered."));
    }
    if fields.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(refuse("invalid_request", "Only the response mode `query` is offered."));
    }
    for (name, error) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
        ("claims", "invalid_request"),
    ] {
        if fields.get(name).is_some() {
            return Err(refuse(error, &format!("The parameter `{name}` is not taken.")));
        }
    }
    let challenge = fields.get("code_challenge").unwrap_or_default();
    let digest = data_encoding::BASE64URL_NOPAD.decode(challenge.as_bytes()).is_ok_and(|bytes| bytes.len() == 32);
    if fields.get("code_challenge_method") != Some("S256") || !digest {
        return Err(refuse("invalid_request", "PKCE with the method S256 is required."));
    }
    let key = fields.get(KEY).map(str::parse).transpose();
    let key =
        key.map_err(|_| refuse("invalid_request", "`dpop_jkt` is the SHA-256 of a key (RFC 7638), in base64url."))?;
    let (access, openid) = looked_into(node, app, fields).await.map_err(|wrong| match wrong {
        Wrong::App { error, text, .. } => refuse(error, &text),
        wrong => wrong,
    })?;
    let challenge = challenge.to_owned();
    let (redirect_uri, app) = (redirect_uri.to_owned(), app.clone());
    let raw = String::new();
    Ok(Wish { redirect_uri, state, challenge, key, access, openid, raw, pushed: None, device: None, app })
}

/// Checks what an app asks for, wherever its answer goes.
pub(super) async fn looked_into(
    node: &dyn Node,
    app: &RegisteredApp,
    fields: &Fields,
) -> Result<(Vec<Access>, Option<openid::OpenidRequest>), Wrong> {
    let refuse =
        |error, text: &str| Wrong::App { redirect_uri: String::new(), state: None, error, text: text.to_owned() };
    let openid = openid::OpenidRequest::read(node, app, fields).await;
    let openid = openid.map_err(|error| match error {
        openid::AskedError::Refused(error, text) => refuse(error, text),
        openid::AskedError::Failed(error) => Wrong::Failed(error),
    })?;
    let asked = match fields.get("authorization_details") {
        Some(text) => parse(text),
        None if openid.is_some() => Ok(Vec::new()),
        None if app.manifest.access.is_empty() => {
            return Err(refuse(
                "invalid_scope",
                "The app is registered to sign people in; it asks with `scope=openid`.",
            ));
        }
        None => Ok(app.manifest.access.clone()),
    };
    let access = asked.and_then(|asked| app.manifest.narrow(&asked));
    let access = access.map_err(|error| refuse("invalid_authorization_details", &error.to_string()))?;
    Ok((access, openid))
}

/// Sends the browser back to the app, naming us (RFC 9207) and returning the app's `state`.
pub(super) fn back(node: &dyn Node, redirect_uri: &str, state: Option<&str>, pairs: &[(&str, &str)]) -> HttpResponse {
    let Ok(mut to) = Url::parse(redirect_uri) else {
        return notice(StatusCode::BAD_REQUEST, words().link_does_not_work(), words().app_address_unopened());
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
