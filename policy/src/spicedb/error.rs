//! What went wrong, by SpiceDB's reasons. Whatever is not known to be an answer is a refusal.

use std::collections::{BTreeMap, HashMap};

use policy_core::CheckError;
use prost::Message;
use tonic::{Code, Status};

use crate::{Reason, ServiceError};

/// `google.rpc.Status`, as it comes in the details of an error.
#[derive(Clone, PartialEq, Message)]
struct StatusDetails {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

/// An error, and whether making the call again may help.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ServiceError,
    pub(super) repeatable: bool,
    /// Whether the call surely never reached SpiceDB, so that again is not twice.
    pub(super) unsent: bool,
    /// Whether the deadline passed on this side.
    pub(super) timed_out: bool,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let local =
            std::error::Error::source(&status).is_some() || status.message().starts_with("Service was not ready");
        if local {
            let timed_out = status.code() == Code::Cancelled && status.message().contains("Timeout expired");
            let why = if timed_out { "SpiceDB did not answer in time" } else { "SpiceDB cannot be reached" };
            let causes = causes(&status);
            // What these say: there is no connection; it was closed before the call was sent; the call was refused.
            let unsent = ["connect error", "operation was canceled", "refused stream"];
            let unsent = !timed_out && unsent.iter().any(|cause| causes.contains(cause));
            let error = unavailable(why).with("cause", causes);
            return Failure { error, repeatable: !timed_out, unsent, timed_out };
        }
        let details = StatusDetails::decode(status.details()).map(|status| status.details).unwrap_or_default();
        let error = service_error(status.code(), status.message(), &details);
        let repeatable = match error.reason {
            // A message that is too long stays too long.
            Reason::Unavailable => {
                status.code() != Code::DeadlineExceeded && !status.message().contains("larger than max")
            }
            Reason::Conflict => true,
            _ => false,
        };
        Failure { error, repeatable, unsent: false, timed_out: false }
    }
}

fn causes(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

pub(super) fn unavailable(why: &str) -> ServiceError {
    ServiceError::new(Reason::Unavailable, why)
}

/// Something that SpiceDB never sends.
pub(super) fn garbled(what: &str) -> ServiceError {
    ServiceError::new(Reason::Internal, format!("SpiceDB's answer cannot be understood: {what}"))
}

/// An error by the reason that SpiceDB gives in its details; where it gives none, by the code.
pub(super) fn service_error(code: Code, message: &str, details: &[prost_types::Any]) -> ServiceError {
    let info = details
        .iter()
        .find(|any| any.type_url.ends_with("/google.rpc.ErrorInfo"))
        .and_then(|any| ErrorInfo::decode(any.value.as_slice()).ok())
        .unwrap_or_default();
    let reason = by_reason(&info.reason, code).unwrap_or_else(|| by_code(code, message));
    ServiceError {
        reason,
        message: message.to_owned(),
        metadata: info.metadata.into_iter().collect::<BTreeMap<_, _>>(),
    }
}

fn by_reason(reason: &str, code: Code) -> Option<Reason> {
    Some(match reason.strip_prefix("ERROR_REASON_")? {
        "SCHEMA_PARSE_ERROR" => Reason::SchemaParse,
        // What relationships stand against has the reason of a type error, and the code of a bad argument.
        "SCHEMA_TYPE_ERROR" if code == Code::InvalidArgument => Reason::SchemaInUse,
        "SCHEMA_TYPE_ERROR" => Reason::SchemaType,
        "UNKNOWN_DEFINITION" => Reason::UnknownDefinition,
        "UNKNOWN_RELATION_OR_PERMISSION" => Reason::UnknownRelationOrPermission,
        "UNKNOWN_CAVEAT" => Reason::UnknownCaveat,
        "CANNOT_UPDATE_PERMISSION" => Reason::CannotUpdatePermission,
        "INVALID_SUBJECT_TYPE" => Reason::InvalidSubjectType,
        "WILDCARD_NOT_ALLOWED" => Reason::WildcardNotAllowed,
        "CAVEAT_PARAMETER_TYPE_ERROR" => Reason::CaveatParameterType,
        "CAVEAT_EVALUATION_ERROR" => Reason::CaveatEvaluation,
        "UPDATES_ON_SAME_RELATIONSHIP" => Reason::UpdatesOnSameRelationship,
        "TOO_MANY_UPDATES_IN_REQUEST" => Reason::TooManyUpdates,
        "TOO_MANY_PRECONDITIONS_IN_REQUEST" => Reason::TooManyPreconditions,
        "WRITE_OR_DELETE_PRECONDITION_FAILURE" => Reason::PreconditionFailed,
        "ATTEMPT_TO_RECREATE_RELATIONSHIP" => Reason::AlreadyExists,
        "TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE" => Reason::TooManyForTransactionalDelete,
        "MAXIMUM_DEPTH_EXCEEDED" => Reason::MaximumDepthExceeded,
        "INVALID_CURSOR" => Reason::InvalidCursor,
        "SERVICE_READ_ONLY" => Reason::ReadOnly,
        "SERIALIZATION_FAILURE" => Reason::Conflict,
        "INVALID_FILTER" => Reason::InvalidFilter,
        "MAX_RELATIONSHIP_CONTEXT_SIZE" | "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT" | "TRANSACTION_METADATA_TOO_LARGE" => {
            Reason::InvalidArgument
        }
        _ => return None,
    })
}

fn by_code(code: Code, message: &str) -> Reason {
    match code {
        Code::InvalidArgument if message.contains("revision") => Reason::InvalidToken,
        Code::InvalidArgument | Code::FailedPrecondition => Reason::InvalidArgument,
        Code::NotFound => Reason::NoSchema,
        Code::AlreadyExists => Reason::AlreadyExists,
        Code::OutOfRange if message.contains("revision") || message.contains("zedtoken") => Reason::SnapshotExpired,
        Code::Aborted => Reason::Conflict,
        Code::Unauthenticated | Code::PermissionDenied => Reason::Unauthenticated,
        Code::ResourceExhausted if message.contains("watch disconnected") => Reason::TooSlow,
        Code::ResourceExhausted | Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Reason::Unavailable,
        // These come without reason and code.
        Code::Unknown if message.contains("different datastore instance") => Reason::InvalidToken,
        Code::Unknown if message.contains("cycle in permissions") => Reason::SchemaType,
        Code::Unknown if message.contains("context parameter") || message.contains("unknown parameter `") => {
            Reason::CaveatParameterType
        }
        _ => Reason::Internal,
    }
}

/// The error of one check among many, if it is about that check and not about the server.
pub(super) fn check_error(error: ServiceError) -> Result<CheckError, ServiceError> {
    let named = |key: &str| error.metadata.get(key).cloned().unwrap_or_default();
    Ok(match error.reason {
        Reason::UnknownDefinition => CheckError::UnknownDefinition { definition: named("definition_name") },
        Reason::UnknownRelationOrPermission => CheckError::UnknownMember {
            definition: named("definition_name"),
            member: named("relation_or_permission_name"),
        },
        Reason::MaximumDepthExceeded => CheckError::Depth,
        Reason::CaveatEvaluation | Reason::CaveatParameterType => {
            let parameter = error.metadata.get("parameter_name").cloned();
            CheckError::Caveat { caveat: named("caveat_name"), parameter, message: error.message }
        }
        Reason::WildcardNotAllowed => CheckError::Everyone,
        _ => return Err(error),
    })
}

#[cfg(test)]
mod tests;
