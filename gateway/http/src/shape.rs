//! The shape of an error follows from where it is: each protocol says errors in a way of its own.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::{PayloadError, QueryPayloadError};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::error::{ApiError, Errors, Plain};
use super::paths::errors_for;
use super::request_id::request_id;

/// Where no route is.
pub async fn no_route(request: HttpRequest) -> HttpResponse {
    errors_for(&request)(&ApiError::new(StatusCode::NOT_FOUND, "not_found", "There is no such route."))
}

/// Gives what handlers, and the HTTP library for them, refuse the shape of their front.
pub async fn shaped(
    errors: Errors,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let answer = next.call(request).await?;
    let Some(error) = refusal(answer.response()) else { return Ok(answer) };
    let (request, _) = answer.into_parts();
    let mut answer = errors(&error);
    if error.status == StatusCode::REQUEST_TIMEOUT {
        // The body is not read: nothing else can follow it on this connection.
        answer.head_mut().set_connection_type(actix_http::ConnectionType::Close);
    }
    Ok(ServiceResponse::new(request, answer))
}

/// The error that an answer says, if no front has put it into its shape yet.
fn refusal(answer: &HttpResponse) -> Option<ApiError> {
    let status = answer.status();
    if let Some(error) = answer.error().and_then(|error| error.as_error::<ApiError>()) {
        return Some(error.clone());
    }
    // The library's are a line of text, or nothing.
    let kind = answer.headers().get(CONTENT_TYPE);
    let bare = kind.is_none_or(|kind| answer.error().is_some() && kind.as_bytes().starts_with(b"text/plain"));
    if !bare || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    if let Some(PayloadError::Io(error)) = answer.error().and_then(|error| error.as_error::<PayloadError>())
        && error.kind() == std::io::ErrorKind::TimedOut
    {
        let text = "The body of the request did not come on: send it again, faster.";
        return Some(ApiError::new(StatusCode::REQUEST_TIMEOUT, "limit_time", text));
    }
    let query = answer.error().and_then(|error| error.as_error::<QueryPayloadError>());
    let (code, message) = match status {
        StatusCode::NOT_FOUND => ("not_found", "There is nothing of this id.".to_owned()),
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "This route does not take this method.".to_owned()),
        StatusCode::PAYLOAD_TOO_LARGE => ("limit_body", "The body is too large for this route.".to_owned()),
        _ => match query {
            Some(error) => ("bad_request", format!("The parameters of the address do not fit: {error}.")),
            None => ("bad_request", "The request is malformed.".to_owned()),
        },
    };
    Some(ApiError::new(status, code, message))
}

/// What stands before GraphQL (who asks, how large the request is) refuses in its shape too.
pub fn graphql_errors(error: &ApiError) -> HttpResponse {
    #[derive(Serialize)]
    struct Body<'a> {
        errors: [One<'a>; 1],
        /// The shape of before, for clients that read that: it goes with the next version.
        error: Plain,
    }
    #[derive(Serialize)]
    struct One<'a> {
        message: &'a str,
        extensions: Extensions,
    }
    #[derive(Serialize)]
    struct Extensions {
        code: &'static str,
        hint: &'static str,
        request_id: String,
    }
    let extensions = Extensions { code: error.code, hint: error.hint, request_id: request_id() };
    error.head().json(Body { errors: [One { message: &error.message, extensions }], error: error.plain() })
}

/// What the shell refuses at an endpoint that apps call, as RFC 6749 (5.2) has it. What is none of its words is an
/// `invalid_request`, or an error of the server.
pub fn oauth_errors(error: &ApiError) -> HttpResponse {
    let code = match error.status {
        StatusCode::UNAUTHORIZED => "invalid_client",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    };
    let more = Some(error.code);
    error.head().json(OAuthBody {
        error: code,
        error_description: &error.message,
        code: more,
        request_id: request_id(),
    })
}

/// The body of an error (RFC 6749, 5.2), and what names it on this node.
#[derive(Serialize)]
pub struct OAuthBody<'a> {
    pub error: &'static str,
    pub error_description: &'a str,
    /// The word of this node for what the shell refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    pub request_id: String,
}
