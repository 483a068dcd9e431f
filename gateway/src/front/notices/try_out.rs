//! Whether letters arrive: for whoever holds the machine, and named the server.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiError;
use super::address::{no_address, unset};
use crate::app::App;
use crate::directory::mail::MailAddress;
use crate::front::account::body;
use crate::front::operator::AtTheMachine;
use crate::letters;

#[derive(utoipa::OpenApi)]
#[openapi(paths(send))]
pub(super) struct Api;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LetterTest {
    #[schema(examples("alice@example.org"))]
    address: String,
}

/// The server has the letter.
#[derive(Serialize, ToSchema)]
struct LetterTaken {
    /// Who took it, as `host:port`.
    #[schema(examples("smtp.example.org:587"))]
    taken_by: String,
    address: String,
}

/// Sends a letter to an address now
///
/// What the server says is told, so it is for whoever holds the machine.
#[utoipa::path(post, path = "/api/v1/mail/test", tag = "node", request_body = LetterTest, responses(
    (status = 200, description = "The server has it", body = LetterTaken),
    (status = 400, description = "`invalid_address`: that is none; or `bad_request`"),
    (status = 403, description = "`operator_only`: it is for whoever holds the machine"),
    (status = 409, description = "`mail_unset`: no server is named"),
    (status = 502, description = "`mail_failed`: the server did not take it")))]
pub(super) async fn send(
    app: web::Data<App>,
    req: HttpRequest,
    _by: AtTheMachine,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let LetterTest { address } = body::json(&req, &bytes)?;
    let address: MailAddress = address.parse().map_err(no_address)?;
    let mail = app.mail.get().ok_or_else(unset)?;
    let letter = letters::test(address.to_string(), &app.url(), app.now());
    mail.try_out(&letter, app.now()).await.map_err(|error| {
        let text = format!("The letter was not taken: {error}.");
        ApiError::new(StatusCode::BAD_GATEWAY, "mail_failed", text).hint("See to the section `mail` of the settings.")
    })?;
    Ok(HttpResponse::Ok().json(LetterTaken { taken_by: mail.place(), address: address.to_string() }))
}
