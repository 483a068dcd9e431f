//! `_commits`: which documents are folded for it, and in which order.
//!
//! Without an order, and by `docID`, commits come by document, as documents lie: no more of them are folded than are
//! asked for. Any other order needs all of them: then only what they are sorted by is kept, no more of it than what
//! is asked for, and those that are answered are folded once more.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use hashbrown::{HashMap, HashSet};
use policy_core::{CollectionId, DocId, Verb};
use rusqlite::{Connection, Rows};
use vault_core::query::{CommitOrder, CommitSelect};
use vault_core::schema::Collection;

use super::rows::{Row, field_name, reach, rows_of, wanted, write_row};
use super::{Visible, documents_with, visible};
use crate::view::column::table_name;
use crate::view::run::{Run, doc_in};
use crate::view::sink::Sink;
use crate::view::{ReadError, ViewError};

/// The most rows that are sorted.
const SORTED_MAX: usize = 200_000;

/// `_commits` and `latestCommits`.
pub(in crate::view) fn commits(run: &mut Run<'_>, select: &CommitSelect, out: &mut dyn Sink) -> Result<(), ReadError> {
    out.begin_list();
    let rows = Window {
        offset: usize::try_from(select.offset).unwrap_or(usize::MAX),
        limit: select.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
    };
    if rows.limit > 0 {
        // All commits of a document follow one another, so that no key after `docID` decides between documents; and
        // those of one document are sorted by it.
        if select.order.iter().all(|(key, descending)| *key == CommitOrder::DocId && !descending) {
            by_document(run, select, &rows, out)?;
        } else {
            sorted(run, select, &rows, out)?;
        }
    }
    out.end_list();
    Ok(())
}

/// Which of the rows are asked for.
struct Window {
    offset: usize,
    limit: usize,
}

fn write(
    run: &mut Run<'_>,
    graph: &Visible<'_>,
    row: &Row,
    select: &CommitSelect,
    out: &mut dyn Sink,
) -> Result<(), ReadError> {
    run.count()?;
    write_row(run, graph, row, &select.items, out)?;
    run.holds(out)
}

/// The rows of a document, by the commit and the part that they are of.
type RowsOfGraph = HashMap<(usize, Option<usize>), Row>;

/// The rows of a document that are asked for: newest first, a composite before its parts.
fn asked_of(run: &Run<'_>, graph: &Visible<'_>, select: &CommitSelect) -> Result<Vec<Row>, ReadError> {
    let reached = reach(graph, select);
    let mut rows = rows_of(graph, &run.watch)?;
    rows.retain(|row| reached.contains(&row.at) && wanted(graph, row, select));
    rows.sort_by_key(|row| (Reverse(row.at), row.part));
    Ok(rows)
}

fn by_document(run: &mut Run<'_>, select: &CommitSelect, asked: &Window, out: &mut dyn Sink) -> Result<(), ReadError> {
    let (mut skipped, mut written) = (0, 0);
    each_document(run, select, |run, graph| {
        for row in asked_of(run, graph, select)? {
            if skipped < asked.offset {
                skipped += 1;
                continue;
            }
            write(run, graph, &row, select, out)?;
            written += 1;
            if written == asked.limit {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// What a row is sorted by, and where it is found again.
struct Sorted<'a> {
    collection: &'a Collection,
    doc: DocId,
    /// The place of its document among all.
    place: usize,
    at: usize,
    part: Option<usize>,
    height: u64,
    /// Empty where nothing is sorted by it.
    cid: String,
    field: &'a str,
}

impl Sorted<'_> {
    /// By the keys, and then as without any.
    fn compare(&self, other: &Self, order: &[(CommitOrder, bool)]) -> Ordering {
        for (key, descending) in order {
            let by = match key {
                CommitOrder::Height => self.height.cmp(&other.height),
                CommitOrder::Cid => self.cid.cmp(&other.cid),
                CommitOrder::DocId => self.doc.cmp(&other.doc),
                CommitOrder::FieldName => self.field.cmp(other.field),
            };
            let by = if *descending { by.reverse() } else { by };
            if by.is_ne() {
                return by;
            }
        }
        (self.place, Reverse(self.at), self.part).cmp(&(other.place, Reverse(other.at), other.part))
    }
}

/// A key that stood before orders nothing more.
fn first_of_each(order: &[(CommitOrder, bool)]) -> Vec<(CommitOrder, bool)> {
    let mut first: Vec<(CommitOrder, bool)> = Vec::new();
    for (key, descending) in order {
        if first.iter().all(|(known, _)| known != key) {
            first.push((*key, *descending));
        }
    }
    first
}

fn sorted(run: &mut Run<'_>, select: &CommitSelect, asked: &Window, out: &mut dyn Sink) -> Result<(), ReadError> {
    let most = asked.offset.saturating_add(asked.limit);
    let order = first_of_each(&select.order);
    let by_cid = order.iter().any(|(key, _)| *key == CommitOrder::Cid);
    let mut kept: Vec<Sorted<'_>> = Vec::new();
    let mut place = 0;
    each_document(run, select, |run, graph| {
        place += 1;
        for row in asked_of(run, graph, select)? {
            let field = field_name(graph, &row);
            let Row { at, part, height, cid, .. } = row;
            let cid = if by_cid { cid.to_string() } else { String::new() };
            kept.push(Sorted { collection: graph.collection, doc: graph.doc, place, at, part, height, cid, field });
        }
        // What is not among the first of those so far is not among the first of all.
        if kept.len() > most.saturating_mul(2).saturating_add(1_024) {
            kept.select_nth_unstable_by(most, |a, b| a.compare(b, &order));
            kept.truncate(most);
        }
        if kept.len() > SORTED_MAX { Err(ReadError::Rows(SORTED_MAX as u64)) } else { Ok(true) }
    })?;
    kept.sort_unstable_by(|a, b| a.compare(b, &order));
    run.watch.look()?;
    let mut last: Option<(usize, Visible<'_>, RowsOfGraph)> = None;
    for row in kept.iter().skip(asked.offset).take(asked.limit) {
        run.step()?;
        if last.as_ref().is_none_or(|(place, ..)| *place != row.place) {
            let Some(graph) = visible(run.connection, &run.watch, run.masks, row.collection, row.doc)? else {
                continue;
            };
            let rows = rows_of(&graph, &run.watch)?;
            let rows: RowsOfGraph = rows.into_iter().map(|row| ((row.at, row.part), row)).collect();
            last = Some((row.place, graph, rows));
        }
        let Some((_, graph, rows)) = &last else { continue };
        if let Some(found) = rows.get(&(row.at, row.part)) {
            write(run, graph, found, select, out)?;
        }
    }
    Ok(())
}

/// The collections that have commits of a document, ascending.
fn collections_of(connection: &Connection, doc: DocId) -> Result<Vec<CollectionId>, ReadError> {
    let sql = "SELECT DISTINCT collection FROM history WHERE doc = ? ORDER BY collection";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([doc.as_bytes()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let collection = row.get_ref(0)?.as_blob().ok().and_then(CollectionId::from_slice);
        found.push(collection.ok_or(ReadError::View(ViewError::Unreadable("collection id")))?);
    }
    Ok(found)
}

/// Folds the documents that are asked for, by id, until `take` says false.
fn each_document<'a>(
    run: &mut Run<'a>,
    select: &CommitSelect,
    mut take: impl FnMut(&mut Run<'a>, &Visible<'a>) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let (schema, masks, connection) = (run.schema, run.masks, run.connection);
    let told = |collection: &&Collection| {
        masks(collection.id).is_some_and(|mask| mask.entries_with(Verb::History).next().is_some())
    };
    let collections: Vec<&Collection> = schema.collections.iter().filter(told).collect();
    let mut fold = |run: &mut Run<'a>, collection: &'a Collection, doc: DocId| {
        run.step()?;
        match visible(connection, &run.watch, masks, collection, doc)? {
            Some(graph) => take(run, &graph),
            None => Ok(true),
        }
    };
    let by_id = |id: CollectionId| collections.iter().copied().find(|collection| collection.id == id);
    if let Some(cid) = &select.cid {
        let docs: Option<HashSet<&DocId>> = select.doc_ids.as_ref().map(|docs| docs.iter().collect());
        let found = documents_with(connection, cid)?.into_iter().map(|(collection, doc)| (doc, collection));
        let mut found: Vec<(DocId, CollectionId)> =
            found.filter(|(doc, _)| docs.as_ref().is_none_or(|docs| docs.contains(doc))).collect();
        found.sort_unstable();
        found.dedup();
        for (doc, collection) in found {
            if let Some(collection) = by_id(collection)
                && !fold(run, collection, doc)?
            {
                break;
            }
        }
        return Ok(());
    }
    if let Some(docs) = &select.doc_ids {
        let mut docs = docs.clone();
        docs.sort_unstable();
        docs.dedup();
        for doc in docs {
            run.step()?;
            // Not each collection is asked for each document, but each document where it is.
            for collection in collections_of(connection, doc)? {
                if let Some(collection) = by_id(collection)
                    && !fold(run, collection, doc)?
                {
                    return Ok(());
                }
            }
        }
        return Ok(());
    }
    let mut statements = Vec::with_capacity(collections.len());
    for collection in &collections {
        run.step()?;
        statements.push(connection.prepare(&format!("SELECT doc FROM {} ORDER BY doc", table_name(collection.id)))?);
    }
    let mut cursors: Vec<Rows<'_>> = statements.iter_mut().map(rusqlite::Statement::raw_query).collect();
    let next = |cursor: &mut Rows<'_>| -> Result<Option<DocId>, ReadError> {
        cursor.next()?.map(|row| doc_in(row.get_ref(0)?)).transpose()
    };
    // The next document of each collection, the first of all on top.
    let mut heap = BinaryHeap::with_capacity(cursors.len());
    for (i, cursor) in cursors.iter_mut().enumerate() {
        heap.extend(next(cursor)?.map(|doc| Reverse((doc, collections[i].id, i))));
    }
    while let Some(Reverse((doc, _, i))) = heap.pop() {
        if !fold(run, collections[i], doc)? {
            break;
        }
        let cursor = cursors.get_mut(i).ok_or(ReadError::View(ViewError::Unreadable("cursor")))?;
        heap.extend(next(cursor)?.map(|doc| Reverse((doc, collections[i].id, i))));
    }
    Ok(())
}
