//! Registering apps.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::ClientId;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{ApiError, Data, body, grants};
use crate::directory::{AppSource, RegisteredApp};
use crate::front::described::{Access, AppManifest, Id};
use crate::front::listed::Page;
use crate::front::operator::{ConfirmedOperator, Operator};
use crate::front::pages::is_at_pages;
use crate::grants::Manifest;

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list, remove))]
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
struct AppView {
    #[schema(value_type = Id)]
    client_id: ClientId,
    name: String,
    redirect_uris: Vec<String>,
    #[schema(value_type = Vec<Access>)]
    access: Vec<Value>,
    confidential: bool,
    /// Whether it gets tokens by the proof of a key alone (DPoP, RFC 9449).
    dpop_bound_access_tokens: bool,
    /// How many grants it has, of everybody together.
    grants: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<String>,
    /// The address of the document by which it describes itself, if nobody registered it. To itself that is its `client_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    /// Whether it registered itself (RFC 7591).
    registered_itself: bool,
}

/// Registers an app
#[utoipa::path(post, path = "/api/v1/apps", tag = "apps", request_body = AppManifest, responses(
    (status = 201, description = "It is registered", body = AppAdded)))]
pub(super) async fn add(
    node: Data,
    req: HttpRequest,
    by: ConfirmedOperator,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let value = body::json::<Value>(&req, &bytes)?;
    let list = |key: &str| value[key].as_array().map(Vec::as_slice).unwrap_or_default().iter().take(16);
    let uris = list("redirect_uris").chain(list("post_logout_redirect_uris"));
    let own = node.url();
    if let Some(uri) = uris.filter_map(Value::as_str).find(|uri| is_at_pages(&req, &own, uri)) {
        let uri: String = uri.chars().take(200).collect();
        let text = format!("`{uri}` is an address of this node itself, or of the name under which it shows its pages.");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "redirect_to_pages", text).hint(
            "Cookies know no ports: answer at 127.0.0.1, [::1] or a name of the app's own, at a port of its own.",
        ));
    }
    let manifest = Manifest::parse(&value)?;
    let (client, secret) = node.directory().add_app(&manifest, node.now()).await?;
    let detail = json!({ "client_id": client });
    node.directory().audit(by.user(), by.actor(), "app.registered", detail, node.now()).await?;
    let client_secret = secret.map(|secret| secret.text().to_owned());
    let mut made = HttpResponse::Created();
    // An answer without a secret can be told again to who repeats the request.
    if client_secret.is_some() {
        made.insert_header(("cache-control", "no-store"));
    }
    Ok(made.json(AppAdded { client_id: client, client_secret }))
}

/// The registered apps
#[utoipa::path(get, path = "/api/v1/apps", tag = "apps", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<AppView>)))]
pub(super) async fn list(node: Data, req: HttpRequest, _by: Operator) -> Result<HttpResponse, ApiError> {
    let mut held: HashMap<ClientId, usize> = HashMap::new();
    for row in node.directory().grant_rows(None).await? {
        *held.entry(row.client).or_default() += 1;
    }
    let view = |app: &RegisteredApp| {
        let manifest = &app.manifest;
        AppView {
            client_id: app.client,
            name: manifest.name.clone(),
            redirect_uris: manifest.redirect_uris.clone(),
            access: manifest.access.iter().map(crate::grants::Access::to_json).collect(),
            confidential: manifest.confidential,
            dpop_bound_access_tokens: manifest.dpop_bound_access_tokens,
            grants: held.get(&app.client).copied().unwrap_or_default(),
            client_uri: manifest.client_uri.clone(),
            logo_uri: manifest.logo_uri.clone(),
            registered_itself: app.source == AppSource::Itself,
            document: app.document().map(|url| url.as_str().to_owned()),
        }
    };
    let list: Vec<AppView> = node.directory().apps().await?.iter().map(view).collect();
    Page::answer(&req, &list, |one| one.client_id.to_string())
}

/// An app that was removed.
#[derive(Debug, Serialize, ToSchema)]
struct AppRemoved {
    #[schema(value_type = Id)]
    client_id: ClientId,
    /// Grants that ended with it.
    revoked: usize,
}

/// Removes an app
///
/// Everything that it was granted, by whomever, is revoked first.
#[utoipa::path(delete, path = "/api/v1/apps/{client}", tag = "apps",
    params(("client" = Id, Path, description = "The app")), responses(
    (status = 200, description = "It is removed", body = AppRemoved),
    (status = 404, description = "`unknown_app`: there is none of this id")))]
pub(super) async fn remove(node: Data, by: ConfirmedOperator, client: Path<String>) -> Result<HttpResponse, ApiError> {
    let client: ClientId = client.parse().map_err(|_| grants::unknown_app())?;
    node.directory().app(client).await?.ok_or_else(grants::unknown_app)?;
    let revoked = crate::apps::remove(&**node, client, by.actor()).await?;
    let detail = json!({ "client_id": client, "revoked": revoked });
    node.directory().audit(by.user(), by.actor(), "app.removed", detail, node.now()).await?;
    Ok(HttpResponse::Ok().json(AppRemoved { client_id: client, revoked }))
}
