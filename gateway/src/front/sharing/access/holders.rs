//! What apps and links see: the gate's answer for each grant, entry by entry.

use std::collections::BTreeSet;

use policy_core::{AppCaller, Caller, Check, CollectionId, DocId, Entry, Holder, Verb, grant_object};
use serde_json::{Value, json};
use vault_core::control::GrantRecord;
use vault_core::query::{Item, ItemKind, Select, SelectArgs};
use vault_core::schema::Collection;

use super::super::place::Names;
use super::super::rows::rows;
use super::super::{ApiError, Sharer};
use super::{Asked, mask, part, told, why};
use crate::access::AccessError;
use crate::app::App;
use crate::grants::{attributed, ends, filter, rfc3339, where_json};
use crate::node::Node as _;

fn caller(record: &GrantRecord) -> Caller {
    let grant = &record.grant;
    Caller { user: grant.grantor, app: Some(AppCaller { holder: grant.holder, grant: grant.id }), device: None }
}

/// Whether an app or a link sees what is asked: by which entry, and why.
pub(super) async fn holder(
    app: &App,
    by: &Sharer,
    asked: &Asked<'_>,
    record: &GrantRecord,
    names: &mut Names,
) -> Result<Option<Value>, ApiError> {
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
    let mut shown = match grant.holder {
        Holder::Client(client) => json!({ "client_id": client, "app": record.app.name, "grant": grant.id }),
        Holder::Link(_) => json!({ "link": grant.id }),
    };
    shown["user"] = names.user(app, grant.grantor).await?;
    shown["entry"] = json!(format!("{}/{n}", grant.id));
    shown["until"] = json!(grant.entries.get(n).and_then(|one| one.until).map(rfc3339));
    shown["path"] = json!(path);
    if asked.document.is_none() {
        shown["documents"] = told(&entry.documents);
        shown["where"] = where_json(&entry.predicate, asked.collection);
    } else if covering.is_none() {
        shown["document"] = json!("unknown");
    }
    Ok(Some(shown))
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
    asked: &Asked<'_>,
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
pub(super) async fn app_in(app: &App, record: &GrantRecord) -> Result<Option<Value>, ApiError> {
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
        let entries: Vec<Value> = entries.iter().map(|(n, entry)| shown(record, *n, entry, collection)).collect();
        collections.push(json!({ "collection": collection.name, "entries": entries }));
    }
    let user = app.directory.user(grant.grantor).await?.map(|user| user.name);
    Ok(Some(json!({ "grant": grant.id, "user": user, "space": grant.space, "collections": collections,
        "until": ends(grant).map(rfc3339), "path": granted(app, record, counted).await? })))
}

/// What an entry of a mask gives, by which entry of the grant, and until when that gives it.
fn shown(record: &GrantRecord, n: usize, entry: &Entry, collection: &Collection) -> Value {
    let verbs: Vec<&str> = entry.verbs.iter().map(Verb::word).collect();
    let fields = collection.fields.iter().filter(|field| entry.holds(field.id));
    let fields: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
    let until = record.grant.entries.get(n).and_then(|one| one.until);
    json!({ "entry": format!("{}/{n}", record.grant.id), "actions": verbs, "fields": fields,
        "documents": told(&entry.documents), "where": where_json(&entry.predicate, collection),
        "until": until.map(rfc3339) })
}
