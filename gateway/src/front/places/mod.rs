//! `/places/{place}`: what another node asks of the place that this one keeps for its backups, by the secret of the place
//! and nothing else. And `/api/v1/places`, where operators make such places ([`made`]).
//!
//! What is kept is sealed before it comes: nothing here looks into it. What comes is counted before a byte of it is read, goes
//! to the disk as it comes, and lies in nobody's memory.

pub mod made;
mod objects;
mod reading;

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::IF_NONE_MATCH;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures::future::LocalBoxFuture;
use gateway_people::realm::Realm;
use policy_core::{Caller, TenantId, UserId};
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use vault_hosted::wire::{Listed, ListedObject, LockAsked, LockDo, LockStanding, PlaceStanding};
use vault_hosted::{KeepError, KeptPlace, MAX_OBJECT_BYTES};

use super::account::body;
use super::contract::{Front, LEAST_BODY, Limits, Terms};
use super::error::ApiError;
use super::problem::problems;
use super::route::Routes;
use crate::app::App;
use crate::authn::{self, AuthError, Principal};

pub const FRONT: Front = Front { routes, terms: Terms { clients, errors: problems, limits: Limits::body(LEAST_BODY) } };

/// The path of an object: which one, the query says.
const OBJECT: &str = "/places/{place}/object";

fn routes(routes: &mut Routes) {
    // A slow line takes as long as it takes, and says itself how long that may be: see there.
    let object = Limits { deadline: None, streamed: true, ..Limits::body(MAX_OBJECT_BYTES as usize) };
    routes
        .get("/places/{place}", standing)
        .get("/places/{place}/objects", objects::list)
        .put("/places/{place}/lock", lock)
        .get(OBJECT, objects::get)
        .put(OBJECT, objects::put)
        .delete(OBJECT, objects::remove)
        .limited(OBJECT, object)
        .heeding(OBJECT, &Method::PUT, [IF_NONE_MATCH])
        .described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(standing, lock, objects::list, objects::get, objects::put, objects::remove),
    components(schemas(PlaceStanding, Listed, ListedObject, LockAsked, LockDo, LockStanding))
)]
struct Api;

/// Whoever has the secret of a place is charged for it, and for no other: as somebody who is nobody of this node. What they may
/// do is decided by [`AtPlace`] alone.
fn clients<'a>(request: &'a HttpRequest, _: &'a dyn Realm) -> LocalBoxFuture<'a, Result<Principal, AuthError>> {
    Box::pin(async move {
        let place = admitted(request)?;
        let hash: [u8; 32] = Sha256::digest(format!("place {}", place.label())).into();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        let caller = Caller { user: UserId::from_bytes(id), app: None, device: None };
        Ok(Principal::of_person(caller, TenantId::from_bytes(id)))
    })
}

/// The place of the path, if the request has its secret: a place that is not there and a wrong secret are told apart by
/// nothing.
fn admitted(request: &HttpRequest) -> Result<Arc<KeptPlace>, AuthError> {
    let secret = authn::bearer(request)?.ok_or(AuthError::Missing)?;
    let place = request.match_info().get("place").unwrap_or_default();
    let app = request.app_data::<web::Data<App>>().ok_or(AuthError::Invalid)?;
    app.keeper.admitted(place, secret).ok_or(AuthError::Invalid)
}

/// The place whose secret a request has, and the request's turn there.
#[derive(Clone)]
pub(super) struct AtPlace {
    pub(super) place: Arc<KeptPlace>,
    /// Gone once nothing has it: what a thread does for a request goes on when whoever asked has hung up.
    _turn: Arc<OwnedSemaphorePermit>,
}

impl AtPlace {
    /// Does what waits for the disk on a thread of its own, which has the turn too.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<KeptPlace>) -> Result<T, KeepError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let at = self.clone();
        let done = web::block(move || {
            let at = at;
            work(&at.place)
        });
        done.await.map_err(|_| refused(KeepError::Busy))?.map_err(refused)
    }
}

impl FromRequest for AtPlace {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let place = admitted(&request)?;
            let turn = place.turn().await.map_err(refused)?;
            Ok(AtPlace { place, _turn: Arc::new(turn) })
        })
    }
}

/// What whoever asks is told of what the keeper does not do.
pub(super) fn refused(error: KeepError) -> ApiError {
    let new = |status, code, error: &KeepError| {
        let text = error.to_string();
        let mut rest = text.chars();
        let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
        ApiError::new(status, code, format!("{first}{}.", rest.as_str()))
    };
    match &error {
        KeepError::Missing => new(StatusCode::NOT_FOUND, "not_found", &error),
        KeepError::Exists => new(StatusCode::PRECONDITION_FAILED, "exists", &error),
        KeepError::Full { .. } => new(StatusCode::INSUFFICIENT_STORAGE, "place_full", &error)
            .hint("Prune old backups, or ask whoever keeps the place for more room."),
        KeepError::Crowded => new(StatusCode::INSUFFICIENT_STORAGE, "place_full", &error).hint("Prune old backups."),
        KeepError::NotHeld => {
            new(StatusCode::LOCKED, "place_not_held", &error).hint("Begin again once whoever has the lock is done.")
        }
        // As of one that never was.
        KeepError::Gone => AuthError::Invalid.into(),
        KeepError::DiskFull => new(StatusCode::INSUFFICIENT_STORAGE, "place_disk_full", &error),
        KeepError::TooLong => new(StatusCode::PAYLOAD_TOO_LARGE, "limit_body", &error),
        KeepError::Cut | KeepError::Unfit(_) => new(StatusCode::BAD_REQUEST, "bad_request", &error),
        KeepError::Busy => new(StatusCode::TOO_MANY_REQUESTS, "busy", &error),
        KeepError::Io(io) => {
            tracing::error!(error = %io, "the disk that places lie on failed");
            new(StatusCode::INTERNAL_SERVER_ERROR, "internal", &error)
        }
    }
}

/// How a place stands
///
/// For the node whose backups go there, by the secret of the place.
#[utoipa::path(get, path = "/places/{place}", tag = "places", params(("place" = String, Path,)), responses(
    (status = 200, description = "How much it takes, and may take", body = PlaceStanding)))]
async fn standing(at: AtPlace) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(at.blocking(|place| place.standing()).await?))
}

/// Takes, renews or lets go of the lock of a place
///
/// Whoever adds to a place or prunes it holds its lock meanwhile, and renews it before anything that counts.
#[utoipa::path(put, path = "/places/{place}/lock", tag = "places", request_body = LockAsked,
    params(("place" = String, Path,)), responses(
    (status = 200, description = "Whether whoever asks has it", body = LockStanding),
    (status = 400, description = "`bad_request`: it does not fit"),
    (status = 413, description = "`limit_body`: the body is too large"),
    (status = 415, description = "`unsupported_media_type`: the body is of another type, or compressed")))]
async fn lock(request: HttpRequest, at: AtPlace, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let asked: LockAsked = body::json(&request, &bytes)?;
    Ok(HttpResponse::Ok().json(at.blocking(move |place| place.lock(&asked)).await?))
}

/// A request whose body has so many bytes may take so long.
pub(super) fn patience(bytes: u64) -> Duration {
    const LEAST_A_SECOND: u64 = 8 << 10;
    Duration::from_secs(60 + bytes / LEAST_A_SECOND)
}
