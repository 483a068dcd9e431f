//! How much a person may have of spaces, groups, shares and so on.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::UserId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::people::unknown_user;
use super::{ApiError, Data, body};
use crate::directory::{Directory, QuotaKind};
use crate::front::conditions;
use crate::front::listed::Page;
use crate::front::operator::{ConfirmedOperator, Operator};
use crate::front::refusals::UnknownUser;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, set))]
pub(super) struct Api;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaQuery {
    /// Of this person; else of everybody.
    user: Option<String>,
    /// As of every list.
    #[serde(rename = "limit")]
    _limit: Option<u32>,
    /// As of every list.
    #[serde(rename = "cursor")]
    _cursor: Option<String>,
}

async fn user_of(directory: &Directory, name: Option<&str>) -> Result<Option<UserId>, ApiError> {
    match name {
        None => Ok(None),
        Some(name) => Ok(Some(directory.user_named(name).await?.ok_or_else(unknown_user)?.id)),
    }
}

/// How many of a kind one may have.
#[derive(Debug, Serialize, ToSchema)]
struct QuotaView {
    #[schema(examples("spaces"))]
    quota: &'static str,
    most: u64,
}

async fn quota_views(directory: &Directory, user: Option<UserId>) -> Result<Vec<QuotaView>, ApiError> {
    let all = directory.quotas(user).await?;
    Ok(all.into_iter().map(|(kind, most)| QuotaView { quota: kind.word(), most }).collect())
}

/// What everybody may have, or one person
#[utoipa::path(get, path = "/api/v1/quotas", tag = "quotas", params(QuotaQuery), responses(
    (status = 200, description = "Every quota", body = Vec<QuotaView>),
    UnknownUser))]
pub(super) async fn list(
    node: Data,
    req: HttpRequest,
    _by: Operator,
    of: Query<QuotaQuery>,
) -> Result<HttpResponse, ApiError> {
    let directory = node.directory();
    let user = user_of(directory, of.user.as_deref()).await?;
    Page::answer(&req, &quota_views(directory, user).await?, |one| one.quota.to_owned())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewQuota {
    /// Null: what holds where nothing is set.
    #[schema(examples(100))]
    most: Option<u64>,
    /// For this person; else for everybody.
    user: Option<String>,
}

/// Sets a quota
///
/// What is there already stays, also where it is more.
#[utoipa::path(put, path = "/api/v1/quotas/{kind}", tag = "quotas", request_body = NewQuota,
    params(("kind" = String, Path, description = "The quota", example = "spaces")), responses(
    (status = 200, description = "Every quota, as it is now", body = Vec<QuotaView>),
    (status = 404, description = "`unknown_quota`: there is no such quota; or `unknown_user`"),
    (status = 412, description = "`precondition_failed`: they are not as the sender has seen them")))]
pub(super) async fn set(
    node: Data,
    req: HttpRequest,
    by: ConfirmedOperator,
    kind: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let kind = QuotaKind::of_word(&kind).ok_or_else(|| {
        let known: Vec<_> = QuotaKind::ALL.iter().map(|kind| kind.word()).collect();
        let text = format!("There is no such quota; there are {}.", known.join(", "));
        ApiError::new(StatusCode::NOT_FOUND, "unknown_quota", text)
    })?;
    let NewQuota { most, user } = body::json(&req, &bytes)?;
    let directory = node.directory();
    let user = user_of(directory, user.as_deref()).await?;
    // One at a time: nobody sets one between the look at them and the change.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _alone = ALONE.lock().await;
    conditions::expected(&req, &quota_views(directory, user).await?)?;
    directory.set_quota(kind, user, most).await?;
    let detail = json!({ "quota": kind.word(), "most": most, "user": user });
    let concerned = user.unwrap_or(by.user());
    directory.audit(concerned, by.actor(), "quota.set", detail, node.now()).await?;
    let now = quota_views(directory, user).await?;
    let mut answer = HttpResponse::Ok().json(&now);
    conditions::put_etag(&now, &mut answer);
    Ok(answer)
}
