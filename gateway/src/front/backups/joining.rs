//! `/api/v1/setup/join`: a node that nobody owns yet becomes a device of an account, for whoever has the set-up link.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::setup::{begin, is_known, spent, token};
use crate::app::App;
use crate::front::account::body;
use crate::front::error::ApiError;
use crate::pairing;
use crate::restoring::{JoinStanding, Taking};

#[derive(utoipa::OpenApi)]
#[openapi(paths(join, standing))]
pub(super) struct Api;

/// By what it joins.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct JoinRequest {
    /// The code that `allod device invite` printed, or the page *Devices* shows.
    #[schema(format = Password)]
    code: String,
}

/// Makes a node that nobody owns yet a device of an account
///
/// It goes on when this has answered; `GET` tells how far it is. Addresses in the code are dialled if they are public, of a
/// household's network, or allowed by the operator (`--dial-allow`). Once it is there the node answers nothing for some
/// seconds and goes on as the device, under the same address.
#[utoipa::path(post, path = "/api/v1/setup/join", tag = "node", request_body = JoinRequest, params(
    ("Allod-Setup-Token" = String, Header, description = "The secret of the set-up link")), responses(
    (status = 202, description = "It is begun", body = JoinStanding),
    (status = 400, description = "`code_malformed`: it is no code of a device"),
    (status = 404, description = "`setup_link_spent`: the link is not good, or the node has an owner"),
    (status = 409, description = "`restore_under_way`: the node is becoming another one already")))]
pub(super) async fn join(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let asked = || {
        let JoinRequest { code } = body::json(&request, &bytes)?;
        of_code(&code)
    };
    begin(&request, &app, token(&request), asked).await?;
    tracing::info!(target: "allod::node", "this node joins an account as a device, as the set-up page asked");
    Ok(HttpResponse::Accepted().json(app.restoring.joining()))
}

/// What is asked for by a code.
pub(crate) fn of_code(text: &str) -> Result<Taking, ApiError> {
    match pairing::code(text) {
        Ok(code) => Ok(Taking::Device(code)),
        Err(failure) => Err(ApiError::new(StatusCode::BAD_REQUEST, "code_malformed", failure.message)),
    }
}

/// How far the joining is
///
/// For whoever has the link by which it was asked for, also once the node is the device.
#[utoipa::path(get, path = "/api/v1/setup/join", tag = "node", params(
    ("Allod-Setup-Token" = String, Header, description = "The secret of the set-up link")), responses(
    (status = 200, description = "How it stands", body = JoinStanding),
    (status = 404, description = "`setup_link_spent`: the link is not good")))]
pub(super) async fn standing(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    if !is_known(&request, &app, token(&request)).await? {
        return Err(spent());
    }
    Ok(HttpResponse::Ok().json(app.restoring.joining()))
}
