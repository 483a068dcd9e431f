//! What apps and links see: the gate's answer for each grant, entry by entry.

use policy_core::{
    AppCaller, Caller, CollectionId, Comparison, DocId, Entry, GrantEntry, Holder, Object, Predicate, Verb,
    grant_object,
};
use serde_json::{Value, json};
use vault_core::control::GrantRecord;
use vault_core::query::{Filter, Item, ItemKind, Operand, Operator, Select, SelectArgs};
use vault_core::schema::{Collection, FieldType};
use vault_core::value::Value as Stored;

use super::super::place::Names;
use super::super::rows::rows;
use super::super::{ApiError, Sharer};
use super::{Asked, mask, part, told, why};
use crate::access::AccessError;
use crate::app::App;
use crate::grants::{rfc3339, where_json};
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
    for entry in mask.entries_with(Verb::Read).filter(|entry| entry.holds(asked.field.id)) {
        let covered = match asked.document {
            None => Some(true),
            Some(document) => covers(app, by, asked, entry, document).await?,
        };
        match covered {
            Some(true) => {
                covering = Some(entry);
                break;
            }
            Some(false) => {}
            None => perhaps = perhaps.or(Some(entry)),
        }
    }
    let Some(entry) = covering.or(perhaps) else { return Ok(None) };
    let grant = &record.grant;
    let mut path = granted(app, record, Some((asked, entry)));
    path.extend(why(app, asked, &policy_core::Subject::object("user", grant.grantor), part(asked, entry)));
    let mut shown = match grant.holder {
        Holder::Client(client) => json!({ "client_id": client, "app": record.app.name, "grant": grant.id }),
        Holder::Link(_) => json!({ "link": grant.id }),
    };
    shown["user"] = names.user(app, grant.grantor).await?;
    shown["path"] = json!(path);
    if asked.document.is_none() {
        shown["documents"] = told(&entry.documents);
        shown["where"] = where_json(&entry.predicate, asked.collection);
    } else if covering.is_none() {
        shown["document"] = json!("unknown");
    }
    Ok(Some(shown))
}

/// The relationships that let the holder of a grant read by it: by the entry of it that a mask's entry comes from.
fn granted(app: &App, record: &GrantRecord, by: Option<(&Asked<'_>, &Entry)>) -> Vec<String> {
    let (grant, now) = (&record.grant, app.now());
    let read = |object: Object| {
        let check = policy_core::Check::new(object, "read", grant.holder.subject());
        let (decision, path) = app.policy.check_one(&check, now);
        decision.allowed().then_some(path)
    };
    let behind = |one: &GrantEntry| {
        by.is_none_or(|(asked, entry)| {
            one.scopes.iter().any(|scope| {
                scope.collection == asked.collection.id
                    && scope.fields.contains(&asked.field.id)
                    && scope.predicate == entry.predicate
            })
        })
    };
    let numbered = grant.entries.iter().enumerate().filter(|(_, one)| behind(one));
    numbered.filter_map(|(n, _)| read(grant_object(grant.id, n))).next().unwrap_or_default()
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
    let items = vec![Item { response: "id".into(), kind: ItemKind::DocId }];
    let select = Select { collection: asked.collection.id, args, items };
    let (rows, ()) = rows(app, &by.principal.caller, asked.place.space, |_, _| Ok((select.clone(), ()))).await?;
    Ok(rows.map(|rows| !rows.is_empty()))
}

/// A predicate as a filter: the same documents.
fn filter(predicate: &Predicate, collection: &Collection) -> Filter {
    let one = |condition: &policy_core::Condition| {
        let field = condition.field;
        let relation = collection.field(field).is_some_and(|field| matches!(field.kind, FieldType::ToOne { .. }));
        let operand = if relation { Operand::RelationId(field) } else { Operand::Field(field) };
        let all = |values: &[policy_core::Scalar]| values.iter().cloned().map(Stored::Scalar).collect();
        let operator = match &condition.comparison {
            Comparison::Eq(value) => Operator::Eq(Stored::Scalar(value.clone())),
            Comparison::Neq(value) => Operator::Neq(Stored::Scalar(value.clone())),
            Comparison::In(values) => Operator::In(all(values)),
            Comparison::Nin(values) => Operator::Nin(all(values)),
            Comparison::Gt(value) => Operator::Gt(value.clone()),
            Comparison::Geq(value) => Operator::Geq(value.clone()),
            Comparison::Lt(value) => Operator::Lt(value.clone()),
            Comparison::Leq(value) => Operator::Leq(value.clone()),
        };
        Filter::Is(operand, operator)
    };
    Filter::And(predicate.conditions.iter().map(one).collect())
}

/// What an app sees by a grant, if that gives it anything.
pub(super) async fn app_in(app: &App, record: &GrantRecord) -> Result<Option<Value>, ApiError> {
    let grant = &record.grant;
    let named = grant.entries.iter().flat_map(|entry| &entry.scopes).map(|scope| scope.collection);
    let named: Vec<CollectionId> = named.collect();
    let (catalogue, permits) = match app.read_permits_to(&caller(record), grant.space, &named).await {
        Ok(permitted) => permitted,
        Err(AccessError::NotFound | AccessError::TooManyDocuments) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut collections = Vec::new();
    for (id, mask) in permits.collections() {
        let Some(collection) = catalogue.schema.collection(id) else { continue };
        let entries: Vec<Value> = mask.entries.iter().map(|entry| shown(entry, collection)).collect();
        collections.push(json!({ "collection": collection.name, "entries": entries }));
    }
    let user = app.directory.user(grant.grantor).await?.map(|user| user.name);
    Ok(Some(json!({ "grant": grant.id, "user": user, "space": grant.space, "collections": collections,
        "until": permits.valid_until().map(rfc3339), "path": granted(app, record, None) })))
}

fn shown(entry: &Entry, collection: &Collection) -> Value {
    let verbs: Vec<&str> = entry.verbs.iter().map(Verb::word).collect();
    let fields = collection.fields.iter().filter(|field| entry.holds(field.id));
    let fields: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
    json!({ "actions": verbs, "fields": fields, "documents": told(&entry.documents),
        "where": where_json(&entry.predicate, collection) })
}
