//! History: the commits of a document as a caller may see them.
//!
//! A document shows its history where an entry with `history` covers it now **and** covered it at the
//! commit. What is left of the graph stands for itself: heads, parents and heights are computed over
//! it, so that an edit of a field that does not show leaves no trace.

mod rows;
mod scan;

use cid::Cid;
use hashbrown::{HashMap, HashSet};
use policy_core::{CollectionId, DocId, Entry, FieldId, Mask, Verb};
use rusqlite::Connection;
use vault_core::crdt::{DocumentState, ancestors};
use vault_core::document::DocumentCommit;
use vault_core::schema::{Collection, Field};
use vault_core::value::Value;

use super::apply::{history_keeping, history_of};
use super::column::{Shape, as_stored, shape, to_sql};
use super::compile::PastRow;
use super::lookup::row_of;
use super::predicate::covers;
use super::run::{Run, doc_in};
use super::tables::Table;
use super::{Masks, ReadError, View, ViewError};

pub(super) use rows::version;
pub(super) use scan::commits;

/// The most bytes of a document's history that are folded into the document as it once was.
const FOLDED_MAX: usize = 64 << 20;

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

/// Which commits of a document show; `None` if it has none that do.
fn visible<'a>(
    connection: &Connection,
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
    let mut commits = history_keeping(connection, collection.id, doc, looks)?;
    commits.sort_by_key(|commit| (commit.height, commit.cid));
    let always = entries.iter().all(|&i| mask.entries[i].predicate.is_everything());
    let then = |commit: &DocumentCommit| -> Vec<usize> {
        if always {
            return entries.clone();
        }
        let state = state_at(&commits, &commit.cid);
        covering(&mask, Verb::History, &entries, doc, &values_at(collection, &state))
    };
    let shows: Vec<Option<Vec<usize>>> = commits
        .iter()
        .map(|commit| {
            let entries = then(commit);
            let holds = |field: FieldId| {
                let known = collection.field(field).is_some_and(|field| has_other_side(masks, field));
                known && entries.iter().any(|&i| mask.entries[i].holds(field))
            };
            let deltas: Vec<usize> = (0..commit.deltas.len()).filter(|&i| holds(commit.deltas[i].field)).collect();
            let shows = !deltas.is_empty() || commit.status.is_some() || commit.cid == commit.root;
            (shows && !entries.is_empty()).then_some(deltas)
        })
        .collect();
    let graph = connect(commits, shows);
    Ok((!graph.is_empty()).then_some(Visible { collection, doc, commits: graph }))
}

/// Whether a field exists for a caller of these masks: a relation to a collection of which nothing is read does not.
pub(super) fn has_other_side(masks: Masks<'_>, field: &Field) -> bool {
    let Some(Shape::Relation(target)) = shape(field) else { return true };
    masks(target).is_some_and(|mask| mask.gives(Verb::Read))
}

/// Leaves out what does not show and connects what was on either side of it.
fn connect(commits: Vec<DocumentCommit>, shows: Vec<Option<Vec<usize>>>) -> Vec<VisibleCommit> {
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
    graph
}

/// The state of a document as `cid` saw it.
fn state_at(commits: &[DocumentCommit], cid: &Cid) -> DocumentState {
    let seen = ancestors(commits, cid);
    let seen: Vec<DocumentCommit> = commits.iter().filter(|commit| seen.contains(&commit.cid)).cloned().collect();
    DocumentState::fold(&seen)
}

/// The documents of `collection` at these commits, as far as they show: entries count that cover the
/// document now and covered it then; of them one must give `history`, one `read` and, if `searched`,
/// one `search`. A field keeps its value if it is held by one of the first and one of the second.
pub(super) fn past(
    run: &Run<'_>,
    collection: CollectionId,
    cids: &[Cid],
    searched: bool,
) -> Result<Vec<PastRow>, ReadError> {
    let mask = (run.masks)(collection).ok_or(ReadError::Hidden)?;
    let collection = run.schema.collection(collection).ok_or(ReadError::Hidden)?;
    let mut rows = Vec::new();
    let mut done = HashSet::new();
    for cid in cids.iter().filter(|cid| done.insert(**cid)) {
        for (of, doc) in documents_with(run.connection, cid)? {
            if of != collection.id {
                continue;
            }
            let Some(visible) = visible(run.connection, run.masks, collection, doc)? else { continue };
            if !visible.commits.iter().any(|shown| shown.commit.cid == *cid) {
                continue;
            }
            let Some((_, now)) = row_of(run.connection, &Table::of(collection), doc)? else { continue };
            bounded(run.connection, collection.id, doc)?;
            let state = state_at(&history_of(run.connection, collection.id, doc)?, cid);
            let then = values_at(collection, &state);
            let entries = |verb| -> Vec<&Entry> {
                let both = |e: &&Entry| e.verbs.has(verb) && covers(e, Some(doc), &now) && covers(e, Some(doc), &then);
                mask.entries.iter().filter(both).collect()
            };
            let (told, read) = (entries(Verb::History), entries(Verb::Read));
            if told.is_empty() || read.is_empty() || (searched && entries(Verb::Search).is_empty()) {
                continue;
            }
            let value = |(id, field): (FieldId, &vault_core::crdt::FieldState)| {
                let shows = told.iter().any(|e| e.holds(id)) && read.iter().any(|e| e.holds(id));
                let of = collection.field(id)?;
                let shape = shape(of)?;
                shows.then(|| (id, to_sql(shape, &field.value(of.reading()))))
            };
            let values = state.fields().filter_map(value).collect();
            rows.push(PastRow { doc, cid: cid.to_string(), deleted: state.deleted, values });
        }
    }
    rows.sort_by(|a, b| (a.doc, &a.cid).cmp(&(b.doc, &b.cid)));
    Ok(rows)
}

/// Refuses to fold a history that is too large to be held.
fn bounded(connection: &Connection, collection: CollectionId, doc: DocId) -> Result<(), ReadError> {
    let sql = "SELECT ifnull(sum(length(body)), 0) FROM history WHERE doc = ? AND collection = ?";
    let bytes: i64 =
        connection.prepare_cached(sql)?.query_row([doc.as_bytes(), collection.as_bytes()], |row| row.get(0))?;
    if bytes as u64 > FOLDED_MAX as u64 { Err(ReadError::Bytes(FOLDED_MAX)) } else { Ok(()) }
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
    masks: Masks<'_>,
    schema: &vault_core::schema::Schema,
    collection: CollectionId,
    doc: DocId,
) -> Result<Vec<Cid>, ReadError> {
    let collection = schema.collection(collection).ok_or(ReadError::Hidden)?;
    let Some(visible) = visible(connection, masks, collection, doc)? else { return Ok(Vec::new()) };
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
        Ok(visible_heads(self.connection(), &masks, &self.schema, collection, doc)?)
    }
}
