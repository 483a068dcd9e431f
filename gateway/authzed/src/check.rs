//! `CheckPermission`.

use policy::Consistency;
use policy_core::{Check, Context, Decision, Permissionship};
use prost::Message;
use prost_types::Struct;
use spicedb_grpc_tonic::v1::{CheckPermissionRequest, CheckPermissionResponse};
use tonic::{Request, Response, Status};

use super::status::Failed;
use super::validate::Valid;
use super::{Front, convert, debug};

/// The most bytes of values that a check may bring.
const MAX_CONTEXT: usize = 4_096;
/// The older way to ask for a trace.
const DEBUG_HEADER: &str = "io.spicedb.requestdebuginfo";

/// The values of a request, if they are not too many.
pub fn context(values: Option<Struct>) -> Result<Context, Failed> {
    let size = values.as_ref().map_or(0, Message::encoded_len);
    if size > MAX_CONTEXT {
        let message = format!("request caveat context should have less than {MAX_CONTEXT} bytes but had {size}");
        return Err(Failed::invalid(message));
    }
    convert::context(values)
}

pub async fn check(
    front: &Front,
    request: Request<CheckPermissionRequest>,
) -> Result<Response<CheckPermissionResponse>, Status> {
    let admitted = front.admit(&request)?;
    let traced = request.metadata().contains_key(DEBUG_HEADER);
    let request = request.into_inner();
    request.valid()?;
    let at = convert::consistency(request.consistency);
    let check = Check {
        resource: convert::object(request.resource),
        permission: request.permission,
        subject: convert::subject(request.subject),
        context: context(request.context)?,
    };
    if request.with_tracing || traced {
        return with_trace(&admitted, &check, &at).await;
    }
    let mut answers = admitted.store.check(std::slice::from_ref(&check), &at).await.map_err(Failed::from)?;
    let decision = answers.decisions.pop().ok_or_else(|| Status::internal("the store did not answer"))?;
    let Decision { permissionship, missing, valid_until } = decision.map_err(convert::check_failed)?;
    Ok(Response::new(CheckPermissionResponse {
        checked_at: convert::token(answers.at),
        permissionship: convert::permissionship(permissionship).into(),
        partial_caveat_info: convert::partial(permissionship, missing),
        debug_trace: None,
        optional_expires_at: expiry(permissionship, valid_until),
    }))
}

/// When the first of the relationships lapses that a permission rests on.
fn expiry(
    permissionship: Permissionship,
    valid_until: Option<policy_core::Timestamp>,
) -> Option<prost_types::Timestamp> {
    valid_until.filter(|_| permissionship != Permissionship::No).map(convert::timestamp_message)
}

async fn with_trace(
    admitted: &super::Admitted,
    check: &Check,
    at: &Consistency,
) -> Result<Response<CheckPermissionResponse>, Status> {
    let (traced, at) = admitted.store.trace(check, at).await.map_err(Failed::from)?;
    let schema = debug::schema(&*admitted.store).await?;
    Ok(Response::new(CheckPermissionResponse {
        checked_at: convert::token(at),
        permissionship: convert::permissionship(traced.permissionship).into(),
        partial_caveat_info: convert::partial(traced.permissionship, traced.missing.clone()),
        debug_trace: Some(debug::information(traced, schema)),
        optional_expires_at: None,
    }))
}
