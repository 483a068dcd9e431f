//! `/api/v1/spaces`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use gateway_people::realm::Realm as _;
use policy::facts::Resource;
use policy_core::{Caller, Check, SpaceId, Subject, UserId, Verb};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{client, space_of, unavailable};
use crate::access::AccessError;
use crate::app::App;
use crate::directory::{QuotaKind, SpaceRow};
use crate::front::Routes;
use crate::front::account::body;
use crate::front::described::{Id, SpaceHeader};
use crate::front::error::ApiError;
use crate::front::listed::Page;
use crate::front::refusals::UnknownSpace;
use crate::node::Node as _;

const MAX_NAME: usize = 200;
/// Checks of one question to policy.
const CHECKS: usize = 500;

pub fn routes(routes: &mut Routes) {
    routes.get("/api/v1/spaces", list).post("/api/v1/spaces", create).described::<Api>();
    routes.open("/api/v1/spaces");
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, create))]
struct Api;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSpace {
    #[schema(examples("Household"))]
    name: String,
}

/// A space that was made.
#[derive(Debug, Serialize, ToSchema)]
struct SpaceMade {
    #[schema(value_type = Id)]
    id: SpaceId,
    name: String,
}

/// A space.
#[derive(Debug, Serialize, ToSchema)]
struct SpaceView {
    #[schema(value_type = Id)]
    id: SpaceId,
    name: String,
    /// `owner`, `editor` or `viewer`.
    role: &'static str,
    /// Whether it is the caller's personal one.
    personal: bool,
    /// Of another's space: its owner's name; null, if their account is not on this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    owner: Option<Option<String>>,
    /// Of another's space: whether all of it is shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<bool>,
}

fn failed(error: impl std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a space operation failed");
    unavailable("The node could not do this; its log says why.")
}

/// Spaces of others that are listed at most.
const MAX_SHARED_SPACES: usize = 1_000;

/// The caller's spaces, and those of others of which something is shared with them; for an app, the one of its grant
#[utoipa::path(get, path = "/api/v1/spaces", tag = "data", params(SpaceHeader, Page), responses(
    (status = 200, description = "All of them", body = Vec<SpaceView>),
    UnknownSpace))]
// No view of a space of one's own, or that is shared whole, is opened for it: what spaces are called is noted beside them.
async fn list(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let principal = client(&request, &app).await?;
    let mut ids = app.vault.space_ids(principal.caller.user);
    if let Some(caller) = &principal.caller.app {
        // Whoever has a link is told no name of a space.
        if caller.holder.client().is_none() {
            return Ok(HttpResponse::Ok().json([(); 0]));
        }
        let granted = space_of(&app, &principal, &request).await?;
        ids.retain(|id| *id == granted);
    }
    let mut spaces = app.spaces.named_spaces(&ids).await.map_err(failed)?;
    spaces.sort_by_key(|space| (!space.personal, space.id));
    let own = |SpaceRow { id, name, personal, .. }: SpaceRow| SpaceView {
        id,
        name,
        role: "owner",
        personal,
        owner: None,
        whole: None,
    };
    let mut views: Vec<SpaceView> = spaces.into_iter().map(own).collect();
    if principal.caller.app.is_none() {
        views.extend(shared(&app, &principal.caller).await?);
    }
    Page::answer(&request, &views, |one| one.id.to_string())
}

/// What policy says of a space to somebody with whom something of it is shared.
#[derive(Default)]
struct Sees {
    /// The whole space.
    whole: bool,
    /// Something, as far as relationships alone tell.
    some: bool,
    edits: bool,
}

/// The spaces of others of which something is shared with a person, by id, at most [`MAX_SHARED_SPACES`]. `whole`: all of
/// the space is.
async fn shared(app: &App, caller: &Caller) -> Result<Vec<SpaceView>, ApiError> {
    let now = app.now();
    let parties = app.directory.parties_of(caller.user, now).await?;
    let mut resources: BTreeMap<SpaceId, BTreeSet<Resource>> = BTreeMap::new();
    for one in app.directory.assignments_to(&parties).await? {
        if !one.lives(now) || app.vault.owner_of(one.space).is_none_or(|owner| owner == caller.user) {
            continue;
        }
        if resources.len() == MAX_SHARED_SPACES && !resources.contains_key(&one.space) {
            continue;
        }
        let of_space = resources.entry(one.space).or_insert_with(|| BTreeSet::from([Resource::Space(one.space)]));
        of_space.insert(one.resource);
    }
    // One question about everything: a check costs microseconds, the opening of a view milliseconds, and what is
    // shared whole needs none.
    let subject = Subject::object("user", caller.user);
    let asked: Vec<(SpaceId, Resource, bool)> = resources
        .iter()
        .flat_map(|(space, resources)| {
            resources.iter().flat_map(|resource| [(*space, *resource, false), (*space, *resource, true)])
        })
        .collect();
    let mut seen: BTreeMap<SpaceId, Sees> = BTreeMap::new();
    for some in asked.chunks(CHECKS) {
        let check = |(_, resource, edits): &(SpaceId, Resource, bool)| {
            Check::new(resource.object(), if *edits { "edit" } else { "view" }, subject.clone())
        };
        let checks: Vec<Check> = some.iter().map(check).collect();
        for ((space, resource, edits), yes) in some.iter().zip(app.access.allowed(&checks).await?) {
            let sees = seen.entry(*space).or_default();
            let all = matches!(resource, Resource::Space(_));
            sees.some |= yes;
            sees.whole |= yes && !edits && all;
            sees.edits |= yes && *edits && all;
        }
    }
    // Of a part only the permits tell whether anything shows: a folder may be empty, and every field hidden.
    let mut visible: Vec<SpaceId> = Vec::new();
    for (id, sees) in &mut seen {
        if sees.some && !sees.whole {
            match app.access.read_permits(caller, *id).await {
                Ok((_, permits)) => sees.edits = permits.collections().any(|(_, mask)| mask.gives(Verb::Update)),
                Err(AccessError::NotFound) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        if sees.some {
            visible.push(*id);
        }
    }
    let mut owners: BTreeMap<UserId, Option<String>> = BTreeMap::new();
    let mut views = Vec::with_capacity(visible.len());
    let mut named = app.spaces.named_spaces(&visible).await.map_err(failed)?;
    named.sort_by_key(|space| space.id);
    for SpaceRow { id, name, .. } in named {
        let (Some(sees), Some(owner)) = (seen.get(&id), app.vault.owner_of(id)) else { continue };
        let owned_by = match owners.entry(owner) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(app.directory.user(owner).await?.map(|user| user.name)),
        };
        let role = if sees.edits { "editor" } else { "viewer" };
        let (owner, whole) = (Some(owned_by.clone()), Some(sees.whole));
        views.push(SpaceView { id, name, role, personal: false, owner, whole });
    }
    Ok(views)
}

/// Makes a space
#[utoipa::path(post, path = "/api/v1/spaces", tag = "data", request_body = NewSpace, responses(
    (status = 201, description = "It is made", body = SpaceMade)))]
async fn create(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = client(&request, &app).await?;
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
    let maker = app.directory.making(user).await;
    app.directory.room(&maker, QuotaKind::Spaces, app.vault.space_ids(user).len() as u64, 1).await?;
    let space = app.vault.create_space(user, name).await.map_err(failed)?;
    app.spaces.project(space).await.map_err(failed)?;
    app.advance_epoch();
    Ok(HttpResponse::Created().json(SpaceMade { id: space, name: name.to_owned() }))
}
