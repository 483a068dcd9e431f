//! What routes answer when the node or policy does not do what was asked.

use actix_web::http::StatusCode;
pub use gateway_http::error::*;

use crate::access::AccessError;
use crate::grants::IssueError;
use crate::node::NodeError;

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

impl From<IssueError> for ApiError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Access(error) => error.into(),
            IssueError::Node(error) => error.into(),
            IssueError::Directory(error) => error.into(),
            IssueError::Elsewhere => ApiError::new(StatusCode::CONFLICT, "grant_elsewhere", error.to_string()),
            IssueError::Decided => ApiError::new(StatusCode::CONFLICT, "request_decided", error.to_string()),
            IssueError::Ended => ApiError::new(StatusCode::CONFLICT, "grant_ended", error.to_string()),
        }
    }
}
