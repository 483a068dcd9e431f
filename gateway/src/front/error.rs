//! Errors of the routes. Each front says them in a shape of its own: [`Errors`].

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;

use super::headers::guard;
use super::request_id::request_id;
use crate::access::AccessError;
use crate::authn::AuthError;
use crate::directory::DirectoryError;
use crate::grants::{self, IssueError};
use crate::node::NodeError;

/// Makes the answer that says an error.
pub type Errors = fn(&ApiError) -> HttpResponse;

/// What a route answers when it does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: &'static str,
    /// What `WWW-Authenticate` says of a 401 (RFC 6750, RFC 9470).
    challenge: &'static str,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        ApiError { status, code, message: message.into(), hint: "", challenge: "Bearer" }
    }

    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// The stable word for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn plain(&self) -> Plain {
        Plain { code: self.code, message: self.message.clone(), hint: self.hint }
    }

    /// The answer that says it, but for the body.
    pub fn head(&self) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(self.status);
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            answer.insert_header((RETRY_AFTER, "5"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            answer.insert_header((WWW_AUTHENTICATE, self.challenge));
        }
        let mut guarded = HeaderMap::new();
        guard(&mut guarded);
        for header in guarded {
            answer.insert_header(header);
        }
        answer
    }

    /// Not there, or not the caller's: the two answer alike.
    pub fn not_found() -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", "There is nothing of this id.")
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// For what stands before every front; a front's own shape comes from [`super::shape::shaped`].
    fn error_response(&self) -> HttpResponse {
        json_errors(self)
    }
}

/// `{"error": {"code", "message", "hint"}, "request_id"}`.
pub fn json_errors(error: &ApiError) -> HttpResponse {
    #[derive(Serialize)]
    struct Body {
        error: Plain,
        request_id: String,
    }
    error.head().json(Body { error: error.plain(), request_id: request_id() })
}

/// An error as it is told beside `/api/v1`.
#[derive(Debug, Serialize)]
pub struct Plain {
    code: &'static str,
    message: String,
    hint: &'static str,
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let unauthorized = |code| ApiError::new(StatusCode::UNAUTHORIZED, code, error.to_string());
        match error {
            AuthError::Missing => unauthorized("unauthenticated"),
            AuthError::Invalid => {
                ApiError { challenge: r#"Bearer error="invalid_token""#, ..unauthorized("invalid_token") }
            }
            AuthError::NotConfirmed => {
                let challenge = r#"Bearer error="insufficient_user_authentication", max_age=300"#;
                ApiError { challenge, ..unauthorized("insufficient_user_authentication") }
            }
            AuthError::CrossSite => unauthorized("cross_site"),
            AuthError::NotSetUp => unauthorized("not_set_up"),
            AuthError::Directory(error) => error.into(),
        }
    }
}

/// What went wrong inside is for the log, not for the caller.
fn internal(error: &dyn std::error::Error) -> ApiError {
    tracing::error!(%error, "a request failed");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The node failed; its log says more.")
}

impl From<DirectoryError> for ApiError {
    fn from(error: DirectoryError) -> Self {
        match &error {
            DirectoryError::Database(_) | DirectoryError::Damaged(_) => internal(&error),
            DirectoryError::Taken(_) => ApiError::new(StatusCode::CONFLICT, "name_taken", error.to_string()),
            DirectoryError::Unfit(text) => ApiError::new(StatusCode::BAD_REQUEST, "unfit", *text),
            DirectoryError::Quota { .. } => ApiError::new(StatusCode::FORBIDDEN, "quota_exceeded", error.to_string())
                .hint("`allod quota list` says what is allowed, and `allod quota set` changes it."),
            DirectoryError::Busy => ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", error.to_string()),
        }
    }
}

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> Self {
        match &error {
            NodeError::NotFound => ApiError::not_found(),
            NodeError::Unavailable(_) => {
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
            }
            NodeError::Policy(reason) => policy_unavailable(reason),
            NodeError::Failed(_) => internal(&error),
        }
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => ApiError::not_found(),
            AccessError::Unavailable(_) | AccessError::Moving => {
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
            }
            AccessError::Policy(ref reason) => policy_unavailable(reason),
            AccessError::TooManyDocuments => ApiError::new(StatusCode::FORBIDDEN, "limit_documents", error.to_string())
                .hint("Ask for the whole collection, or for fewer documents of it."),
        }
    }
}

/// What a route answers where policy gives no answer.
pub fn policy_unavailable(reason: &str) -> ApiError {
    let error = AccessError::Policy(reason.to_owned());
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "policy_unavailable", error.to_string())
        .hint(crate::engine::sentence(reason).1)
}

impl From<grants::AccessError> for ApiError {
    fn from(error: grants::AccessError) -> Self {
        let status = match &error {
            grants::AccessError::OutsideManifest(_) => StatusCode::FORBIDDEN,
            grants::AccessError::Schema(_) => StatusCode::CONFLICT,
            grants::AccessError::UnsupportedKey(_) | grants::AccessError::Malformed(_) => StatusCode::BAD_REQUEST,
        };
        ApiError::new(status, error.code(), error.to_string())
    }
}

impl From<IssueError> for ApiError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Access(error) => error.into(),
            IssueError::Node(error) => error.into(),
            IssueError::Directory(error) => error.into(),
        }
    }
}
