//! What went wrong, as gRPC says it: a code, a sentence, and SpiceDB's reason in the details.

use std::collections::BTreeMap;
use std::fmt;

use policy::{Reason, ServiceError};
use prost::Message;
use tonic::{Code, Status};

const DOMAIN: &str = "authzed.com";

/// `google.rpc.Status`: what goes into the trailer `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Message)]
pub struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<prost_types::Any>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, Message)]
pub struct ErrorInfo {
    #[prost(string, tag = "1")]
    pub reason: String,
    #[prost(string, tag = "2")]
    pub domain: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub metadata: BTreeMap<String, String>,
}

/// A request that was not carried out, on its way to gRPC.
#[derive(Debug, Clone)]
pub struct Failed {
    code: Code,
    message: String,
    /// What follows `ERROR_REASON_`.
    reason: Option<&'static str>,
    metadata: BTreeMap<String, String>,
}

impl Failed {
    /// A failure without a reason of SpiceDB's.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failed { code, message: message.into(), reason: None, metadata: BTreeMap::new() }
    }
    pub fn invalid(message: impl Into<String>) -> Self {
        Failed::new(Code::InvalidArgument, message)
    }
    pub fn reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    /// A limit of a request that is larger than the server allows.
    pub fn limit(provided: u32, allowed: u32) -> Self {
        Failed::invalid(format!("provided limit {provided} is greater than maximum allowed of {allowed}"))
            .reason("EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT")
            .with("limit_provided", provided)
            .with("maximum_limit_allowed", allowed)
    }

    /// As a message, for answers that carry a failure for each item.
    pub fn to_rpc(&self) -> RpcStatus {
        let info = self.reason.map(|reason| {
            let info = ErrorInfo {
                reason: format!("ERROR_REASON_{reason}"),
                domain: DOMAIN.to_owned(),
                metadata: self.metadata.clone(),
            };
            let type_url = "type.googleapis.com/google.rpc.ErrorInfo".to_owned();
            prost_types::Any { type_url, value: info.encode_to_vec() }
        });
        RpcStatus { code: self.code as i32, message: self.message.clone(), details: info.into_iter().collect() }
    }
}

impl From<Failed> for Status {
    fn from(failed: Failed) -> Status {
        if failed.reason.is_none() {
            return Status::new(failed.code, failed.message);
        }
        let details = failed.to_rpc().encode_to_vec();
        Status::with_details(failed.code, failed.message, details.into())
    }
}

impl From<ServiceError> for Failed {
    fn from(error: ServiceError) -> Failed {
        let (code, reason) = code(error.reason);
        Failed { code, message: error.message, reason, metadata: error.metadata }
    }
}

/// The code of a reason, and its name without `ERROR_REASON_` where SpiceDB has one.
fn code(reason: Reason) -> (Code, Option<&'static str>) {
    use Code::{FailedPrecondition, InvalidArgument};
    match reason {
        Reason::InvalidArgument | Reason::InvalidToken => (InvalidArgument, None),
        Reason::InvalidFilter => (InvalidArgument, Some("INVALID_FILTER")),
        Reason::SchemaParse => (InvalidArgument, Some("SCHEMA_PARSE_ERROR")),
        Reason::SchemaType => (FailedPrecondition, Some("SCHEMA_TYPE_ERROR")),
        Reason::SchemaInUse => (InvalidArgument, Some("SCHEMA_TYPE_ERROR")),
        Reason::NoSchema => (Code::NotFound, None),
        Reason::UnknownDefinition => (FailedPrecondition, Some("UNKNOWN_DEFINITION")),
        Reason::UnknownRelationOrPermission => (FailedPrecondition, Some("UNKNOWN_RELATION_OR_PERMISSION")),
        Reason::UnknownCaveat => (FailedPrecondition, Some("UNKNOWN_CAVEAT")),
        Reason::CannotUpdatePermission => (InvalidArgument, Some("CANNOT_UPDATE_PERMISSION")),
        Reason::InvalidSubjectType => (InvalidArgument, Some("INVALID_SUBJECT_TYPE")),
        Reason::WildcardNotAllowed => (InvalidArgument, Some("WILDCARD_NOT_ALLOWED")),
        Reason::CaveatParameterType => (InvalidArgument, Some("CAVEAT_PARAMETER_TYPE_ERROR")),
        Reason::CaveatEvaluation => (InvalidArgument, Some("CAVEAT_EVALUATION_ERROR")),
        Reason::UpdatesOnSameRelationship => (InvalidArgument, Some("UPDATES_ON_SAME_RELATIONSHIP")),
        Reason::TooManyUpdates => (InvalidArgument, Some("TOO_MANY_UPDATES_IN_REQUEST")),
        Reason::TooManyPreconditions => (InvalidArgument, Some("TOO_MANY_PRECONDITIONS_IN_REQUEST")),
        Reason::PreconditionFailed => (FailedPrecondition, Some("WRITE_OR_DELETE_PRECONDITION_FAILURE")),
        Reason::AlreadyExists => (Code::AlreadyExists, Some("ATTEMPT_TO_RECREATE_RELATIONSHIP")),
        Reason::TooManyForTransactionalDelete => {
            (InvalidArgument, Some("TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE"))
        }
        Reason::MaximumDepthExceeded => (FailedPrecondition, Some("MAXIMUM_DEPTH_EXCEEDED")),
        Reason::InvalidCursor => (InvalidArgument, Some("INVALID_CURSOR")),
        Reason::SnapshotExpired => (Code::OutOfRange, None),
        Reason::ReadOnly => (Code::Unavailable, Some("SERVICE_READ_ONLY")),
        Reason::Conflict => (Code::Aborted, Some("SERIALIZATION_FAILURE")),
        Reason::TooLarge | Reason::TooSlow => (Code::ResourceExhausted, None),
        Reason::Unavailable => (Code::Unavailable, None),
        Reason::Unauthenticated => (Code::Unauthenticated, None),
        Reason::Internal => (Code::Internal, None),
    }
}
