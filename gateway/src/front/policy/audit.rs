//! `/api/v1/policy/audit`: every change of policy, from a chain that is checked whole.

use actix_web::http::StatusCode;
use actix_web::web::{self, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use super::operator;
use crate::app::App;
use crate::front::error::ApiError;

/// Rows of one answer.
const ROWS: usize = 1_000;

#[derive(Debug, Deserialize)]
pub struct After {
    #[serde(default)]
    after: i64,
}

pub async fn rows(request: HttpRequest, app: web::Data<App>, from: Query<After>) -> Result<HttpResponse, ApiError> {
    operator(&request, &app).await?;
    let rows = app.policy.audit(from.after, ROWS).await.map_err(|error| {
        tracing::error!(%error, "the audit of policy cannot be read");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "audit_damaged", format!("The audit is not whole: {error}."))
            .hint("Somebody changed the database of this node behind its back.")
    })?;
    let told = rows.into_iter().map(|row| {
        let detail: Value = serde_json::from_str(&row.detail).unwrap_or(Value::String(row.detail));
        json!({ "seq": row.seq, "at": row.at.to_rfc3339(), "action": row.action, "detail": detail })
    });
    Ok(HttpResponse::Ok().json(told.collect::<Vec<_>>()))
}
