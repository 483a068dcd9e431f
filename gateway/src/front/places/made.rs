//! `/api/v1/places`: the places that this node keeps for the backups of others, as its operators make them.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use policy_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use vault_hosted::{HostedAddress, Keeper, KeeperError, KeptPlace, PlaceLabel, Removed};

use super::refused;
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::front::account::body;
use crate::front::contract::{Front, SMALL_BODY, Terms};
use crate::front::described::Instant;
use crate::front::error::ApiError;
use crate::front::listed::Page;
use crate::front::operator::{ConfirmedOperator, Operator};
use crate::front::route::Routes;
use crate::grants::rfc3339;

pub const FRONT: Front = Front { routes, terms: Terms::api(SMALL_BODY) };

/// What a place may take where nothing else is said.
pub const QUOTA: u64 = 50_000_000_000;
/// A place of less holds no backup.
const LEAST: u64 = 1_000_000;

fn routes(routes: &mut Routes) {
    routes
        .get("/api/v1/places", list)
        .post("/api/v1/places", add)
        .delete("/api/v1/places/{place}", remove)
        .described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, add, remove))]
struct Api;

/// A place for the backups of another node.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlaceView {
    #[schema(examples("anna"))]
    pub place: String,
    /// What the other node is told: `allod backup create --to`.
    #[schema(examples("https://box.example.org/places/anna"))]
    pub address: String,
    /// How much it may take, in bytes.
    pub quota: u64,
    /// How much it takes: each object whole blocks of 4 KiB.
    pub taken: u64,
    pub objects: u64,
    #[schema(value_type = Instant)]
    pub made: String,
}

/// A new place.
#[derive(Serialize, ToSchema)]
pub struct PlaceMade {
    #[serde(flatten)]
    pub place: PlaceView,
    /// What opens it, shown this once: it goes into a file of the other node.
    #[schema(examples("allod_place_s3cr3t"))]
    pub secret: String,
}

/// What a place is made with.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlace {
    /// 1 to 40 small letters, digits and hyphens.
    #[schema(examples("anna"))]
    pub name: String,
    /// How much it may take, in bytes; without it 50 GB.
    #[serde(default)]
    #[schema(required = false, examples(50_000_000_000_u64))]
    pub quota: Option<u64>,
}

/// One place as it is shown, by the address of the node. Blocks.
///
/// # Errors
/// If the disk does not tell.
fn place_view(place: &KeptPlace, url: &str) -> Result<PlaceView, Failure> {
    let standing = place.standing().map_err(|error| Failure::failed("failed", &error.to_string()))?;
    Ok(PlaceView {
        address: format!("{url}{}", HostedAddress::path(place.label())),
        place: standing.place,
        quota: standing.quota,
        taken: standing.taken,
        objects: standing.objects,
        made: rfc3339(Timestamp(place.made())),
    })
}

/// Every place. Blocks.
///
/// # Errors
/// If the disk does not tell.
pub fn all(keeper: &Keeper, url: &str) -> Result<Vec<PlaceView>, Failure> {
    keeper.all().iter().map(|place| place_view(place, url)).collect()
}

fn failed(error: KeeperError) -> Failure {
    let (exit, code) = match error {
        KeeperError::Taken => (Exit::Failed, "name_taken"),
        KeeperError::TooMany => (Exit::Failed, "too_many_places"),
        KeeperError::Unknown => (Exit::NotFound, "unknown_place"),
        KeeperError::Io(_) => (Exit::Failed, "failed"),
    };
    Failure::new(exit, code, &error.to_string())
}

fn label(name: &str) -> Result<PlaceLabel, Failure> {
    name.parse().map_err(|error: vault_hosted::AddressError| Failure::usage("unfit", &error.to_string()))
}

/// Makes a place. Blocks.
///
/// # Errors
/// If its name or its quota does not do, or it cannot be made.
pub fn make(keeper: &Keeper, new: &NewPlace, url: &str, now: Timestamp) -> Result<PlaceMade, Failure> {
    let quota = new.quota.unwrap_or(QUOTA);
    if quota < LEAST {
        return Err(Failure::usage("unfit", "a place takes a megabyte at least"));
    }
    let label = label(&new.name)?;
    let secret = keeper.add(&label, quota, now.0).map_err(failed)?;
    let made = keeper.all().into_iter().find(|place| *place.label() == label);
    let made = made.ok_or_else(|| failed(KeeperError::Unknown))?;
    Ok(PlaceMade { place: place_view(&made, url)?, secret: secret.text().to_owned() })
}

/// Removes a place with everything in it; its files are for the caller to delete. Blocks.
///
/// # Errors
/// If there is none of this name, or it cannot be removed.
pub fn drop_place(keeper: &Keeper, name: &str) -> Result<Removed, Failure> {
    keeper.remove(&label(name).map_err(|_| failed(KeeperError::Unknown))?).map_err(failed)
}

fn api_error(failure: &Failure) -> ApiError {
    let (status, code) = match failure.code.as_str() {
        "name_taken" => (StatusCode::CONFLICT, "name_taken"),
        "too_many_places" => (StatusCode::CONFLICT, "too_many_places"),
        "unknown_place" => (StatusCode::NOT_FOUND, "unknown_place"),
        "unfit" => (StatusCode::BAD_REQUEST, "unfit"),
        _ => return refused(vault_hosted::KeepError::Io(std::io::Error::other(failure.message.clone()))),
    };
    let mut rest = failure.message.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    ApiError::new(status, code, format!("{first}{}.", rest.as_str()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, ApiError> {
    let done = web::block(work).await.map_err(|_| super::refused(vault_hosted::KeepError::Busy))?;
    done.map_err(|failure| api_error(&failure))
}

/// The places that this node keeps for the backups of others
#[utoipa::path(get, path = "/api/v1/places", tag = "places", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<PlaceView>)))]
async fn list(request: HttpRequest, app: web::Data<App>, _by: Operator) -> Result<HttpResponse, ApiError> {
    let (keeper, url) = (app.keeper.clone(), app.url());
    let list = blocking(move || all(&keeper, &url)).await?;
    Page::answer(&request, &list, |one| one.place.clone())
}

/// Makes a place for the backups of another node
#[utoipa::path(post, path = "/api/v1/places", tag = "places", request_body = NewPlace, responses(
    (status = 201, description = "The place, with its address and its secret", body = PlaceMade),
    (status = 400, description = "`unfit`: no place is called so, or takes so little"),
    (status = 409, description = "`name_taken`, `too_many_places`: there is one, or there are too many")))]
async fn add(
    request: HttpRequest,
    app: web::Data<App>,
    by: ConfirmedOperator,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let new: NewPlace = body::json(&request, &bytes)?;
    let (keeper, url, now) = (app.keeper.clone(), app.url(), app.now());
    let made = blocking(move || make(&keeper, &new, &url, now)).await?;
    let detail = json!({ "place": made.place.place, "quota": made.place.quota });
    app.directory.audit(by.user(), by.actor(), "place.added", detail, app.now()).await?;
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(made))
}

/// Removes a place, with the backups of others in it
#[utoipa::path(delete, path = "/api/v1/places/{place}", tag = "places", params(("place" = String, Path,)), responses(
    (status = 204, description = "It is gone"),
    (status = 404, description = "`unknown_place`: there is none of this name")))]
async fn remove(app: web::Data<App>, by: ConfirmedOperator, place: Path<String>) -> Result<HttpResponse, ApiError> {
    let (keeper, name) = (app.keeper.clone(), place.into_inner());
    let detail = json!({ "place": name });
    let removed = blocking(move || drop_place(&keeper, &name)).await?;
    // A large one takes its time, for which nobody waits; what that leaves goes at the next start.
    drop(tokio::task::spawn_blocking(move || {
        if let Err(error) = removed.delete() {
            tracing::warn!(%error, "the files of a place that was removed are still there");
        }
    }));
    app.directory.audit(by.user(), by.actor(), "place.removed", detail, app.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}
