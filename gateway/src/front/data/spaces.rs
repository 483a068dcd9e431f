//! `/api/v1/spaces`.

use std::collections::BTreeSet;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use policy::facts::Thing;
use policy_core::{Caller, SpaceId, Verb};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{space_of, unavailable};
use crate::access::AccessError;
use crate::app::App;
use crate::authn;
use crate::front::Routes;
use crate::front::account::body;
use crate::front::error::ApiError;
use crate::node::Node as _;

const MAX_NAME: usize = 200;

pub fn routes(routes: &mut Routes) {
    routes.get("/api/v1/spaces", list).post("/api/v1/spaces", create);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSpace {
    name: String,
}

fn failed(error: impl std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a space operation failed");
    unavailable("The node could not do this; its log says why.")
}

/// The caller's spaces, and those of others of which something is shared with them; for an app, the one of its grant.
async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let principal = authn::authenticate(&request, &**app).await?;
    let mut spaces = app.vault.spaces(principal.caller.user).await.map_err(failed)?;
    if let Some(caller) = principal.caller.app {
        // Whoever has a link is told no name of a space.
        if caller.holder.client().is_none() {
            return Ok(HttpResponse::Ok().json(json!([])));
        }
        let granted = space_of(&app, &principal, &request).await?;
        spaces.retain(|space| space.id == granted);
    }
    let own = spaces
        .iter()
        .map(|space| json!({ "id": space.id, "name": space.name, "role": "owner", "personal": space.personal }));
    let mut shown: Vec<Value> = own.collect();
    if principal.caller.app.is_none() {
        shown.extend(shared(&app, &principal.caller).await?);
    }
    Ok(HttpResponse::Ok().json(shown))
}

/// The spaces of others of which something is shared with a person, by id. `whole`: all of the space is.
async fn shared(app: &App, caller: &Caller) -> Result<Vec<Value>, ApiError> {
    let parties = app.directory.parties_of(caller.user, app.now()).await?;
    let assigned = app.directory.assignments_to(&parties).await?;
    let ids: BTreeSet<SpaceId> = assigned.iter().map(|one| one.space).collect();
    let mut shown = Vec::new();
    for id in ids {
        let Some(owner) = app.vault.owner_of(id).filter(|owner| *owner != caller.user) else { continue };
        let permits = match app.read_permits(caller, id).await {
            Ok((_, permits)) => permits,
            // Lapsed, or blocked.
            Err(AccessError::NotFound) => continue,
            Err(error) => return Err(error.into()),
        };
        let whole = app.may(caller.user, Thing::Space(id), "view").await?;
        let edits = if whole {
            app.may(caller.user, Thing::Space(id), "edit").await?
        } else {
            permits.collections().any(|(_, mask)| mask.gives(Verb::Update))
        };
        let name = app.vault.policy(id).await.map_err(failed)?.name.clone();
        let owner = app.directory.user(owner).await?.map(|user| user.name);
        let role = if edits { "editor" } else { "viewer" };
        shown.push(json!({ "id": id, "name": name, "role": role, "personal": false, "owner": owner, "whole": whole }));
    }
    Ok(shown)
}

async fn create(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = authn::authenticate(&request, &**app).await?;
    if principal.caller.app.is_some() {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "An app cannot make spaces."));
    }
    let NewSpace { name } = body::json(&request, &bytes)?;
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let message = "A space needs a name of 1 to 200 characters.";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_input", message));
    }
    let user = principal.caller.user;
    let space = app.vault.create_space(user, name).await.map_err(failed)?;
    app.project(space).await.map_err(failed)?;
    app.advance_epoch();
    Ok(HttpResponse::Created().json(json!({ "id": space, "name": name })))
}
