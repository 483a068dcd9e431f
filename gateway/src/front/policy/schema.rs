//! `/api/v1/policy/schema`: the schema in force, and putting another into force.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use policy::PolicyError;
use policy_core::{Context, Schema};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::front::conditions;
use crate::front::error::ApiError;
use crate::front::operator::{AtTheMachine, Operator};

/// The relationship schema.
#[derive(Debug, Serialize, ToSchema)]
struct PolicySchema {
    schema: String,
}

/// What a schema changed.
#[derive(Debug, Serialize, ToSchema)]
struct PolicySchemaWritten {
    changed: bool,
    changes: Vec<String>,
}

/// What would come of a schema.
#[derive(Debug, Serialize, ToSchema)]
struct PolicySchemaChecked {
    /// It could be put into force as it is.
    fits: bool,
    /// What keeps it from that.
    wrong: Option<PolicySchemaWrong>,
    /// What it would change, a difference each.
    changes: Vec<String>,
    /// What is likely a mistake, though it fits; what the schema in force has as well is left out.
    warnings: Vec<PolicySchemaWarning>,
}

/// Why a schema does not fit.
#[derive(Debug, Serialize, ToSchema)]
struct PolicySchemaWrong {
    /// As writing it would be refused.
    #[schema(examples("schema_wrong"))]
    code: &'static str,
    message: String,
    /// Counts from 1; null: it is at no one place.
    line: Option<u32>,
    /// Counts bytes, from 1.
    column: Option<u32>,
}

/// A likely mistake in a schema.
#[derive(Debug, Serialize, ToSchema)]
struct PolicySchemaWarning {
    /// Counts from 1.
    line: u32,
    /// Counts bytes, from 1.
    column: u32,
    /// Which habit is not kept; `// spicedb-ignore-warning: NAME` before the line turns it off.
    #[schema(examples("permission-references-itself"))]
    name: &'static str,
    message: String,
}

/// The relationship schema in force
#[utoipa::path(get, path = "/api/v1/policy/schema", tag = "policy", responses(
    (status = 200, description = "It", body = PolicySchema)))]
pub async fn read(app: web::Data<App>, _by: Operator) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(PolicySchema { schema: app.policy.schema().to_string() }))
}

/// Puts another relationship schema into force
///
/// The body is the whole schema, as text.
#[utoipa::path(put, path = "/api/v1/policy/schema", tag = "policy",
    request_body(content = String, content_type = "text/plain"), responses(
    (status = 200, description = "What it changed", body = PolicySchemaWritten),
    (status = 409, description = "`schema_in_use`: relationships rest on what would go"),
    (status = 412, description = "`precondition_failed`: it is not as the sender has seen it")))]
pub async fn write(
    request: HttpRequest,
    app: web::Data<App>,
    _by: AtTheMachine,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    let text = std::str::from_utf8(&body).map_err(|_| ApiError::bad_request("The schema is not UTF-8."))?;
    let wrong = |error: policy_core::SchemaError| {
        ApiError::new(StatusCode::BAD_REQUEST, "schema_wrong", format!("The schema is wrong: {error}."))
    };
    // One at a time: nobody replaces it between the look at it and the change.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _alone = ALONE.lock().await;
    conditions::expected(&request, &PolicySchema { schema: app.policy.schema().to_string() })?;
    let (before, after) = (app.policy.schema(), Schema::parse(text).map_err(wrong)?);
    let changes: Vec<String> = match Schema::parse(&before) {
        Ok(before) => before.diff(&after).iter().map(ToString::to_string).collect(),
        Err(_) => Vec::new(),
    };
    let by = Context::from_iter([("actor".to_owned(), "operator".into())]);
    let changed = app.policy.write_schema(text, by).await.map_err(|error| match error {
        PolicyError::Schema(error) => wrong(error),
        PolicyError::Platform(_) => {
            ApiError::new(StatusCode::BAD_REQUEST, "schema_of_the_platform", format!("Refused: {error}."))
                .hint("Begin with what `allod policy schema` prints, and add to it.")
        }
        PolicyError::SchemaInUse(_) => {
            ApiError::new(StatusCode::CONFLICT, "schema_in_use", format!("Refused: {error}."))
                .hint("Remove those relationships first.")
        }
        other => {
            tracing::error!(error = %other, "a schema was not written");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The schema could not be stored; try again.")
        }
    })?;
    let mut answer = HttpResponse::Ok().json(PolicySchemaWritten { changed, changes });
    conditions::put_etag(&PolicySchema { schema: app.policy.schema().to_string() }, &mut answer);
    Ok(answer)
}

/// Whether a relationship schema could be put into force, and what it would change
///
/// The body is the whole schema, as text. Nothing is changed by it.
#[utoipa::path(post, path = "/api/v1/policy/schema/check", tag = "policy",
    request_body(content = String, content_type = "text/plain"), responses(
    (status = 200, description = "What would come of it, wrong or not", body = PolicySchemaChecked)))]
pub async fn check(app: web::Data<App>, _by: Operator, body: Bytes) -> Result<HttpResponse, ApiError> {
    let text = std::str::from_utf8(&body).map_err(|_| ApiError::bad_request("The schema is not UTF-8."))?.to_owned();
    // It reads every relationship once: one at a time, and on a thread of its own.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let looked = web::block(move || looked(&app, &text)).await;
    let looked = looked.map_err(|_| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The schema could not be looked at; try again.")
    })?;
    Ok(HttpResponse::Ok().json(looked))
}

/// Blocks.
fn looked(app: &App, text: &str) -> PolicySchemaChecked {
    let at = |error: &policy_core::SchemaError, code| PolicySchemaWrong {
        code,
        message: error.message.clone(),
        line: Some(error.line),
        column: Some(error.column),
    };
    let after = match Schema::parse(text) {
        Ok(after) => after,
        Err(error) => {
            let wrong = Some(at(&error, "schema_wrong"));
            return PolicySchemaChecked { fits: false, wrong, changes: Vec::new(), warnings: Vec::new() };
        }
    };
    let wrong = app.policy.try_schema(text).err().map(|error| match &error {
        PolicyError::Schema(error) => at(error, "schema_wrong"),
        other => {
            let in_use = matches!(other, PolicyError::SchemaInUse(_));
            let code = if in_use { "schema_in_use" } else { "schema_of_the_platform" };
            PolicySchemaWrong { code, message: other.to_string(), line: None, column: None }
        }
    });
    let (mut changes, mut known) = (Vec::new(), Vec::new());
    if let Ok(before) = Schema::parse(&app.policy.schema()) {
        changes.extend(before.diff(&after).iter().map(ToString::to_string));
        known.extend(before.lint().into_iter().map(|lint| (lint.kind, lint.message)));
    }
    let warning = |lint: policy_core::Lint| PolicySchemaWarning {
        line: lint.line,
        column: lint.column,
        name: lint.kind.name(),
        message: lint.message,
    };
    let new = after
        .lint()
        .into_iter()
        .filter(|lint| !known.iter().any(|(kind, text)| (kind, text) == (&lint.kind, &lint.message)));
    PolicySchemaChecked { fits: wrong.is_none(), wrong, changes, warnings: new.map(warning).collect() }
}
