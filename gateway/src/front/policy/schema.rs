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
