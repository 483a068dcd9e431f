//! `GET /api/v1/status`: how the node is, on one screen, for its operator. It reads no data of people.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use sync::PeerLag;
use utoipa::ToSchema;

use super::contract::SMALL_BODY;
use super::error::ApiError;
use super::{Front, Routes, Terms};
use crate::app::App;
use crate::authn::is_operator;
use crate::doctor::{self, Check, State};
use crate::node::Node as _;

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
    #[schema(value_type = Vec<Object>)]
    reasons: Vec<Check>,
    people: People,
    /// Spaces that the node holds.
    spaces: usize,
    bytes: Bytes,
    /// Devices and replicas that ought to have this node's data: those that are furthest behind first.
    #[schema(value_type = Vec<Object>)]
    peers: Vec<PeerLag>,
    /// Without TLS there is none.
    certificate: Option<Certificate>,
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

/// How the node is, for the operator
#[utoipa::path(get, path = "/api/v1/status", tag = "node", responses(
    (status = 200, description = "How it is", body = Status),
    (status = 403, description = "`operator_only`: it is for who holds the machine")))]
async fn status(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    if !is_operator(&request, &**app) {
        let text = "Only the operator can do this, on the machine itself.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "operator_only", text)
            .hint("Use `allod status` on the node's machine."));
    }
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
    Ok(HttpResponse::Ok().json(Status {
        version: env!("CARGO_PKG_VERSION"),
        node: app.directory.node().to_owned(),
        url: app.url(),
        set_up,
        ready: set_up && well,
        reasons: checks.into_iter().filter(|check| check.state != State::Ok).collect(),
        people,
        spaces: users.iter().map(|user| app.vault.space_ids(*user).len()).sum(),
        bytes: Bytes {
            log: figures.log_bytes,
            views: figures.view_bytes,
            free: doctor::files::room(&app.dir).map(|(free, _)| free),
        },
        peers,
        certificate,
    }))
}
