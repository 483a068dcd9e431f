//! Registering apps.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::{ApiError, Data, body, operator};
use crate::directory::{Actor, App};
use crate::front::pages::is_at_pages;
use crate::grants::Manifest;

/// `POST /api/v1/apps` with a manifest.
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
    let mut answer = json!({ "client_id": client });
    if let Some(secret) = secret {
        answer["client_secret"] = json!(secret.text());
    }
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(answer))
}

/// `GET /api/v1/apps`.
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    operator(&req, &**node).await?;
    let shown = |app: &App| {
        let mut shown = app.manifest.to_json();
        shown["client_id"] = json!(app.client);
        shown
    };
    let list: Vec<Value> = node.directory().apps().await?.iter().map(shown).collect();
    Ok(HttpResponse::Ok().json(list))
}
