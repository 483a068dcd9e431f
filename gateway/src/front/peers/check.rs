//! `/api/v1/check`: may this person, through this app, do that? And if not, what refuses it?

mod refused;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use policy_core::{
    AppCaller, Caller, Check, ClientId, DocId, Entry, FieldId, GrantId, Holder, Mask, SpaceId, Subject, UserId, Verb,
    document_object, field_object, grant_object,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::ToSchema;
use vault::ReadError;
use vault_core::control::GrantRecord;
use vault_core::query::{Item, ItemKind, Query, Root, RootKind, Select, SelectArgs};
use vault_core::schema::Collection;

use crate::access::{AccessError, Catalogue};
use crate::app::App;
use crate::front::Routes;
use crate::front::account::body;
use crate::front::data::unavailable;
use crate::front::described::Id;
use crate::front::error::ApiError;
use crate::front::operator::Operator;
use crate::grants::{attributed, filter};
use crate::node::Node as _;

pub fn routes(routes: &mut Routes) {
    routes.post("/api/v1/check", check).described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(check))]
struct Api;

/// What is asked of whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Question {
    #[schema(examples("alice"))]
    user: String,
    #[schema(value_type = Option<Id>)]
    app: Option<ClientId>,
    /// `create`, `read`, `update`, `delete`, `search` or `history`.
    #[schema(examples("read"))]
    verb: String,
    #[schema(examples("Contact"))]
    collection: String,
    field: Option<String>,
    #[schema(value_type = Option<String>)]
    doc: Option<DocId>,
    #[schema(value_type = Option<Id>)]
    space: Option<SpaceId>,
    #[serde(default)]
    #[schema(required = false)]
    explain: bool,
}

/// Whether it is allowed, and why.
#[derive(Debug, Serialize, ToSchema)]
struct Verdict {
    allowed: bool,
    /// In a word, if it is allowed; else in a sentence.
    reason: String,
    /// What refuses, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_by: Option<&'static str>,
    /// The relationships by which it is so; empty, unless `explain` is asked.
    path: Vec<String>,
    /// The fields that show with the verb.
    mask: Vec<String>,
    /// The entry of a grant that decides, as `GRANT/N`.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    #[schema(value_type = Option<Id>)]
    space: Option<SpaceId>,
}

/// What is asked, by ids.
struct CheckTarget<'a> {
    user: UserId,
    space: SpaceId,
    verb: Verb,
    collection: &'a Collection,
    field: Option<FieldId>,
    doc: Option<DocId>,
}

impl CheckTarget<'_> {
    /// The permission of policy that the verb needs.
    fn permission(&self) -> &'static str {
        if matches!(self.verb, Verb::Create | Verb::Update | Verb::Delete) { "edit" } else { "view" }
    }

    fn subject(&self) -> Subject {
        Subject::object("user", self.user)
    }

    /// Whether an entry gives the verb on the field.
    fn given(&self, entry: &Entry) -> bool {
        entry.verbs.has(self.verb) && self.field.is_none_or(|field| self.verb == Verb::Delete || entry.holds(field))
    }
}

fn unknown(code: &'static str, message: String) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, code, message)
}

/// May this person, through this app, do that? And if not, what refuses it?
#[utoipa::path(post, path = "/api/v1/check", tag = "access", request_body = Question, responses(
    (status = 200, description = "The answer", body = Verdict),
    (status = 404, description = "`unknown_user`: there is no such user; or `unknown_type`, `unknown_field`, `not_found`"),
    (status = 409, description = "`space_ambiguous`: several spaces have such a collection")))]
async fn check(
    request: HttpRequest,
    app: web::Data<App>,
    _by: Operator,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let question: Question = body::json(&request, &bytes)?;
    let verb: Verb = question.verb.parse().map_err(|()| {
        let words: Vec<_> = Verb::ALL.iter().map(|verb| verb.word()).collect();
        let message = format!("`{}` is not a verb: one of {}.", question.verb, words.join(", "));
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_input", message)
    })?;
    let user = app.directory.user_named(&question.user).await?;
    let user = user.ok_or_else(|| unknown("unknown_user", format!("There is no user `{}`.", question.user)))?;
    let (space, catalogue) = place(&app, user.id, user.space, &question).await?;
    let none = || unknown("unknown_type", format!("There is no collection `{}`.", question.collection));
    let collection = catalogue.schema.collection_named(&question.collection).ok_or_else(none)?;
    let field = match &question.field {
        None => None,
        Some(name) => {
            let none = || unknown("unknown_field", format!("`{}` has no field `{name}`.", question.collection));
            Some(collection.field_named(name).ok_or_else(none)?.id)
        }
    };
    let asked = CheckTarget { user: user.id, space, verb, collection, field, doc: question.doc };
    let mut answer = match question.app {
        None => of_person(&app, &asked).await?,
        Some(client) => of_app(&app, &asked, client).await?,
    };
    if !question.explain {
        answer.path = Vec::new();
    }
    answer.space = Some(space);
    Ok(HttpResponse::Ok().json(answer))
}

/// The space that is meant, and what it holds: the one that is named, else the person's own, else the only one shared
/// with them that shows them such a collection.
async fn place(app: &App, user: UserId, own: SpaceId, question: &Question) -> Result<(SpaceId, Catalogue), ApiError> {
    if let Some(space) = question.space {
        return Ok((space, app.access.catalogue(space).await?));
    }
    let name = &question.collection;
    let catalogue = app.access.catalogue(own).await?;
    if catalogue.schema.collection_named(name).is_some() {
        return Ok((own, catalogue));
    }
    let parties = app.directory.parties_of(user, app.now()).await?;
    let mut spaces: BTreeSet<SpaceId> = app.vault.space_ids(user).into_iter().collect();
    spaces.extend(app.directory.assignments_to(&parties).await?.iter().map(|one| one.space));
    let mut found = Vec::new();
    for space in spaces.into_iter().filter(|space| *space != own) {
        match app.access.catalogue(space).await {
            Ok(catalogue) if catalogue.schema.collection_named(name).is_some() => found.push((space, catalogue)),
            Ok(_) | Err(AccessError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => {
            let message = format!(
                "There is no collection `{name}` in the space of {}, and none in a space that is shared with them.",
                question.user
            );
            Err(unknown("unknown_type", message).hint("Name the space that it lies in: --space ID."))
        }
        (Some(last), _) => {
            let ids: Vec<String> = found.iter().chain([&last]).map(|(space, _)| space.to_string()).collect();
            let message = format!("Several spaces have a collection `{name}`: {}.", ids.join(", "));
            let error = ApiError::new(StatusCode::CONFLICT, "space_ambiguous", message);
            Err(error.hint("Name the space that is meant: --space ID."))
        }
    }
}

/// The mask of a caller in the collection; `None`: nothing.
async fn mask(app: &App, asked: &CheckTarget<'_>, caller: &Caller) -> Result<Option<Arc<Mask>>, ApiError> {
    match app.access.read_permits_to(caller, asked.space, &[asked.collection.id]).await {
        Ok((_, permits)) => Ok(permits.mask(asked.collection.id).cloned()),
        Err(AccessError::NotFound | AccessError::TooManyDocuments) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the document that is asked about is there and one that the entry covers. Looked up as the owner of the space
/// sees it: what is asked is not what the person may read.
async fn covers(app: &App, asked: &CheckTarget<'_>, entry: Option<&Entry>) -> Result<bool, ApiError> {
    let Some(doc) = asked.doc else { return Ok(true) };
    if entry.is_some_and(|entry| !entry.documents.has(doc)) {
        return Ok(false);
    }
    let owner = app.vault.owner_of(asked.space).ok_or_else(ApiError::not_found)?;
    let caller = Caller { user: owner, app: None, device: None };
    let only = entry.map(|entry| filter(&entry.predicate, asked.collection));
    let args = SelectArgs { doc_ids: Some(vec![doc]), filter: only, ..SelectArgs::default() };
    let items = vec![Item { key: "_docID".into(), kind: ItemKind::DocId }];
    let select = Select { collection: asked.collection.id, args, items };
    let root = Root { key: "found".into(), kind: RootKind::Select(select) };
    let query = Query { roots: vec![root] };
    let mut attempts = app.access.attempts(&caller, asked.space);
    loop {
        let (_, permits) = attempts.read_of(&[asked.collection.id]).await?;
        match app.vault.cells(permits, query.clone()).await {
            Err(ReadError::Seal(refusal)) if refusal.calls_for_another() => {}
            Err(error) => {
                tracing::warn!(%error, "a document could not be looked up");
                return Err(unavailable("The document cannot be looked up now; try again."));
            }
            Ok(found) => return Ok(!found.sink.into_rows().is_empty()),
        }
    }
}

/// Names of the fields that a mask shows with the verb.
fn field_names(asked: &CheckTarget<'_>, mask: &Mask) -> Vec<String> {
    let fields = asked.collection.fields.iter().filter(|field| mask.shows(field.id, asked.verb));
    fields.map(|field| field.name.clone()).collect()
}

fn yes(reason: &str, path: Vec<String>, mask: Vec<String>) -> Verdict {
    Verdict { allowed: true, reason: reason.to_owned(), refused_by: None, path, mask, entry: None, space: None }
}

/// The entry of a person's mask that gives what is asked.
async fn deciding<'m>(
    app: &App,
    asked: &CheckTarget<'_>,
    entries: impl Iterator<Item = &'m Entry>,
) -> Result<Option<&'m Entry>, ApiError> {
    for entry in entries.filter(|entry| asked.given(entry)) {
        if covers(app, asked, Some(entry)).await? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

async fn of_person(app: &App, asked: &CheckTarget<'_>) -> Result<Verdict, ApiError> {
    let caller = Caller { user: asked.user, app: None, device: None };
    let mask = mask(app, asked, &caller).await?;
    if let Some(mask) = &mask
        && deciding(app, asked, mask.entries.iter()).await?.is_some()
    {
        let own = app.vault.owner_of(asked.space) == Some(asked.user);
        let path = path_of_person(app, asked).await?;
        return Ok(yes(if own { "own" } else { "shared" }, path, field_names(asked, mask)));
    }
    refused::person(app, asked, mask.as_deref()).await
}

/// The relationships by which a person has what they have: of the collection or the document, and of the field.
async fn path_of_person(app: &App, asked: &CheckTarget<'_>) -> Result<Vec<String>, ApiError> {
    let (id, permission) = (asked.collection.id, asked.permission());
    let collection = policy_core::Object::new("collection", id);
    let mut path = app.access.path(&Check::new(collection, permission, asked.subject())).await?;
    if let (None, Some(doc)) = (&path, asked.doc) {
        path = app.access.path(&Check::new(document_object(id, doc), permission, asked.subject())).await?;
    }
    let mut path = path.unwrap_or_default();
    let permissions: &[&str] = if permission == "edit" { &["edit"] } else { &["view", "view_sealed"] };
    for permission in asked.field.iter().flat_map(|_| permissions) {
        let Some(field) = asked.field else { break };
        let check = Check::new(field_object(id, field), permission, asked.subject());
        if let Some(steps) = app.access.path(&check).await? {
            path.extend(steps.into_iter().filter(|step| !path.contains(step)).collect::<Vec<_>>());
            break;
        }
    }
    Ok(path)
}

/// The grants of an app that a person gave in the space.
async fn grants(app: &App, asked: &CheckTarget<'_>, client: ClientId) -> Result<Vec<GrantRecord>, ApiError> {
    let mut records = app.grants(asked.space).await?;
    records.retain(|one| one.grant.holder == Holder::Client(client) && one.grant.grantor == asked.user);
    Ok(records)
}

async fn of_app(app: &App, asked: &CheckTarget<'_>, client: ClientId) -> Result<Verdict, ApiError> {
    let records = grants(app, asked, client).await?;
    for record in &records {
        let grant = &record.grant;
        let by = AppCaller::new(grant.holder, grant.id);
        let caller = Caller { user: asked.user, app: Some(by), device: None };
        let Some(mask) = mask(app, asked, &caller).await? else { continue };
        for (n, entry) in attributed(&mask, grant, asked.collection.id, app.now()) {
            if asked.given(entry) && covers(app, asked, Some(entry)).await? {
                let mut path = path_of_person(app, asked).await?;
                path.extend(path_of_entry(app, asked, record, n).await?.unwrap_or_default());
                let mut answer = yes("granted", path, field_names(asked, &mask));
                answer.entry = Some(named(grant.id, n));
                return Ok(answer);
            }
        }
    }
    refused::app(app, asked, &records).await
}

/// How an entry of a grant is named, here and in policy.
fn named(grant: GrantId, n: usize) -> String {
    format!("{grant}/{n}")
}

/// The relationships by which an entry of a grant gives its holder the verb.
async fn path_of_entry(
    app: &App,
    asked: &CheckTarget<'_>,
    record: &GrantRecord,
    n: usize,
) -> Result<Option<Vec<String>>, ApiError> {
    let grant = &record.grant;
    Ok(app.access.path(&Check::new(grant_object(grant.id, n), asked.verb.word(), grant.holder.subject())).await?)
}
