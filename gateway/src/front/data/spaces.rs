//! `/api/v1/spaces`.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::DataError;
use crate::app::App;
use crate::authn;
use crate::node::Node as _;

const MAX_NAME: usize = 200;

pub fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/api/v1/spaces").route(web::get().to(list)).route(web::post().to(create)));
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSpace {
    name: String,
}

fn unavailable(error: impl std::fmt::Display) -> DataError {
    tracing::error!(%error, "a space operation failed");
    DataError::Unavailable("The node could not do this; its log says why.".into())
}

/// The caller's spaces; for an app, the one of its grant.
async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, DataError> {
    let principal = authn::authenticate(&request, &app)?;
    let mut spaces = app.vault.spaces(principal.caller.user).await.map_err(unavailable)?;
    if principal.caller.app.is_some() {
        spaces.retain(|space| Some(space.id) == principal.space);
    }
    let shown: Vec<_> = spaces
        .iter()
        .map(|space| json!({ "id": space.id, "name": space.name, "role": "owner", "personal": space.personal }))
        .collect();
    Ok(HttpResponse::Ok().json(shown))
}

async fn create(
    request: HttpRequest,
    app: web::Data<App>,
    new: web::Json<NewSpace>,
) -> Result<HttpResponse, DataError> {
    let principal = authn::authenticate(&request, &app)?;
    if principal.caller.app.is_some() {
        return Err(DataError::refused(StatusCode::FORBIDDEN, "forbidden", "An app cannot make spaces."));
    }
    let name = new.name.trim();
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let message = "A space needs a name of 1 to 200 characters.";
        return Err(DataError::refused(StatusCode::BAD_REQUEST, "invalid_input", message));
    }
    let user = principal.caller.user;
    let space = app.vault.create_space(user, name).await.map_err(unavailable)?;
    app.project(space).await.map_err(unavailable)?;
    app.advance_epoch();
    Ok(HttpResponse::Created().json(json!({ "id": space, "name": name })))
}
