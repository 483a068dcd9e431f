//! What refuses. Only that is told of a refusal: no relationship that gives something stands in its path.

use gateway_people::realm::Realm as _;
use policy::facts::{Party, Resource};
use policy_core::{AppCaller, Caller, Check, FieldId, Mask, Object, Subject};
use vault_core::control::GrantRecord;

use super::{CheckTarget, Verdict, covers, deciding, field_names, mask, named, path_of_entry};
use crate::app::App;
use crate::front::error::ApiError;
use crate::grants::where_json;

/// A refusal: in a word for programs, in a sentence, and by which relationships.
fn no(by: &'static str, reason: String, path: Vec<String>, mask: Vec<String>) -> Verdict {
    Verdict { allowed: false, reason, refused_by: Some(by), path, mask, entry: None, space: None }
}

/// Why a person may not. `own`: what they may in the collection.
pub(super) async fn person(app: &App, asked: &CheckTarget<'_>, own: Option<&Mask>) -> Result<Verdict, ApiError> {
    let id = asked.collection.id;
    let mask = own.map(|own| field_names(asked, own)).unwrap_or_default();
    if !covers(app, asked, None).await? {
        return Ok(no("not_there", "the document is not there".to_owned(), Vec::new(), mask));
    }
    if let Some(doc) = asked.doc {
        let resource = Resource::Document(id, doc);
        if app.access.may(asked.user, resource, "barred").await? {
            let path = of_relation(app, asked, resource, "blocked").await?;
            return Ok(no(
                "blocked",
                ruled(app, asked, resource, "blocked", "the document is blocked").await?,
                path,
                mask,
            ));
        }
    }
    // What of the collection they reach at all, whatever becomes of the field.
    let whole = app.access.may(asked.user, Resource::Collection(id), asked.permission()).await?;
    let single = match asked.doc {
        Some(doc) => app.access.may(asked.user, Resource::Document(id, doc), asked.permission()).await?,
        None => own.is_some_and(|own| own.gives(asked.verb)),
    };
    if let (true, Some(field)) = (whole || single, asked.field)
        && let Some(refusal) = of_field(app, asked, field, &mask).await?
    {
        return Ok(refusal);
    }
    let reason = format!("no entry gives `{}` here: nothing is shared with them that does", asked.verb);
    Ok(no("no_entry", reason, Vec::new(), mask))
}

/// Whether a field is what keeps somebody out who reaches its documents.
async fn of_field(
    app: &App,
    asked: &CheckTarget<'_>,
    field: FieldId,
    mask: &[String],
) -> Result<Option<Verdict>, ApiError> {
    let resource = Resource::Field(asked.collection.id, field);
    if app.access.may(asked.user, resource, "kept").await? {
        let mut path = of_relation(app, asked, resource, "hidden").await?;
        path.extend(of_relation(app, asked, resource, "declined").await?);
        let reason = ruled(app, asked, resource, "hidden", "the field is hidden from them").await?;
        return Ok(Some(no("hidden", reason, path, mask.to_vec())));
    }
    let collection = Object::new("collection", asked.collection.id);
    let subject = Subject { object: collection, relation: None };
    let sealed = app.access.path(&Check::new(resource.object(), "sealed", subject)).await?;
    if let Some(path) = sealed {
        let reason = ruled(app, asked, resource, "sealed", "the field is sealed, and they are no reader of it").await?;
        return Ok(Some(no("sealed", reason, path, mask.to_vec())));
    }
    Ok(None)
}

/// The relationships by which somebody stands in a relation that takes away.
async fn of_relation(
    app: &App,
    asked: &CheckTarget<'_>,
    resource: Resource,
    relation: &str,
) -> Result<Vec<String>, ApiError> {
    Ok(app.access.path(&Check::new(resource.object(), relation, asked.subject())).await?.unwrap_or_default())
}

/// The sentence, and the rule or share that makes it so, if one of the node's does.
async fn ruled(
    app: &App,
    asked: &CheckTarget<'_>,
    resource: Resource,
    relation: &str,
    said: &str,
) -> Result<String, ApiError> {
    let parties = app.directory.parties_of(asked.user, app.now()).await?;
    let rules = app.directory.assignments_in(asked.space, Some(asked.collection.id)).await?;
    let concerns = |party: Option<Party>| party.is_none_or(|party| parties.contains(&party));
    let rule = rules.iter().find(|one| one.resource == resource && one.relation == relation && concerns(one.party));
    let what = if relation == "blocked" { "share" } else { "rule" };
    Ok(rule.map_or_else(|| said.to_owned(), |rule| format!("{said}, by {what} {}", rule.id)))
}

/// Why an app may not, by the grants that the person gave it.
pub(super) async fn app(app: &App, asked: &CheckTarget<'_>, records: &[GrantRecord]) -> Result<Verdict, ApiError> {
    let person = Caller { user: asked.user, app: None, device: None };
    let own = mask(app, asked, &person).await?;
    let may = match &own {
        None => false,
        Some(own) => deciding(app, asked, own.entries.iter()).await?.is_some(),
    };
    if !may {
        // An app has at most what the person has.
        return self::person(app, asked, own.as_deref()).await;
    }
    if records.is_empty() {
        return Ok(no("no_entry", "no grant of this app is in force".to_owned(), Vec::new(), Vec::new()));
    }
    let mut seen = Vec::new();
    let mut outside = None;
    for record in records {
        let grant = &record.grant;
        let by = AppCaller::new(grant.holder, grant.id);
        let caller = Caller { user: asked.user, app: Some(by), device: None };
        if let Some(mask) = mask(app, asked, &caller).await? {
            seen.extend(field_names(asked, &mask));
        }
        for (n, entry) in grant.entries.iter().enumerate() {
            let scope = entry.scopes.iter().find(|scope| {
                scope.collection == asked.collection.id && asked.field.is_none_or(|field| scope.fields.contains(&field))
            });
            let in_force = entry.verbs.has(asked.verb) && path_of_entry(app, asked, record, n).await?.is_some();
            if let (Some(scope), true, None) = (scope, in_force, &outside) {
                let unnamed =
                    asked.doc.is_some_and(|doc| scope.documents.as_ref().is_some_and(|named| !named.contains(&doc)));
                let why = match unnamed {
                    true => "none of the documents that it names".to_owned(),
                    false => where_json(&scope.predicate, asked.collection).to_string(),
                };
                outside = Some((named(grant.id, n), why));
            }
        }
    }
    seen.sort_unstable();
    seen.dedup();
    Ok(match outside {
        // It gives the verb and the field, so it is the documents that it does not give.
        Some((entry, rows)) => {
            let reason = format!("outside the filter of entry {entry}: {rows}");
            let mut refusal = no("filter", reason, Vec::new(), seen);
            refusal.entry = Some(entry);
            refusal
        }
        None => {
            let reason = format!("no entry gives `{}` here", asked.verb);
            no("no_entry", reason, Vec::new(), seen)
        }
    })
}
