//! `_conflicts`: what a document's columns do not tell, and which rules of its definition a merge has broken.
//!
//! Each is a function of the commits, whichever way they came, and is gone when it is resolved. Nothing of a field that
//! does not show is said, and nothing of other documents to whom does not see them all.

use std::cmp::Ordering;

use cid::Cid;
use policy_core::{CollectionId, DeviceId, DocId, Entry, FieldId, Mask, Scalar, Verb};
use rusqlite::OptionalExtension;
use vault_core::crdt::DocumentState;
use vault_core::document::Hlc;
use vault_core::query::ConflictItem;
use vault_core::schema::{Collection, Field, FieldType};
use vault_core::value::Value;

use super::ReadError;
use super::apply::history_of;
use super::column::{Shape, column_name, fits, shape, table_name};
use super::history::{covering, reaches};
use super::lookup::row_of;
use super::run::Run;
use super::sink::{self, Sink};
use super::tables::Table;

/// One row of `_conflicts`.
struct Conflict<'a> {
    field: &'a Field,
    shape: Shape,
    value: Value,
    cid: Option<Cid>,
    reason: &'static str,
}

/// A write that lost against another that did not see it.
const CONCURRENT: &str = "concurrent";
/// Written under another definition of the field, which this one does not fit.
const TYPE: &str = "type";
const UNIQUE: &str = "unique";
const NOT_NULL: &str = "not_null";

/// What commits say of a field and its column does not tell, with the CIDs of writes.
pub(super) fn untold(field: &Field, state: &DocumentState) -> Vec<(Option<Cid>, Value)> {
    let Some(of) = state.field(field.id) else { return Vec::new() };
    let reading = field.reading();
    let mut all = Vec::new();
    let value = of.value(reading);
    if !value.is_null() && shape(field).is_none_or(|shape| !fits(shape, &value)) {
        all.push((of.writes.first().map(|write| write.cid), value));
    }
    all.extend(of.beside(reading));
    all
}

/// Writes the conflicts of the fields that show.
pub(super) fn write(
    run: &mut Run<'_>,
    collection: CollectionId,
    doc: DocId,
    items: &[(String, ConflictItem)],
    out: &mut dyn Sink,
) -> Result<(), ReadError> {
    let mask = (run.masks)(collection).ok_or(ReadError::Hidden)?;
    let collection = run.schema.collection(collection).ok_or(ReadError::Hidden)?;
    out.begin_list();
    for conflict in &found(run, collection, &mask, doc)? {
        out.begin_row();
        for (key, item) in items {
            out.key(key);
            match (item, &conflict.cid) {
                (ConflictItem::FieldName, _) => out.text(&conflict.field.name),
                (ConflictItem::Value, _) => sink::value(out, conflict.shape, &conflict.value),
                (ConflictItem::Cid, Some(cid)) => out.text(&cid.to_string()),
                (ConflictItem::Cid, None) => out.null(),
                (ConflictItem::Reason, _) => out.text(conflict.reason),
                (ConflictItem::Constant(text), _) => out.text(text),
            }
        }
        out.end_row();
        run.step()?;
        run.holds(out)?;
    }
    out.end_list();
    Ok(())
}

fn found<'a>(
    run: &mut Run<'_>,
    collection: &'a Collection,
    mask: &Mask,
    doc: DocId,
) -> Result<Vec<Conflict<'a>>, ReadError> {
    let mut all = Vec::new();
    let Some((deleted, now)) = row_of(run.connection, &Table::of(collection), doc)? else { return Ok(all) };
    let sets: Vec<Vec<FieldId>> = collection.unique_sets().into_iter().filter(|set| sees_all(mask, set)).collect();
    let stored = stored_state(run, collection, doc)?;
    let nulls = !deleted && collection.fields.iter().any(|field| field.not_null() && is_null(&now, field.id));
    if stored.is_none() && sets.is_empty() && !nulls {
        return Ok(all);
    }
    let entries = covering(mask, Verb::Read, &(0..mask.entries.len()).collect::<Vec<_>>(), doc, &now);
    let shown = |field: &&Field| entries.iter().any(|&i| mask.entries[i].holds(field.id));
    let whole = entries.iter().any(|&i| mask.entries[i].is_everything());
    let state = match stored {
        Some(state) => state,
        None if nulls => DocumentState::fold(&history_of(run.connection, collection.id, doc)?),
        None => DocumentState::default(),
    };
    for field in collection.fields.iter().filter(shown) {
        let shape = shape(field);
        let winner = state.field(field.id).and_then(|of| of.writes.first()).map(|write| write.cid);
        for (cid, value) in untold(field, &state) {
            let told = shape.filter(|shape| fits(*shape, &value));
            let may_tell = match (told, &value) {
                (Some(shape), value) => reaches(run, shape, value)?,
                // It may be the id of a document that another definition knows a collection for.
                (None, Value::Scalar(Scalar::Blob(bytes))) if bytes.len() == 16 => whole,
                (None, _) => true,
            };
            if may_tell {
                let reason = if told.is_some() && cid != winner && cid.is_some() { CONCURRENT } else { TYPE };
                all.push(Conflict { field, shape: told.unwrap_or(Shape::Number), value, cid, reason });
            }
        }
        let untold_now = !untold(field, &state).is_empty();
        if !deleted && field.not_null() && is_null(&now, field.id) && !untold_now {
            let cid = winner.or_else(|| state.root.map(|(cid, _)| cid));
            all.push(Conflict { field, shape: Shape::Number, value: Value::NULL, cid, reason: NOT_NULL });
        }
    }
    for set in sets.iter().filter(|_| !deleted) {
        let Some(claim) = lost(run, collection, doc, set)? else { continue };
        for field in collection.fields.iter().filter(|field| set.contains(&field.id)).filter(shown) {
            let value = now.iter().find(|(id, _)| *id == field.id).map_or(Value::NULL, |(_, value)| value.clone());
            let Some(shape) = shape(field) else { continue };
            if reaches(run, shape, &value)? {
                all.push(Conflict { field, shape, value, cid: claim.cid, reason: UNIQUE });
            }
        }
    }
    Ok(all)
}

fn is_null(now: &[(FieldId, Value)], field: FieldId) -> bool {
    now.iter().all(|(id, value)| *id != field || value.is_null())
}

/// Whether every document shows with all these fields, to be found and read: that another holds a value is told to
/// nobody else.
fn sees_all(mask: &Mask, fields: &[FieldId]) -> bool {
    let all = |entry: &Entry| entry.is_everything() && fields.iter().all(|field| entry.holds(*field));
    mask.entries_with(Verb::Search).any(all) && mask.entries_with(Verb::Read).any(all)
}

/// The state in a document's row; `None`: its one commit is told whole by the columns.
fn stored_state(run: &Run<'_>, collection: &Collection, doc: DocId) -> Result<Option<DocumentState>, ReadError> {
    let sql = format!("SELECT state FROM {} WHERE doc = ?", table_name(collection.id));
    let mut statement = run.connection.prepare_cached(&sql)?;
    let bytes: Option<Option<Vec<u8>>> = statement.query_row([doc.as_bytes()], |row| row.get(0)).optional()?;
    Ok(bytes.flatten().map(|bytes| DocumentState::decode(&bytes)).transpose()?)
}

/// With what a document claims its values: the greatest of the writes that gave them to it.
struct Claim {
    rank: (Hlc, DeviceId, Option<Cid>),
    cid: Option<Cid>,
    doc: DocId,
}

impl Claim {
    fn of(run: &Run<'_>, collection: &Collection, doc: DocId, set: &[FieldId]) -> Result<Claim, ReadError> {
        let state = match stored_state(run, collection, doc)? {
            Some(state) => state,
            None => DocumentState::fold(&history_of(run.connection, collection.id, doc)?),
        };
        let writes = set.iter().filter_map(|field| state.field(*field)).filter_map(|of| of.writes.first());
        let rank = writes.map(|write| write.rank()).max();
        // A counter is no one write: its documents stand in the order of their first commits.
        let root = state.root.map(|(cid, _)| cid);
        let (hlc, device, cid) =
            rank.map_or((Hlc::default(), DeviceId::from_bytes([0; 16]), root), |(h, d, c)| (h, d, Some(c)));
        Ok(Claim { rank: (hlc, device, cid), cid, doc })
    }

    fn cmp(&self, other: &Claim) -> Ordering {
        (self.rank, self.doc).cmp(&(other.rank, other.doc))
    }
}

/// The claim of a document on its values of these fields, if another document claimed the same before.
fn lost(run: &mut Run<'_>, collection: &Collection, doc: DocId, set: &[FieldId]) -> Result<Option<Claim>, ReadError> {
    let stored =
        |id: &FieldId| collection.field(*id).is_some_and(|field| !matches!(field.kind, FieldType::Inverse { .. }));
    if set.is_empty() || !set.iter().all(stored) {
        return Ok(None);
    }
    let table = table_name(collection.id);
    let same: Vec<String> = set.iter().map(|field| format!(" AND b.{0}=a.{0}", column_name(*field))).collect();
    let sql = format!(
        "SELECT b.doc FROM {table} a CROSS JOIN {table} b \
         WHERE a.doc=? AND a.deleted=0 AND b.deleted=0 AND b.doc<>a.doc{} ORDER BY b.doc",
        same.concat()
    );
    let connection = run.connection;
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([doc.as_bytes()])?;
    let mut own = None;
    while let Some(row) = rows.next()? {
        run.step()?;
        let claim = match own {
            Some(claim) => claim,
            None => Claim::of(run, collection, doc, set)?,
        };
        let other = Claim::of(run, collection, super::run::doc_in(row.get_ref(0)?)?, set)?;
        if other.cmp(&claim).is_lt() {
            return Ok(Some(claim));
        }
        own = Some(claim);
    }
    Ok(None)
}
