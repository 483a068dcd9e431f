//! Rows of history: one for each commit, and one for each of its parts that shows.

use cid::Cid;
use cid::multihash::Multihash;
use hashbrown::{HashMap, HashSet};
use policy_core::{CollectionId, DocId, FieldId, Scalar};
use vault_core::document::{Delta, FieldDelta, Status};
use vault_core::query::{CommitItem, CommitItemKind, CommitSelect, LinkItem, SignatureItem};
use vault_core::value::Value;

use super::{Visible, reaches, visible};
use crate::view::apply::commit_of;
use crate::view::column::{Shape, fits, shape};
use crate::view::run::Run;
use crate::view::sink::Sink;
use crate::view::watch::Watch;
use crate::view::{ReadError, ViewError, json};

/// The `fieldName` of a composite row.
const COMPOSITE: &str = "_C";
const RAW: u64 = 0x55;
const SHA2_256: u64 = 0x12;

/// A row, by the places of its commit and part.
pub(super) struct Row {
    pub(super) at: usize,
    /// `None`: the composite.
    pub(super) part: Option<usize>,
    pub(super) cid: Cid,
    pub(super) height: u64,
    /// The rows before it: of the commits before, or of the parts of the same field.
    heads: Vec<Cid>,
}

/// CIDv1 (raw) of a part's hash.
fn part_cid(delta: &FieldDelta) -> Result<Cid, ReadError> {
    let hash = Multihash::wrap(SHA2_256, &delta.part).map_err(|_| ReadError::Unsupported("a hash of 32 bytes"))?;
    Ok(Cid::new_v1(RAW, hash))
}

/// All rows of a document, parents before children, a composite before its parts.
pub(super) fn rows_of(graph: &Visible<'_>, watch: &Watch) -> Result<Vec<Row>, ReadError> {
    let mut rows = Vec::new();
    // By field: for each commit, the parts that a child's part of this field follows.
    let mut before: HashMap<FieldId, HashMap<usize, Vec<(Cid, u64)>>> = HashMap::new();
    for (at, shown) in graph.commits.iter().enumerate() {
        watch.step(0)?;
        let heads = shown.parents.iter().map(|&i| graph.commits[i].commit.cid).collect();
        rows.push(Row { at, part: None, cid: shown.commit.cid, height: shown.height, heads });
        for &part in &shown.deltas {
            let delta = &shown.commit.deltas[part];
            let field = before.entry(delta.field).or_default();
            let mut heads: Vec<(Cid, u64)> = Vec::new();
            let mut open = shown.parents.clone();
            let mut seen = HashSet::new();
            while let Some(i) = open.pop() {
                if !seen.insert(i) {
                    continue;
                }
                watch.step(0)?;
                match field.get(&i) {
                    Some(parts) => heads.extend(parts),
                    None => open.extend(&graph.commits[i].parents),
                }
            }
            heads.sort_unstable();
            heads.dedup();
            let cid = part_cid(delta)?;
            let height = 1 + heads.iter().map(|(_, height)| *height).max().unwrap_or(0);
            field.insert(at, vec![(cid, height)]);
            rows.push(Row {
                at,
                part: Some(part),
                cid,
                height,
                heads: heads.into_iter().map(|(cid, _)| cid).collect(),
            });
        }
    }
    Ok(rows)
}

/// The commits that `cid`, `heads_only` and `depth` leave.
pub(super) fn reach(graph: &Visible<'_>, select: &CommitSelect) -> HashSet<usize> {
    let mut level: Vec<usize> = match select.cid {
        Some(cid) => (0..graph.commits.len()).filter(|&i| graph.commits[i].commit.cid == cid).collect(),
        None => graph.heads(),
    };
    let depth = if select.heads_only { Some(1) } else { select.depth };
    let mut reached = HashSet::new();
    let mut left = depth.unwrap_or(u64::MAX);
    while left > 0 && !level.is_empty() {
        left -= 1;
        level.retain(|&i| reached.insert(i));
        level = level.iter().flat_map(|&i| graph.commits[i].parents.iter().copied()).collect();
    }
    reached
}

pub(super) fn wanted(graph: &Visible<'_>, row: &Row, select: &CommitSelect) -> bool {
    // The heads are composites; those of a field are asked for by its name.
    (row.part.is_none() || !select.heads_only || select.field.is_some())
        && select.height.is_none_or(|height| height == row.height)
        && select.field.as_deref().is_none_or(|field| field == field_name(graph, row))
}

pub(super) fn field_name<'a>(graph: &Visible<'a>, row: &Row) -> &'a str {
    let Some(part) = row.part else { return COMPOSITE };
    let field = graph.commits[row.at].commit.deltas[part].field;
    graph.collection.field(field).map_or("", |field| &field.name)
}

/// `_version`: the composite rows of the heads, or the one at a commit.
pub(in crate::view) fn version(
    run: &mut Run<'_>,
    collection: CollectionId,
    doc: DocId,
    at: Option<&str>,
    items: &[CommitItem],
    out: &mut dyn Sink,
) -> Result<(), ReadError> {
    let collection = run.schema.collection(collection).ok_or(ReadError::Hidden)?;
    out.begin_list();
    if let Some(graph) = visible(run.connection, &run.watch, run.masks, collection, doc)? {
        let heads: HashSet<usize> = graph.heads().into_iter().collect();
        let here = |row: &Row| match at {
            Some(at) => row.cid.to_string() == at,
            None => heads.contains(&row.at),
        };
        for row in rows_of(&graph, &run.watch)?.iter().filter(|row| row.part.is_none() && here(row)) {
            write_row(run, &graph, row, items, out)?;
            run.holds(out)?;
        }
    }
    out.end_list();
    Ok(())
}

/// A row of `members`, each written under its key.
fn object<T>(
    out: &mut dyn Sink,
    members: &[T],
    name: impl Fn(&T) -> &str,
    mut write: impl FnMut(&mut dyn Sink, &T) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    out.begin_row();
    for member in members {
        out.key(name(member));
        write(out, member)?;
    }
    out.end_row();
    Ok(())
}

fn list<T>(
    out: &mut dyn Sink,
    all: &[T],
    mut write: impl FnMut(&mut dyn Sink, &T) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    out.begin_list();
    for element in all {
        write(out, element)?;
    }
    out.end_list();
    Ok(())
}

pub(super) fn write_row(
    run: &Run<'_>,
    graph: &Visible<'_>,
    row: &Row,
    items: &[CommitItem],
    out: &mut dyn Sink,
) -> Result<(), ReadError> {
    let shown = &graph.commits[row.at];
    object(
        out,
        items,
        |item| &item.key,
        |out, item| {
            match &item.kind {
                CommitItemKind::Cid => out.text(&row.cid.to_string()),
                CommitItemKind::Height => out.int(i64::try_from(row.height).unwrap_or(i64::MAX)),
                CommitItemKind::DocId => out.document(graph.doc),
                CommitItemKind::FieldName => out.text(field_name(graph, row)),
                CommitItemKind::CollectionVersionId => out.text(&graph.collection.version.to_string()),
                CommitItemKind::Constant(name) => out.text(name),
                CommitItemKind::Delta => {
                    let delta = delta(run, graph, row)?;
                    out.text(&data_encoding::BASE64.encode(&delta));
                }
                CommitItemKind::Links(members) => {
                    let parts: &[usize] = if row.part.is_none() { &shown.deltas } else { &[] };
                    list(out, parts, |out, &part| {
                        let delta = &shown.commit.deltas[part];
                        let name = graph.collection.field(delta.field).map_or("", |field| &field.name);
                        write_link(out, members, &part_cid(delta)?, name)
                    })?;
                }
                CommitItemKind::Heads(members) => {
                    let name = field_name(graph, row);
                    list(out, &row.heads, |out, cid| write_link(out, members, cid, name))?;
                }
                CommitItemKind::Signature(members) => {
                    object(
                        out,
                        members,
                        |(key, _)| key,
                        |out, (_, item)| {
                            match item {
                                SignatureItem::Type => out.text("Ed25519"),
                                SignatureItem::Identity => out.text(&shown.commit.device.to_string()),
                                // It covers the whole transaction and stands in the log, not in the view.
                                SignatureItem::Value => out.null(),
                                SignatureItem::Constant(name) => out.text(name),
                            }
                            Ok(())
                        },
                    )?;
                }
            }
            Ok(())
        },
    )
}

fn write_link(out: &mut dyn Sink, members: &[(String, LinkItem)], cid: &Cid, name: &str) -> Result<(), ReadError> {
    object(
        out,
        members,
        |(key, _)| key,
        |out, (_, item)| {
            match item {
                LinkItem::Cid => out.text(&cid.to_string()),
                LinkItem::Name | LinkItem::FieldName => out.text(name),
                LinkItem::Constant(name) => out.text(name),
            }
            Ok(())
        },
    )
}

/// CBOR of the visible changed fields by name, or of the value of one part. Before the fields stands `_deleted`, if the
/// commit deletes the document (`true`) or restores it (`false`).
fn delta(run: &Run<'_>, graph: &Visible<'_>, row: &Row) -> Result<Vec<u8>, ReadError> {
    let shown = &graph.commits[row.at];
    // The graph was read without the values.
    let whole = commit_of(run.connection, graph.collection.id, graph.doc, &shown.commit.cid)?;
    let whole = whole.ok_or(ReadError::View(ViewError::Unreadable("commit")))?;
    let mut out = Vec::new();
    match row.part {
        Some(part) => cbor_delta(run, &mut out, graph, &whole.deltas[part])?,
        None => {
            head(&mut out, 5, shown.deltas.len() + usize::from(whole.status.is_some()));
            if let Some(status) = whole.status {
                text(&mut out, "_deleted");
                cbor_scalar(&mut out, &Scalar::Bool(status == Status::Deleted));
            }
            for &part in &shown.deltas {
                let delta = &whole.deltas[part];
                text(&mut out, graph.collection.field(delta.field).map_or("", |field| &field.name));
                cbor_delta(run, &mut out, graph, delta)?;
            }
        }
    }
    Ok(out)
}

fn cbor_delta(run: &Run<'_>, out: &mut Vec<u8>, graph: &Visible<'_>, delta: &FieldDelta) -> Result<(), ReadError> {
    match &delta.delta {
        Delta::Set(value @ Value::Scalar(scalar)) => {
            match (graph.collection.field(delta.field).and_then(shape), scalar) {
                // The id of a document that a read of the field shows; null for any other, as there.
                (Some(of @ Shape::Relation(_)), Scalar::Blob(id)) => match DocId::from_slice(id) {
                    Some(id) if reaches(run, of, value)? => text(out, &id.to_string()),
                    _ => out.push(0xf6),
                },
                (Some(Shape::Relation(_)), _) => out.push(0xf6),
                // It may be the id of a document that another definition knows a collection for.
                (Some(of), Scalar::Blob(id)) if id.len() == 16 && !fits(of, value) => out.push(0xf6),
                (_, scalar) => cbor_scalar(out, scalar),
            }
        }
        Delta::Set(Value::List(all)) => {
            head(out, 4, all.len());
            all.iter().for_each(|element| cbor_scalar(out, element));
        }
        Delta::Set(Value::Json(json)) => cbor_json(out, json),
        Delta::IntCounter { plus, minus } => {
            let sum = plus.saturating_sub(*minus).clamp(i64::MIN.into(), i64::MAX.into());
            int(out, sum as i64);
        }
        Delta::FloatCounter { total } => float(out, *total),
    }
    Ok(())
}

fn cbor_scalar(out: &mut Vec<u8>, scalar: &Scalar) {
    match scalar {
        Scalar::Null => out.push(0xf6),
        Scalar::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
        Scalar::Int(n) => int(out, *n),
        Scalar::Float(n) => float(out, *n),
        Scalar::String(value) => text(out, value),
        Scalar::DateTime(at) => {
            let mut quoted = Vec::new();
            json::date_time(&mut quoted, at.0);
            text(out, std::str::from_utf8(&quoted).unwrap_or_default().trim_matches('"'));
        }
        Scalar::Blob(bytes) => {
            head(out, 2, bytes.len());
            out.extend_from_slice(bytes);
        }
    }
}

fn cbor_json(out: &mut Vec<u8>, json: &serde_json::Value) {
    match json {
        serde_json::Value::Null => out.push(0xf6),
        serde_json::Value::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
        serde_json::Value::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) => int(out, n),
            (None, Some(n)) => float(out, n),
            (None, None) => out.push(0xf6),
        },
        serde_json::Value::String(value) => text(out, value),
        serde_json::Value::Array(all) => {
            head(out, 4, all.len());
            all.iter().for_each(|element| cbor_json(out, element));
        }
        serde_json::Value::Object(members) => {
            head(out, 5, members.len());
            for (key, value) in members {
                text(out, key);
                cbor_json(out, value);
            }
        }
    }
}

fn head(out: &mut Vec<u8>, major: u8, n: usize) {
    let major = major << 5;
    match n {
        0..=23 => out.push(major | n as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, n as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    head(out, 3, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn int(out: &mut Vec<u8>, n: i64) {
    let mut w = vault_core::cbor::Writer::new();
    w.int(n);
    out.extend_from_slice(w.as_bytes());
}

fn float(out: &mut Vec<u8>, n: f64) {
    let mut w = vault_core::cbor::Writer::new();
    w.float(n);
    out.extend_from_slice(w.as_bytes());
}
