//! A person's notices: read, and marked as read.

use std::collections::HashMap;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use policy_core::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiError, Data};
use crate::directory::notices::{About, Notice};
use crate::front::account::{body, person};
use crate::front::described::{Id, Instant};
use crate::front::listed::Page;
use crate::grants::rfc3339;
use crate::node::Node;

/// Notices that are named at a time at most.
const NAMED: usize = 1_000;

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, read))]
pub(super) struct Api;

/// Something that a person is told.
#[derive(Debug, Serialize, ToSchema)]
struct NoticeView {
    #[schema(value_type = Id)]
    notice: String,
    /// What it is; a stable word. Others come.
    #[schema(examples("share_got"))]
    kind: &'static str,
    /// A name that goes with it: of an app, of a person, of a place, of a kind of credential. Names are what others chose.
    #[schema(examples("bob"))]
    about: Option<String>,
    #[schema(value_type = Instant)]
    at: String,
    /// When it was marked as read; null: not yet.
    #[schema(value_type = Option<Instant>)]
    read: Option<String>,
}

/// One's notices, newest first
///
/// Of each kind the newest 16 are kept.
#[utoipa::path(get, path = "/api/v1/notices", tag = "notices", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<NoticeView>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let (mut names, mut views) = (HashMap::new(), Vec::new());
    for Notice { id, kind, about, at, read } in node.directory().notices(principal.caller.user).await? {
        let about = match about {
            About::Nothing => None,
            About::Words(words) => Some(words),
            About::Person(user) => name(&**node, &mut names, user).await?,
        };
        let (at, read) = (rfc3339(at), read.map(rfc3339));
        views.push(NoticeView { notice: HEXLOWER.encode(&id), kind: kind.word(), about, at, read });
    }
    Page::answer(&req, &views, |one| one.notice.clone())
}

async fn name(
    node: &dyn Node,
    known: &mut HashMap<UserId, Option<String>>,
    user: UserId,
) -> Result<Option<String>, ApiError> {
    if let Some(name) = known.get(&user) {
        return Ok(name.clone());
    }
    let name = node.directory().user(user).await?.map(|user| user.name);
    known.insert(user, name.clone());
    Ok(name)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NoticesToRead {
    /// Which; without it all.
    #[schema(value_type = Option<Vec<Id>>, max_items = 1000)]
    notices: Option<Vec<String>>,
}

/// So many were unread.
#[derive(Serialize, ToSchema)]
struct NoticesReadNow {
    read: u64,
}

/// Marks notices as read
///
/// What is no notice of one's own is passed over.
#[utoipa::path(post, path = "/api/v1/notices/read", tag = "notices", request_body = NoticesToRead, responses(
    (status = 200, description = "They are read", body = NoticesReadNow)))]
pub(super) async fn read(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let NoticesToRead { notices } = body::json(&req, &bytes)?;
    if notices.as_ref().is_some_and(|notices| notices.len() > NAMED) {
        return Err(ApiError::bad_request(format!("`notices` names {NAMED} at most.")));
    }
    let these = notices.map(|notices| {
        let id = |text: String| HEXLOWER.decode(text.to_ascii_lowercase().as_bytes()).ok();
        notices.into_iter().filter_map(id).collect()
    });
    let read = node.directory().read_notices(principal.caller.user, these, node.now()).await?;
    Ok(HttpResponse::Ok().json(NoticesReadNow { read }))
}
