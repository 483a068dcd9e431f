//! History: the commits of a document as a caller may see them.
//!
//! A document shows its history where an entry with `history` covers it now **and** covered it at the
//! commit. What is left of the graph stands for itself: heads, parents and heights are computed over
//! it, so that an edit of a field that does not show leaves no trace.

mod named;
mod rows;
mod scan;
mod states;

use std::collections::BTreeMap;
use std::sync::Arc;

use cid::Cid;
use hashbrown::{HashMap, HashSet};
use policy_core::{CollectionId, DocId, Entry, FieldId, Mask, Verb};
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use vault_core::crdt::DocumentState;
use vault_core::document::{Delta, DocumentCommit};
use vault_core::query::Select;
use vault_core::schema::{Collection, Field};
use vault_core::value::Value;

use super::apply::each_commit;
use super::column::{Shape, as_stored, shape, to_sql};
use super::lookup::row_of;
use super::predicate::covers;
use super::run::{Run, doc_in};
use super::tables::Table;
use super::watch::Watch;
use super::{Masks, ReadError, View, ViewError};
use crate::asked;

use named::named;
pub(super) use rows::version;
pub(super) use scan::commits;

/// The most memory that the commits of one document take while its history is looked at.
pub(super) const HELD_MAX: usize = 64 << 20;
/// What a commit takes beside what it changes, and a change beside its value.
const COMMIT: usize = 256;
const DELTA: usize = 96;

/// The commits of one document that show. Values are there only where a condition of the mask looks at them.
struct Visible<'a> {
    collection: &'a Collection,
    doc: DocId,
    /// Parents before children.
    commits: Vec<VisibleCommit>,
}

struct VisibleCommit {
    commit: DocumentCommit,
    /// Which of its deltas show, by their place.
    deltas: Vec<usize>,
    /// Places of its parents in the visible graph, ascending.
    parents: Vec<usize>,
    height: u64,
}

impl Visible<'_> {
    fn heads(&self) -> Vec<usize> {
        let named: HashSet<usize> = self.commits.iter().flat_map(|c| c.parents.iter().copied()).collect();
        (0..self.commits.len()).filter(|i| !named.contains(i)).collect()
    }
}

/// The values of a document at a state, as columns would hold them.
pub(super) fn values_at(collection: &Collection, state: &DocumentState) -> Vec<(FieldId, Value)> {
    let stored = |(id, field): (FieldId, &vault_core::crdt::FieldState)| {
        let of = collection.field(id)?;
        Some((id, as_stored(shape(of)?, &field.value(of.reading()))))
    };
    state.fields().filter_map(stored).collect()
}

pub(super) fn covering(
    mask: &Mask,
    verb: Verb,
    among: &[usize],
    doc: DocId,
    values: &[(FieldId, Value)],
) -> Vec<usize> {
    let covered = |i: &usize| {
        let entry = &mask.entries[*i];
        entry.verbs.has(verb) && covers(entry, Some(doc), values)
    };
    among.iter().copied().filter(covered).collect()
}

/// The commits of a document, parents before children, with null for the values of registers that are not kept: what a
/// document once held may be far more than what it holds.
fn commits_of(
    connection: &Connection,
    watch: &Watch,
    collection: CollectionId,
    doc: DocId,
    keeps: impl Fn(FieldId) -> bool,
) -> Result<Vec<DocumentCommit>, ReadError> {
    let (mut commits, mut held) = (Vec::new(), 0usize);
    each_commit(connection, collection, doc, |mut commit: DocumentCommit, bytes| {
        watch.step(bytes)?;
        held += COMMIT + commit.deltas.len() * DELTA;
        for delta in &mut commit.deltas {
            if let Delta::Set(value) = &mut delta.delta {
                if keeps(delta.field) {
                    held += asked::value(value);
                } else {
                    *value = Value::NULL;
                }
            }
        }
        commits.push(commit);
        if held > HELD_MAX { Err(ReadError::History(HELD_MAX)) } else { Ok(()) }
    })?;
    commits.sort_by_key(|commit| (commit.height, commit.cid));
    Ok(commits)
}

/// A commit with what it says of some fields alone.
fn only(commit: &DocumentCommit, looks: impl Fn(FieldId) -> bool) -> DocumentCommit {
    let deltas = commit.deltas.iter().filter(|delta| looks(delta.field)).cloned().collect();
    let DocumentCommit { collection, doc, cid, root, salt, height, hlc, device, seq, author, status, .. } = *commit;
    let parents = commit.parents.clone();
    DocumentCommit { collection, doc, cid, root, salt, parents, height, hlc, device, seq, author, status, deltas }
}

/// Which commits of a document show; `None` if it has none that do.
fn visible<'a>(
    connection: &Connection,
    watch: &Watch,
    masks: Masks<'_>,
    collection: &'a Collection,
    doc: DocId,
) -> Result<Option<Visible<'a>>, ReadError> {
    let mask = masks(collection.id).ok_or(ReadError::Hidden)?;
    let reaches = |entry: &Entry| entry.verbs.has(Verb::History) && entry.documents.has(doc);
    let all: Vec<usize> = (0..mask.entries.len()).filter(|&i| reaches(&mask.entries[i])).collect();
    if all.is_empty() {
        return Ok(None);
    }
    let Some((_, now)) = row_of(connection, &Table::of(collection), doc)? else { return Ok(None) };
    let entries = covering(&mask, Verb::History, &all, doc, &now);
    if entries.is_empty() {
        return Ok(None);
    }
    let looks = |field: FieldId| {
        let mut conditions = entries.iter().flat_map(|&i| &mask.entries[i].predicate.conditions);
        conditions.any(|condition| condition.field == field)
    };
    let commits = commits_of(connection, watch, collection.id, doc, looks)?;
    let always = entries.iter().all(|&i| mask.entries[i].predicate.is_everything());
    let then: Option<Vec<Arc<[usize]>>> = if always {
        None
    } else {
        let covered = |_: usize, state: &DocumentState, same: Option<&Arc<[usize]>>| match same {
            Some(same) => Ok(Arc::clone(same)),
            None => Ok(covering(&mask, Verb::History, &entries, doc, &values_at(collection, state)).into()),
        };
        let only: Vec<DocumentCommit> = commits.iter().map(|commit| only(commit, looks)).collect();
        Some(states::along(&only, watch, covered)?)
    };
    let shows: Vec<Option<Vec<usize>>> = commits
        .iter()
        .enumerate()
        .map(|(at, commit)| {
            let entries: &[usize] = then.as_ref().map_or(&entries, |then| &then[at]);
            let holds = |field: FieldId| {
                let known = collection.field(field).is_some_and(|field| has_other_side(masks, field));
                known && entries.iter().any(|&i| mask.entries[i].holds(field))
            };
            let deltas: Vec<usize> = (0..commit.deltas.len()).filter(|&i| holds(commit.deltas[i].field)).collect();
            let shows = !deltas.is_empty() || commit.status.is_some() || commit.cid == commit.root;
            (shows && !entries.is_empty()).then_some(deltas)
        })
        .collect();
    let graph = connect(commits, shows, watch)?;
    Ok((!graph.is_empty()).then_some(Visible { collection, doc, commits: graph }))
}

/// Whether a field exists for a caller of these masks: a relation to a collection of which nothing is read does not.
pub(super) fn has_other_side(masks: Masks<'_>, field: &Field) -> bool {
    let Some(Shape::Relation(target)) = shape(field) else { return true };
    masks(target).is_some_and(|mask| mask.gives(Verb::Read))
}

/// Leaves out what does not show and connects what was on either side of it.
fn connect(
    commits: Vec<DocumentCommit>,
    shows: Vec<Option<Vec<usize>>>,
    watch: &Watch,
) -> Result<Vec<VisibleCommit>, ReadError> {
    let mut graph: Vec<VisibleCommit> = Vec::new();
    // For each commit so far: the visible commits that a child of it follows.
    let mut stands_for: HashMap<Cid, Vec<usize>> = HashMap::new();
    for (commit, shows) in commits.into_iter().zip(shows) {
        let named = commit.parents.iter().filter_map(|parent| stands_for.get(parent));
        let mut parents: Vec<usize> = named.flatten().copied().collect();
        parents.sort_unstable();
        parents.dedup();
        if parents.len() > 1 {
            let mut below = HashSet::new();
            let mut open: Vec<usize> = parents.iter().flat_map(|&i| graph[i].parents.iter().copied()).collect();
            while let Some(i) = open.pop() {
                if below.insert(i) {
                    watch.step(0)?;
                    open.extend(&graph[i].parents);
                }
            }
            parents.retain(|i| !below.contains(i));
        }
        match shows {
            None => {
                stands_for.insert(commit.cid, parents);
            }
            Some(deltas) => {
                stands_for.insert(commit.cid, vec![graph.len()]);
                let height = 1 + parents.iter().map(|&i| graph[i].height).max().unwrap_or(0);
                graph.push(VisibleCommit { commit, deltas, parents, height });
            }
        }
    }
    Ok(graph)
}

/// Documents as they were.
pub(super) struct Past {
    /// Those of which values are kept.
    pub(super) fields: Vec<FieldId>,
    /// As [`past_row`] has them, by document and commit.
    pub(super) rows: Vec<Vec<Sql>>,
}

/// The documents of a selection at these commits, as far as they show: entries count that cover the document now and
/// covered it then; of them one must give `history`, one `read` and, if it is searched, one `search`. A field keeps its
/// value if it is held by one of the first and one of the second, and the selection names it. What is kept is charged
/// to the read.
pub(super) fn past(run: &mut Run<'_>, select: &Select, cids: &[Cid]) -> Result<Past, ReadError> {
    let args = &select.args;
    let searched = args.filter.is_some() || !args.order.is_empty() || args.group_by.is_some();
    let mask = (run.masks)(select.collection).ok_or(ReadError::Hidden)?;
    let collection = run.schema.collection(select.collection).ok_or(ReadError::Hidden)?;
    let named = named(select);
    let stored = collection.fields.iter().filter(|field| shape(field).is_some());
    let fields: Vec<FieldId> = stored.map(|field| field.id).filter(|field| named.contains(field)).collect();
    let mut wanted: BTreeMap<DocId, HashSet<Cid>> = BTreeMap::new();
    for cid in cids.iter().collect::<HashSet<_>>() {
        run.step()?;
        for (of, doc) in documents_with(run.connection, cid)? {
            if of == collection.id {
                wanted.entry(doc).or_default().insert(*cid);
            }
        }
    }
    let mut rows = Vec::new();
    for (doc, cids) in wanted {
        let watch = &run.watch;
        let Some(visible) = visible(run.connection, watch, run.masks, collection, doc)? else { continue };
        let shown: HashSet<Cid> =
            visible.commits.iter().map(|shown| shown.commit.cid).filter(|cid| cids.contains(cid)).collect();
        drop(visible);
        let Some((_, now)) = row_of(run.connection, &Table::of(collection), doc)? else { continue };
        if shown.is_empty() {
            continue;
        }
        let looks = |field: FieldId| {
            let mut conditions = mask.entries.iter().flat_map(|entry| &entry.predicate.conditions);
            named.contains(&field) || conditions.any(|condition| condition.field == field)
        };
        let commits = commits_of(run.connection, watch, collection.id, doc, looks)?;
        let mut of_document: Vec<Vec<Sql>> = Vec::new();
        let mut held = 0;
        states::along(&commits, watch, |at, state, _: Option<&()>| {
            let cid = &commits[at].cid;
            if !shown.contains(cid) {
                return Ok(());
            }
            let then = values_at(collection, state);
            let entries = |verb| -> Vec<&Entry> {
                let both = |e: &&Entry| e.verbs.has(verb) && covers(e, Some(doc), &now) && covers(e, Some(doc), &then);
                mask.entries.iter().filter(both).collect()
            };
            let (told, read) = (entries(Verb::History), entries(Verb::Read));
            if told.is_empty() || read.is_empty() || (searched && entries(Verb::Search).is_empty()) {
                return Ok(());
            }
            let value = |id: &FieldId| {
                let shows = told.iter().any(|e| e.holds(*id)) && read.iter().any(|e| e.holds(*id));
                let of = collection.field(*id).zip(state.field(*id)).filter(|_| shows);
                let value = of.and_then(|(of, field)| Some(to_sql(shape(of)?, &field.value(of.reading()))));
                value.unwrap_or(Sql::Null)
            };
            let row = past_row(doc, cid, state.deleted, fields.iter().map(value));
            held += row.iter().map(size_of).sum::<usize>();
            run.would_hold(held)?;
            of_document.push(row);
            Ok(())
        })?;
        run.hold(held)?;
        of_document.sort_by(|a, b| text_of(&a[PAST_CID]).cmp(text_of(&b[PAST_CID])));
        rows.extend(of_document);
    }
    Ok(Past { fields, rows })
}

/// Where the commit stands in a row of the past.
const PAST_CID: usize = 2;

/// A document as it was: its id, whether it was deleted, the commit, and its values.
fn past_row(doc: DocId, cid: &Cid, deleted: bool, values: impl Iterator<Item = Sql>) -> Vec<Sql> {
    let before = [Sql::Blob(doc.as_bytes().to_vec()), Sql::Integer(i64::from(deleted)), Sql::Text(cid.to_string())];
    before.into_iter().chain(values).collect()
}

fn text_of(value: &Sql) -> &str {
    if let Sql::Text(text) = value { text } else { "" }
}

/// What a value of a row takes.
fn size_of(value: &Sql) -> usize {
    32 + match value {
        Sql::Text(text) => text.len(),
        Sql::Blob(bytes) => bytes.len(),
        Sql::Null | Sql::Integer(_) | Sql::Real(_) => 0,
    }
}

/// The documents that have a commit of this CID.
fn documents_with(connection: &Connection, cid: &Cid) -> Result<Vec<(CollectionId, DocId)>, ReadError> {
    let mut statement = connection.prepare_cached("SELECT collection, doc FROM history WHERE cid = ?")?;
    let mut rows = statement.query([cid.to_bytes()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let collection = row.get_ref(0)?.as_blob().ok().and_then(CollectionId::from_slice);
        let collection = collection.ok_or(ReadError::View(ViewError::Unreadable("collection id")))?;
        found.push((collection, doc_in(row.get_ref(1)?)?));
    }
    Ok(found)
}

/// Whether the value may be told: the id of a document out of scope may not.
pub(super) fn reaches(run: &Run<'_>, shape: Shape, value: &Value) -> Result<bool, ReadError> {
    let Shape::Relation(target) = shape else { return Ok(true) };
    let Value::Scalar(policy_core::Scalar::Blob(id)) = value else { return Ok(true) };
    let Some(mask) = (run.masks)(target) else { return Ok(false) };
    if mask.entries_with(Verb::Read).any(Entry::is_everything) {
        return Ok(true);
    }
    let (Some(target), Some(id)) = (run.schema.collection(target), DocId::from_slice(id)) else { return Ok(false) };
    let Some((_, values)) = row_of(run.connection, &Table::of(target), id)? else { return Ok(false) };
    let covers = mask.entries_with(Verb::Read).any(|entry| covers(entry, Some(id), &values));
    Ok(covers)
}

/// The heads of a document in the graph that shows.
fn visible_heads(
    connection: &Connection,
    watch: &Watch,
    masks: Masks<'_>,
    schema: &vault_core::schema::Schema,
    collection: CollectionId,
    doc: DocId,
) -> Result<Vec<Cid>, ReadError> {
    let collection = schema.collection(collection).ok_or(ReadError::Hidden)?;
    let Some(visible) = visible(connection, watch, masks, collection, doc)? else { return Ok(Vec::new()) };
    let mut heads: Vec<Cid> = visible.heads().into_iter().map(|i| visible.commits[i].commit.cid).collect();
    heads.sort_unstable();
    Ok(heads)
}

impl View {
    /// The heads of a document as the caller sees its history, sorted: what `expectHeads` is compared
    /// with. Empty if none shows.
    pub fn visible_heads<R: policy_core::Right>(
        &self,
        permits: &policy_core::Permits<R>,
        collection: CollectionId,
        doc: DocId,
    ) -> Result<Vec<Cid>, ViewError> {
        let masks = |id| permits.mask(id).cloned();
        let heads = |time| visible_heads(self.connection(), &Watch::new(time), &masks, &self.schema, collection, doc);
        Ok(self.within(heads)?)
    }
}
