//! The passkey on the sign-in page: what a script adds where it runs.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;

use super::form::Fields;
use super::words::Words;

/// What the form sends when a passkey was proved.
const STEP: &str = "passkey";

/// The address of the script.
pub(super) const SCRIPT: &str = "/oauth/passkey.js";

/// Behind the form: nothing to see until the script finds that it can be used.
pub(super) fn offer(words: Words) -> String {
    format!(
        "\n<p class=\"alert\" id=\"passkey-told\" role=\"alert\" data-unused=\"{}\" data-failed=\"{}\" hidden></p>\n\
         <p class=\"other\"><button type=\"button\" id=\"passkey\" class=\"plain\" hidden>{}</button></p>",
        words.no_passkey_used(),
        words.cannot_now(),
        words.sign_in_with_passkey(),
    )
}

/// `GET /oauth/passkey.js`.
pub(super) async fn script() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/javascript; charset=utf-8")).body(include_str!("passkey.js"))
}

/// Whether a posted form is the sign-in form with a passkey.
pub(super) fn is_step(fields: &Fields) -> bool {
    fields.get("step") == Some(STEP)
}
