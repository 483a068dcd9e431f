//! Errors of the data routes, but for GraphQL's own.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::access::AccessError;
use crate::authn::AuthError;

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// Foreign and unknown answer alike.
    #[error("There is no such space.")]
    NotFound,
    #[error("{0}")]
    Unavailable(String),
    #[error("{message}")]
    Refused { status: StatusCode, code: &'static str, message: String },
}

impl DataError {
    pub fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        DataError::Refused { status, code, message: message.into() }
    }

    fn code(&self) -> &'static str {
        match self {
            DataError::Auth(_) => "unauthenticated",
            DataError::NotFound => "not_found",
            DataError::Unavailable(_) => "unavailable",
            DataError::Refused { code, .. } => code,
        }
    }
}

impl From<AccessError> for DataError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => DataError::NotFound,
            AccessError::Unavailable(reason) => DataError::Unavailable(reason),
        }
    }
}

impl ResponseError for DataError {
    fn status_code(&self) -> StatusCode {
        match self {
            DataError::Auth(error) => error.status_code(),
            DataError::NotFound => StatusCode::NOT_FOUND,
            DataError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            DataError::Refused { status, .. } => *status,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let DataError::Auth(error) = self {
            return error.error_response();
        }
        let body = json!({ "error": { "code": self.code(), "message": self.to_string(), "hint": null } });
        HttpResponse::build(self.status_code()).json(body)
    }
}
