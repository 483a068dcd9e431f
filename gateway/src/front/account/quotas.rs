//! How much a person may have of spaces, groups, shares and so on.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::UserId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::people::unknown_user;
use super::{ApiError, Data, body, operator};
use crate::directory::{Actor, Directory, QuotaKind};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    user: Option<String>,
}

async fn user_of(directory: &Directory, name: Option<&str>) -> Result<Option<UserId>, ApiError> {
    match name {
        None => Ok(None),
        Some(name) => Ok(Some(directory.user_named(name).await?.ok_or_else(unknown_user)?.id)),
    }
}

async fn shown(directory: &Directory, user: Option<UserId>) -> Result<Value, ApiError> {
    let all = directory.quotas(user).await?;
    Ok(all.into_iter().map(|(kind, most)| json!({ "quota": kind.word(), "most": most })).collect())
}

/// `GET /api/v1/quotas?user=NAME`: what everybody may have, or one person.
pub(super) async fn list(node: Data, req: HttpRequest, of: Query<Of>) -> Result<HttpResponse, ApiError> {
    operator(&req, &**node).await?;
    let directory = node.directory();
    let user = user_of(directory, of.user.as_deref()).await?;
    Ok(HttpResponse::Ok().json(shown(directory, user).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewQuota {
    /// Null: what holds where nothing is set.
    most: Option<u64>,
    user: Option<String>,
}

/// `PUT /api/v1/quotas/{kind} {"most", "user"?}`. What is there already stays, also where it is more.
pub(super) async fn set(
    node: Data,
    req: HttpRequest,
    kind: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let principal = operator(&req, &**node).await?;
    let kind = QuotaKind::of_word(&kind).ok_or_else(|| {
        let known: Vec<_> = QuotaKind::ALL.iter().map(|kind| kind.word()).collect();
        let text = format!("There is no such quota; there are {}.", known.join(", "));
        ApiError::new(StatusCode::NOT_FOUND, "unknown_quota", text)
    })?;
    let NewQuota { most, user } = body::json(&req, &bytes)?;
    let directory = node.directory();
    let user = user_of(directory, user.as_deref()).await?;
    directory.set_quota(kind, user, most).await?;
    let detail = json!({ "quota": kind.word(), "most": most, "user": user });
    let concerned = user.unwrap_or(principal.caller.user);
    directory.audit(concerned, Actor::Operator, "quota.set", detail, node.now()).await?;
    Ok(HttpResponse::Ok().json(shown(directory, user).await?))
}
