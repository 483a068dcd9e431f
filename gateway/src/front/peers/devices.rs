//! `/api/v1/devices`, `/api/v1/replicas`, `/api/v1/sync/wait`, `/api/v1/doctor`, `/api/v1/stop`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::SpaceId;
use serde::Deserialize;
use serde_json::json;
use sync::{AddReplicaError, NamedBy};

use crate::app::App;
use crate::authn::{self, Principal};
use crate::directory::QuotaKind;
use crate::front::account::body;
use crate::front::console::clock_trouble;
use crate::front::contract::SMALL_BODY;
use crate::front::data::unavailable;
use crate::front::error::ApiError;
use crate::front::{Limits, Routes};
use crate::grants::rfc3339;
use crate::node::Node as _;

pub fn routes(routes: &mut Routes) {
    routes
        .get("/api/v1/devices", list)
        .post("/api/v1/devices/invite", invite)
        .get("/api/v1/replicas", replicas)
        .post("/api/v1/replicas", add_replica)
        .delete("/api/v1/replicas/{replica}", remove_replica)
        .post("/api/v1/sync/wait", wait)
        .limited("/api/v1/sync/wait", Limits { deadline: None, ..Limits::body(SMALL_BODY) })
        .get("/api/v1/doctor", doctor)
        .post("/api/v1/stop", stop);
}

fn forbidden(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

/// A person, not an app.
async fn person(request: &HttpRequest, app: &App) -> Result<Principal, ApiError> {
    let principal = authn::authenticate(request, app).await?;
    if principal.caller.app.is_some() {
        return Err(forbidden("An app cannot do this."));
    }
    Ok(principal)
}

fn sync(app: &App) -> Result<&sync::Node, ApiError> {
    app.sync.get().ok_or_else(|| unavailable("Sync is not running."))
}

async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let principal = person(&request, &app).await?;
    let user = principal.caller.user;
    let here = app.vault.device(user);
    let ahead = app.vault.clock_ahead(Some(user));
    let lags = match app.sync.get() {
        Some(sync) => sync.devices(user).await,
        None => Vec::new(),
    };
    let devices: Vec<_> = app
        .vault
        .devices(user)
        .iter()
        .map(|device| {
            let (peer, this) = (sync::peer_id(device.transport), Some(device.id) == here);
            let replaced_by = app.vault.successor(user, device.id);
            let lag = lags.iter().find(|lag| replaced_by.is_none() && Some(&lag.peer) == peer.as_ref());
            json!({
                "device": device.id, "peer": peer, "this": this, "replaced_by": replaced_by,
                "reachable": lag.map(|lag| lag.reachable),
                "lag_commits": lag.map(|lag| lag.lag_commits),
                "lag_s": lag.map(|lag| lag.lag_s),
                "waits_for": lag.and_then(|lag| lag.waits_for),
                "clock_ahead_s": ahead.filter(|_| this),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(devices))
}

async fn invite(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let principal = person(&request, &app).await?;
    principal.confirmed(app.now())?;
    let sync = sync(&app)?;
    let user = principal.caller.user;
    let maker = app.directory.making(user).await;
    app.directory.room(&maker, QuotaKind::Codes, sync.waiting_codes(user) as u64, 1).await?;
    let code = sync.invite(user).await.map_err(|error| unavailable(error.to_string()))?;
    let code = code.ok_or_else(|| {
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_codes", "Too many codes wait; let some expire.")
    })?;
    Ok(HttpResponse::Ok().json(json!({ "code": code.encode(), "expires": rfc3339(code.expires) })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewReplica {
    addr: String,
    space: Option<SpaceId>,
    /// Kept also if nothing answers there yet; the operator's.
    #[serde(default)]
    unseen: bool,
}

async fn add_replica(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = person(&request, &app).await?;
    principal.confirmed(app.now())?;
    let new: NewReplica = body::json(&request, &bytes)?;
    let by = match (principal.operator, new.unseen) {
        (true, unseen) => NamedBy::Operator { unseen },
        (false, false) => NamedBy::Person,
        (false, true) => {
            return Err(forbidden("Only the operator of the machine may add a replica that does not answer."));
        }
    };
    let sync = sync(&app)?;
    let user = principal.caller.user;
    let maker = app.directory.making(user).await;
    // One that is known already is told anew, and is no further one.
    let known = sync.replicas(user).await;
    if !known.iter().any(|replica| new.addr.ends_with(&replica.replica)) {
        app.directory.room(&maker, QuotaKind::Replicas, known.len() as u64, 1).await?;
    }
    let added = sync.add_replica(user, &new.addr, new.space, by).await;
    let added = added.map_err(|error| match &error {
        AddReplicaError::Address { .. } => ApiError::new(StatusCode::BAD_REQUEST, "invalid_address", error.to_string()),
        AddReplicaError::OutOfReach { .. } => {
            ApiError::new(StatusCode::FORBIDDEN, "address_not_allowed", error.to_string())
        }
        AddReplicaError::Unreachable => ApiError::new(StatusCode::CONFLICT, "replica_unreachable", error.to_string())
            .hint("Start it, and compare the address with the one that it prints."),
        AddReplicaError::TooOften => ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_dials", error.to_string()),
        AddReplicaError::NotFound => ApiError::not_found(),
        AddReplicaError::Store(_) => unavailable(error.to_string()),
    })?;
    Ok(HttpResponse::Created().json(added))
}

async fn replicas(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let principal = person(&request, &app).await?;
    let mut replicas = sync(&app)?.replicas(principal.caller.user).await;
    if !principal.operator {
        // What a dial met with tells of the network in which this node stands.
        replicas.iter_mut().for_each(|replica| replica.error = None);
    }
    Ok(HttpResponse::Ok().json(replicas))
}

async fn remove_replica(
    request: HttpRequest,
    app: web::Data<App>,
    replica: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let principal = person(&request, &app).await?;
    principal.confirmed(app.now())?;
    let removed = sync(&app)?.remove_replica(principal.caller.user, &replica).await;
    if !removed.map_err(|error| unavailable(error.to_string()))? {
        return Err(ApiError::not_found());
    }
    Ok(HttpResponse::Ok().json(json!({ "replica": *replica, "removed": true })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    space: Option<SpaceId>,
    timeout_s: u64,
    /// Peer ids that are not waited for.
    #[serde(default)]
    except: Vec<String>,
}

async fn wait(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = person(&request, &app).await?;
    let wait: Wait = body::json(&request, &bytes)?;
    let timeout = Duration::from_secs(wait.timeout_s.min(3_600));
    let waited = sync(&app)?.wait(principal.caller.user, wait.space, timeout, &wait.except).await;
    let mut answer = json!({ "peers": waited.peers, "done": waited.settled });
    if let Some(clock) = clock_trouble(app.vault.clock_ahead(Some(principal.caller.user))) {
        answer["clock"] = clock;
    }
    Ok(HttpResponse::Ok().json(answer))
}

/// `GET /api/v1/doctor`: what `allod doctor` shows of a running node.
async fn doctor(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    if !authn::is_operator(&request, &**app) {
        return Err(forbidden("Only the operator of the machine may ask this."));
    }
    let report = crate::doctor::report(&app, false, Vec::new(), |_, _| {}).await.map_err(|error| {
        tracing::error!(%error, "a space could not be examined");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", error.to_string())
    })?;
    Ok(HttpResponse::Ok().json(report))
}

async fn stop(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    if !authn::is_operator(&request, &**app) {
        return Err(forbidden("Only the operator of the machine may stop the node."));
    }
    app.stop.notify_one();
    Ok(HttpResponse::Accepted().json(json!({ "stopping": true })))
}
