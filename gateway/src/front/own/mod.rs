//! `/api/v1/me/export`: everything of one's own, in one stream of JSON Lines.
//!
//! It is put together while it is read: some lines at a time, each part under permits and a session of that moment.

mod documents;
mod lines;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use futures::StreamExt as _;
use policy_core::UserId;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use self::lines::{Lines, Stopped};
use gateway_people::realm::Realm as _;

use crate::app::App;
use crate::authn::{self, Principal, whence};
use crate::exporting::{NoTurn, Turn};
use crate::front::account::{self, person};
use crate::front::contract::{Front, SMALL_BODY, Terms};
use crate::front::error::ApiError;
use crate::front::peers;
use crate::front::refusals::NotConfirmed;
use crate::front::route::Routes;
use crate::front::sharing;
use crate::grants::rfc3339;

pub const FRONT: Front = Front { routes, terms: Terms::api(SMALL_BODY) };

const MEDIA_TYPE: &str = "application/jsonl";
const VERSION: u32 = 1;
/// Acts of the audit that are read at once.
const ACTS: u64 = 500;

fn routes(routes: &mut Routes) {
    routes.get("/api/v1/me/export", export).described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(export))]
struct Api;

/// Everything of one's own
///
/// A line of JSON each, by its only name: `allod_own_export` begins; `profile`, `credential`, `session`, `device`, `grant`,
/// `link`, `group`, `share`; of each space of one's own `space`, `definition`, `folder`, `field_rule`, `document` and
/// `commit` (its history); `act` of the audit; `end` is the last, and without it something is missing. Secrets are in none.
/// One at a time for each person, and a few at a time of all: where others wait, whoever reads it most slowly gives way. The
/// password is needed again.
#[utoipa::path(get, path = "/api/v1/me/export", tag = "session", responses(
    (status = 200, description = "All of it, as a file; it ends early when the session does", content_type = "application/jsonl", body = String),
    NotConfirmed,
    (status = 429, description = "`export_running`: one is being read, or some of others are; end it, or wait")))]
async fn export(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let principal = person(&request, &**app).await?;
    let now = app.now();
    principal.confirmed(now)?;
    let user = principal.caller.user;
    let turn = match app.exporting.begin(user, Instant::now()) {
        Ok(turn) => turn,
        Err(why) => {
            let (text, hint) = match why {
                NoTurn::Begun => {
                    ("Everything of yours is being handed to you already.", "End that, or wait for its end.")
                }
                NoTurn::Others => ("The node is handing others everything of theirs.", "Try again when they have it."),
            };
            let running = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "export_running", text).hint(hint);
            let mut answer = crate::front::problem::problems(&running);
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            return Ok(answer);
        }
    };
    app.directory.audit(user, principal.actor(), "me.exported", whence(&request), now).await?;
    let (lines, parts) = Lines::new(turn.pace(), app.pools.answers.clone());
    let own = Own { app, request, user };
    actix_web::rt::spawn(own.tell(lines, turn));
    let name = format!("attachment; filename=\"allod-{}.jsonl\"", &rfc3339(now)[..10]);
    let name = HeaderValue::from_str(&name).unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, MEDIA_TYPE))
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header(("cache-control", "no-store"))
        .streaming(parts.map(Ok::<_, std::convert::Infallible>)))
}

/// What one person is handed.
struct Own {
    app: web::Data<App>,
    request: HttpRequest,
    user: UserId,
}

impl Own {
    /// All of it, and the last line, unless something stops it: then the stream ends without.
    async fn tell(self, mut lines: Lines, _turn: Turn) {
        match self.all(&mut lines).await {
            Ok(()) => {
                let count = lines.count();
                let _ = lines.line("end", &json!({ "lines": count })).await;
                let _ = lines.flush().await;
            }
            Err(Stopped::NotRead) => {}
            Err(Stopped::Refused(error)) => {
                tracing::warn!(code = error.code, error = %error.message, "a person's own export was cut off");
            }
        }
    }

    /// Whoever asked, as they are at this moment; `Err` once the session has ended.
    async fn principal(&self) -> Result<Principal, Stopped> {
        let principal = authn::authenticate(&self.request, &**self.app).await.map_err(ApiError::from)?;
        // Whoever holds the machine is told of themselves, too, and of nobody else.
        Ok(Principal::of_person(principal.caller, principal.tenant))
    }

    async fn all(&self, lines: &mut Lines) -> Result<(), Stopped> {
        let (app, user) = (&self.app, self.user);
        let principal = self.principal().await?;
        let begun = json!({ "version": VERSION, "user": user, "at": rfc3339(app.now()), "node": app.url() });
        lines.line("allod_own_export", &begun).await?;
        let known = app.directory.user(user).await.map_err(ApiError::from)?;
        let (name, space) = known.map(|known| (known.name, known.space)).unzip();
        let profile = json!({ "user": user, "name": name, "tenant": principal.tenant, "space": space });
        lines.line("profile", &profile).await?;
        each(lines, "credential", account::credentials::all(&***app, &principal).await?).await?;
        each(lines, "session", account::sessions::all(&***app, &principal).await?).await?;
        each(lines, "device", peers::devices::all(app, user).await).await?;
        each(lines, "grant", account::grants::all(&***app, &principal).await?).await?;
        each(lines, "sign_in", account::sign_ins::all(&***app, &principal).await?).await?;
        each(lines, "link", sharing::links::all(app, user).await?).await?;
        each(lines, "group", sharing::groups::all(app, user).await?).await?;
        sharing::shares::each(app, user, async |share| match share {
            sharing::shares::ShareSide::Given(share) => lines.line("share", &json!({ "given": share })).await,
            sharing::shares::ShareSide::Received(share) => lines.line("share", &json!({ "received": share })).await,
        })
        .await?;
        for space in app.spaces.named_spaces(&app.vault.space_ids(user)).await.map_err(|error| {
            tracing::error!(%error, "the spaces of a person cannot be told");
            crate::front::data::unavailable("The node could not do this; its log says why.")
        })? {
            lines.line("space", &json!({ "space": space.id, "name": space.name, "personal": space.personal })).await?;
            documents::of_space(self, space.id, lines).await?;
        }
        self.audit(lines).await
    }

    /// Every act that concerns the person, newest first.
    async fn audit(&self, lines: &mut Lines) -> Result<(), Stopped> {
        let mut before = None;
        loop {
            self.principal().await?;
            let rows = self.app.directory.audit_before(self.user, before, ACTS).await.map_err(ApiError::from)?;
            for row in &rows {
                let act =
                    json!({ "at": rfc3339(row.at), "actor": row.actor, "action": row.action, "detail": row.detail });
                lines.line("act", &act).await?;
            }
            match rows.last() {
                Some(last) if rows.len() as u64 == ACTS => before = Some((last.at, last.id.clone())),
                _ => return Ok(()),
            }
        }
    }
}

async fn each<T: Serialize>(lines: &mut Lines, name: &'static str, all: Vec<T>) -> Result<(), Stopped> {
    for one in &all {
        lines.line(name, one).await?;
    }
    Ok(())
}
