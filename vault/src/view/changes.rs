//! What was applied to a view, from a position on, as a caller sees it.
//!
//! The order is that in which commits were applied, which the table of history keeps. A document that changed comes
//! once, at its newest commit, and as it stands now: to fold the changes from the beginning is to read what there is.
//! What does not show to the caller is passed over in silence; one that showed and does not any more, deleted or out of
//! scope, is gone. What a relation shows depends on the other document too, whose change tells it.

use std::time::Instant;

use chacha20poly1305::aead::Aead;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use policy_core::{CollectionId, DocId, Documents, Entry, FieldId, Mask, Permits, Right, SealRefusal, Verb};
use rusqlite::{Connection, OptionalExtension};
use vault_core::crdt::DocumentState;
use vault_core::document::{Delta, DocumentCommit};
use vault_core::schema::{Collection, Schema};
use vault_core::value::Value;
use zeroize::Zeroizing;

use super::apply::decode_row;
use super::column::shape;
use super::history::{covering, has_other_side, reaches, values_at};
use super::lookup::row_of;
use super::predicate::covers;
use super::run::{Run, doc_in};
use super::tables::Table;
use super::{Limits, Masks, ReadError, Reader, Room, ViewError};

/// The most changes of one answer.
pub const CHANGES_MAX: usize = 1_000;
/// An answer of so many bytes takes no further document.
const PAGE: usize = 2 << 20;
/// The most bytes of an answer: one document is larger by itself at times.
pub(crate) const PAGE_MAX: usize = 32 << 20;
/// Bytes of a random nonce.
const NONCE: usize = 24;
const VERSION: u8 = 1;

/// How far somebody has read. It says nothing to whoever holds it, and counts for this view and these rights alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position(Vec<u8>);

impl Position {
    /// A position that [`Position::as_bytes`] gave out.
    pub fn from_bytes(bytes: Vec<u8>) -> Position {
        Position(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What happened to one document.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It is there, with these values: every stored field that shows to the caller, null where it shows none.
    Set { collection: CollectionId, document: DocId, fields: Vec<(FieldId, Value)> },
    /// It does not show any more.
    Gone { collection: CollectionId, document: DocId },
}

/// Some changes, in the order in which they were applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    pub changes: Vec<Change>,
    /// Where to go on.
    pub position: Position,
    /// There may be more already.
    pub more: bool,
}

/// Why a position does not lead on: read from the beginning again, and forget what was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reset {
    #[error("this position is not one of this space, or its view was made anew")]
    Unknown,
    #[error("the definitions changed what documents read as")]
    Definitions,
    #[error("what you may read has changed")]
    Rights,
}

impl Reset {
    /// A stable code.
    pub fn code(self) -> &'static str {
        match self {
            Reset::Unknown => "position_unknown",
            Reset::Definitions => "definitions_changed",
            Reset::Rights => "rights_changed",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    #[error(transparent)]
    Reset(#[from] Reset),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<ViewError> for ChangesError {
    fn from(error: ViewError) -> Self {
        ChangesError::Read(error.into())
    }
}

impl From<rusqlite::Error> for ChangesError {
    fn from(error: rusqlite::Error) -> Self {
        ChangesError::Read(error.into())
    }
}

/// Seals positions: how many changes a caller does not see is not theirs to count.
pub(super) struct PositionKey(Zeroizing<[u8; 32]>);

impl PositionKey {
    pub(super) fn of(view: &[u8; 32]) -> PositionKey {
        PositionKey(Zeroizing::new(blake3::derive_key("allod 2026-11 positions of changes", view)))
    }

    fn seal(&self, place: &ChangesPosition) -> Result<Position, ViewError> {
        let numbers = [place.first.to_le_bytes(), place.at.to_le_bytes()].concat();
        let plain = [&[VERSION][..], &place.journal, &place.rights, &numbers].concat();
        let nonce: [u8; NONCE] = rand::random();
        let sealed = XChaCha20Poly1305::new((&*self.0).into()).encrypt((&nonce).into(), plain.as_slice());
        let sealed = sealed.map_err(|_| ViewError::Unreadable("position"))?;
        Ok(Position([&nonce[..], &sealed].concat()))
    }

    fn open(&self, position: &Position) -> Result<ChangesPosition, Reset> {
        let (nonce, sealed) = position.0.split_first_chunk::<NONCE>().ok_or(Reset::Unknown)?;
        let plain = XChaCha20Poly1305::new((&*self.0).into()).decrypt(nonce.into(), sealed);
        ChangesPosition::decode(&plain.map_err(|_| Reset::Unknown)?).ok_or(Reset::Unknown)
    }
}

/// What a position says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChangesPosition {
    /// Which order of changes it is a place in.
    journal: [u8; 16],
    /// Under which masks.
    rights: [u8; 32],
    /// How far the order had come when its reader began: what showed from then on may be in their hands.
    first: u64,
    /// Up to here they have read.
    at: u64,
}

impl ChangesPosition {
    fn decode(plain: &[u8]) -> Option<ChangesPosition> {
        let (&[VERSION], rest) = plain.split_first_chunk()? else { return None };
        let (journal, rest) = rest.split_first_chunk()?;
        let (rights, rest) = rest.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let at = u64::from_le_bytes(rest.try_into().ok()?);
        Some(ChangesPosition { journal: *journal, rights: *rights, first: u64::from_le_bytes(*first), at })
    }
}

/// The order of changes: it begins anew where what is in reads otherwise than it did.
pub(super) fn begin_journal(connection: &Connection, anew: bool) -> rusqlite::Result<()> {
    let or = if anew { "REPLACE" } else { "IGNORE" };
    let sql = format!("INSERT OR {or} INTO meta(name, value) VALUES ('journal', randomblob(16))");
    connection.execute(&sql, [])?;
    Ok(())
}

fn journal(connection: &Connection) -> Result<([u8; 16], u64), ViewError> {
    let sql = "SELECT value, (SELECT ifnull(max(n), 0) FROM history) FROM meta WHERE name = 'journal'";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, i64>(1)? as u64));
    let found = connection.prepare_cached(sql)?.query_row([], row).optional()?;
    found.ok_or(ViewError::Unreadable("order of changes"))
}

/// One hash of the masks of a caller: where it is the same, the same shows of the same documents.
fn rights_of(masks: Masks<'_>, schema: &Schema) -> [u8; 32] {
    let mut all = blake3::Hasher::new();
    for collection in &schema.collections {
        let Some(mask) = masks(collection.id) else { continue };
        let mut entries: Vec<[u8; 32]> = mask.entries.iter().map(hash_of).collect();
        entries.sort_unstable();
        all.update(collection.id.as_bytes()).update(&(entries.len() as u64).to_le_bytes());
        entries.iter().for_each(|entry| {
            all.update(entry);
        });
    }
    all.finalize().into()
}

/// Kept nowhere but in positions: another spelling of it begins them anew.
fn hash_of(entry: &Entry) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    let (kind, documents): (u8, &[DocId]) = match &entry.documents {
        Documents::All => (0, &[]),
        Documents::Only(documents) => (1, documents),
        Documents::Except(documents) => (2, documents),
    };
    hash.update(&[kind]).update(&(documents.len() as u64).to_le_bytes());
    documents.iter().for_each(|document| {
        hash.update(document.as_bytes());
    });
    hash.update(&(entry.fields.len() as u64).to_le_bytes());
    entry.fields.iter().for_each(|field| {
        hash.update(field.as_bytes());
    });
    hash.update(format!("{:?} {:?}", entry.verbs, entry.predicate).as_bytes());
    hash.finalize().into()
}

/// How much one answer may take.
struct Page {
    limit: usize,
    until: Option<Instant>,
}

impl Reader {
    /// At most `limit` changes behind `after`; without it, from the beginning. `schema` is what the permits were minted
    /// for; `admits` is as in [`Reader::read`]. Answers with what there is when the time is up.
    pub fn changes<R: Right>(
        &self,
        permits: &Permits<R>,
        schema: &Schema,
        after: Option<&Position>,
        limit: usize,
        (limits, room): (&Limits, &mut Room),
        admits: impl Fn() -> Result<(), SealRefusal>,
    ) -> Result<Changes, ChangesError> {
        self.changes_masked(&|id| permits.mask(id).cloned(), schema, after, limit, (limits, room), admits)
    }

    pub(super) fn changes_masked(
        &self,
        masks: Masks<'_>,
        schema: &Schema,
        after: Option<&Position>,
        limit: usize,
        (limits, room): (&Limits, &mut Room),
        admits: impl Fn() -> Result<(), SealRefusal>,
    ) -> Result<Changes, ChangesError> {
        let connection = self.connection();
        connection.prepare_cached("BEGIN")?.execute([])?;
        let page = Page { limit: limit.clamp(1, CHANGES_MAX), until: Instant::now().checked_add(limits.time) };
        let mut work = || {
            // The first read pins the snapshot.
            let (journal, end) = journal(connection)?;
            admits().map_err(ReadError::from)?;
            let rights = rights_of(masks, schema);
            let mut place = match after {
                None => ChangesPosition { journal, rights, first: end, at: 0 },
                Some(position) => self.positions().open(position)?,
            };
            if place.journal != journal {
                return Err(Reset::Definitions.into());
            }
            if place.rights != rights {
                return Err(Reset::Rights.into());
            }
            // What a single document takes is bounded by the time of a read.
            let limits = Limits { time: Limits::default().time, ..*limits };
            let mut run = Run::new(connection, schema, masks, limits, room);
            let (changes, more) = follow(&mut run, &mut place, &page)?;
            Ok(Changes { changes, position: self.positions().seal(&place)?, more })
        };
        let done = work();
        if !connection.is_autocommit() {
            connection.prepare_cached("COMMIT")?.execute([])?;
        }
        done
    }
}

/// The changes behind `place`, which moves on, and whether there are more.
fn follow(run: &mut Run<'_>, place: &mut ChangesPosition, page: &Page) -> Result<(Vec<Change>, bool), ReadError> {
    let (connection, masks, schema) = (run.connection, run.masks, run.schema);
    let mut statement = connection.prepare_cached("SELECT n, doc, collection FROM history WHERE n > ? ORDER BY n")?;
    let mut newer =
        connection.prepare_cached("SELECT 1 FROM history WHERE doc = ? AND n > ? AND collection = ? LIMIT 1")?;
    let mut rows = statement.query([place.at as i64])?;
    let (mut changes, mut size) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let n: i64 = row.get(0)?;
        if page.until.is_some_and(|until| Instant::now() >= until) {
            return Ok((changes, true));
        }
        let doc = doc_in(row.get_ref(1)?)?;
        let id = row.get_ref(2)?.as_blob().ok().and_then(CollectionId::from_slice);
        let id = id.ok_or(ReadError::View(ViewError::Unreadable("collection id")))?;
        if let (Some(mask), Some(collection)) = (masks(id), schema.collection(id))
            && !newer.exists(rusqlite::params![doc.as_bytes(), n, id.as_bytes()])?
            && let Some(change) = change(run, collection, &mask, doc, place.first)?
        {
            // One that does not go in any more says that there are more: how many do not show is not told.
            if changes.len() == page.limit || size > PAGE {
                return Ok((changes, true));
            }
            size += size_of(&change);
            match run.room(size) {
                Err(ReadError::Busy | ReadError::Bytes(_)) if !changes.is_empty() => return Ok((changes, true)),
                charged => charged?,
            }
            changes.push(change);
        }
        place.at = n as u64;
    }
    Ok((changes, false))
}

/// What a document's newest commit changed for the caller.
fn change(
    run: &mut Run<'_>,
    collection: &Collection,
    mask: &Mask,
    doc: DocId,
    first: u64,
) -> Result<Option<Change>, ReadError> {
    run.step()?;
    let all: Vec<usize> = (0..mask.entries.len()).collect();
    if !mask.gives(Verb::Read) || !mask.gives(Verb::Search) {
        return Ok(None);
    }
    let Some((deleted, now)) = row_of(run.connection, &Table::of(collection), doc)? else { return Ok(None) };
    if deleted || covering(mask, Verb::Search, &all, doc, &now).is_empty() {
        let gone = visible_since(run, collection, mask, doc, first)?;
        return Ok(gone.then_some(Change::Gone { collection: collection.id, document: doc }));
    }
    let read = covering(mask, Verb::Read, &all, doc, &now);
    let mut fields = Vec::new();
    for field in &collection.fields {
        let Some(shape) = shape(field) else { continue };
        if !mask.shows(field.id, Verb::Read) || !has_other_side(run.masks, field) {
            continue;
        }
        let value = now.iter().find(|(id, _)| *id == field.id).map(|(_, value)| value);
        let shows = read.iter().any(|&i| mask.entries[i].holds(field.id));
        let value = match value {
            Some(value) if shows && reaches(run, shape, value)? => value.clone(),
            _ => Value::NULL,
        };
        fields.push((field.id, value));
    }
    Ok(Some(Change::Set { collection: collection.id, document: doc, fields }))
}

/// Whether the document showed to a caller of this mask at any moment since the order had come to `first`.
fn visible_since(
    run: &mut Run<'_>,
    collection: &Collection,
    mask: &Mask,
    doc: DocId,
    first: u64,
) -> Result<bool, ReadError> {
    let entries: Vec<&Entry> = mask.entries_with(Verb::Search).filter(|entry| entry.documents.has(doc)).collect();
    if entries.is_empty() {
        return Ok(false);
    }
    let looks = |field: FieldId| entries.iter().flat_map(|e| &e.predicate.conditions).any(|one| one.field == field);
    let sql = "SELECT n, cid, body FROM history WHERE doc = ? AND collection = ? ORDER BY n";
    let mut statement = run.connection.prepare_cached(sql)?;
    let mut rows = statement.query([doc.as_bytes(), collection.id.as_bytes()])?;
    let (mut so_far, mut state): (Vec<DocumentCommit>, DocumentState) = Default::default();
    let shows = |state: &DocumentState| {
        !state.deleted && {
            let values = values_at(collection, state);
            entries.iter().any(|entry| covers(entry, Some(doc), &values))
        }
    };
    let mut before = true;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(2)?;
        run.watch.step(body.as_blob().map_or(0, <[u8]>::len))?;
        let n: i64 = row.get(0)?;
        if before && n as u64 > first {
            before = false;
            if !so_far.is_empty() && shows(&state) {
                return Ok(true);
            }
        }
        let mut commit = decode_row(collection.id, doc, row.get_ref(1)?, body)?;
        for delta in commit.deltas.iter_mut().filter(|delta| !looks(delta.field)) {
            if let Delta::Set(value) = &mut delta.delta {
                *value = Value::NULL;
            }
        }
        so_far.push(commit);
        if !state.apply_linear(&so_far[so_far.len() - 1]) {
            state = DocumentState::fold(&so_far);
            run.watch.look()?;
        }
        if !before && shows(&state) {
            return Ok(true);
        }
    }
    Ok(before && !so_far.is_empty() && shows(&state))
}

/// About how much memory a change takes.
fn size_of(change: &Change) -> usize {
    let Change::Set { fields, .. } = change else { return 64 };
    let scalar = |scalar: &policy_core::Scalar| match scalar {
        policy_core::Scalar::String(text) => 32 + text.len(),
        policy_core::Scalar::Blob(bytes) => 32 + bytes.len(),
        _ => 32,
    };
    let value = |value: &Value| match value {
        Value::Scalar(one) => scalar(one),
        Value::List(all) => 32 + all.iter().map(scalar).sum::<usize>(),
        // Parsed it takes about so many times its text.
        Value::Json(json) => 32 + 4 * json.to_string().len(),
    };
    64 + fields.iter().map(|(_, one)| 16 + value(one)).sum::<usize>()
}
