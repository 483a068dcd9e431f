//! `/api/v1/folders`: documents of a collection that are shared together. A right on a folder is one on what lies
//! in it, folders in it included; a document may lie in several.

use actix_web::web::{self, Bytes, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use policy::Delivery;
use policy::facts::Resource;
use policy_core::{Check, DocId, FolderId, SpaceId, Subject, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::pending::{Pending, removed};
use super::place::{Described, Names, ResourcePath, VisibleResource, known_folder, manages, visible_documents};
use super::{ApiError, CHANGES, Sharer, Turn, conflict, forbidden, invalid, note, unchanged};
use crate::app::App;
use crate::directory::{Directory, Folder, MAX_NESTED_GROUPS};
use crate::front::Routes;
use crate::front::account::body;
use crate::front::described::Id;
use crate::front::listed::{Page, linked};
use crate::front::refusals::{RefusedByPolicy, UnknownCollection};
use crate::rights::Change;

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

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list, remove, file, documents, unfile))]
pub(super) struct Api;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewFolder {
    /// Without it: the space that the request is about.
    #[schema(value_type = Option<Id>)]
    space: Option<String>,
    #[schema(examples("Contact"))]
    collection: String,
    /// The folder that it lies in.
    #[schema(value_type = Option<Id>)]
    parent: Option<String>,
    #[schema(examples("Family"))]
    name: String,
}

/// A folder.
#[derive(Debug, Serialize, ToSchema)]
struct FolderView {
    #[schema(value_type = Id)]
    space: SpaceId,
    name: String,
    #[serde(flatten)]
    on: Described,
    /// The folder that it lies in; null, where that is none of theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Id>)]
    parent: Option<Option<FolderId>>,
}

/// Documents that were put into a folder.
#[derive(Debug, Serialize, ToSchema)]
struct FiledView {
    #[schema(value_type = Id)]
    folder: FolderId,
    #[schema(value_type = Vec<String>)]
    documents: Vec<DocId>,
}

/// Documents of a folder.
#[derive(Debug, Serialize, ToSchema)]
struct FolderPage {
    #[schema(value_type = Vec<String>)]
    documents: Vec<DocId>,
    /// `after` of the next page; null: there is none.
    #[schema(value_type = Option<String>)]
    next: Option<DocId>,
}

/// Makes a folder
#[utoipa::path(post, path = "/api/v1/folders", tag = "sharing", request_body = NewFolder, responses(
    (status = 201, description = "It is made", body = FolderView),
    (status = 403, description = "`forbidden`: only who manages what it lies in may; or `quota_exceeded`"),
    (status = 404, description = "`not_found`: there is no such space, collection or folder"),
    (status = 409, description = "`folder_depth`: folders lie too deep in one another; or `conflict`")))]

async fn add(req: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let new: NewFolder = body::json(&req, &bytes)?;
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
        return Err(invalid("A folder needs a name of one line of 1 to 80 characters."));
    }
    let path = ResourcePath {
        space: new.space.as_deref(),
        collection: Some(&new.collection),
        folder: new.parent.as_deref(),
        ..ResourcePath::default()
    };
    // A space that is slow to open holds up nobody: it is open before the others' turn is taken.
    let place = VisibleResource::find(&app, &by, &req, path).await?;
    let _alone = app.turns([Turn::Space(place.space)]).await?;
    let place = VisibleResource::find(&app, &by, &req, path).await?;
    let resource = place.managed(&app, &by).await?;
    let collection = place.collection.ok_or_else(ApiError::not_found)?;
    let parent = if let Resource::Folder(_, id) = resource { Some(id) } else { None };
    if app.directory.folder_depth(parent, MAX_NESTED_GROUPS).await? > MAX_NESTED_GROUPS {
        let message = format!("Folders lie in one another at most {MAX_NESTED_GROUPS} deep.");
        return Err(conflict("folder_depth", message));
    }
    // A space has what its owner may have, whoever makes it.
    let maker = app.directory.making(owner_or(&app, &by, place.space)).await;
    app.directory.room_for_folder(&maker, &app.vault.space_ids(maker.user)).await?;
    let folder = Folder {
        id: Directory::new_folder_id(),
        space: place.space,
        collection,
        parent,
        name: name.to_owned(),
        created: app.now(),
    };
    let change = Change::FolderBegins(folder.space, folder.id);
    app.begin_change(&change).await?;
    if let Err(error) = app.directory.add_folder(&folder).await {
        app.end_change(&change).await?;
        return Err(error.into());
    }
    let put = Resource::folder(collection, folder.id, parent);
    if let Err(error) = app.policy.write_by(put, Vec::new(), by.metadata("folder.created")).await {
        app.directory.remove_folder(folder.id).await?;
        app.end_change(&change).await?;
        return Err(unchanged(error));
    }
    noted(&app, &by, "folder.created", &folder).await?;
    app.end_change(&change).await?;
    Ok(HttpResponse::Created().json(folder_view(&app, &folder, &mut Names::default()).await))
}

/// Whose quota counts.
fn owner_or(app: &App, by: &Sharer, space: SpaceId) -> UserId {
    app.vault.owner_of(space).unwrap_or_else(|| by.user())
}

async fn noted(app: &App, by: &Sharer, action: &str, folder: &Folder) -> Result<(), ApiError> {
    let owner: Vec<_> = app.vault.owner_of(folder.space).into_iter().collect();
    note(app, by, &owner, action, json!({ "folder": folder.id, "space": folder.space })).await
}

async fn folder_view(app: &App, folder: &Folder, names: &mut Names) -> FolderView {
    let on = names.describe(app, folder.space, Resource::Folder(folder.collection, folder.id)).await;
    FolderView { space: folder.space, name: folder.name.clone(), on, parent: folder.parent.map(Some) }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    #[param(value_type = Option<Id>)]
    space: Option<String>,
    collection: Option<String>,
    /// As of every list.
    #[serde(rename = "limit")]
    _limit: Option<u32>,
    /// As of every list.
    #[serde(rename = "cursor")]
    _cursor: Option<String>,
}

/// The folders of a space that the person views, by name
#[utoipa::path(get, path = "/api/v1/folders", tag = "sharing", params(Which), responses(
    (status = 200, description = "All of them", body = Vec<FolderView>),
    UnknownCollection))]
async fn list(req: HttpRequest, app: web::Data<App>, which: Query<Which>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let path = ResourcePath {
        space: which.space.as_deref(),
        collection: which.collection.as_deref(),
        ..ResourcePath::default()
    };
    let place = VisibleResource::find(&app, &by, &req, path).await?;
    let folders = app.directory.folders_in(place.space, place.collection).await?;
    let checks: Vec<Check> = folders
        .iter()
        .map(|folder| Check::new(Resource::Folder(folder.collection, folder.id).object(), "view", subject(&by)))
        .collect();
    let views = app.access.allowed(&checks).await?;
    let viewed: Vec<&Folder> = folders.iter().zip(views).filter_map(|(folder, view)| view.then_some(folder)).collect();
    let page = Query::<Page>::from_query(req.query_string());
    let page = page.map_err(|error| ApiError::bad_request(format!("The parameters do not fit: {error}.")))?;
    // Only what is told is looked up.
    let (viewed, next) = page.of(&viewed, |folder| folder.id.to_string())?;
    let around = |folder: &&&Folder| folder.parent.map(|parent| Resource::Folder(folder.collection, parent).object());
    let around: Vec<Check> =
        viewed.iter().filter_map(|folder| around(&folder)).map(|one| Check::new(one, "view", subject(&by))).collect();
    let mut around = app.access.allowed(&around).await?.into_iter();
    let mut names = Names::default();
    let mut list = Vec::new();
    for folder in viewed {
        let mut one = folder_view(&app, folder, &mut names).await;
        // A folder around it that the person does not view is none of theirs.
        if folder.parent.is_some() && around.next() != Some(true) {
            one.parent = Some(None);
        }
        list.push(one);
    }
    Ok(linked(&req, HttpResponse::Ok().json(list), next.map(|next| ("cursor", next))))
}

/// The folders of a space of the person's own.
pub(crate) async fn all(app: &App, user: UserId, space: SpaceId) -> Result<Vec<impl Serialize + use<>>, ApiError> {
    let mut list = Vec::new();
    if app.vault.owner_of(space) != Some(user) {
        return Ok(list);
    }
    let mut names = Names::default();
    for folder in app.directory.folders_in(space, None).await? {
        list.push(folder_view(app, &folder, &mut names).await);
    }
    Ok(list)
}

fn subject(by: &Sharer) -> Subject {
    Subject::object("user", by.user())
}

/// A folder that the person manages.
async fn managed(app: &App, by: &Sharer, id: &str) -> Result<Folder, ApiError> {
    let folder = known_folder(app, by.user(), id).await?;
    if manages(app, by.user(), Resource::Folder(folder.collection, folder.id)).await? {
        return Ok(folder);
    }
    Err(forbidden("Only who manages the folder may do this."))
}

/// A folder from which the person may take something away: also who owns the space, when policy cannot be asked.
async fn managed_to_take(app: &App, by: &Sharer, id: &str) -> Result<Folder, ApiError> {
    if let Ok(id) = id.parse::<FolderId>()
        && let Some(folder) = app.directory.folder(id).await?
        && app.vault.owner_of(folder.space) == Some(by.user())
    {
        return Ok(folder);
    }
    managed(app, by, id).await
}

/// Whether what lies in the folder is shown to somebody by that: by a right on it, or on a folder around it.
async fn is_shared(app: &App, folder: &Folder) -> Result<bool, ApiError> {
    let (mut chain, mut around) = (vec![folder.id], folder.parent);
    while let Some(outer) = around.filter(|_| chain.len() <= MAX_NESTED_GROUPS) {
        chain.push(outer);
        around = app.directory.folder(outer).await?.and_then(|outer| outer.parent);
    }
    let rights = app.directory.assignments_in(folder.space, Some(folder.collection)).await?;
    let here = |one: &Resource| matches!(one, Resource::Folder(_, id) if chain.contains(id));
    Ok(rights.iter().any(|right| here(&right.resource) && right.lives(app.now())))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Filed {
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 1000)]
    documents: Vec<DocId>,
}

/// Puts documents into a folder, all of them or none
///
/// Who does manages each: it is shared by this. For more than one at once, into a folder that is shared, who does proved within
/// the last five minutes who they are.
#[utoipa::path(post, path = "/api/v1/folders/{id}/documents", tag = "sharing", request_body = Filed, params(("id" = Id, Path, description = "Its id")), responses(
    (status = 200, description = "They are in it", body = FiledView),
    (status = 401, description = "`insufficient_user_authentication`: the password is asked for again; or `unauthenticated`, `invalid_token`"),
    (status = 403, description = "`forbidden`: only who manages the folder and the documents may; or `quota_exceeded`"),
    (status = 404, description = "`not_found`: there is no such folder or document"),
    RefusedByPolicy))]
async fn file(req: HttpRequest, app: web::Data<App>, id: Path<String>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let Filed { mut documents } = body::json(&req, &bytes)?;
    documents.sort_unstable();
    documents.dedup();
    if documents.is_empty() || documents.len() > PAGE {
        return Err(invalid(format!("Name 1 to {PAGE} documents.")));
    }
    let _alone = app.turns([Turn::Space(managed(&app, &by, &id).await?.space)]).await?;
    let folder = managed(&app, &by, &id).await?;
    // One is shared so as it is by a share of its own.
    if documents.len() > 1 && is_shared(&app, &folder).await? {
        by.confirmed(&app)?;
    }
    if visible_documents(&app, &by, folder.space, folder.collection, (&documents, false)).await? != documents {
        return Err(ApiError::not_found());
    }
    if !app.access.may(by.user(), Resource::Collection(folder.collection), "manage").await? {
        let resource = |document: &DocId| Resource::Document(folder.collection, *document).object();
        let checks: Vec<Check> =
            documents.iter().map(|document| Check::new(resource(document), "manage", subject(&by))).collect();
        if app.access.allowed(&checks).await?.contains(&false) {
            return Err(forbidden("Only who manages a document may put it into a folder."));
        }
    }
    let maker = app.directory.making(owner_or(&app, &by, folder.space)).await;
    app.directory.room_for_filings(&maker, &app.vault.space_ids(maker.user), folder.id, &documents).await?;
    let change = Change::Files(folder.space, folder.id, by.act.request.clone());
    app.begin_change(&change).await?;
    let new = match app.directory.file(&folder, &documents, app.now()).await {
        Ok(new) => new,
        Err(error) => {
            app.end_change(&change).await?;
            return Err(error.into());
        }
    };
    let put = documents.iter().map(|document| Resource::filed(folder.collection, *document, folder.id)).collect();
    if let Err(error) = app.policy.write_by(put, Vec::new(), by.metadata("folder.filed")).await {
        for document in new {
            app.directory.unfile(folder.id, document).await?;
        }
        app.end_change(&change).await?;
        return Err(unchanged(error));
    }
    noted(&app, &by, "folder.filed", &folder).await?;
    app.end_change(&change).await?;
    Ok(HttpResponse::Ok().json(FiledView { folder: folder.id, documents }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct From {
    #[param(value_type = Option<String>)]
    after: Option<DocId>,
}

/// The documents in a folder that the person views
///
/// A page at a time, ascending; `next` is `after` of the next.
#[utoipa::path(get, path = "/api/v1/folders/{id}/documents", tag = "sharing",
    params(("id" = Id, Path, description = "Its id"), From), responses(
    (status = 200, description = "A page", body = FolderPage),
    (status = 404, description = "`not_found`: there is no such folder")))]
async fn documents(
    req: HttpRequest,
    app: web::Data<App>,
    id: Path<String>,
    from: Query<From>,
) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let folder = known_folder(&app, by.user(), &id).await?;
    // A page is full of documents that the person views, and ends at one: how many others there are, and where, it does
    // not tell.
    let (mut documents, mut after) = (Vec::new(), from.after);
    while documents.len() < PAGE {
        let filed = app.directory.filed(folder.id, after, PAGE as u64).await?;
        let Some(last) = filed.last().copied() else { break };
        documents.extend(visible_documents(&app, &by, folder.space, folder.collection, (&filed, false)).await?);
        if filed.len() < PAGE {
            break;
        }
        after = Some(last);
    }
    documents.truncate(PAGE);
    let next = if documents.len() == PAGE { documents.last().copied() } else { None };
    Ok(HttpResponse::Ok().json(FolderPage { documents, next }))
}

/// Takes a document out of a folder
///
/// Acknowledged when no further request is served by what the folder gave.
#[utoipa::path(delete, path = "/api/v1/folders/{id}/documents/{document}", tag = "sharing",
    params(("id" = Id, Path, description = "The folder's id"), ("document" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is out"),
    (status = 202, description = "It is out here, and policy elsewhere is being told", body = Pending),
    (status = 404, description = "`not_found`: there is no such folder, or the document is not in it"),
    RefusedByPolicy))]
async fn unfile(req: HttpRequest, app: web::Data<App>, path: Path<(String, DocId)>) -> Result<HttpResponse, ApiError> {
    let (id, document) = path.into_inner();
    let by = Sharer::of(&req, &app).await?;
    let _alone = app.turns([Turn::Space(managed_to_take(&app, &by, &id).await?.space)]).await?;
    let folder = managed_to_take(&app, &by, &id).await?;
    let gone = vec![Resource::filed(folder.collection, document, folder.id)];
    let change = Change::Unfiles(folder.space, folder.id, document);
    app.begin_change(&change).await?;
    let taken = app.policy.write_by(Vec::new(), gone, by.metadata("folder.unfiled")).await;
    let mut lay = false;
    if taken.is_ok() {
        lay = app.directory.unfile(folder.id, document).await?;
        if lay {
            noted(&app, &by, "folder.unfiled", &folder).await?;
        }
    }
    app.end_change(&change).await?;
    let delivery = taken.map_err(unchanged)?;
    if lay { Ok(removed(&delivery)) } else { Err(ApiError::not_found()) }
}

/// Removes a folder in which no folder lies
///
/// The documents in it stay, and lose what the folder gave.
#[utoipa::path(delete, path = "/api/v1/folders/{id}", tag = "sharing", params(("id" = Id, Path, description = "Its id")), responses(
    (status = 204, description = "It is removed"),
    (status = 202, description = "It is removed here, and policy elsewhere is being told", body = Pending),
    (status = 404, description = "`not_found`: there is no such folder"),
    (status = 409, description = "`folder_in_use`: there are folders in it; or `conflict`")))]
async fn remove(req: HttpRequest, app: web::Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let _alone = app.turns([Turn::Space(managed_to_take(&app, &by, &id).await?.space)]).await?;
    let folder = managed_to_take(&app, &by, &id).await?;
    if app.directory.has_folders(folder.id).await? {
        return Err(conflict("folder_in_use", "There are folders in this one; remove them first."));
    }
    let action = "folder.removed";
    let (gone, shares) = app.rests_on_folder(&folder).await?;
    let change = Change::FolderEnds(folder.space, folder.id);
    app.begin_change(&change).await?;
    let mut delivery = Delivery::Done;
    for some in gone.chunks(CHANGES) {
        match app.policy.write_by(Vec::new(), some.to_vec(), by.metadata(action)).await {
            Ok(done) => delivery = delivery.and(done),
            Err(error) => {
                // The folder itself is the last to go: the removal can be begun again.
                app.end_change(&change).await?;
                return Err(unchanged(error));
            }
        }
    }
    for share in shares {
        app.directory.remove_assignment(share.id).await?;
    }
    app.directory.remove_folder(folder.id).await?;
    noted(&app, &by, action, &folder).await?;
    app.end_change(&change).await?;
    Ok(removed(&delivery))
}
