//! `/api/v1/collections`, `/api/v0/schema`: definitions.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use gateway_graphql::visible::{Visible, VisibleCollection};
use gateway_graphql::{SdlError, print, sdl};
use policy_core::{CollectionId, Verbs};
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;
use utoipa::ToSchema;
use vault::VaultError;
use vault::define::DefinitionError;
use vault_core::schema::Collection;

use super::incoming::{LIGHT, apart};
use super::{client, space_of, unavailable};
use crate::app::App;
use crate::directory::{DirectoryError, QuotaKind};
use crate::front::contract::Limits;
use crate::front::contract::{LARGE_BODY, json_errors};
use crate::front::described::{Id, SpaceHeader};
use crate::front::error::ApiError;
use crate::front::listed::Page;
use crate::front::media;
use crate::front::refusals::UnknownSpace;
use crate::front::route::Routes;

/// The largest definition text.
const MAX_SDL: usize = 1 << 20;
/// What a definition comes as: JSON, or text by whatever of these names; `curl -d` sends the last.
const SDL_TYPES: [&str; 4] = [media::JSON, "text/plain", "application/graphql", media::FORM];

pub fn routes(routes: &mut Routes) {
    routes.post("/api/v1/collections", define).get("/api/v1/collections", list).post("/api/v0/schema", define_v0);
    routes.get("/api/v1/schema", schema);
    for path in ["/api/v1/collections", "/api/v0/schema"] {
        routes.limited(path, Limits::body(LARGE_BODY)).open(path);
    }
    routes.open("/api/v1/schema");
    routes.erring("/api/v0/schema", json_errors).described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(define, define_v0, list, schema))]
struct Api;

/// Definitions in JSON.
#[derive(Debug, Deserialize, ToSchema)]
struct Wrapped {
    #[schema(examples("type Contact { name: String phone: String }"))]
    sdl: String,
}

fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(status, code, message)
}

fn sdl_of(request: &HttpRequest, body: &Bytes) -> Result<String, ApiError> {
    if body.len() > MAX_SDL {
        return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, "limit_body", "A definition has at most 1 MiB."));
    }
    let kind = media::of_body(request, &SDL_TYPES, "Send the definition as text/plain or application/json.")?;
    let text = std::str::from_utf8(body)
        .map_err(|_| refused(StatusCode::BAD_REQUEST, "invalid_input", "The definition is not UTF-8."))?;
    if kind == Some(media::JSON) {
        let wrapped: Wrapped = serde_json::from_str(text).map_err(|error| {
            refused(StatusCode::BAD_REQUEST, "invalid_input", format!("The body is not {{\"sdl\": …}}: {error}"))
        })?;
        return Ok(wrapped.sdl);
    }
    Ok(text.to_owned())
}

impl App {
    /// How many collections a space may have: its owner's quota.
    async fn collections_quota(&self, space: policy_core::SpaceId) -> Result<u64, ApiError> {
        let owner = self.vault.owner_of(space).ok_or_else(ApiError::not_found)?;
        Ok(self.directory.quota(QuotaKind::Collections, owner).await?)
    }
}

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
struct CollectionView {
    #[schema(examples("Contact"))]
    name: String,
    #[schema(value_type = Id)]
    id: CollectionId,
    version: String,
}

impl CollectionView {
    fn of(one: &Collection) -> CollectionView {
        CollectionView { name: one.name.clone(), id: one.id, version: one.version.to_string() }
    }
}

/// Adds collections: all of them, or none; in the spelling of 2023
#[utoipa::path(post, path = "/api/v0/schema", tag = "data", params(SpaceHeader), request_body(
    content((Wrapped = "application/json"), (String = "text/plain"), (String = "application/graphql"))), responses(
    (status = 201, description = "They are added", body = Vec<CollectionView>),
    UnknownSpace,
    (status = 409, description = "`exists`: there is such a type")))]
async fn define_v0(request: HttpRequest, app: web::Data<App>, body: Bytes) -> Result<HttpResponse, ApiError> {
    define(request, app, body).await
}

/// Adds collections: all of them, or none
#[utoipa::path(post, path = "/api/v1/collections", tag = "data", params(SpaceHeader), request_body(
    content((Wrapped = "application/json"), (String = "text/plain"), (String = "application/graphql"))), responses(
    (status = 201, description = "They are added", body = Vec<CollectionView>),
    UnknownSpace,
    (status = 409, description = "`exists`: there is such a type")))]
async fn define(request: HttpRequest, app: web::Data<App>, body: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = client(&request, &app).await?;
    let space = space_of(&app, &principal, &request).await?;
    let forbidden = || {
        let message = "Only who manages the space may define collections.";
        refused(StatusCode::FORBIDDEN, "forbidden", message)
    };
    // Before anything is read, of the request or of what is there: the answer would tell of types that are not theirs
    // to see.
    if principal.caller.app.is_some() || !app.access.write_permits(&principal.caller, space).await?.1.manages() {
        return Err(forbidden());
    }
    let text: Arc<str> = sdl_of(&request, &body)?.into();
    let mut attempts = app.access.attempts(&principal.caller, space);
    loop {
        let (catalogue, permits) = attempts.write().await?;
        if !permits.manages() {
            return Err(forbidden());
        }
        let most = app.collections_quota(space).await?;
        let (text, known) = (Arc::clone(&text), Arc::clone(&catalogue.schema));
        let compile = move || sdl::compile(&text, &known);
        let compiled = if body.len() <= LIGHT { compile() } else { apart(&app, &principal, compile).await? };
        let new = compiled.map_err(|error| match &error {
            SdlError::Exists { .. } => refused(StatusCode::CONFLICT, "exists", error.to_string()),
            _ => refused(StatusCode::BAD_REQUEST, error.code(), error.to_string()),
        })?;
        // The permits count for these definitions alone: if others come first, all of this begins again.
        if (catalogue.schema.collections.len() + new.len()) as u64 > most {
            return Err(DirectoryError::Quota { kind: QuotaKind::Collections, most }.into());
        }
        match app.vault.define(&permits, &new).instrument(gateway_trace::step("vault define")).await {
            Ok(collections) => {
                app.access.forget_catalogue(space);
                app.access.catalogue(space).await?;
                let views: Vec<_> = collections.iter().map(CollectionView::of).collect();
                return Ok(HttpResponse::Created().json(views));
            }
            Err(VaultError::Permit(refusal)) if refusal.calls_for_another() => {}
            Err(VaultError::Forbidden) => return Err(forbidden()),
            Err(VaultError::Definition(error @ DefinitionError::Exists(_))) => {
                return Err(refused(StatusCode::CONFLICT, "exists", error.to_string()));
            }
            Err(VaultError::Definition(error @ DefinitionError::Beyond(_))) => {
                return Err(refused(StatusCode::BAD_REQUEST, "limit_definitions", error.to_string()));
            }
            Err(VaultError::Definition(error)) => {
                return Err(refused(StatusCode::BAD_REQUEST, "invalid_input", error.to_string()));
            }
            Err(error) => {
                tracing::error!(%error, "a definition was not written");
                return Err(unavailable("The definition was not written; the node's log says why."));
            }
        }
    }
}

/// The collections that the caller sees
#[utoipa::path(get, path = "/api/v1/collections", tag = "data", params(SpaceHeader, Page), responses(
    (status = 200, description = "All of them", body = Vec<CollectionView>),
    UnknownSpace))]
async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let principal = client(&request, &app).await?;
    let space = space_of(&app, &principal, &request).await?;
    let (catalogue, permits) = app.access.read_permits(&principal.caller, space).await?;
    let seen = catalogue.schema.collections.iter().filter(|collection| permits.mask(collection.id).is_some());
    let views: Vec<_> = seen.map(CollectionView::of).collect();
    Page::answer(&request, &views, |one| one.id.to_string())
}

/// What one may do with a field.
#[derive(Debug, Serialize, ToSchema)]
struct FieldDefined {
    #[schema(examples("phone"))]
    name: String,
    /// Of `create`, `read`, `update`, `delete`, `search`, `history`.
    #[schema(examples(json!(["read", "search"])))]
    verbs: Vec<&'static str>,
}

/// A collection as its definition says it, and what one may do there.
#[derive(Debug, Serialize, ToSchema)]
struct CollectionDefined {
    #[schema(examples("Contact"))]
    name: String,
    /// The definition, as far as the caller sees it.
    #[schema(examples("type Contact {\n  name: String\n}\n"))]
    sdl: String,
    /// Of `create`, `read`, `update`, `delete`, `search`, `history`: what may be done to some document or other.
    #[schema(examples(json!(["read", "search"])))]
    verbs: Vec<&'static str>,
    /// Whether who adds a document may say its `_docID`.
    own_ids: bool,
    fields: Vec<FieldDefined>,
}

fn words(verbs: Verbs) -> Vec<&'static str> {
    verbs.iter().map(policy_core::Verb::word).collect()
}

impl CollectionDefined {
    fn of((name, sdl): (String, String), seen: &VisibleCollection) -> CollectionDefined {
        let field = |field: &gateway_graphql::visible::VisibleField| FieldDefined {
            name: field.name.clone(),
            verbs: words(field.verbs),
        };
        let fields = seen.fields.iter().map(field).collect();
        CollectionDefined { name, sdl, verbs: words(seen.verbs), own_ids: seen.own_ids, fields }
    }
}

/// The definitions that the caller sees
///
/// In the language in which they are written, and what the caller may do with each field. What is hidden from the caller
/// stands nowhere in it.
#[utoipa::path(get, path = "/api/v1/schema", tag = "data", params(SpaceHeader), responses(
    (status = 200, description = "All of them, by name", body = Vec<CollectionDefined>),
    UnknownSpace))]
async fn schema(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let principal = client(&request, &app).await?;
    let space = space_of(&app, &principal, &request).await?;
    let (catalogue, permits) = app.access.read_permits(&principal.caller, space).await?;
    let visible = Visible::new(&catalogue.schema, &|id| permits.mask(id).cloned());
    let texts = print::definitions(&catalogue.schema, &visible).into_iter();
    let views: Vec<_> =
        texts.filter_map(|text| Some(CollectionDefined::of(text.clone(), visible.named(&text.0)?))).collect();
    Ok(HttpResponse::Ok().json(views))
}
