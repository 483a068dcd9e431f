//! What belongs to one backup.

use std::cmp::Ordering;

use vault_core::cbor::{CborError, Reader, Writer};
use zeroize::Zeroizing;

use crate::error::PlaceError;
use crate::seal::DataName;

const VERSION: u64 = 1;
/// Bounds of the lists of a manifest. What they bound is read one by one, so that a length alone costs nothing.
const MAX_ELEMENTS: usize = 4 << 20;
/// Small files of the data directory that a backup holds at most, and the bytes of each.
pub const MAX_FILES: usize = 256;
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// The name of a scope of the log: 0 for an account or 1 for a space, and its id.
pub type ScopeName = [u8; 17];

/// Where a scope ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeEnd {
    pub scope: ScopeName,
    /// That of its last row.
    pub position: u64,
    /// How many rows it has. Fewer than positions, where a chain was written again.
    pub rows: u64,
    /// The digest of the last commit of its last row.
    pub commit: [u8; 32],
}

/// Rows of a scope in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRange {
    pub scope: ScopeName,
    pub first: u64,
    pub last: u64,
    pub rows: u64,
}

/// A segment that a backup rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub name: DataName,
    /// The length of its file.
    pub bytes: u64,
    pub ranges: Vec<StoredRange>,
}

/// Which log it is, and its opening at that time (`vault::witness`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogIdentity {
    pub log: [u8; 16],
    pub run: [u8; 16],
    pub number: u64,
}

/// What a space showed at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceDigest {
    pub space: [u8; 16],
    pub documents: u64,
    pub digest: [u8; 32],
    /// How the digest is made: those of another kind cannot be compared.
    pub kind: u64,
}

/// The kind of digests that does not say so.
const FIRST_KIND: u64 = 1;

/// A small file of the data directory: settings, certificates.
#[derive(Clone, PartialEq, Eq)]
pub struct OtherFile {
    /// Its path in the directory, of plain names with `/` between them.
    pub path: String,
    pub bytes: Zeroizing<Vec<u8>>,
}

impl OtherFile {
    /// Whether a path stays inside of the directory that it is joined to, and names nothing hidden.
    pub fn is_plain(path: &str) -> bool {
        let plain = |part: &str| {
            let letters = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            letters && !part.is_empty() && !part.starts_with('.')
        };
        path.len() <= 200 && path.split('/').all(plain)
    }
}

/// Everything that one backup is made of. It holds the node key, and is sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The id of the node.
    pub node: [u8; 16],
    pub log: LogIdentity,
    /// 1 for the first of a place, and more than that of the backup that it goes on from.
    pub number: u64,
    /// When it was taken, in microseconds since 1970, by the node's clock. Nothing is decided by it.
    pub at: i64,
    pub node_key: Zeroizing<[u8; 32]>,
    /// In order.
    pub scopes: Vec<ScopeEnd>,
    pub segments: Vec<Stored>,
    /// The node database's pieces in order, and its length.
    pub pieces: Vec<DataName>,
    pub database: u64,
    pub digests: Vec<SpaceDigest>,
    pub files: Vec<OtherFile>,
}

impl Manifest {
    /// How far the log had come: the sum of its scopes' positions, which only ever grows.
    pub fn position(&self) -> u64 {
        self.scopes.iter().fold(0, |sum, end| sum.saturating_add(end.position))
    }

    pub fn rows(&self) -> u64 {
        self.scopes.iter().fold(0, |sum, end| sum.saturating_add(end.rows))
    }

    /// Which of two backups of a place is the newer: by how far the log had come, and never by a clock.
    pub fn age(&self, other: &Manifest) -> Ordering {
        (self.position(), self.number).cmp(&(other.position(), other.number))
    }

    /// The bytes that are sealed.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::new();
        w.array(11).uint(VERSION).bytes(&self.node);
        w.array(3).bytes(&self.log.log).bytes(&self.log.run).uint(self.log.number);
        w.uint(self.number).int(self.at).bytes(&*self.node_key);
        w.array(self.scopes.len());
        for end in &self.scopes {
            w.array(4).bytes(&end.scope).uint(end.position).uint(end.rows).bytes(&end.commit);
        }
        w.array(self.segments.len());
        for stored in &self.segments {
            w.array(3).bytes(&stored.name.0).uint(stored.bytes).array(stored.ranges.len());
            for range in &stored.ranges {
                w.array(4).bytes(&range.scope).uint(range.first).uint(range.last).uint(range.rows);
            }
        }
        w.array(2).uint(self.database).array(self.pieces.len());
        for piece in &self.pieces {
            w.bytes(&piece.0);
        }
        w.array(self.digests.len());
        for shown in &self.digests {
            let told = shown.kind != FIRST_KIND;
            w.array(3 + usize::from(told)).bytes(&shown.space).uint(shown.documents).bytes(&shown.digest);
            if told {
                w.uint(shown.kind);
            }
        }
        w.array(self.files.len());
        for file in &self.files {
            w.array(2).text(&file.path).bytes(&file.bytes);
        }
        Zeroizing::new(w.into_bytes())
    }

    /// # Errors
    /// If the bytes are no manifest of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut r = Reader::new(bytes);
        r.array_of(11)?;
        if r.uint()? != VERSION {
            return Err(r.error("another version"));
        }
        let node = r.array_bytes()?;
        r.array_of(3)?;
        let log = LogIdentity { log: r.array_bytes()?, run: r.array_bytes()?, number: r.uint()? };
        let (number, at, node_key) = (r.uint()?, r.int()?, Zeroizing::new(r.array_bytes()?));
        let scopes = list(&mut r, MAX_ELEMENTS, |r| {
            r.array_of(4)?;
            Ok(ScopeEnd { scope: r.array_bytes()?, position: r.uint()?, rows: r.uint()?, commit: r.array_bytes()? })
        })?;
        let segments = list(&mut r, MAX_ELEMENTS, |r| {
            r.array_of(3)?;
            let (name, bytes) = (DataName(r.array_bytes()?), r.uint()?);
            let ranges = list(r, MAX_ELEMENTS, |r| {
                r.array_of(4)?;
                Ok(StoredRange { scope: r.array_bytes()?, first: r.uint()?, last: r.uint()?, rows: r.uint()? })
            })?;
            Ok(Stored { name, bytes, ranges })
        })?;
        r.array_of(2)?;
        let database = r.uint()?;
        let pieces = list(&mut r, MAX_ELEMENTS, |r| Ok(DataName(r.array_bytes()?)))?;
        let digests = list(&mut r, MAX_ELEMENTS, |r| {
            let told = match r.array(4)? {
                3 => false,
                4 => true,
                _ => return Err(r.error("a digest of another length")),
            };
            let (space, documents, digest) = (r.array_bytes()?, r.uint()?, r.array_bytes()?);
            let kind = if told { r.uint()? } else { FIRST_KIND };
            if told && kind == FIRST_KIND {
                return Err(r.error("a kind that goes without saying"));
            }
            Ok(SpaceDigest { space, documents, digest, kind })
        })?;
        let files = list(&mut r, MAX_FILES, |r| {
            r.array_of(2)?;
            let path = r.text(200)?.to_owned();
            if !OtherFile::is_plain(&path) {
                return Err(r.error("a path that leads elsewhere"));
            }
            Ok(OtherFile { path, bytes: Zeroizing::new(r.bytes(MAX_FILE_BYTES)?.to_vec()) })
        })?;
        r.end()?;
        let manifest = Manifest { node, log, number, at, node_key, scopes, segments, pieces, database, digests, files };
        if !manifest.scopes.is_sorted_by(|a, b| a.scope < b.scope) {
            return Err(CborError { at: 0, what: "scopes that are not in order" });
        }
        Ok(manifest)
    }
}

fn list<'a, T>(
    r: &mut Reader<'a>,
    most: usize,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, CborError>,
) -> Result<Vec<T>, CborError> {
    let n = r.array(most)?;
    let mut all = Vec::new();
    for _ in 0..n {
        all.push(read(r)?);
    }
    Ok(all)
}

/// A backup of a place.
#[derive(Clone, PartialEq, Eq)]
pub struct Backup {
    pub name: DataName,
    pub manifest: Manifest,
    /// When it was last restored for a test, and found whole.
    pub tested: Option<i64>,
}

impl Backup {
    /// What people call it: the first 16 digits of its name.
    pub fn id(&self) -> String {
        self.name.id()
    }
}

/// A file among the backups of a place that cannot be read as one: which of them is the newest is not known for sure.
#[derive(Debug)]
pub struct Unreadable {
    /// `None`: it has no name that backups have.
    pub name: Option<DataName>,
    pub error: PlaceError,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

#[cfg(test)]
pub(crate) fn example() -> Manifest {
    Manifest {
        node: [1; 16],
        log: LogIdentity { log: [2; 16], run: [3; 16], number: 4 },
        number: 5,
        at: -6,
        node_key: Zeroizing::new([7; 32]),
        scopes: vec![
            ScopeEnd { scope: [0; 17], position: 9, rows: 9, commit: [9; 32] },
            ScopeEnd { scope: [1; 17], position: 20, rows: 18, commit: [8; 32] },
        ],
        segments: vec![Stored {
            name: DataName([4; 32]),
            bytes: 1_000,
            ranges: vec![
                StoredRange { scope: [0; 17], first: 1, last: 9, rows: 9 },
                StoredRange { scope: [1; 17], first: 1, last: 20, rows: 18 },
            ],
        }],
        pieces: vec![DataName([5; 32])],
        database: 4_096,
        digests: vec![SpaceDigest { space: [1; 16], documents: 3, digest: [6; 32], kind: FIRST_KIND }],
        files: vec![OtherFile { path: "certs/server.crt".into(), bytes: Zeroizing::new(vec![1, 2, 3]) }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_manifest_reads_back_and_no_file_of_it_leads_elsewhere() {
        let manifest = example();
        let bytes = manifest.encode();
        assert!(Manifest::decode(&bytes).unwrap() == manifest);
        for n in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..n]).is_err(), "cut at {n}");
        }
        for path in ["../node.key", "/etc/passwd", "certs//x", "", ".x", "certs/..", "a\\b", "certs/.hidden"] {
            let mut other = example();
            other.files[0].path = path.to_owned();
            assert!(Manifest::decode(&other.encode()).is_err(), "{path}");
        }
        let mut other = example();
        other.scopes.reverse();
        assert!(Manifest::decode(&other.encode()).is_err());
    }

    #[test]
    fn digests_of_another_kind_say_so_and_those_of_the_first_read_as_ever() {
        let first = example();
        let mut other = example();
        other.digests.push(SpaceDigest { space: [2; 16], documents: 0, digest: [7; 32], kind: 2 });
        assert!(Manifest::decode(&other.encode()).unwrap() == other);
        // A kind that is not said is the first: so all manifests were written until there was another.
        assert_eq!(other.encode().len() - first.encode().len(), 1 + 17 + 1 + 34 + 1);
    }

    #[test]
    fn the_newer_backup_is_the_one_whose_log_had_come_further_whatever_clocks_say() {
        let (older, mut newer) = (example(), example());
        newer.scopes[0].position += 1;
        (newer.at, newer.number) = (i64::MIN, 1);
        assert_eq!(newer.age(&older), Ordering::Greater);
        let mut again = example();
        again.number += 1;
        assert_eq!(again.age(&older), Ordering::Greater);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_manifest_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Manifest::decode(&bytes);
        }
    }
}
