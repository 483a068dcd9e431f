//! `GET /api/v1/status`: how the node is, on one screen, for its operators. It reads no data of people.

use actix_web::{HttpResponse, web};
use gateway_people::realm::Realm as _;
use policy_core::Timestamp;
use serde::Serialize;
use sync::PeerLag;
use utoipa::ToSchema;

use super::error::ApiError;
use crate::app::App;
use crate::doctor::{self, Check, State};
use crate::front::contract::{Front, Terms};
use crate::front::described::Instant;
use crate::front::route::Routes;
use crate::grants::rfc3339;
use gateway_http::contract::SMALL_BODY;
use gateway_http::operator::Overseer;

pub const FRONT: Front = Front { routes, terms: Terms::api(SMALL_BODY) };

fn routes(routes: &mut Routes) {
    routes.get("/api/v1/status", status).described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(status))]
struct Api;

/// How a node is.
#[derive(Debug, Serialize, ToSchema)]
struct Status {
    version: &'static str,
    /// The id of the node.
    node: String,
    /// The address under which people reach it.
    url: String,
    /// Somebody owns it.
    set_up: bool,
    /// It is set up, and nothing is bad.
    ready: bool,
    /// What is bad, or worth a look; each with what to do. `allod doctor` looks at more.
    #[schema(value_type = Vec<CheckView>)]
    reasons: Vec<Check>,
    /// Everything that was looked at, well or not.
    #[schema(value_type = Vec<CheckView>)]
    checks: Vec<Check>,
    people: People,
    /// Spaces that the node holds.
    spaces: usize,
    bytes: Bytes,
    /// Devices and replicas that ought to have this node's data: those that are furthest behind first.
    #[schema(value_type = Vec<PeerView>)]
    peers: Vec<PeerLag>,
    backups: Backups,
    /// Without TLS there is none.
    certificate: Option<Certificate>,
}

/// Something that was looked at.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `Check` is written")]
struct CheckView {
    #[schema(examples("disk"))]
    name: String,
    /// `ok`, `accepted` (given up, as the operator wished), `warn` or `bad`.
    #[schema(examples("ok"))]
    state: String,
    detail: String,
    /// What to do about it; empty if there is nothing to do.
    fix: String,
}

/// A device or replica that ought to have this node's data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `PeerLag` is written")]
struct PeerView {
    peer: String,
    /// `device` or `replica`.
    #[schema(examples("replica"))]
    kind: String,
    reachable: bool,
    /// Commits that it has not acknowledged.
    lag_commits: u64,
    /// For how long it has lacked the first of them, in seconds.
    lag_s: u64,
    /// `our_clock`, `their_clock`: which of the two is so far ahead that changes wait; absent: neither.
    waits_for: Option<String>,
}

/// How the node stands with its backups.
#[derive(Debug, Serialize, ToSchema)]
struct Backups {
    /// How often the node makes one by itself, in seconds; null: it does not.
    every_s: Option<u64>,
    /// When the last one was taken; null: none is known of.
    #[schema(value_type = Option<Instant>)]
    last: Option<String>,
    /// When one was last restored for a test, this or one before; null: never.
    #[schema(value_type = Option<Instant>)]
    tested: Option<String>,
    /// Why the last try made none, or what is wrong with the one that it made.
    trouble: Option<String>,
}

/// People of a node.
#[derive(Debug, Serialize, ToSchema)]
struct People {
    users: usize,
    tenants: usize,
    apps: usize,
}

/// What lies on the disk, in bytes.
#[derive(Debug, Serialize, ToSchema)]
struct Bytes {
    /// The log: everything that was written.
    log: u64,
    /// Views that are open: what queries read.
    views: u64,
    /// Room that is left; absent if the system does not say.
    free: Option<u64>,
}

/// The certificate in use.
#[derive(Debug, Serialize, ToSchema)]
struct Certificate {
    /// Where it comes from, as `tls.mode` says it.
    #[schema(examples("acme"))]
    mode: &'static str,
    /// Until when it is good; absent while there is none.
    until: Option<String>,
    names: Vec<String>,
}

/// How the node is, for operators
#[utoipa::path(get, path = "/api/v1/status", tag = "node", responses(
    (status = 200, description = "How it is", body = Status),
    (status = 403, description = "`operator_only`: it is for operators")))]
async fn status(app: web::Data<App>, _by: Overseer) -> Result<HttpResponse, ApiError> {
    let checks = doctor::checks(&app).await;
    let (set_up, figures) = (app.owner().is_some(), app.vault.figures());
    let well = checks.iter().all(|check| check.state != State::Bad);
    let users = app.vault.users();
    let peers = match app.sync.get() {
        Some(sync) => sync.peers(&users).await,
        None => Vec::new(),
    };
    let certificate = app.tls.get().map(|tls| {
        let standing = tls.standing();
        Certificate { mode: standing.mode, until: standing.until, names: standing.names }
    });
    let people = People {
        users: app.directory.users().await?.len(),
        tenants: app.directory.tenants().await?.len(),
        apps: app.directory.apps().await?.len(),
    };
    let standing = app.backups.standing();
    let instant = |at: i64| rfc3339(Timestamp(at));
    let backups = Backups {
        every_s: standing.every.map(|every| every.as_secs()),
        last: standing.last.as_ref().map(|last| instant(last.at)),
        tested: standing.last.as_ref().and_then(|last| last.tested).map(instant),
        trouble: standing.trouble,
    };
    Ok(HttpResponse::Ok().json(Status {
        version: env!("CARGO_PKG_VERSION"),
        node: app.directory.node().to_owned(),
        url: app.url(),
        set_up,
        ready: set_up && well,
        reasons: checks.iter().filter(|check| check.state != State::Ok).cloned().collect(),
        checks,
        people,
        spaces: users.iter().map(|user| app.vault.space_ids(*user).len()).sum(),
        bytes: Bytes {
            log: figures.log_bytes,
            views: figures.view_bytes,
            free: doctor::files::room(&app.dir).map(|(free, _)| free),
        },
        peers,
        backups,
        certificate,
    }))
}
