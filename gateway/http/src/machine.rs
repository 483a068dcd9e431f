//! Requests that come by a directory's own socket.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;

use super::error::ApiError;
use super::paths::errors_for;
use crate::authn::control::{NotForThem, look_at};

/// Refuses what comes by the socket from another user, and lets the rest be known as the operator's.
///
/// # Errors
/// As the handler.
pub async fn admitted<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Err(NotForThem) = look_at(&request) {
        let text = "This socket is for the user by whom the node runs, and for root.";
        let refused = ApiError::new(StatusCode::FORBIDDEN, "forbidden", text);
        let answer = errors_for(request.request())(&refused);
        return Ok(request.into_response(answer));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}
