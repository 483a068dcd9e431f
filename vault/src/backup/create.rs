//! Adding a backup to a place.

use std::collections::HashMap;

use vault_backup::{
    Backup, DataName, Manifest, ObjectKind, OtherFile, PIECE_BYTES, Place, PlaceError, PlaceLock, Present, Rows,
    SEGMENT_BYTES, Segment, SpaceDigest, Stored, plan,
};

use super::error::BackupError;
use super::snapshot::Snapshot;

/// Of so many bytes of files that are there already, the next backup looks at the content too.
const LOOKED_AT: u64 = 64 << 20;

/// What goes into a backup beside log and node database.
pub struct Extras {
    pub node: [u8; 16],
    /// Microseconds since 1970.
    pub at: i64,
    pub files: Vec<OtherFile>,
    pub digests: Vec<SpaceDigest>,
}

/// What was added.
pub struct Created {
    pub backup: Backup,
    /// The length of all files that the backup rests on, and of those that were written for it.
    pub bytes: u64,
    pub new_bytes: u64,
    /// Files that the place had lost, and has again.
    pub mended: usize,
    /// Backups of the place that cannot be read.
    pub unreadable: Vec<PlaceError>,
}

/// Adds a backup. Blocks.
///
/// # Errors
/// If the place holds what the log lacks, or something cannot be read or written: then the place's backups are what they
/// were.
pub fn create(snapshot: &Snapshot, place: &Place, lock: &PlaceLock, extras: Extras) -> Result<Created, BackupError> {
    let (mut backups, unreadable) = place.backups()?;
    let newest = if backups.is_empty() { None } else { Some(backups.remove(0).manifest) };
    let log = snapshot.identity()?;
    if newest.as_ref().is_some_and(|newest| newest.node != extras.node || newest.log.log != log.log) {
        return Err(BackupError::Another);
    }
    let present = place.data()?;
    let mut sampled = Sample::of(newest.as_ref());
    let lost: HashMap<DataName, Present> = newest
        .iter()
        .flat_map(|newest| &newest.segments)
        .map(|stored| Ok((stored.name, sampled.look(place, &present, ObjectKind::Segment, stored.name, stored.bytes)?)))
        .collect::<Result<_, PlaceError>>()?;
    let now = snapshot.scopes(newest.as_ref())?;
    let plan = plan(newest.as_ref(), &now, |stored| lost.get(&stored.name).copied().unwrap_or(Present::Lost))?;
    let mut mended = plan.again.len();
    let (mut segments, mut new_bytes) = (plan.keep, 0);
    for (stored, written) in sent(snapshot, place, &present, &plan.again, &plan.send)? {
        new_bytes += if written { stored.bytes } else { 0 };
        segments.push(stored);
    }

    let database = snapshot.database()?;
    let mut pieces = Vec::new();
    let mut piece_bytes = 0;
    for piece in database.chunks(PIECE_BYTES) {
        let (name, bytes) = (place.key().name_of(ObjectKind::Piece, piece), ObjectKind::sealed_len(piece.len() as u64));
        let known = newest.as_ref().is_some_and(|newest| newest.pieces.contains(&name));
        if sampled.look(place, &present, ObjectKind::Piece, name, bytes)? == Present::Lost {
            place.put(ObjectKind::Piece, piece)?;
            new_bytes += bytes;
            mended += usize::from(known);
        }
        piece_bytes += bytes;
        pieces.push(name);
    }
    let manifest = Manifest {
        node: extras.node,
        log,
        number: newest.as_ref().map_or(1, |newest| newest.number + 1),
        at: extras.at,
        node_key: snapshot.node_key(),
        scopes: now.iter().map(|now| now.end).collect(),
        segments,
        pieces,
        database: database.len() as u64,
        digests: extras.digests,
        files: extras.files,
    };
    let (name, bytes) = place.commit(&manifest, lock)?;
    let all = manifest.segments.iter().map(|stored| stored.bytes).sum::<u64>() + piece_bytes + bytes;
    let backup = Backup { name, manifest, tested: None };
    Ok(Created { backup, bytes: all, new_bytes: new_bytes + bytes, mended, unreadable })
}

/// Puts segments into a place: one is sealed and written while the next is read. Of each, whether it was: one that a backup
/// which was broken off has left is there, and is taken if it can be read.
fn sent(
    snapshot: &Snapshot,
    place: &Place,
    present: &HashMap<DataName, u64>,
    again: &[Stored],
    send: &[Rows],
) -> Result<Vec<(Stored, bool)>, BackupError> {
    let (full, filled) = std::sync::mpsc::sync_channel::<Segment>(1);
    std::thread::scope(|scope| {
        let putting = scope.spawn(move || {
            let put = |segment: Segment| -> Result<(Stored, bool), PlaceError> {
                let content = segment.encode();
                let name = place.key().name_of(ObjectKind::Segment, &content);
                let bytes = ObjectKind::sealed_len(content.len() as u64);
                let left = present.get(&name) == Some(&bytes) && is_readable(place.get(ObjectKind::Segment, name))?;
                if !left {
                    place.put(ObjectKind::Segment, &content)?;
                }
                Ok((Stored { name, bytes, ranges: segment.ranges() }, !left))
            };
            filled.into_iter().filter(|segment| !segment.is_empty()).map(put).collect::<Result<Vec<_>, _>>()
        });
        let read = read(snapshot, again, send, |segment| full.send(segment).is_ok());
        drop(full);
        // Where putting failed, nothing more was read: that is the reason.
        let put = putting.join().map_err(|_| crate::turn::CutOff)?;
        put.map_err(BackupError::from).and_then(|stored| read.map(|()| stored))
    })
}

/// Reads rows into segments, until one is not taken.
fn read(
    snapshot: &Snapshot,
    again: &[Stored],
    send: &[Rows],
    take: impl Fn(Segment) -> bool,
) -> Result<(), BackupError> {
    let taken = |segment| if take(segment) { Ok(()) } else { Err(BackupError::CutOff(crate::turn::CutOff)) };
    for stored in again {
        let mut segment = Segment::default();
        for range in &stored.ranges {
            snapshot.rows(range.scope, range.first.saturating_sub(1), range.last, |row| {
                segment.push(row);
                Ok(())
            })?;
        }
        taken(segment)?;
    }
    let mut segment = Segment::default();
    for (scope, after, to) in send {
        let mut full = false;
        snapshot.rows(*scope, *after, *to, |row| {
            segment.push(row);
            if segment.bytes() >= SEGMENT_BYTES {
                taken(std::mem::take(&mut segment))?;
                full = true;
            }
            Ok(())
        })?;
        // What is cut where a large scope ends is cut at the same places when it is tried again, whatever came to others
        // meanwhile.
        if full {
            taken(std::mem::take(&mut segment))?;
        }
    }
    taken(segment)
}

/// Whether what was asked for is there and whole; what cannot be asked for now is not lost.
fn is_readable<T>(got: Result<T, PlaceError>) -> Result<bool, PlaceError> {
    match got {
        Ok(_) => Ok(true),
        Err(error @ (PlaceError::Unreachable { .. } | PlaceError::Refused { .. })) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Which of the files that are there already are read, and not only found: another part of them at each backup, so that
/// one that went bad is found by a backup, and not by the restore.
struct Sample {
    number: u64,
    parts: u64,
    seen: u64,
}

impl Sample {
    fn of(newest: Option<&Manifest>) -> Self {
        let all: u64 = newest.iter().flat_map(|newest| &newest.segments).map(|stored| stored.bytes).sum();
        Sample { number: newest.map_or(0, |newest| newest.number), parts: all / LOOKED_AT + 1, seen: 0 }
    }

    fn look(
        &mut self,
        place: &Place,
        present: &HashMap<DataName, u64>,
        kind: ObjectKind,
        name: DataName,
        bytes: u64,
    ) -> Result<Present, PlaceError> {
        if present.get(&name) != Some(&bytes) {
            return Ok(Present::Lost);
        }
        self.seen += 1;
        if !(self.seen + self.number).is_multiple_of(self.parts) {
            return Ok(Present::Whole);
        }
        Ok(if is_readable(place.get(kind, name))? { Present::Whole } else { Present::Lost })
    }
}
