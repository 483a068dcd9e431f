//! A node that nobody owns yet answers health and set-up, and nothing else.
//!
//! Whoever reaches the listener may reach it first: nothing is there for them to find, and the set-up wants the secret of
//! a link. Once somebody owns the node the same listener answers everything.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::web;

use gateway_people::realm::Realm;

use super::error::ApiError;
use super::oauth::{notice, words};
use crate::authn::is_operator;
use gateway_http::pages::is_opened;
use gateway_http::paths::errors_for;

/// What is answered before the set-up: health, the set-up page and its style, and restoring in its stead.
const BEFORE: [&str; 8] = [
    "/healthz",
    "/readyz",
    "/setup",
    "/setup/restore",
    "/setup/join",
    "/oauth/style.css",
    "/api/v1/setup/restore",
    "/api/v1/setup/join",
];
const TITLE: &str = "This node is not set up yet.";
const HINT: &str =
    "Open the set-up link that it printed when it started, or a new one: `allod setup-link`, on its machine.";

/// Refuses what a node that nobody owns does not answer. Whoever holds the machine passes: they may look, and stop it.
///
/// # Errors
/// As the handler.
pub async fn refused<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let unowned = request.app_data::<web::Data<dyn Realm>>().cloned().filter(|node| node.owner().is_none());
    let answered = |node: &dyn Realm| BEFORE.contains(&request.path()) || is_operator(request.request(), node);
    if unowned.is_none_or(|node| answered(&**node)) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let answer = if is_opened(request.request()) {
        notice(StatusCode::SERVICE_UNAVAILABLE, words().not_set_up(), words().open_setup_link())
    } else {
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_set_up", TITLE).hint(HINT);
        errors_for(request.request())(&error)
    };
    Ok(request.into_response(answer))
}
