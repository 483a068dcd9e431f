//! What apps and links see: the gate's answer for each grant, entry by entry.

use std::collections::BTreeSet;

use gateway_people::realm::Realm as _;
use policy_core::{
    AppCaller, Caller, Check, ClientId, CollectionId, DocId, Entry, GrantId, SpaceId, Verb, grant_object,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use vault_core::control::GrantRecord;
use vault_core::query::{Item, ItemKind, Select, SelectArgs};
use vault_core::schema::Collection;

use super::super::place::Names;
use super::super::rows::rows;
use super::super::{ApiError, Sharer};
use super::{AskedField, DocumentsView, Id, Instant, SeerView, documents_view, mask, part, why};
use crate::access::AccessError;
use crate::app::App;
use crate::grants::{attributed, ends, filter, rfc3339, where_json};

/// By which entry of a grant an app or a link sees something.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct By {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Id>)]
    client_id: Option<ClientId>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Id>)]
    grant: Option<GrantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Id>)]
    link: Option<GrantId>,
    /// The entry, as `GRANT/N`.
    #[schema(required = false)]
    entry: String,
    #[schema(value_type = Option<Instant>)]
    until: Option<String>,
    /// Of which documents, where none was asked about.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    rows: Option<Value>,
    /// `unknown`: whether it covers the document, who asks cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'static str>,
}

/// What an app sees by a grant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GrantSeen {
    #[schema(value_type = Id)]
    grant: GrantId,
    user: Option<String>,
    #[schema(value_type = Id)]
    space: SpaceId,
    collections: Vec<CollectionSeen>,
    #[schema(value_type = Option<Instant>)]
    until: Option<String>,
    path: Vec<String>,
}

/// What it sees of a collection.
#[derive(Debug, Serialize, ToSchema)]
struct CollectionSeen {
    collection: String,
    entries: Vec<EntrySeen>,
}

/// What an entry gives.
#[derive(Debug, Serialize, ToSchema)]
struct EntrySeen {
    /// As `GRANT/N`.
    entry: String,
    actions: Vec<&'static str>,
    fields: Vec<String>,
    documents: DocumentsView,
    #[serde(rename = "where")]
    #[schema(value_type = Option<Object>)]
    rows: Value,
    #[schema(value_type = Option<Instant>)]
    until: Option<String>,
}

fn caller(record: &GrantRecord) -> Caller {
    let grant = &record.grant;
    Caller { user: grant.grantor, app: Some(AppCaller::new(grant.holder, grant.id)), device: None }
}

/// Whether an app or a link sees what is asked: by which entry, and why.
pub(super) async fn holder(
    app: &App,
    by: &Sharer,
    asked: &AskedField<'_>,
    record: &GrantRecord,
    names: &mut Names,
) -> Result<Option<SeerView>, ApiError> {
    let Some(mask) = mask(app, asked, &caller(record)).await? else { return Ok(None) };
    let (mut covering, mut perhaps) = (None, None);
    let attributed = attributed(&mask, &record.grant, asked.collection.id, app.now());
    let reads = |entry: &&(usize, &Entry)| entry.1.verbs.has(Verb::Read) && entry.1.holds(asked.field.id);
    for (n, entry) in attributed.iter().filter(reads).copied() {
        let covered = match asked.document {
            None => Some(true),
            Some(document) => covers(app, by, asked, entry, document).await?,
        };
        match covered {
            Some(true) => {
                covering = Some((n, entry));
                break;
            }
            Some(false) => {}
            None => perhaps = perhaps.or(Some((n, entry))),
        }
    }
    let Some((n, entry)) = covering.or(perhaps) else { return Ok(None) };
    let grant = &record.grant;
    let grantor = policy_core::Subject::object("user", grant.grantor);
    let mut path = granted(app, record, [n]).await?;
    path.extend(why(app, asked, &grantor, part(asked, entry)).await?);
    let client_id = grant.holder.client();
    let whole = asked.document.is_none();
    let by = By {
        client_id,
        app: client_id.map(|_| record.app.name.clone()),
        grant: client_id.map(|_| grant.id),
        link: client_id.is_none().then_some(grant.id),
        entry: format!("{}/{n}", grant.id),
        until: grant.entries.get(n).and_then(|one| one.until).map(rfc3339),
        rows: whole.then(|| where_json(&entry.predicate, asked.collection)),
        document: (!whole && covering.is_none()).then_some("unknown"),
    };
    let user = Some(names.user(app, grant.grantor).await?);
    let documents = whole.then(|| documents_view(&entry.documents));
    Ok(Some(SeerView { user, by: Some(by), path, documents, ..SeerView::default() }))
}

/// The relationships that let the holder of a grant read by these entries of it: of the first that does.
async fn granted(
    app: &App,
    record: &GrantRecord,
    entries: impl IntoIterator<Item = usize>,
) -> Result<Vec<String>, AccessError> {
    let grant = &record.grant;
    for n in entries {
        let check = Check::new(grant_object(grant.id, n), "read", grant.holder.subject());
        if let Some(path) = app.access.path(&check).await? {
            return Ok(path);
        }
    }
    Ok(Vec::new())
}

/// Whether an entry covers a document that the one who asks sees: looked up as they see it. `None`: they do not see
/// what the predicate compares, and so cannot be told either.
async fn covers(
    app: &App,
    by: &Sharer,
    asked: &AskedField<'_>,
    entry: &Entry,
    document: DocId,
) -> Result<Option<bool>, ApiError> {
    if !entry.documents.has(document) {
        return Ok(Some(false));
    }
    if entry.predicate.is_everything() {
        return Ok(Some(true));
    }
    let args = SelectArgs {
        doc_ids: Some(vec![document]),
        filter: Some(filter(&entry.predicate, asked.collection)),
        ..SelectArgs::default()
    };
    let items = vec![Item { key: "id".into(), kind: ItemKind::DocId }];
    let select = Select { collection: asked.collection.id, args, items };
    let (rows, ()) = rows(app, &by.principal.caller, asked.place.space, |_, _| Ok((select.clone(), ()))).await?;
    Ok(rows.map(|rows| !rows.is_empty()))
}

/// What an app sees by a grant, if that gives it anything.
pub(super) async fn app_in(app: &App, record: &GrantRecord) -> Result<Option<GrantSeen>, ApiError> {
    let grant = &record.grant;
    let named = grant.entries.iter().flat_map(|entry| &entry.scopes).map(|scope| scope.collection);
    let named: Vec<CollectionId> = named.collect();
    let (catalogue, permits) = match app.access.read_permits_to(&caller(record), grant.space, &named).await {
        Ok(permitted) => permitted,
        Err(AccessError::NotFound | AccessError::TooManyDocuments) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut collections = Vec::new();
    let mut counted = BTreeSet::new();
    for (id, mask) in permits.collections() {
        let Some(collection) = catalogue.schema.collection(id) else { continue };
        let entries = attributed(mask, grant, id, app.now());
        counted.extend(entries.iter().map(|(n, _)| *n));
        let entries = entries.iter().map(|(n, entry)| entry_seen(record, *n, entry, collection)).collect();
        collections.push(CollectionSeen { collection: collection.name.clone(), entries });
    }
    let user = app.directory.user(grant.grantor).await?.map(|user| user.name);
    let path = granted(app, record, counted).await?;
    let until = ends(grant).map(rfc3339);
    Ok(Some(GrantSeen { grant: grant.id, user, space: grant.space, collections, until, path }))
}

/// What an entry of a mask gives, by which entry of the grant, and until when that gives it.
fn entry_seen(record: &GrantRecord, n: usize, entry: &Entry, collection: &Collection) -> EntrySeen {
    let actions: Vec<&'static str> = entry.verbs.iter().map(Verb::word).collect();
    let fields = collection.fields.iter().filter(|field| entry.holds(field.id));
    EntrySeen {
        entry: format!("{}/{n}", record.grant.id),
        actions,
        fields: fields.map(|field| field.name.clone()).collect(),
        documents: documents_view(&entry.documents),
        rows: where_json(&entry.predicate, collection),
        until: record.grant.entries.get(n).and_then(|one| one.until).map(rfc3339),
    }
}
