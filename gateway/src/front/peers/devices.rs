//! `/api/v1/devices`, `/api/v1/replicas`, `/api/v1/sync/wait`, `/api/v1/doctor`, `/api/v1/stop`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use policy_core::{DeviceId, SpaceId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sync::{AddReplicaError, Fork, NamedBy, PeerLag, ReplicaAdded, ReplicaStatus};
use utoipa::ToSchema;

use crate::app::App;
use crate::authn::{self, Principal};
use crate::directory::QuotaKind;
use crate::front::account::body;
use crate::front::console::{ClockTrouble, clock_trouble};
use crate::front::contract::Limits;
use crate::front::contract::SMALL_BODY;
use crate::front::data::unavailable;
use crate::front::described::{Id, Instant};
use crate::front::error::ApiError;
use crate::front::listed::Page;
use crate::front::operator::AtTheMachine;
use crate::front::refusals::UnknownSpace;
use crate::front::route::Routes;
use crate::grants::rfc3339;

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
        .post("/api/v1/stop", stop)
        .described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list, invite, replicas, add_replica, remove_replica, wait, doctor, stop),
    components(schemas(ReplicaView, ReplicaAddedView, PeerView, ForkView))
)]
struct Api;

/// A device of the person's account. What is told of its lag is null where it is not known.
#[derive(Debug, Serialize, ToSchema)]
struct DeviceView {
    #[schema(value_type = Id)]
    device: DeviceId,
    /// Its peer id.
    peer: Option<String>,
    /// Whether it is this one.
    this: bool,
    #[schema(value_type = Option<Id>)]
    replaced_by: Option<DeviceId>,
    reachable: Option<bool>,
    lag_commits: Option<u64>,
    lag_s: Option<u64>,
    /// `our_clock` or `their_clock`: which of the two is ahead.
    waits_for: Option<&'static str>,
    clock_ahead_s: Option<u64>,
}

/// A code by which a device joins.
#[derive(Debug, Serialize, ToSchema)]
struct InviteView {
    code: String,
    #[schema(value_type = Instant)]
    expires: String,
}

/// How [`ReplicaStatus`] is described.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands for `ReplicaStatus`")]
struct ReplicaView {
    /// Its peer id.
    replica: String,
    addr: String,
    #[schema(value_type = Id)]
    user: String,
    #[schema(value_type = Vec<Id>)]
    spaces: Vec<String>,
    reachable: bool,
    lag_commits: u64,
    lag_s: u64,
    /// What went wrong last; for the operator.
    error: Option<String>,
}

/// How [`ReplicaAdded`] is described.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands for `ReplicaAdded`")]
struct ReplicaAddedView {
    /// Its peer id.
    replica: String,
    #[schema(value_type = Vec<Id>)]
    spaces: Vec<String>,
}

/// A replica that was removed.
#[derive(Debug, Serialize, ToSchema)]
struct ReplicaRemoved {
    replica: String,
    removed: bool,
}

/// How [`PeerLag`] is described.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands for `PeerLag`")]
struct PeerView {
    peer: String,
    /// `device` or `replica`.
    kind: String,
    reachable: bool,
    lag_commits: u64,
    lag_s: u64,
    /// `our_clock` or `their_clock`: which of the two is ahead.
    waits_for: Option<String>,
}

/// How [`Fork`] is described.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands for `Fork`")]
struct ForkView {
    /// Null: the account's own lane.
    #[schema(value_type = Option<Id>)]
    space: Option<String>,
    #[schema(value_type = Id)]
    device: String,
    /// The number that the device used twice.
    number: u64,
    /// The commit that is held here.
    here: String,
    elsewhere: String,
    /// Who has the other.
    peer: String,
}

/// What came of waiting.
#[derive(Debug, Serialize, ToSchema)]
struct WaitedView {
    #[schema(value_type = Vec<PeerView>)]
    peers: Vec<PeerLag>,
    /// Whether all of them have all, and nothing is forked.
    done: bool,
    /// Devices that signed two histories, as far as nobody has said that they know: peers keep different ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<ForkView>, required = false)]
    forked: Vec<Fork>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<ClockTrouble>,
}

/// The node ends.
#[derive(Debug, Serialize, ToSchema)]
struct Stopping {
    stopping: bool,
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

fn sync(app: &App) -> Result<&sync::SyncNode, ApiError> {
    app.sync.get().ok_or_else(|| unavailable("Sync is not running."))
}

/// The devices of the person's account
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<DeviceView>)))]
async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let principal = person(&request, &app).await?;
    let devices = listed(&app, principal.caller.user).await;
    Page::answer(&request, &devices, |one| one.device.to_string())
}

/// The devices of a person.
pub(crate) async fn all(app: &App, user: UserId) -> Vec<impl Serialize + use<>> {
    listed(app, user).await
}

async fn listed(app: &App, user: UserId) -> Vec<DeviceView> {
    let here = app.vault.device(user);
    let ahead = app.vault.clock_ahead(Some(user));
    let lags = match app.sync.get() {
        Some(sync) => sync.devices(user).await,
        None => Vec::new(),
    };
    app.vault
        .devices(user)
        .iter()
        .map(|device| {
            let (peer, this) = (sync::peer_id(device.transport), Some(device.id) == here);
            let replaced_by = app.vault.successor(user, device.id);
            let lag = lags.iter().find(|lag| replaced_by.is_none() && Some(&lag.peer) == peer.as_ref());
            DeviceView {
                device: device.id,
                peer,
                this,
                replaced_by,
                reachable: lag.map(|lag| lag.reachable),
                lag_commits: lag.map(|lag| lag.lag_commits),
                lag_s: lag.map(|lag| lag.lag_s),
                waits_for: lag.and_then(|lag| lag.waits_for),
                clock_ahead_s: ahead.filter(|_| this),
            }
        })
        .collect()
}

/// A code by which another device joins
#[utoipa::path(post, path = "/api/v1/devices/invite", tag = "devices", responses(
    (status = 200, description = "The code", body = InviteView),
    (status = 429, description = "`too_many_codes`: let some expire; or `busy`")))]
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
    // A secret that nobody is to keep: whoever has it makes a device.
    let answer = InviteView { code: code.encode(), expires: rfc3339(code.expires) };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewReplica {
    #[schema(examples("/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"))]
    addr: String,
    /// Without it: all spaces, future ones too.
    #[schema(value_type = Option<Id>)]
    space: Option<SpaceId>,
    /// Kept also if nothing answers there yet; the operator's.
    #[serde(default)]
    #[schema(required = false)]
    unseen: bool,
}

/// Adds a replica
#[utoipa::path(post, path = "/api/v1/replicas", tag = "devices", request_body = NewReplica, responses(
    (status = 201, description = "It is added", body = ReplicaAddedView),
    (status = 403, description = "`address_not_allowed`: this may not be dialled; or `forbidden`, `quota_exceeded`"),
    UnknownSpace,
    (status = 409, description = "`replica_unreachable`: nothing answers there"),
    (status = 429, description = "`too_many_dials`: too many attempts; or `busy`")))]
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
    let added: ReplicaAdded = added;
    Ok(HttpResponse::Created().json(added))
}

/// The replicas of the person
#[utoipa::path(get, path = "/api/v1/replicas", tag = "devices", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<ReplicaView>)))]
async fn replicas(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let principal = person(&request, &app).await?;
    let mut replicas: Vec<ReplicaStatus> = sync(&app)?.replicas(principal.caller.user).await;
    if !principal.operator {
        // What a dial met with tells of the network in which this node stands.
        replicas.iter_mut().for_each(|replica| replica.error = None);
    }
    Page::answer(&request, &replicas, |one| one.replica.clone())
}

/// Removes a replica
#[utoipa::path(delete, path = "/api/v1/replicas/{replica}", tag = "devices",
    params(("replica" = String, Path, description = "Its peer id")), responses(
    (status = 200, description = "It is removed", body = ReplicaRemoved),
    (status = 404, description = "`not_found`: there is no such replica")))]
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
    Ok(HttpResponse::Ok().json(ReplicaRemoved { replica: replica.into_inner(), removed: true }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// Without it: all spaces.
    #[schema(value_type = Option<Id>)]
    space: Option<SpaceId>,
    /// At most an hour.
    #[schema(examples(1))]
    timeout_s: u64,
    /// Peer ids that are not waited for.
    #[serde(default)]
    #[schema(required = false)]
    except: Vec<String>,
    /// The forks that there are now are known: they are told no more.
    #[serde(default)]
    #[schema(required = false)]
    forks_seen: bool,
}

/// Waits until every peer has what this node holds
#[utoipa::path(post, path = "/api/v1/sync/wait", tag = "devices", request_body = Wait, responses(
    (status = 200, description = "How far they are", body = WaitedView),
    (status = 429, description = "`busy`: eight requests of the person wait already")))]
async fn wait(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = person(&request, &app).await?;
    let wait: Wait = body::json(&request, &bytes)?;
    let timeout = Duration::from_secs(wait.timeout_s.min(3_600));
    let (sync, user) = (sync(&app)?, principal.caller.user);
    let _place = sync.place_to_wait(user).ok_or_else(|| {
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", "Several requests of yours wait for your peers already.")
    })?;
    if wait.forks_seen {
        sync.see_forks(user, wait.space).await.map_err(|error| unavailable(error.to_string()))?;
    }
    let sync::Waited { peers, forked, settled } = sync.wait(user, wait.space, timeout, &wait.except).await;
    let clock = clock_trouble(app.vault.clock_ahead(Some(user)));
    Ok(HttpResponse::Ok().json(WaitedView { peers, done: settled, forked, clock }))
}

/// What `allod doctor` shows of a running node
#[utoipa::path(get, path = "/api/v1/doctor", tag = "node", responses(
    (status = 200, description = "Checks, and the digest of every space", body = Object),
    (status = 500, description = "`damaged`: a space cannot be read to its end; or `internal`")))]
async fn doctor(app: web::Data<App>, _by: AtTheMachine) -> Result<HttpResponse, ApiError> {
    let report: Value = crate::doctor::report(&app, false, Vec::new(), |_, _| {}).await.map_err(|error| {
        tracing::error!(%error, "a space could not be examined");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", error.to_string())
    })?;
    Ok(HttpResponse::Ok().json(report))
}

/// Ends the node
#[utoipa::path(post, path = "/api/v1/stop", tag = "node", responses(
    (status = 202, description = "It ends", body = Stopping)))]
async fn stop(app: web::Data<App>, _by: AtTheMachine) -> Result<HttpResponse, ApiError> {
    app.stop.notify_one();
    Ok(HttpResponse::Accepted().json(Stopping { stopping: true }))
}
