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
    let manifest = Manifest::parse(&body::json::<Value>(&req, &bytes)?)?;
    if let Some(uri) = manifest.redirect_uris.iter().find(|uri| is_at_pages(&req, &**node, uri)) {
        let text = format!("`{uri}` lies on a name under which this node shows its pages.");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "redirect_to_pages", text)
            .hint("Cookies know no ports: answer at 127.0.0.1, [::1] or a name of the app's own."));
    }
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
