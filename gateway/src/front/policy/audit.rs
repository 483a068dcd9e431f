//! `/api/v1/policy/audit`: every change of policy, from a chain that is checked whole.

use actix_web::http::StatusCode;
use actix_web::web::{self, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::front::described::Instant;
use crate::front::error::ApiError;
use crate::front::listed::linked;
use crate::front::operator::Operator;

/// Rows of one answer.
const ROWS: usize = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct After {
    /// `seq` of the last row that is known.
    #[serde(default)]
    #[param(required = false)]
    after: i64,
}

/// A change of policy.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyChange {
    seq: i64,
    #[schema(value_type = Instant)]
    at: String,
    action: String,
    detail: Value,
}

/// Every change of policy, oldest first
#[utoipa::path(get, path = "/api/v1/policy/audit", tag = "policy", params(After), responses(
    (status = 200, description = "A thousand changes at most; `Link: rel=\"next\"` leads to those behind them", body = Vec<PolicyChange>),
    (status = 500, description = "`audit_damaged`: it is not whole; or `internal`")))]
pub async fn rows(
    request: HttpRequest,
    app: web::Data<App>,
    _by: Operator,
    from: Query<After>,
) -> Result<HttpResponse, ApiError> {
    let rows = app.policy.audit(from.after, ROWS).await.map_err(|error| {
        tracing::error!(%error, "the audit of policy cannot be read");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "audit_damaged", format!("The audit is not whole: {error}."))
            .hint("Somebody changed the database of this node behind its back.")
    })?;
    let next = rows.get(ROWS - 1).map(|last| ("after", last.seq.to_string()));
    let told = rows.into_iter().map(|row| {
        let detail: Value = serde_json::from_str(&row.detail).unwrap_or(Value::String(row.detail));
        PolicyChange { seq: row.seq, at: row.at.to_rfc3339(), action: row.action.to_string(), detail }
    });
    Ok(linked(&request, HttpResponse::Ok().json(told.collect::<Vec<_>>()), next))
}
