//! `/api/v1/policy/explain`: one check, and how its answer came about.

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{CaveatOutcome, Check, Context, Followed, Object, Permissionship, Subject, Traced};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::refused;
use crate::app::App;
use crate::front::account::body;
use crate::front::error::ApiError;
use crate::front::operator::Operator;

/// A check that is asked about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckAsked {
    /// `resource#permission@subject`.
    #[schema(examples("document:1#view@user:tom"))]
    check: String,
    /// What caveats read.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    context: Context,
}

/// How an answer came about.
#[derive(Debug, Serialize, ToSchema)]
struct Explained {
    allowed: bool,
    /// `yes`, `no` or `conditional`.
    answer: &'static str,
    /// What the context lacks.
    missing: Vec<String>,
    /// The relationships that give it.
    path: Vec<String>,
    steps: CheckStep,
    /// The revision at which it was asked.
    at: String,
}

/// A check, and the checks that it rests on.
#[derive(Debug, Serialize, ToSchema)]
struct CheckStep {
    check: String,
    answer: &'static str,
    missing: Vec<String>,
    by: Option<FollowedView>,
    direct: Vec<FollowedView>,
    #[schema(value_type = Vec<Object>)]
    steps: Vec<CheckStep>,
}

/// A relationship that was followed.
#[derive(Debug, Serialize, ToSchema)]
struct FollowedView {
    relationship: String,
    caveat: Option<CaveatView>,
}

/// A caveat and what came of it.
#[derive(Debug, Serialize, ToSchema)]
struct CaveatView {
    name: String,
    expression: String,
    #[schema(value_type = Object)]
    values: Context,
    outcome: OutcomeView,
}

/// `true`, `false`, what was missing, or why it failed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum OutcomeView {
    Word(&'static str),
    Missing { missing: Vec<String> },
    Failed { failed: String },
}

/// One check, and how its answer came about
#[utoipa::path(post, path = "/api/v1/policy/explain", tag = "policy", request_body = CheckAsked, responses(
    (status = 200, description = "The answer", body = Explained),
    (status = 409, description = "`max_depth`: relationships lie too deep in one another")))]
pub async fn explain(
    request: HttpRequest,
    app: web::Data<App>,
    _by: Operator,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let asked: CheckAsked = body::json(&request, &bytes)?;
    let mut check = parse(&asked.check)
        .ok_or_else(|| ApiError::bad_request("A check is written as in `document:1#view@user:tom`."))?;
    check.context = asked.context;
    let (traced, at) = app.engine.trace(&check).await.map_err(|error| refused(&error))?;
    Ok(HttpResponse::Ok().json(Explained {
        allowed: traced.permissionship == Permissionship::Yes,
        answer: word(traced.permissionship),
        missing: traced.missing.iter().map(ToString::to_string).collect(),
        path: traced.path().iter().map(|tuple| tuple.to_text()).collect(),
        steps: step(&traced),
        at: at.to_string(),
    }))
}

fn parse(text: &str) -> Option<Check> {
    let (left, subject) = text.split_once('@')?;
    let (resource, permission) = left.split_once('#')?;
    let (resource, subject): (Object, Subject) = (resource.parse().ok()?, subject.parse().ok()?);
    Some(Check::new(resource, permission, subject))
}

fn word(answer: Permissionship) -> &'static str {
    match answer {
        Permissionship::Yes => "yes",
        Permissionship::No => "no",
        Permissionship::Conditional => "conditional",
    }
}

/// Nests no deeper than a check walks.
fn step(traced: &Traced) -> CheckStep {
    CheckStep {
        check: traced.check.to_string(),
        answer: word(traced.permissionship),
        missing: traced.missing.iter().map(ToString::to_string).collect(),
        by: traced.via.as_ref().map(followed),
        direct: traced.direct.iter().map(followed).collect(),
        steps: traced.steps.iter().map(step).collect(),
    }
}

fn followed(followed: &Followed) -> FollowedView {
    let caveat = followed.caveat.as_ref().map(|caveat| CaveatView {
        name: caveat.name.to_string(),
        expression: caveat.expression.to_string(),
        values: caveat.context.clone(),
        outcome: match &caveat.outcome {
            CaveatOutcome::True => OutcomeView::Word("true"),
            CaveatOutcome::False => OutcomeView::Word("false"),
            CaveatOutcome::Missing(names) => {
                OutcomeView::Missing { missing: names.iter().map(ToString::to_string).collect() }
            }
            CaveatOutcome::Failed(why) => OutcomeView::Failed { failed: why.to_string() },
        },
    });
    FollowedView { relationship: followed.tuple.to_text(), caveat }
}
