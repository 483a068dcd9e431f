//! States and commits as bytes, for the view that keeps them. Positional CBOR; not a format that
//! travels: a view is a cache.

use cid::Cid;
use policy_core::{CollectionId, DeviceId, DocId, FieldId};

use super::{DocumentState, FieldState, FloatTotal, IntTotal, Write};
use crate::cbor::{CborError, Reader, Writer};
use crate::codec::{decode_author, decode_delta, encode_author, encode_delta, read_value, write_value};
use crate::document::{DocumentCommit, FieldDelta, Hlc, Status};

const MAX_ITEMS: usize = 1 << 20;
/// A delta may be a whole value, with its frame.
const MAX_DELTA: usize = 16 << 20;

/// A commit without its collection, document and CID, which its row names.
pub fn encode_commit(commit: &DocumentCommit) -> Vec<u8> {
    let mut w = Writer::with_capacity(256 + commit.deltas.len() * 96);
    w.array(10);
    // A root commit names itself: one link less.
    w.optional((commit.root != commit.cid).then_some(&commit.root), |w, root| {
        w.link(root);
    });
    w.optional(commit.salt.as_ref(), |w, salt| {
        w.bytes(salt);
    });
    write_links(&mut w, &commit.parents);
    w.uint(commit.height).uint(commit.hlc.0).bytes(commit.device.as_bytes()).uint(commit.seq);
    w.bytes(&encode_author(&commit.author));
    w.optional(commit.status, |w, status| {
        w.bool(status == Status::Deleted);
    });
    w.array(commit.deltas.len());
    for delta in &commit.deltas {
        w.array(4).bytes(delta.field.as_bytes()).uint(u64::from(delta.generation)).bytes(&delta.part);
        w.bytes(&encode_delta(&delta.delta));
    }
    w.into_bytes()
}

/// Reads what [`encode_commit`] wrote.
pub fn decode_commit(
    collection: CollectionId,
    doc: DocId,
    cid: Cid,
    bytes: &[u8],
) -> Result<DocumentCommit, CborError> {
    let mut r = Reader::new(bytes);
    r.array_of(10)?;
    let root = r.optional(Reader::link)?.unwrap_or(cid);
    let salt = r.optional(Reader::array_bytes)?;
    let parents = read_links(&mut r)?;
    let (height, hlc) = (r.uint()?, Hlc(r.uint()?));
    let (device, seq) = (DeviceId::from_bytes(r.array_bytes()?), r.uint()?);
    let author = decode_author(r.bytes(64)?)?;
    let status = r.optional(Reader::bool)?.map(|deleted| if deleted { Status::Deleted } else { Status::Undeleted });
    let mut deltas = Vec::new();
    for _ in 0..r.array(MAX_ITEMS)? {
        r.array_of(4)?;
        let field = FieldId::from_bytes(r.array_bytes()?);
        let range = r.error("a generation beyond 32 bits");
        let generation = u32::try_from(r.uint()?).map_err(|_| range)?;
        let part = r.array_bytes()?;
        deltas.push(FieldDelta { field, generation, part, delta: decode_delta(r.bytes(MAX_DELTA)?)? });
    }
    r.end()?;
    Ok(DocumentCommit { collection, doc, cid, root, salt, parents, height, hlc, device, seq, author, status, deltas })
}

fn write_links(w: &mut Writer, cids: &[Cid]) {
    w.array(cids.len());
    for cid in cids {
        w.link(cid);
    }
}

fn read_links(r: &mut Reader<'_>) -> Result<Vec<Cid>, CborError> {
    (0..r.array(MAX_ITEMS)?).map(|_| r.link()).collect()
}

impl DocumentState {
    /// As the view keeps it.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(128 + self.fields.len() * 96);
        w.array(5);
        w.optional(self.root.as_ref(), |w, (cid, salt)| {
            w.array(2).link(cid).bytes(salt);
        });
        write_links(&mut w, &self.heads);
        w.uint(self.height).bool(self.deleted).array(self.fields.len());
        for (id, field) in &self.fields {
            // What was written under definitions of several kinds says what each has seen; hardly any field is such.
            let seen = field.ints_seen | field.floats_seen << 4;
            w.array(if seen == 0 { 4 } else { 5 }).bytes(id.as_bytes()).array(field.writes.len());
            for write in &field.writes {
                w.array(if write.seen == 0 { 4 } else { 5 }).uint(write.hlc.0).bytes(write.device.as_bytes());
                w.link(&write.cid);
                write_value(&mut w, &write.value);
                if write.seen != 0 {
                    w.uint(write.seen.into());
                }
            }
            w.array(field.ints.len());
            for t in &field.ints {
                w.array(4).bytes(t.device.as_bytes()).uint(t.seq);
                w.bytes(&t.plus.to_be_bytes()).bytes(&t.minus.to_be_bytes());
            }
            w.array(field.floats.len());
            for t in &field.floats {
                w.array(3).bytes(t.device.as_bytes()).uint(t.seq).float(t.total);
            }
            if seen != 0 {
                w.uint(seen.into());
            }
        }
        w.into_bytes()
    }

    /// Reads what [`DocumentState::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<DocumentState, CborError> {
        let mut r = Reader::new(bytes);
        r.array_of(5)?;
        let root = r.optional(|r| {
            r.array_of(2)?;
            Ok((r.link()?, r.array_bytes()?))
        })?;
        let heads = read_links(&mut r)?;
        let (height, deleted) = (r.uint()?, r.bool()?);
        let mut fields: Vec<(FieldId, FieldState)> = Vec::new();
        for _ in 0..r.array(MAX_ITEMS)? {
            let seen = four_or_five(&mut r)?;
            let id = FieldId::from_bytes(r.array_bytes()?);
            if fields.last().is_some_and(|(last, _)| *last >= id) {
                return Err(r.error("fields out of order"));
            }
            fields.push((id, read_field(&mut r, seen)?));
        }
        r.end()?;
        Ok(DocumentState { root, heads, height, deleted, fields })
    }
}

/// Whether the array has a fifth item, which says what was seen.
fn four_or_five(r: &mut Reader<'_>) -> Result<bool, CborError> {
    let wrong = r.error("neither four nor five items");
    match r.array(5)? {
        4 => Ok(false),
        5 => Ok(true),
        _ => Err(wrong),
    }
}

fn read_seen(r: &mut Reader<'_>, there: bool) -> Result<u8, CborError> {
    if !there {
        return Ok(0);
    }
    let wrong = r.error("no kinds of writes");
    u8::try_from(r.uint()?).ok().filter(|seen| *seen != 0).ok_or(wrong)
}

fn read_field(r: &mut Reader<'_>, seen: bool) -> Result<FieldState, CborError> {
    let mut field = FieldState::default();
    for _ in 0..r.array(MAX_ITEMS)? {
        let seen = four_or_five(r)?;
        let (hlc, device, cid) = (Hlc(r.uint()?), DeviceId::from_bytes(r.array_bytes()?), r.link()?);
        let value = read_value(r)?;
        field.writes.push(Write { hlc, device, cid, value, seen: read_seen(r, seen)? });
    }
    for _ in 0..r.array(MAX_ITEMS)? {
        r.array_of(4)?;
        let (device, seq) = (DeviceId::from_bytes(r.array_bytes()?), r.uint()?);
        let (plus, minus) = (i128::from_be_bytes(r.array_bytes()?), i128::from_be_bytes(r.array_bytes()?));
        field.ints.push(IntTotal { device, seq, plus, minus });
    }
    for _ in 0..r.array(MAX_ITEMS)? {
        r.array_of(3)?;
        let (device, seq) = (DeviceId::from_bytes(r.array_bytes()?), r.uint()?);
        field.floats.push(FloatTotal { device, seq, total: r.float()? });
    }
    let seen = read_seen(r, seen)?;
    (field.ints_seen, field.floats_seen) = (seen & 0x0f, seen >> 4);
    Ok(field)
}
