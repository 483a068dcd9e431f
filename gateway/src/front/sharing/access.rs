//! `/api/v1/access`: who can see a field and why; `/api/v1/access/apps/{client}`: what an app can see.
//!
//! Who might is gathered from relationships; whether they do is what the gate says, which is what is enforced.

mod holders;

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::web::{self, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use policy::facts::{Party, Resource};
use policy_core::{
    Caller, Check, ClientId, CollectionId, DocId, Documents, Entry, GrantId, GroupId, Holder, Mask, SpaceId, Subject,
    UserId, Verb, document_of,
};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vault_core::schema::{Collection, Field};

use super::place::{Names, ResourcePath, VisibleResource, no};
use super::{ApiError, PartyView, Sharer, forbidden, invalid};
use crate::access::AccessError;
use crate::app::App;
use crate::front::Routes;
use crate::front::described::{Id, Instant};
use crate::node::Node as _;

/// Answers of one page, unless fewer are asked for.
const PAGE: usize = 100;
const MAX_PAGE_ROWS: usize = 1_000;

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/api/v1/access", who).get("/api/v1/access/apps/{client}", app_sees);
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(who, app_sees))]
pub(super) struct Api;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Question {
    #[param(value_type = Option<Id>)]
    space: Option<String>,
    #[param(example = "Contact")]
    collection: String,
    #[param(example = "phone")]
    field: String,
    /// Its id.
    document: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Who sees a field, and why.
#[derive(Debug, Serialize, ToSchema)]
struct SeersView {
    collection: String,
    field: String,
    #[schema(value_type = Option<String>)]
    document: Option<DocId>,
    entries: Vec<SeerView>,
    /// `after` of the next page; null: there is none.
    next: Option<String>,
}

/// Somebody who sees it: a person, a group, everyone, or the holder of a grant.
#[derive(Debug, Default, Serialize, ToSchema)]
struct SeerView {
    /// A person's name; of a grant, who gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    user: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Id>)]
    group: Option<GroupId>,
    /// Of the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    everyone: Option<bool>,
    #[serde(flatten)]
    by: Option<holders::By>,
    /// The relationships that give it.
    path: Vec<String>,
    /// Which documents, where none was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<DocumentsView>,
}

/// `all`, `some`, or how many there are or are left out.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
enum DocumentsView {
    Word(&'static str),
    AllBut { all_but: usize },
    Only { only: usize },
}

/// What an app sees.
#[derive(Debug, Serialize, ToSchema)]
struct AppSeesView {
    entries: Vec<holders::GrantSeen>,
    /// `after` of the next page; null: there is none.
    next: Option<String>,
}

/// What is asked: a field of a collection, perhaps in one document.
struct AskedField<'a> {
    place: &'a VisibleResource,
    collection: &'a Collection,
    field: &'a Field,
    document: Option<DocId>,
}

/// Somebody who may turn out to see it, in the order in which they are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Candidate {
    Everyone,
    Group(GroupId),
    /// By the number of the record in the space.
    Holder(usize, String),
    User(UserId),
}

impl Candidate {
    /// Where a page ends, and the next begins.
    fn cursor(&self) -> String {
        match self {
            Candidate::Everyone => "a".to_owned(),
            Candidate::Group(id) => format!("b{id}"),
            Candidate::Holder(_, id) => format!("c{id}"),
            Candidate::User(id) => format!("d{id}"),
        }
    }
}

/// Who can see a field (of one document), and by which relationships: a page of the whole list
#[utoipa::path(get, path = "/api/v1/access", tag = "access", params(Question), responses(
    (status = 200, description = "A page", body = SeersView),
    (status = 404, description = "`not_found`: there is no such space, collection, field or document")))]
async fn who(req: HttpRequest, app: web::Data<App>, question: Query<Question>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let path = ResourcePath {
        space: question.space.as_deref(),
        collection: Some(&question.collection),
        document: question.document.as_deref(),
        ..ResourcePath::default()
    };
    let place = VisibleResource::find(&app, &by, &req, path).await?;
    let id = place.collection.ok_or_else(ApiError::not_found)?;
    if !app.access.may(by.user(), Resource::Collection(id), "manage").await? {
        return Err(forbidden("Only who manages a collection may ask who sees it."));
    }
    let collection = place.schema.collection(id).ok_or_else(ApiError::not_found)?;
    let field = collection.field_named(&question.field).ok_or_else(|| no("field", &question.field))?;
    let document = if let Resource::Document(_, document) = place.resource { Some(document) } else { None };
    let asked = AskedField { place: &place, collection, field, document };
    let limit = within(question.limit)?;
    let records = app.grants(place.space).await?;
    let mut names = Names::default();
    let (mut entries, mut next) = (Vec::new(), None);
    for candidate in candidates(&app, &asked, &records).await? {
        let cursor = candidate.cursor();
        if question.after.as_ref().is_some_and(|after| cursor <= *after) {
            continue;
        }
        let view = match &candidate {
            Candidate::Everyone => everyone(&app, &asked).await?,
            Candidate::Group(id) => group(&app, &asked, *id, &mut names).await?,
            Candidate::User(id) => user(&app, &asked, *id, &mut names).await?,
            Candidate::Holder(at, _) => holders::holder(&app, &by, &asked, &records[*at], &mut names).await?,
        };
        let Some(view) = view else { continue };
        if entries.len() == limit {
            // One more than fits: there is a next page, behind the last that is told.
            next = Some(last(&entries));
            break;
        }
        entries.push((cursor, view));
    }
    let entries: Vec<SeerView> = entries.into_iter().map(|(_, view)| view).collect();
    let (collection, field) = (collection.name.clone(), field.name.clone());
    Ok(HttpResponse::Ok().json(SeersView { collection, field, document, entries, next }))
}

fn last<T>(entries: &[(String, T)]) -> String {
    entries.last().map(|(cursor, _)| cursor.clone()).unwrap_or_default()
}

/// Everybody whom any relationship, grant or link names in connection with it, in order, each once.
async fn candidates(
    app: &App,
    asked: &AskedField<'_>,
    records: &[vault_core::control::GrantRecord],
) -> Result<Vec<Candidate>, ApiError> {
    let named = app.policy.named(asked.collection.id, asked.document, app.now()).await.map_err(AccessError::from)?;
    let mut found: Vec<Candidate> = named.everyone.then_some(Candidate::Everyone).into_iter().collect();
    found.extend(named.groups.into_iter().map(Candidate::Group));
    let of =
        |(at, record): (usize, &vault_core::control::GrantRecord)| Candidate::Holder(at, record.grant.id.to_string());
    found.extend(records.iter().enumerate().map(of));
    found.extend(named.users.into_iter().map(Candidate::User));
    found.sort_by_key(Candidate::cursor);
    Ok(found)
}

/// The relationships by which a check is allowed, if it is.
async fn path(
    app: &App,
    resource: Resource,
    permission: &str,
    subject: &Subject,
) -> Result<Option<Vec<String>>, AccessError> {
    app.access.path(&Check::new(resource.object(), permission, subject.clone())).await
}

/// The relationships by which a subject sees the field, given that they do; `part`: a part of the collection that
/// they see, if they do not see the whole.
async fn why(
    app: &App,
    asked: &AskedField<'_>,
    subject: &Subject,
    part: Option<Resource>,
) -> Result<Vec<String>, AccessError> {
    let collection = Resource::Collection(asked.collection.id);
    let field = Resource::Field(asked.collection.id, asked.field.id);
    let mut steps = path(app, collection, "view", subject).await?;
    if let (None, Some(part)) = (&steps, part) {
        steps = path(app, part, "view", subject).await?;
    }
    let mut of_field = path(app, field, "view", subject).await?;
    if of_field.is_none() {
        of_field = path(app, field, "view_sealed", subject).await?;
    }
    let mut steps = steps.unwrap_or_default();
    for step in of_field.unwrap_or_default() {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    Ok(steps)
}

/// A document that an entry covers: the one that is asked about, or the first of a few.
fn part(asked: &AskedField<'_>, entry: &Entry) -> Option<Resource> {
    let first = match &entry.documents {
        Documents::Only(these) => these.first().copied(),
        Documents::All | Documents::Except(_) => None,
    };
    asked.document.or(first).map(|document| Resource::Document(asked.collection.id, document))
}

/// What the gate gives a caller in the collection; `None`: nothing, as to who has too many single documents there.
async fn mask(app: &App, asked: &AskedField<'_>, caller: &Caller) -> Result<Option<Arc<Mask>>, ApiError> {
    match app.access.read_permits_to(caller, asked.place.space, &[asked.collection.id]).await {
        Ok((_, permits)) => Ok(permits.mask(asked.collection.id).cloned()),
        Err(AccessError::NotFound | AccessError::TooManyDocuments) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How a set of documents is told: `all`, or how many it has or leaves out.
fn documents_view(documents: &Documents) -> DocumentsView {
    match documents {
        Documents::All => DocumentsView::Word("all"),
        Documents::Except(but) => DocumentsView::AllBut { all_but: but.len() },
        Documents::Only(these) => DocumentsView::Only { only: these.len() },
    }
}

/// What a person sees of it by the gate, and by which relationships; `None`: nothing.
async fn person(app: &App, asked: &AskedField<'_>, id: UserId) -> Result<Option<SeerView>, ApiError> {
    let caller = Caller { user: id, app: None, device: None };
    let Some(mask) = mask(app, asked, &caller).await? else { return Ok(None) };
    let sees = |entry: &&Entry| {
        entry.holds(asked.field.id) && asked.document.is_none_or(|document| entry.documents.has(document))
    };
    let Some(entry) = mask.entries_with(Verb::Read).find(sees) else { return Ok(None) };
    let path = why(app, asked, &Subject::object("user", id), part(asked, entry)).await?;
    let documents = asked.document.is_none().then(|| documents_view(&entry.documents));
    Ok(Some(SeerView { path, documents, ..SeerView::default() }))
}

async fn user(app: &App, asked: &AskedField<'_>, id: UserId, names: &mut Names) -> Result<Option<SeerView>, ApiError> {
    let Some(mut view) = person(app, asked, id).await? else { return Ok(None) };
    view.user = Some(names.user(app, id).await?);
    Ok(Some(view))
}

/// Everyone sees what somebody sees whom no relationship names.
async fn everyone(app: &App, asked: &AskedField<'_>) -> Result<Option<SeerView>, ApiError> {
    let Some(mut view) = person(app, asked, UserId::from_bytes(rand::rng().random())).await? else { return Ok(None) };
    view.everyone = Some(true);
    Ok(Some(view))
}

/// A group sees what each of its members sees by it; who is kept from it by another way is not told here.
async fn group(
    app: &App,
    asked: &AskedField<'_>,
    id: GroupId,
    names: &mut Names,
) -> Result<Option<SeerView>, ApiError> {
    let (collection, field) = (asked.collection.id, Resource::Field(asked.collection.id, asked.field.id));
    let subject = Party::Group(id).subject();
    let has = |resource: Resource, permission: &str| Check::new(resource.object(), permission, subject.clone());
    let document = asked.document.map(|document| Resource::Document(collection, document));
    let one = document.unwrap_or(Resource::Collection(collection));
    let checks = [
        has(Resource::Collection(collection), "view"),
        has(one, "view"),
        Check::new(field.object(), "collection", Subject::object("collection", collection)),
        has(field, "kept"),
        has(field, "view"),
        has(field, "view_sealed"),
        has(one, if document.is_some() { "barred" } else { "view" }),
    ];
    let answers: Vec<bool> = app.access.allowed(&checks).await?;
    let [whole, one, open, hidden, view, view_sealed, barred] = answers[..] else {
        return Err(AccessError::Policy("unanswered".to_owned()).into());
    };
    let single = match document {
        Some(document) => Some(document).filter(|_| one),
        None if whole => None,
        None => single(app, collection, &subject).await?,
    };
    let blocked = document.is_some() && barred;
    let shows = view || view_sealed || (!whole && single.is_some() && open && !hidden);
    if !(whole || single.is_some()) || blocked || !shows {
        return Ok(None);
    }
    let name = match names.party(app, Party::Group(id)).await? {
        PartyView::Group { name, .. } => name,
        PartyView::User { .. } => None,
    };
    let path = why(app, asked, &subject, single).await?;
    let documents = DocumentsView::Word(if whole { "all" } else { "some" });
    let documents = asked.document.is_none().then_some(documents);
    Ok(Some(SeerView { group: Some(id), name, path, documents, ..SeerView::default() }))
}

/// A document of the collection that a group views.
async fn single(app: &App, collection: CollectionId, group: &Subject) -> Result<Option<Resource>, ApiError> {
    let found = app.access.objects("document", "view", group).await?;
    let mut documents = found.iter().filter_map(document_of);
    Ok(documents.find(|(of, _)| *of == collection).map(|(of, document)| Resource::Document(of, document)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Part {
    /// `next` of the page before.
    #[param(value_type = Option<Id>)]
    after: Option<GrantId>,
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// What an app can see in the spaces of the person: a page of the whole list
///
/// For the operator, in those of everyone.
#[utoipa::path(get, path = "/api/v1/access/apps/{client}", tag = "access",
    params(("client" = Id, Path, description = "The app's id"), Part), responses(
    (status = 200, description = "A page", body = AppSeesView),
    (status = 404, description = "`unknown_app`: there is no app of this id")))]
async fn app_sees(
    req: HttpRequest,
    app: web::Data<App>,
    client: Path<String>,
    part: Query<Part>,
) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let unknown =
        || ApiError::new(actix_web::http::StatusCode::NOT_FOUND, "unknown_app", "There is no app of this id.");
    let client: ClientId = client.parse().map_err(|_| unknown())?;
    if app.directory.app(client).await?.is_none() {
        return Err(unknown());
    }
    let limit = within(part.limit)?;
    let mut users = vec![by.user()];
    if by.principal.operator {
        users.extend(app.directory.users().await?.into_iter().map(|user| user.id));
    }
    let spaces: BTreeSet<SpaceId> = users.into_iter().flat_map(|user| app.vault.space_ids(user)).collect();
    let mut records = Vec::new();
    for space in spaces {
        let of_space = app.grants(space).await?;
        records.extend(of_space.into_iter().filter(|record| record.grant.holder == Holder::Client(client)));
    }
    records.retain(|record| part.after.is_none_or(|after| record.grant.id > after));
    records.sort_by_key(|record| record.grant.id);
    let mut entries: Vec<(String, holders::GrantSeen)> = Vec::new();
    let mut next = None;
    for record in &records {
        let Some(view) = holders::app_in(&app, record).await? else { continue };
        if entries.len() == limit {
            next = Some(last(&entries));
            break;
        }
        entries.push((record.grant.id.to_string(), view));
    }
    let entries = entries.into_iter().map(|(_, view)| view).collect();
    Ok(HttpResponse::Ok().json(AppSeesView { entries, next }))
}

fn within(limit: Option<usize>) -> Result<usize, ApiError> {
    match limit.unwrap_or(PAGE) {
        limit if (1..=MAX_PAGE_ROWS).contains(&limit) => Ok(limit),
        _ => Err(invalid(format!("`limit` lies between 1 and {MAX_PAGE_ROWS}."))),
    }
}
