//! Devices without a browser (RFC 8628): they show a code, which their person types here.
//!
//! Whoever sends somebody such a code, or an address with one in it, wants to be let in as them. So the page says what a
//! code is for, the code is not sent by opening an address, and the consent is shown each time.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use url::form_urlencoded::Serializer;
use utoipa::ToSchema;

use super::Data;
use super::authorize::{DEVICE, MAX_REQUEST_BYTES, Wrong, failed, looked_into, read};
use super::client::{OAuthError, client, fields};
use super::form::{Fields, foreign, stale, tag};
use super::page::{alert, escape, page};
use super::sign_in::{self, Asks};
use super::words::words;
use crate::authn::network;
use crate::directory::DirectoryError;
use crate::directory::waiting::{DEVICE_INTERVAL, DEVICE_SECONDS};
use crate::front::refusals::UnknownClient;

#[derive(utoipa::OpenApi)]
#[openapi(paths(begin, device_page, device_code_typed))]
pub(super) struct Api;

/// What proves the app, and what would tie an ID token to a browser: both are no part of the request.
const LEFT_OUT: [&str; 2] = ["client_secret", "nonce"];

/// What a device asks, and what proves its app.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read as a form")]
struct DeviceForm {
    client_id: Option<String>,
    client_secret: Option<String>,
    scope: Option<String>,
    authorization_details: Option<String>,
}

/// What the device shows, and what it asks by.
#[derive(Serialize, ToSchema)]
struct DeviceBegun {
    device_code: String,
    #[schema(examples("BCDF-GHJK"))]
    user_code: String,
    verification_uri: String,
    /// The same with the code, for a QR code.
    verification_uri_complete: String,
    /// In seconds.
    expires_in: i64,
    /// How long to wait between two questions at the token endpoint, in seconds.
    interval: i64,
}

/// A device without a browser begins (RFC 8628)
#[utoipa::path(post, path = "/oauth/device_authorization", tag = "oauth", security(()),
    request_body(content = DeviceForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "What it shows, and what it asks by", body = DeviceBegun),
    (status = 400, description = "`unauthorized_client`: its manifest has no `devices`; `invalid_request`, `invalid_scope`, `invalid_authorization_details`"),
    UnknownClient))]
pub(super) async fn begin(node: Data, req: HttpRequest, body: Bytes) -> Result<HttpResponse, OAuthError> {
    let node = &**node;
    let fields = fields(&req, &body)?;
    let app = client(node, &req, &fields).await?;
    // Whoever knows the name of an app could begin for it, and send people the code.
    if !app.manifest.devices {
        let text = "The app is not registered for devices: its manifest needs `devices`.";
        return Err(OAuthError::new("unauthorized_client", text));
    }
    looked_into(node, &app, &fields).await.map_err(|wrong| match wrong {
        Wrong::Person(text) => OAuthError::new("invalid_request", text),
        Wrong::App { error, text, .. } => OAuthError::new(error, text),
        Wrong::Failed(error) => error.into(),
    })?;
    let request = fields.without(&LEFT_OUT);
    if request.len() > MAX_REQUEST_BYTES {
        return Err(OAuthError::new("invalid_request", "The request is too long."));
    }
    let codes = node
        .directory()
        .await_person((app.client, app.manifest.confidential), &network(&req), &request, node.now())
        .await?;
    let verification_uri = format!("{}/oauth/device", node.url());
    let answer = DeviceBegun {
        device_code: codes.device.text().to_owned(),
        verification_uri_complete: format!("{verification_uri}?user_code={}", codes.user),
        user_code: codes.user,
        verification_uri,
        expires_in: DEVICE_SECONDS,
        interval: DEVICE_INTERVAL,
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

/// `GET /oauth/device`: the page on which the code is typed. Opening it with a code looks nothing up.
pub(super) async fn show(req: HttpRequest) -> HttpResponse {
    let fields = Fields::read(req.query_string());
    form(fields.get("user_code").unwrap_or_default(), None)
}

/// `POST /oauth/device`: the code, and with it on to the sign-in.
pub(super) async fn submit(node: Data, req: HttpRequest, body: Bytes) -> HttpResponse {
    let node = &**node;
    if let Some(answer) = foreign(&req) {
        return answer;
    }
    let Some(fields) = Fields::of_body(&req, &body) else { return stale() };
    let code = fields.get("user_code").unwrap_or_default();
    if fields.chooses_language() {
        return form(code, None);
    }
    match node.directory().typed(code, &network(&req), node.now()).await {
        Ok(Some(_)) => {}
        Ok(None) => {
            let text = words().no_device_shows_it();
            return form(code, Some((StatusCode::NOT_FOUND, text)));
        }
        Err(DirectoryError::Busy) => {
            let text = words().too_many_codes();
            return form(code, Some((StatusCode::TOO_MANY_REQUESTS, text)));
        }
        Err(error) => return failed(&error.into()),
    }
    let seen = tag(node, DEVICE, &[], code);
    let raw = Serializer::new(String::new()).append_pair(DEVICE, code).append_pair("seen", &seen).finish();
    match read(&req, node, &raw).await {
        Ok(wish) => sign_in::show(node, &wish, None, Asks::Password, None),
        Err(answer) => answer,
    }
}

fn form(code: &str, wrong: Option<(StatusCode, &str)>) -> HttpResponse {
    let words = words();
    let code: String = code.chars().take(32).collect();
    let told = if wrong.is_some() { " aria-invalid=\"true\" aria-describedby=\"wrong\"" } else { "" };
    let body = format!(
        "{}<p>{}</p>\n<p><strong>{}</strong> {}</p>\n\
         <form id=\"page\" method=\"post\" action=\"/oauth/device\">\n<label for=\"user_code\">{}</label>\n\
         <input id=\"user_code\" name=\"user_code\" type=\"text\" value=\"{}\" autocomplete=\"off\" autocapitalize=\"characters\" \
         spellcheck=\"false\" required autofocus{told}>\n<button type=\"submit\">{}</button>\n</form>",
        alert(wrong.map(|(_, text)| text)),
        words.type_the_code(),
        words.sent_here_stop(),
        words.want_in_as_you(),
        words.code(),
        escape(&code),
        words.go_on(),
    );
    page(wrong.map_or(StatusCode::OK, |(status, _)| status), words.let_device_in(), &body, None)
}

/// The page on which the code of a device is typed (RFC 8628)
#[utoipa::path(get, path = "/oauth/device", tag = "pages", security(()), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8")))]
#[expect(dead_code, reason = "it carries the description")]
fn device_page() {}

/// Takes the code of a device, and goes on to the sign-in
#[utoipa::path(post, path = "/oauth/device", tag = "pages", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    (status = 403, description = "The form is another site's", body = String, content_type = "text/html; charset=utf-8"),
    (status = 404, description = "No device shows the code", body = String, content_type = "text/html; charset=utf-8"),
    (status = 429, description = "Too many wrong codes", body = String, content_type = "text/html; charset=utf-8")))]
#[expect(dead_code, reason = "it carries the description")]
fn device_code_typed() {}
