//! Adding a backup to a place.

use std::collections::{BTreeSet, HashMap};

use vault_backup::{
    Backup, DataName, Manifest, ObjectKind, OtherFile, PIECE_BYTES, Place, PlaceError, PlaceLock, Present, Rows,
    SEGMENT_BYTES, Segment, SpaceDigest, Stored, Unreadable, plan,
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
    pub followed: Followed,
}

/// Which backups of places this directory comes after, by their ids. The log alone does not tell: people, shares and
/// policy change without a row of it.
pub enum Followed {
    /// Those that it made, found older than its own, or was restored from.
    These(BTreeSet<String>),
    /// Whatever there is: its owner says that this directory is the one that counts.
    Everything,
}

impl Followed {
    fn has(&self, name: DataName) -> bool {
        match self {
            Followed::These(ids) => ids.contains(&name.id()),
            Followed::Everything => true,
        }
    }
}

/// Everything of a backup is in the place but its manifest: there is no such backup yet.
pub struct Prepared {
    manifest: Manifest,
    name: DataName,
    bytes: u64,
    new_bytes: u64,
    mended: usize,
    unreadable: Vec<Unreadable>,
    before: Vec<DataName>,
}

/// What was added.
pub struct Created {
    pub backup: Backup,
    /// The length of all files that the backup rests on, and of those that were written for it.
    pub bytes: u64,
    pub new_bytes: u64,
    /// Files that the place had lost, and has again.
    pub mended: usize,
    /// Backups of the place that cannot be read; they are older than this one.
    pub unreadable: Vec<Unreadable>,
}

/// Puts everything of a backup into a place but its manifest. Blocks.
///
/// # Errors
/// If the place is ahead of this directory, or that cannot be told, or something cannot be read or written: then the
/// place's backups are what they were.
pub fn prepare(snapshot: &Snapshot, place: &Place, extras: Extras) -> Result<Prepared, BackupError> {
    let (backups, unreadable) = place.backups()?;
    let before: Vec<DataName> =
        backups.iter().map(|backup| backup.name).chain(unreadable.iter().filter_map(|bad| bad.name)).collect();
    let newest = backups.into_iter().next();
    let log = snapshot.identity()?;
    if newest.as_ref().is_some_and(|newest| newest.manifest.node != extras.node || newest.manifest.log.log != log.log) {
        return Err(BackupError::Another);
    }
    // What does not read may be newer than all that does, unless it is known to be older.
    if let Some(bad) = unreadable.iter().find(|bad| bad.name.is_some_and(|name| !extras.followed.has(name))) {
        return Err(BackupError::Untold(bad.to_string()));
    }
    let followed = newest.as_ref().is_none_or(|newest| extras.followed.has(newest.name));
    let id = newest.as_ref().map(Backup::id).unwrap_or_default();
    let newest = newest.map(|newest| newest.manifest);
    let present = place.data()?;
    let mut sampled = Sample::of(newest.as_ref());
    let lost: HashMap<DataName, Present> = newest
        .iter()
        .flat_map(|newest| &newest.segments)
        .map(|stored| Ok((stored.name, sampled.look(place, &present, ObjectKind::Segment, stored.name, stored.bytes)?)))
        .collect::<Result<_, PlaceError>>()?;
    let now = snapshot.scopes(newest.as_ref())?;
    let plan = plan(newest.as_ref(), &now, |stored| lost.get(&stored.name).copied().unwrap_or(Present::Lost))?;
    if !followed {
        return Err(BackupError::Unfollowed(id));
    }
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
        // What does not read now is older, also if it reads again.
        number: newest.as_ref().map_or(0, |newest| newest.number) + 1 + unreadable.len() as u64,
        at: extras.at,
        node_key: snapshot.node_key(),
        scopes: now.iter().map(|now| now.end).collect(),
        segments,
        pieces,
        database: database.len() as u64,
        digests: extras.digests,
        files: extras.files,
    };
    let name = place.key().name_of(ObjectKind::Manifest, &manifest.encode());
    let bytes = manifest.segments.iter().map(|stored| stored.bytes).sum::<u64>() + piece_bytes;
    Ok(Prepared { manifest, name, bytes, new_bytes, mended, unreadable, before })
}

impl Prepared {
    /// The ids of the backups that this directory comes after once the manifest is there, the newest first: whoever
    /// remembers them before that remembers them whatever is killed.
    pub fn followed(&self) -> Vec<String> {
        [&self.name].into_iter().chain(&self.before).map(DataName::id).collect()
    }

    /// Adds the manifest. Blocks.
    ///
    /// # Errors
    /// If it cannot be written, or does not read in the place.
    pub fn commit(self, place: &Place, lock: &PlaceLock) -> Result<Created, BackupError> {
        let Prepared { manifest, bytes, new_bytes, mended, unreadable, .. } = self;
        let (name, more) = place.commit(&manifest, lock)?;
        let backup = Backup { name, manifest, tested: None };
        Ok(Created { backup, bytes: bytes + more, new_bytes: new_bytes + more, mended, unreadable })
    }
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
