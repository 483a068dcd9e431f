//! `/api/v1/folders`: documents of a collection that are shared together. A right on a folder is one on what lies
//! in it, folders in it included; a document may lie in several.

use actix_web::web::{self, Bytes, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use policy::facts::Thing;
use policy_core::{Check, DocId, Engine as _, Subject, Tuple};
use serde::Deserialize;
use serde_json::{Value, json};

use super::place::{Names, Place, Said, known_folder, manages, seen};
use super::{ApiError, CHANGES, Sharer, conflict, forbidden, invalid, note, unchanged};
use crate::app::App;
use crate::directory::{Directory, Folder, MOST_NESTED};
use crate::front::Routes;
use crate::front::account::body;
use crate::front::data::unavailable;
use crate::node::Node as _;

/// Documents of one request, and of one page.
const PAGE: usize = 1_000;

pub(super) fn routes(routes: &mut Routes) {
    routes
        .post("/api/v1/folders", add)
        .get("/api/v1/folders", list)
        .delete("/api/v1/folders/{id}", remove)
        .post("/api/v1/folders/{id}/documents", file)
        .get("/api/v1/folders/{id}/documents", documents)
        .delete("/api/v1/folders/{id}/documents/{document}", unfile);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFolder {
    space: Option<String>,
    collection: String,
    parent: Option<String>,
    name: String,
}

async fn add(req: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let new: NewFolder = body::json(&req, &bytes)?;
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
        return Err(invalid("A folder needs a name of one line of 1 to 80 characters."));
    }
    let _alone = app.sharing.lock().await;
    let said = Said {
        space: new.space.as_deref(),
        collection: Some(&new.collection),
        folder: new.parent.as_deref(),
        document: None,
    };
    let place = Place::find(&app, &by, &req, said).await?;
    let thing = place.managed(&app, &by).await?;
    let collection = place.collection.ok_or_else(ApiError::not_found)?;
    let parent = if let Thing::Folder(_, id) = thing { Some(id) } else { None };
    if app.directory.folder_depth(parent, MOST_NESTED).await? > MOST_NESTED {
        let message = format!("Folders lie in one another at most {MOST_NESTED} deep.");
        return Err(conflict("folder_depth", message));
    }
    let folder = Folder {
        id: Directory::new_folder_id(),
        space: place.space,
        collection,
        parent,
        name: name.to_owned(),
        created: app.now(),
    };
    app.directory.add_folder(&folder).await?;
    let put = Thing::folder(collection, folder.id, parent);
    if let Err(error) = app.policy.write_by(put, Vec::new(), by.metadata("folder.created")).await {
        app.directory.remove_folder(folder.id).await?;
        return Err(unchanged(error));
    }
    noted(&app, &by, "folder.created", &folder).await?;
    Ok(HttpResponse::Created().json(shown(&app, &folder, &mut Names::default()).await?))
}

async fn noted(app: &App, by: &Sharer, action: &str, folder: &Folder) -> Result<(), ApiError> {
    let owner: Vec<_> = app.vault.owner_of(folder.space).into_iter().collect();
    note(app, by, &owner, action, json!({ "folder": folder.id, "space": folder.space })).await
}

async fn shown(app: &App, folder: &Folder, names: &mut Names) -> Result<Value, ApiError> {
    let mut shown = json!({ "space": folder.space, "name": folder.name });
    names.describe(app, folder.space, Thing::Folder(folder.collection, folder.id), &mut shown).await?;
    if let Some(parent) = folder.parent {
        shown["parent"] = json!(parent);
    }
    Ok(shown)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    space: Option<String>,
    collection: Option<String>,
}

/// The folders of a space that the person views, by name.
async fn list(req: HttpRequest, app: web::Data<App>, which: Query<Which>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let said = Said { space: which.space.as_deref(), collection: which.collection.as_deref(), ..Said::default() };
    let place = Place::find(&app, &by, &req, said).await?;
    let folders = app.directory.folders_in(place.space, place.collection).await?;
    let checks: Vec<Check> = folders
        .iter()
        .map(|folder| Check::new(Thing::Folder(folder.collection, folder.id).object(), "view", subject(&by)))
        .collect();
    let mut names = Names::default();
    let mut list = Vec::new();
    for (folder, seen) in folders.iter().zip(allowed(&app, &checks).await?) {
        if seen {
            let mut one = shown(&app, folder, &mut names).await?;
            // A folder around it that the person does not view is none of theirs.
            if let Some(parent) = folder.parent
                && !app.may(by.user(), Thing::Folder(folder.collection, parent), "view").await?
            {
                one["parent"] = Value::Null;
            }
            list.push(one);
        }
    }
    Ok(HttpResponse::Ok().json(list))
}

fn subject(by: &Sharer) -> Subject {
    Subject::object("user", by.user())
}

async fn allowed(app: &App, checks: &[Check]) -> Result<Vec<bool>, ApiError> {
    let answers = app.policy.check(checks, app.now()).await;
    let answers =
        answers.map_err(|error| unavailable(format!("Policy cannot decide ({}); try again.", error.reason)))?;
    Ok(answers.iter().map(policy_core::Decision::allowed).collect())
}

/// A folder that the person manages.
async fn managed(app: &App, by: &Sharer, id: &str) -> Result<Folder, ApiError> {
    let folder = known_folder(app, by.user(), id).await?;
    if manages(app, by.user(), Thing::Folder(folder.collection, folder.id)).await? {
        return Ok(folder);
    }
    Err(forbidden("Only who manages the folder may do this."))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filed {
    documents: Vec<DocId>,
}

/// Puts documents into a folder, all of them or none. Who does manages each: it is shared by this.
async fn file(req: HttpRequest, app: web::Data<App>, id: Path<String>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let Filed { mut documents } = body::json(&req, &bytes)?;
    documents.sort_unstable();
    documents.dedup();
    if documents.is_empty() || documents.len() > PAGE {
        return Err(invalid(format!("Name 1 to {PAGE} documents.")));
    }
    let _alone = app.sharing.lock().await;
    let folder = managed(&app, &by, &id).await?;
    if seen(&app, &by, folder.space, folder.collection, &documents).await? != documents {
        return Err(ApiError::not_found());
    }
    if !app.may(by.user(), Thing::Collection(folder.collection), "manage").await? {
        let thing = |document: &DocId| Thing::Document(folder.collection, *document).object();
        let checks: Vec<Check> =
            documents.iter().map(|document| Check::new(thing(document), "manage", subject(&by))).collect();
        if allowed(&app, &checks).await?.contains(&false) {
            return Err(forbidden("Only who manages a document may put it into a folder."));
        }
    }
    app.directory.file(&folder, &documents, app.now()).await?;
    let put = documents.iter().map(|document| Thing::filed(folder.collection, *document, folder.id)).collect();
    // Again is no change, so a request that breaks off here can be repeated.
    app.policy.write_by(put, Vec::new(), by.metadata("folder.filed")).await.map_err(unchanged)?;
    noted(&app, &by, "folder.filed", &folder).await?;
    Ok(HttpResponse::Ok().json(json!({ "folder": folder.id, "documents": documents })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    after: Option<DocId>,
}

/// The documents in a folder that the person views: a page at a time, ascending; `next` is `after` of the next.
async fn documents(
    req: HttpRequest,
    app: web::Data<App>,
    id: Path<String>,
    from: Query<From>,
) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let folder = known_folder(&app, by.user(), &id).await?;
    let page = app.directory.filed(folder.id, from.after, PAGE as u64).await?;
    let next = if page.len() == PAGE { page.last().copied() } else { None };
    let documents = seen(&app, &by, folder.space, folder.collection, &page).await?;
    Ok(HttpResponse::Ok().json(json!({ "documents": documents, "next": next })))
}

/// Takes a document out of a folder. Acknowledged when no further request is served by what the folder gave.
async fn unfile(req: HttpRequest, app: web::Data<App>, path: Path<(String, DocId)>) -> Result<HttpResponse, ApiError> {
    let (id, document) = path.into_inner();
    let by = Sharer::of(&req, &app).await?;
    let _alone = app.sharing.lock().await;
    let folder = managed(&app, &by, &id).await?;
    let gone = vec![Thing::filed(folder.collection, document, folder.id)];
    app.policy.write_by(Vec::new(), gone, by.metadata("folder.unfiled")).await.map_err(unchanged)?;
    if !app.directory.unfile(folder.id, document).await? {
        return Err(ApiError::not_found());
    }
    noted(&app, &by, "folder.unfiled", &folder).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Removes a folder in which no folder lies. The documents in it stay, and lose what the folder gave.
async fn remove(req: HttpRequest, app: web::Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let _alone = app.sharing.lock().await;
    let folder = managed(&app, &by, &id).await?;
    if app.directory.has_folders(folder.id).await? {
        return Err(conflict("folder_in_use", "There are folders in this one; remove them first."));
    }
    let action = "folder.removed";
    let thing = Thing::Folder(folder.collection, folder.id);
    let shares: Vec<_> = app.directory.assignments_in(folder.space, Some(folder.collection)).await?;
    let shares: Vec<_> = shares.into_iter().filter(|share| share.thing == thing).collect();
    let mut gone: Vec<Tuple> = shares.iter().flat_map(|share| share.begun().0).collect();
    let documents = app.directory.filed(folder.id, None, u64::MAX >> 1).await?;
    gone.extend(documents.iter().map(|document| Thing::filed(folder.collection, *document, folder.id)));
    // Last the folder itself: a removal that breaks off can be begun again.
    gone.extend(Thing::folder(folder.collection, folder.id, folder.parent));
    for some in gone.chunks(CHANGES) {
        app.policy.write_by(Vec::new(), some.to_vec(), by.metadata(action)).await.map_err(unchanged)?;
    }
    for share in shares {
        app.directory.remove_assignment(share.id).await?;
    }
    app.directory.remove_folder(folder.id).await?;
    noted(&app, &by, action, &folder).await?;
    Ok(HttpResponse::NoContent().finish())
}
