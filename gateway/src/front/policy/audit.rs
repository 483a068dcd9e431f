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
    /// `at`, in microseconds since 1970: as it is sealed.
    at_us: i64,
    /// `detail`, to the letter as it is sealed.
    sealed: String,
    /// SHA-256, in hex, of what was there before and of this row: of `allod policy audit 1` and a zero byte, the hash of the row
    /// before (32 zero bytes before the first), `seq`, `at_us`, the length of `action`, `action`, the length of `sealed`,
    /// `sealed`; numbers have eight bytes, the largest first, and lengths count bytes. Whoever has kept the hash of a row sees
    /// whether anything up to it was changed since.
    #[schema(examples("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"))]
    hash: String,
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
    let told = rows.into_iter().map(|row| PolicyChange {
        seq: row.seq,
        at: row.at.to_rfc3339(),
        action: row.action,
        detail: serde_json::from_str(&row.detail).unwrap_or_else(|_| Value::String(row.detail.clone())),
        at_us: row.at.0,
        sealed: row.detail,
        hash: row.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
    });
    Ok(linked(&request, HttpResponse::Ok().json(told.collect::<Vec<_>>()), next))
}
