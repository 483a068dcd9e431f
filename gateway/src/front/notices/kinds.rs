//! Of what a person wants to be told.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiError, Data};
use crate::directory::notices::{Channel, NoticeKind};
use crate::front::account::{body, person};
use crate::front::refusals::NotConfirmed;
use crate::node::Node;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, set))]
pub(super) struct Api;

/// A kind of notice, and by which ways it is told.
#[derive(Debug, Serialize, ToSchema)]
struct KindView {
    #[schema(examples("share_got"))]
    kind: &'static str,
    /// Whether it stays on: it tells of how the account is entered.
    fixed: bool,
    /// Whether it is listed in the console.
    console: bool,
    /// Whether a letter tells of it, where there is an address.
    mail: bool,
}

async fn kind_views(node: &dyn Node, user: policy_core::UserId) -> Result<Vec<KindView>, ApiError> {
    let muted = node.directory().muted(user).await?;
    let on = |kind: NoticeKind, channel: Channel| {
        let off = muted.iter().any(|(of, by)| *of == kind && by == channel.word());
        kind.is_fixed() || !off
    };
    let view = |kind: NoticeKind| KindView {
        kind: kind.word(),
        fixed: kind.is_fixed(),
        console: on(kind, Channel::Console),
        mail: on(kind, Channel::Mail),
    };
    Ok(NoticeKind::ALL.into_iter().map(view).collect())
}

/// Of what one is told
#[utoipa::path(get, path = "/api/v1/notices/kinds", tag = "notices", responses(
    (status = 200, description = "Every kind", body = Vec<KindView>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    Ok(HttpResponse::Ok().json(kind_views(&**node, principal.caller.user).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KindWays {
    /// What is left out stays as it is.
    console: Option<bool>,
    mail: Option<bool>,
}

/// Turns a kind of notice on or off
///
/// What warns of others in one's account is turned off by who proved within the last five minutes who they are; what tells
/// of another password, of ways to sign in and of recovery words stays on.
#[utoipa::path(put, path = "/api/v1/notices/kinds/{kind}", tag = "notices", request_body = KindWays,
    params(("kind" = String, Path, description = "Its word", example = "share_got")), responses(
    (status = 200, description = "Every kind, as it is now", body = Vec<KindView>),
    NotConfirmed,
    (status = 404, description = "`not_found`: there is no such kind"),
    (status = 409, description = "`notice_fixed`: this kind stays on")))]
pub(super) async fn set(
    node: Data,
    req: HttpRequest,
    kind: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let KindWays { console, mail } = body::json(&req, &bytes)?;
    let kind = NoticeKind::of_word(&kind).ok_or_else(ApiError::not_found)?;
    let user = principal.caller.user;
    for (channel, on) in [(Channel::Console, console), (Channel::Mail, mail)] {
        let Some(on) = on else { continue };
        if !on && kind.warns() {
            principal.confirmed(node.now())?;
        }
        if !node.directory().mute(user, kind, channel, !on).await? {
            let text = "You are always told of this, by every way: it says how your account is entered.";
            return Err(ApiError::new(StatusCode::CONFLICT, "notice_fixed", text));
        }
    }
    Ok(HttpResponse::Ok().json(kind_views(&**node, user).await?))
}
