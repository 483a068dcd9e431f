//! The objects of a place: whole files that come and go as they are.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH};
use actix_web::web::{self, Bytes, Query};
use actix_web::{HttpRequest, HttpResponse};
use futures::StreamExt as _;
use serde::Deserialize;
use utoipa::IntoParams;
use vault_hosted::wire::{HOLDER, Listed};
use vault_hosted::{KeepError, ObjectName};

use super::reading::Reading;
use super::{AtPlace, patience, refused};
use crate::front::error::ApiError;

/// So much is written to the disk, or read from it, at a time.
const CHUNK: usize = 256 << 10;
/// Of a body that is refused so much is let go by, within so long: who still sends when the connection ends sees no
/// answer.
const LET_GO: usize = 32 << 20;
const LET_GO_WITHIN: Duration = Duration::from_secs(10);
/// Nothing comes of a body for so long.
const SILENCE: Duration = Duration::from_secs(45);
/// Whoever is sent an object takes a [`CHUNK`] of it within so long.
const LEAST_READ_WITHIN: Duration = Duration::from_secs(60);
const BYTES: &str = "application/octet-stream";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectQuery {
    /// `allod-backup`, `data/xx/NAME`, `backups/NAME` or `tested/NAME`.
    #[param(example = "backups/5d41402abc4b2a76b9719d911017c592")]
    name: String,
}

impl ObjectQuery {
    fn object(&self) -> Result<ObjectName, ApiError> {
        self.name
            .parse()
            .map_err(|error: vault_hosted::NameError| ApiError::bad_request(format!("It does not fit: {error}.")))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Under {
    /// `data`, `backups` or `tested`.
    #[param(example = "backups")]
    under: String,
    /// Behind this one: what `next` said.
    after: Option<String>,
}

/// The objects of a place
#[utoipa::path(get, path = "/places/{place}/objects", tag = "places",
    params(("place" = String, Path,), Under), responses(
    (status = 200, description = "Some of them, in the order of their names", body = Listed),
    (status = 400, description = "`bad_request`: there is no such list")))]
pub(super) async fn list(at: AtPlace, under: Query<Under>) -> Result<HttpResponse, ApiError> {
    let Under { under, after } = under.into_inner();
    let listing = at.place.listing().await;
    let listed: Listed = at.blocking(move |_| listing.read(&under, after.as_deref())).await?;
    Ok(HttpResponse::Ok().json(listed))
}

/// An object
#[utoipa::path(get, path = "/places/{place}/object", tag = "places",
    params(("place" = String, Path,), ObjectQuery), responses(
    (status = 200, description = "Its bytes", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 400, description = "`bad_request`: no object is called so"),
    (status = 404, description = "`not_found`: there is none")))]
pub(super) async fn get(at: AtPlace, named: Query<ObjectQuery>) -> Result<HttpResponse, ApiError> {
    let name = named.object()?;
    let (file, length) = at.blocking(move |place| place.read(&name)).await?;
    // The turn goes with what is read.
    let reading = Reading::begin((file, at), length, LEAST_READ_WITHIN, patience(length));
    let parts = futures::stream::unfold(reading, async |reading| {
        let (mut held, left) = reading.take()?;
        let read = web::block(move || {
            let mut part = vec![0; left.min(CHUNK as u64) as usize];
            held.0.read_exact(&mut part).map(|()| (Bytes::from(part), held))
        });
        let read = read.await.map_err(std::io::Error::other).and_then(|read| read);
        // Where it fails it ends: less comes than was said.
        let part = read.map(|(part, held)| {
            reading.put_back(held, left - part.len() as u64);
            part
        });
        Some((part, reading))
    });
    let body = SizedStream::new(length, Box::pin(parts));
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, BYTES)).body(body))
}

/// Puts an object
///
/// It is there whole, and for good, once this is answered; with `If-None-Match: *` only where none of the name is there.
/// What says which backups there are (`backups/…`, `tested/…`) comes from the holder of the lock alone.
#[utoipa::path(put, path = "/places/{place}/object", tag = "places",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    params(("place" = String, Path,), ObjectQuery,
        ("If-None-Match" = Option<String>, Header, description = "`*`: only where none of the name is there"),
        ("Allod-Holder" = Option<String>, Header, description = "The holder of the lock: whose change it is")), responses(
    (status = 201, description = "It is there, and was not before"),
    (status = 204, description = "It is there in the place of another"),
    (status = 400, description = "`bad_request`: no object is called so, or another number of bytes came than was said"),
    (status = 408, description = "`limit_time`: the body came too slowly"),
    (status = 411, description = "`length_required`: its length is not said"),
    (status = 412, description = "`exists`: there is one of this name"),
    (status = 413, description = "`limit_body`: no object is so long"),
    (status = 423, description = "`place_not_held`: it is for the holder of the lock, and that is not who is named"),
    (status = 507, description = "`place_full`, `place_disk_full`: there is no room for it")))]
pub(super) async fn put(
    request: HttpRequest,
    at: AtPlace,
    named: Query<ObjectQuery>,
    mut body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let taken = taken(&request, &at, &named, &mut body).await;
    if taken.is_err() {
        let _ = actix_web::rt::time::timeout(LET_GO_WITHIN, let_go(&mut body)).await;
    }
    let was_there = taken?;
    Ok(HttpResponse::build(if was_there { StatusCode::NO_CONTENT } else { StatusCode::CREATED }).finish())
}

/// Whether the object took the place of another.
async fn taken(
    request: &HttpRequest,
    at: &AtPlace,
    named: &ObjectQuery,
    body: &mut web::Payload,
) -> Result<bool, ApiError> {
    let name = named.object()?;
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let length = length.ok_or_else(|| {
        let text = "The length of an object is said before it comes.";
        ApiError::new(StatusCode::LENGTH_REQUIRED, "length_required", text)
    })?;
    let only_new = match request.headers().get(IF_NONE_MATCH).map(|value| value.as_bytes()) {
        None => false,
        Some(b"*") => true,
        Some(_) => return Err(ApiError::bad_request("`If-None-Match` can only be `*` here.")),
    };
    let holder = holder(request);
    let (upload, mut file) = at
        .blocking(move |place| {
            let upload = place.begin(name, length, only_new, holder)?;
            let file = upload.create()?;
            Ok((upload, file))
        })
        .await?;
    let received = async {
        let (mut waiting, mut came) = (Vec::new(), 0);
        loop {
            let part = actix_web::rt::time::timeout(SILENCE, body.next()).await.map_err(|_| too_slow())?;
            let part = part.transpose().map_err(|_| refused(KeepError::Cut))?;
            let over = part.is_none();
            let part = part.unwrap_or_default();
            came += part.len() as u64;
            if came > length {
                return Err(refused(KeepError::Cut));
            }
            waiting.extend_from_slice(&part);
            if waiting.len() >= CHUNK || over {
                let bytes = std::mem::take(&mut waiting);
                file = at
                    .blocking(move |_| {
                        file.write_all(&bytes)?;
                        Ok(file)
                    })
                    .await?;
            }
            if over {
                return Ok(());
            }
        }
    };
    actix_web::rt::time::timeout(patience(length), received).await.map_err(|_| too_slow())??;
    at.blocking(move |_| upload.finish()).await
}

/// Who a change says that it is by.
fn holder(request: &HttpRequest) -> Option<String> {
    Some(request.headers().get(HOLDER)?.to_str().ok()?.to_owned())
}

fn too_slow() -> ApiError {
    let text = "The object came too slowly: send less at a time, or over a better line.";
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "limit_time", text)
}

async fn let_go(body: &mut web::Payload) {
    let mut left = LET_GO;
    while let Some(Ok(part)) = body.next().await {
        let Some(less) = left.checked_sub(part.len()) else { return };
        left = less;
    }
}

/// Removes an object
///
/// For the holder of the lock alone.
#[utoipa::path(delete, path = "/places/{place}/object", tag = "places",
    params(("place" = String, Path,), ObjectQuery,
        ("Allod-Holder" = String, Header, description = "The holder of the lock: whose change it is")), responses(
    (status = 204, description = "It is not there (any more)"),
    (status = 400, description = "`bad_request`: no object is called so"),
    (status = 423, description = "`place_not_held`: that is not who is named")))]
pub(super) async fn remove(
    request: HttpRequest,
    at: AtPlace,
    named: Query<ObjectQuery>,
) -> Result<HttpResponse, ApiError> {
    let (name, holder) = (named.object()?, holder(&request));
    at.blocking(move |place| place.remove(&name, holder.as_deref())).await?;
    Ok(HttpResponse::NoContent().finish())
}
