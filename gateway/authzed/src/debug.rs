//! How an answer came about, as `DebugInformation`.

use policy::{Reason, RelationshipService};
use policy_core::{CaveatOutcome, Permissionship, Traced, TracedCaveat};
use prost_types::Duration;
use spicedb_grpc_tonic::v1::check_debug_trace::{PermissionType, Permissionship as Result_, Resolution, SubProblems};
use spicedb_grpc_tonic::v1::{CaveatEvalInfo, CheckDebugTrace, DebugInformation, PartialCaveatInfo, caveat_eval_info};

use super::convert;
use super::status::Failed;

/// Who made each step of a trace: there is one evaluator.
const SOURCE: &str = "allod";

/// The schema that a trace names; none was needed if there is none.
pub async fn schema(store: &dyn RelationshipService) -> Result<String, Failed> {
    match store.read_schema().await {
        Ok((text, _)) => Ok(text.trim().to_owned()),
        Err(error) if error.reason == Reason::NoSchema => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}

pub fn information(traced: Traced, schema_used: String) -> DebugInformation {
    let mut steps = 0;
    DebugInformation { check: Some(trace(traced, &mut steps)), schema_used }
}

/// As an answer among many has it: the trace, as the one problem under the question itself.
pub fn wrapped(traced: Traced, schema_used: String) -> DebugInformation {
    let outer = Traced { via: None, direct: Vec::new(), steps: vec![traced.clone()], ..traced };
    information(outer, schema_used)
}

// As deep as a check may go.
fn trace(traced: Traced, steps: &mut u32) -> CheckDebugTrace {
    *steps += 1;
    let trace_operation_id = steps.to_string();
    let kind = if traced.is_permission { PermissionType::Permission } else { PermissionType::Relation };
    let result = match traced.permissionship {
        Permissionship::Yes => Result_::HasPermission,
        Permissionship::No => Result_::NoPermission,
        Permissionship::Conditional => Result_::ConditionalPermission,
    };
    // A relation rests on a relationship of its own; whatever else there is says under which it was come to.
    let followed = traced.direct.into_iter().chain(traced.via);
    let (mut shown, mut expires) = (None, None);
    for followed in followed {
        shown = shown.or(followed.caveat);
        expires = expires.or(followed.tuple.until);
    }
    let traces: Vec<_> = traced.steps.into_iter().map(|step| trace(step, steps)).collect();
    let resolution = if traces.is_empty() {
        Resolution::WasCachedResult(false)
    } else {
        Resolution::SubProblems(SubProblems { traces })
    };
    CheckDebugTrace {
        resource: Some(convert::object_message(&traced.check.resource)),
        permission: traced.check.permission,
        permission_type: kind.into(),
        subject: Some(convert::subject_message(&traced.check.subject)),
        result: result.into(),
        caveat_evaluation_info: shown.map(caveat),
        duration: Some(Duration::default()),
        optional_expires_at: expires.map(convert::timestamp_message),
        trace_operation_id,
        source: SOURCE.to_owned(),
        resolution: Some(resolution),
    }
}

fn caveat(caveat: TracedCaveat) -> CaveatEvalInfo {
    use caveat_eval_info::Result as Outcome;
    let (result, missing) = match caveat.outcome {
        CaveatOutcome::True => (Outcome::True, None),
        CaveatOutcome::False => (Outcome::False, None),
        CaveatOutcome::Missing(missing) => (Outcome::MissingSomeContext, Some(missing)),
        CaveatOutcome::Failed(_) => (Outcome::Unevaluated, None),
    };
    CaveatEvalInfo {
        expression: caveat.expression,
        result: result.into(),
        context: Some(convert::struct_message(&caveat.context)),
        partial_caveat_info: missing.map(|missing_required_context| PartialCaveatInfo { missing_required_context }),
        caveat_name: caveat.name,
    }
}
