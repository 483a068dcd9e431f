//! How an answer came about, as SpiceDB tells it.
//!
//! It tells steps, not relationships: the one that an arrow walked is not named, and whether the subject itself or
//! everyone stands in a relation is not either.

use policy_core::{
    CaveatOutcome, CaveatUse, Check, Context, EVERYONE, Followed, Object, Permissionship, Subject, Traced,
    TracedCaveat, Tuple,
};
use spicedb_grpc_tonic::v1;
use v1::caveat_eval_info::Result as Outcome;
use v1::check_debug_trace::{PermissionType, Resolution};
use v1::permissions_service_client::PermissionsServiceClient;

use super::connection::Repeat;
use super::error::garbled;
use super::{SpiceDb, convert};
use crate::{Consistency, Reason, ServiceError, Token};

impl SpiceDb {
    pub(super) async fn trace_check(&self, check: &Check, at: &Consistency) -> Result<(Traced, Token), ServiceError> {
        if check.subject.object.id == EVERYONE {
            let message = "a check is about one subject, not about everyone";
            return Err(ServiceError::new(Reason::WildcardNotAllowed, message));
        }
        let (began, asked) = (self.freshness.begin(), self.requirement(at));
        let message = v1::CheckPermissionRequest {
            consistency: convert::required(asked.clone()),
            resource: Some(convert::object(&check.resource)),
            permission: check.permission.clone(),
            subject: Some(convert::subject(&check.subject)),
            context: convert::request_context(&check.context),
            with_tracing: true,
        };
        let answer = self
            .connection
            .call(Repeat::Safely, self.connection.stream_deadline, |attempt| {
                let request = attempt.request(message.clone());
                async move { PermissionsServiceClient::new(attempt.channel).check_permission(request).await }
            })
            .await?
            .into_inner();
        let token = convert::to_token(answer.checked_at)?;
        self.answered(began, &asked, &token);
        let root = answer.debug_trace.and_then(|debug| debug.check).ok_or_else(|| garbled("no trace"))?;
        let mut traced = traced(root, &check.context, None)?;
        // The root is the question, whatever the trace makes of it.
        traced.check = check.clone();
        traced.permissionship = convert::check_permissionship(answer.permissionship)?;
        traced.missing = match traced.permissionship {
            Permissionship::Conditional => convert::missing(answer.partial_caveat_info),
            _ => Vec::new(),
        };
        Ok((traced, token))
    }
}

/// Nested no deeper than what prost decodes.
fn traced(step: v1::CheckDebugTrace, context: &Context, above: Option<&Above>) -> Result<Traced, ServiceError> {
    use v1::check_debug_trace::Permissionship as Theirs;
    let permissionship = match step.result() {
        Theirs::HasPermission => Permissionship::Yes,
        Theirs::ConditionalPermission => Permissionship::Conditional,
        // Of a step about several objects at once it is not told which of them.
        Theirs::NoPermission | Theirs::Unspecified => Permissionship::No,
    };
    let is_permission = step.permission_type() == PermissionType::Permission;
    let resource = convert::to_object(step.resource.ok_or_else(|| garbled("a step without resource"))?);
    let subject = convert::to_subject(step.subject.ok_or_else(|| garbled("a step without subject"))?)?;
    let caveat = step.caveat_evaluation_info.map(evaluated);
    let missing = match (permissionship, &caveat) {
        (Permissionship::Conditional, Some(TracedCaveat { outcome: CaveatOutcome::Missing(names), .. })) => {
            names.clone()
        }
        _ => Vec::new(),
    };
    let steps = match step.resolution {
        Some(Resolution::SubProblems(problems)) => problems.traces,
        _ => Vec::new(),
    };
    let single = !resource.id.contains(',');
    let via = above.filter(|above| single && !above.is_permission).map(|above| {
        let members = Subject { object: resource.clone(), relation: Some(step.permission.clone()) };
        Followed { tuple: Tuple::new(above.resource.clone(), &above.member, members), caveat: None }
    });
    let here = Above { resource: resource.clone(), member: step.permission.clone(), is_permission };
    let steps: Vec<Traced> =
        steps.into_iter().map(|step| traced(step, context, Some(&here))).collect::<Result<_, _>>()?;
    // What no step explains, a relationship with the subject itself does.
    let explained = |step: &Traced| match permissionship {
        Permissionship::Yes => step.permissionship == Permissionship::Yes,
        _ => step.permissionship != Permissionship::No,
    };
    let mut direct = Vec::new();
    if single && !is_permission && permissionship != Permissionship::No && !steps.iter().any(explained) {
        let under = caveat.filter(|caveat| !caveat.name.is_empty());
        let tuple = Tuple {
            caveat: under.as_ref().map(|caveat| CaveatUse { name: caveat.name.clone(), context: Context::new() }),
            ..Tuple::new(resource.clone(), &step.permission, subject.clone())
        };
        direct.push(Followed { tuple, caveat: under });
    }
    let check = Check { resource, permission: step.permission, subject, context: context.clone() };
    Ok(Traced { check, is_permission, permissionship, missing, via, direct, steps })
}

/// The step above.
struct Above {
    resource: Object,
    member: String,
    is_permission: bool,
}

fn evaluated(info: v1::CaveatEvalInfo) -> TracedCaveat {
    let outcome = match info.result() {
        Outcome::True => CaveatOutcome::True,
        Outcome::False => CaveatOutcome::False,
        Outcome::MissingSomeContext => CaveatOutcome::Missing(convert::missing(info.partial_caveat_info)),
        Outcome::Unspecified | Outcome::Unevaluated => CaveatOutcome::Failed("it was not evaluated".to_owned()),
    };
    TracedCaveat {
        name: info.caveat_name,
        expression: info.expression,
        context: info.context.map(convert::to_context).unwrap_or_default(),
        outcome,
    }
}
