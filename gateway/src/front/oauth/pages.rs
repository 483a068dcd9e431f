//! How the pages are described: forms for people, which programs have no use for.

use crate::front::refusals::{AskedWrongly, FormAgain, LinkNotGood};

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    setup,
    set_up,
    invited,
    set_password,
    authorize,
    consent,
    leaving,
    leave,
    style,
    script,
    consent_script
))]
pub(super) struct Api;

/// The page on which a node is set up
#[utoipa::path(get, path = "/setup", tag = "pages", security(()), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    LinkNotGood))]
#[expect(dead_code, reason = "it carries the description")]
fn setup() {}

/// Sets a node up
#[utoipa::path(post, path = "/setup", tag = "pages", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    FormAgain,
    LinkNotGood))]
#[expect(dead_code, reason = "it carries the description")]
fn set_up() {}

/// The page on which a person sets their password, by a link
#[utoipa::path(get, path = "/invite", tag = "pages", security(()), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    LinkNotGood))]
#[expect(dead_code, reason = "it carries the description")]
fn invited() {}

/// Sets the password of whoever has the link
#[utoipa::path(post, path = "/invite", tag = "pages", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    FormAgain,
    LinkNotGood))]
#[expect(dead_code, reason = "it carries the description")]
fn set_password() {}

/// The page on which a person signs in and consents (RFC 6749, RFC 9396)
#[utoipa::path(get, path = "/oauth/authorize", tag = "pages", security(()), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    (status = 303, description = "Back to the app"),
    AskedWrongly))]
#[expect(dead_code, reason = "it carries the description")]
fn authorize() {}

/// Signs in, or consents
#[utoipa::path(post, path = "/oauth/authorize", tag = "pages", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    (status = 303, description = "Back to the app"),
    (status = 403, description = "The page is out of date", body = String, content_type = "text/html; charset=utf-8"),
    (status = 400, description = "The form is wrong", body = String, content_type = "text/html; charset=utf-8")))]
#[expect(dead_code, reason = "it carries the description")]
fn consent() {}

/// The page on which a person signs out of an app (OpenID Connect RP-Initiated Logout 1.0)
#[utoipa::path(get, path = "/oauth/logout", tag = "pages", security(()), responses(
    (status = 200, description = "A page that asks", body = String, content_type = "text/html; charset=utf-8"),
    AskedWrongly))]
#[expect(dead_code, reason = "it carries the description")]
fn leaving() {}

/// Signs out of an app, or asks whether to
#[utoipa::path(post, path = "/oauth/logout", tag = "pages", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    (status = 303, description = "Back to the app"),
    (status = 403, description = "The page is out of date", body = String, content_type = "text/html; charset=utf-8"),
    AskedWrongly))]
#[expect(dead_code, reason = "it carries the description")]
fn leave() {}

/// The style sheet of the pages
#[utoipa::path(get, path = "/oauth/style.css", tag = "pages", security(()), responses(
    (status = 200, description = "It", body = String, content_type = "text/css; charset=utf-8")))]
#[expect(dead_code, reason = "it carries the description")]
fn style() {}

/// The script of the sign-in page, which offers passkeys
#[utoipa::path(get, path = "/oauth/passkey.js", tag = "pages", security(()), responses(
    (status = 200, description = "It", body = String, content_type = "text/javascript; charset=utf-8")))]
#[expect(dead_code, reason = "it carries the description")]
fn script() {}

/// The script of the consent page, which shows anew what the app would see
#[utoipa::path(get, path = "/oauth/consent.js", tag = "pages", security(()), responses(
    (status = 200, description = "It", body = String, content_type = "text/javascript; charset=utf-8")))]
#[expect(dead_code, reason = "it carries the description")]
fn consent_script() {}
