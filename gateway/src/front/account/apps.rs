//! Registering apps.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use policy_core::ClientId;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{ApiError, Data, body, operator};
use crate::directory::{Actor, RegisteredApp};
use crate::front::described::{Access, AppManifest, Id};
use crate::front::listed::Page;
use crate::front::pages::is_at_pages;
use crate::grants::Manifest;

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list))]
pub(super) struct Api;

/// An app that was registered.
#[derive(Debug, Serialize, ToSchema)]
struct AppAdded {
    #[schema(value_type = Id)]
    client_id: ClientId,
    /// Told here and nowhere else; only of an app that can keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

/// An app, with its manifest.
#[derive(Debug, Serialize, ToSchema)]
struct AppShown {
    #[schema(value_type = Id)]
    client_id: ClientId,
    name: String,
    redirect_uris: Vec<String>,
    #[schema(value_type = Vec<Access>)]
    access: Vec<Value>,
    confidential: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<String>,
}

/// Registers an app
#[utoipa::path(post, path = "/api/v1/apps", tag = "apps", request_body = AppManifest, responses(
    (status = 201, description = "It is registered", body = AppAdded)))]
pub(super) async fn add(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = operator(&req, &**node).await?;
    let value = body::json::<Value>(&req, &bytes)?;
    let uris = value["redirect_uris"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    if let Some(uri) = uris.filter_map(Value::as_str).take(16).find(|uri| is_at_pages(&req, &**node, uri)) {
        let uri: String = uri.chars().take(200).collect();
        let text = format!("`{uri}` is an address of this node itself, or of the name under which it shows its pages.");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "redirect_to_pages", text).hint(
            "Cookies know no ports: answer at 127.0.0.1, [::1] or a name of the app's own, at a port of its own.",
        ));
    }
    let manifest = Manifest::parse(&value)?;
    let (client, secret) = node.directory().add_app(&manifest, node.now()).await?;
    let detail = json!({ "client_id": client });
    node.directory().audit(principal.caller.user, Actor::Operator, "app.registered", detail, node.now()).await?;
    let client_secret = secret.map(|secret| secret.text().to_owned());
    let answer = AppAdded { client_id: client, client_secret };
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(answer))
}

/// The registered apps
#[utoipa::path(get, path = "/api/v1/apps", tag = "apps", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<AppShown>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    operator(&req, &**node).await?;
    let shown = |app: &RegisteredApp| {
        let manifest = &app.manifest;
        AppShown {
            client_id: app.client,
            name: manifest.name.clone(),
            redirect_uris: manifest.redirect_uris.clone(),
            access: manifest.access.iter().map(crate::grants::Access::to_json).collect(),
            confidential: manifest.confidential,
            client_uri: manifest.client_uri.clone(),
            logo_uri: manifest.logo_uri.clone(),
        }
    };
    let list: Vec<AppShown> = node.directory().apps().await?.iter().map(shown).collect();
    Page::answer(&req, &list, |one| one.client_id.to_string())
}
