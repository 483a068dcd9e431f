//! `CheckBulkPermissions`: many questions, one snapshot, an answer or a failure for each.

use policy::{Consistency, MAX_CHECKS, RelationshipService};
use policy_core::{Check, CheckError, Decision, Traced};
use spicedb_grpc_tonic::v1::check_bulk_permissions_pair::Response as Outcome;
use spicedb_grpc_tonic::v1::{
    CheckBulkPermissionsPair, CheckBulkPermissionsRequest, CheckBulkPermissionsRequestItem,
    CheckBulkPermissionsResponse, CheckBulkPermissionsResponseItem,
};
use tonic::{Request, Response, Status};

use super::status::Failed;
use super::validate::Valid;
use super::{Front, check, convert, debug};

pub async fn check_bulk(
    front: &Front,
    request: Request<CheckBulkPermissionsRequest>,
) -> Result<Response<CheckBulkPermissionsResponse>, Status> {
    let admitted = front.admit(&request)?;
    let request = request.into_inner();
    request.valid()?;
    if request.items.len() > MAX_CHECKS {
        return Err(too_many(request.items.len()).into());
    }
    let at = convert::consistency(request.consistency);
    let checks = request.items.iter().map(question).collect::<Result<Vec<_>, _>>()?;
    let (outcomes, at) = if request.with_tracing {
        trace_all(&*admitted.store, &checks, at).await?
    } else {
        let answers = admitted.store.check(&checks, &at).await.map_err(Failed::from)?;
        (answers.decisions.into_iter().map(outcome).collect(), answers.at)
    };
    let pairs = request.items.into_iter().zip(outcomes).map(|(mut item, outcome)| {
        item.context = item.context.filter(|context| !context.fields.is_empty());
        CheckBulkPermissionsPair { request: Some(item), response: Some(outcome) }
    });
    Ok(Response::new(CheckBulkPermissionsResponse { checked_at: convert::token(at), pairs: pairs.collect() }))
}

fn too_many(count: usize) -> Failed {
    Failed::invalid(format!("check count of {count} is greater than maximum allowed of {MAX_CHECKS}"))
        .reason("UNSPECIFIED")
        .with("check_count", count)
        .with("maximum_checks_allowed", MAX_CHECKS)
}

fn question(item: &CheckBulkPermissionsRequestItem) -> Result<Check, Failed> {
    Ok(Check {
        resource: convert::object(item.resource.clone()),
        permission: item.permission.clone(),
        subject: convert::subject(item.subject.clone()),
        context: check::context(item.context.clone())?,
    })
}

fn outcome(decision: Result<Decision, CheckError>) -> Outcome {
    match decision {
        Err(error) => failed(&convert::check_failed(error)),
        Ok(Decision { permissionship, missing, .. }) => Outcome::Item(CheckBulkPermissionsResponseItem {
            permissionship: convert::permissionship(permissionship).into(),
            partial_caveat_info: convert::partial(permissionship, missing),
            debug_trace: None,
        }),
    }
}

/// The type of the failure has no name outside the crate of the messages; its fields do.
fn failed(failed: &Failed) -> Outcome {
    let status = failed.to_rpc();
    let mut outcome = Outcome::Error(Default::default());
    if let Outcome::Error(error) = &mut outcome {
        (error.code, error.message, error.details) = (status.code, status.message, status.details);
    }
    outcome
}

/// Traces are asked for one by one, all at the point of the first.
async fn trace_all(
    store: &dyn RelationshipService,
    checks: &[Check],
    mut at: Consistency,
) -> Result<(Vec<Outcome>, policy::Token), Failed> {
    let first = store.check(&[], &at).await?;
    at = Consistency::Exactly(first.at.clone());
    let schema = debug::schema(store).await?;
    let mut outcomes = Vec::with_capacity(checks.len());
    for check in checks {
        outcomes.push(match store.trace(check, &at).await {
            Ok((traced, _)) => traced_outcome(traced, &schema),
            Err(error) => failed(&error.into()),
        });
    }
    Ok((outcomes, first.at))
}

fn traced_outcome(traced: Traced, schema: &str) -> Outcome {
    Outcome::Item(CheckBulkPermissionsResponseItem {
        permissionship: convert::permissionship(traced.permissionship).into(),
        partial_caveat_info: convert::partial(traced.permissionship, traced.missing.clone()),
        debug_trace: Some(debug::wrapped(traced, schema.to_owned())),
    })
}
