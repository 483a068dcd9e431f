//! `/api/v1/devices`, `/api/v1/replicas`, `/api/v1/sync/wait`, `/api/v1/stop`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::SpaceId;
use serde::Deserialize;
use serde_json::json;
use sync::AddReplicaError;

use crate::app::App;
use crate::authn::{self, Principal};
use crate::front::data::DataError;
use crate::front::oauth::rfc3339;

pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v1/devices", web::get().to(list))
        .route("/api/v1/devices/invite", web::post().to(invite))
        .route("/api/v1/replicas", web::get().to(replicas))
        .route("/api/v1/replicas", web::post().to(add_replica))
        .route("/api/v1/sync/wait", web::post().to(wait))
        .route("/api/v1/stop", web::post().to(stop));
}

fn forbidden(message: &str) -> DataError {
    DataError::refused(StatusCode::FORBIDDEN, "forbidden", message)
}

/// A person, not an app.
fn person(request: &HttpRequest, app: &App) -> Result<Principal, DataError> {
    let principal = authn::authenticate(request, app)?;
    if principal.caller.app.is_some() {
        return Err(forbidden("An app cannot do this."));
    }
    Ok(principal)
}

fn sync(app: &App) -> Result<&sync::Node, DataError> {
    app.sync.get().ok_or_else(|| DataError::Unavailable("Sync is not running.".into()))
}

async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, DataError> {
    let principal = person(&request, &app)?;
    let here = app.vault.transport();
    let devices: Vec<_> = app
        .vault
        .devices(principal.caller.user)
        .iter()
        .map(|device| {
            json!({ "device": device.id, "peer": sync::peer_id(device.transport), "this": device.transport == here })
        })
        .collect();
    Ok(HttpResponse::Ok().json(devices))
}

async fn invite(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, DataError> {
    let principal = person(&request, &app)?;
    let code = sync(&app)?.invite(principal.caller.user).ok_or_else(|| {
        DataError::refused(StatusCode::TOO_MANY_REQUESTS, "too_many_codes", "Too many codes wait; let some expire.")
    })?;
    Ok(HttpResponse::Ok().json(json!({ "code": code.encode(), "expires": rfc3339(code.expires) })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewReplica {
    addr: String,
    space: Option<SpaceId>,
}

async fn add_replica(
    request: HttpRequest,
    app: web::Data<App>,
    new: web::Json<NewReplica>,
) -> Result<HttpResponse, DataError> {
    let principal = person(&request, &app)?;
    let added = sync(&app)?.add_replica(principal.caller.user, &new.addr, new.space).await;
    let added = added.map_err(|error| match &error {
        AddReplicaError::Address { .. } => {
            DataError::refused(StatusCode::BAD_REQUEST, "invalid_address", error.to_string())
        }
        AddReplicaError::NotFound => DataError::NotFound,
        AddReplicaError::Store(_) => DataError::Unavailable(error.to_string()),
    })?;
    Ok(HttpResponse::Created().json(added))
}

async fn replicas(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, DataError> {
    let principal = person(&request, &app)?;
    Ok(HttpResponse::Ok().json(sync(&app)?.replicas(principal.caller.user).await))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    space: Option<SpaceId>,
    timeout_s: u64,
}

async fn wait(request: HttpRequest, app: web::Data<App>, wait: web::Json<Wait>) -> Result<HttpResponse, DataError> {
    let principal = person(&request, &app)?;
    let timeout = Duration::from_secs(wait.timeout_s.min(3_600));
    let waited = sync(&app)?.wait(principal.caller.user, wait.space, timeout).await;
    Ok(HttpResponse::Ok().json(json!({ "peers": waited.peers, "done": waited.settled })))
}

async fn stop(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, DataError> {
    if !person(&request, &app)?.operator {
        return Err(forbidden("Only the operator of the machine may stop the node."));
    }
    app.stop.notify_one();
    Ok(HttpResponse::Accepted().json(json!({ "stopping": true })))
}
