//! `/api/v1/policy/explain`: one check, and how its answer came about.

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{CaveatOutcome, Check, Context, Followed, Object, Permissionship, Subject, Traced};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{operator, refused};
use crate::app::App;
use crate::front::account::body;
use crate::front::error::ApiError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// `resource#permission@subject`.
    check: String,
    #[serde(default)]
    context: Context,
}

pub async fn explain(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    operator(&request, &app).await?;
    let asked: Question = body::json(&request, &bytes)?;
    let mut check = parse(&asked.check)
        .ok_or_else(|| ApiError::bad_request("A check is written as in `document:1#view@user:tom`."))?;
    check.context = asked.context;
    let (traced, at) = app.engine.trace(&check).await.map_err(|error| refused(&error))?;
    Ok(HttpResponse::Ok().json(json!({
        "allowed": traced.permissionship == Permissionship::Yes,
        "answer": word(traced.permissionship),
        "missing": traced.missing,
        "path": traced.path().iter().map(|tuple| tuple.to_text()).collect::<Vec<_>>(),
        "steps": step(&traced),
        "at": at.to_string(),
    })))
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
fn step(traced: &Traced) -> Value {
    json!({
        "check": traced.check.to_string(),
        "answer": word(traced.permissionship),
        "missing": traced.missing,
        "by": traced.via.as_ref().map(followed),
        "direct": traced.direct.iter().map(followed).collect::<Vec<_>>(),
        "steps": traced.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn followed(followed: &Followed) -> Value {
    let caveat = followed.caveat.as_ref().map(|caveat| {
        let outcome = match &caveat.outcome {
            CaveatOutcome::True => json!("true"),
            CaveatOutcome::False => json!("false"),
            CaveatOutcome::Missing(names) => json!({ "missing": names }),
            CaveatOutcome::Failed(why) => json!({ "failed": why }),
        };
        json!({ "name": caveat.name, "expression": caveat.expression, "values": caveat.context, "outcome": outcome })
    });
    json!({ "relationship": followed.tuple.to_text(), "caveat": caveat })
}
