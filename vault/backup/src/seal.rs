//! Sealing a file of a place. Its name is a keyed hash of what it holds, and its key is derived from its name: so one
//! content has one name and one file, byte by byte, no key is used for two contents, and what opens is what the name says.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

/// What stands before the sealed bytes: the format and its version, then the kind.
const HEAD: &[u8; 7] = b"allodb\x01";
const TAG: usize = 16;

/// What a file of a place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ObjectKind {
    /// Rows of the log.
    Segment = 1,
    /// Pages of the node database.
    Piece = 2,
    /// What belongs to one backup.
    Manifest = 3,
    /// That a backup was restored, and found whole.
    Tested = 4,
}

impl ObjectKind {
    /// The longest content, in bytes.
    pub const fn most(self) -> usize {
        match self {
            ObjectKind::Segment => 64 << 20,
            ObjectKind::Piece => 1 << 20,
            ObjectKind::Manifest => 128 << 20,
            ObjectKind::Tested => 1 << 10,
        }
    }

    /// The longest file.
    pub const fn most_sealed(self) -> u64 {
        Self::sealed_len(self.most() as u64)
    }

    /// How long the file of so many bytes is.
    pub const fn sealed_len(content: u64) -> u64 {
        content + (HEAD.len() + 1 + TAG) as u64
    }
}

/// The name of a file: a keyed hash of its kind and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataName(pub [u8; 32]);

impl std::fmt::Display for DataName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl DataName {
    /// What people call a backup of this name: its first 16 digits.
    pub fn id(&self) -> String {
        self.to_string()[..16].to_owned()
    }

    /// The name that a file's name in the place says.
    pub fn parse(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(DataName)
    }
}

/// A file does not hold what its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Damaged, cut, another file in its place, or sealed under other words.
    #[error("it does not hold what was put there")]
    Damaged,
    #[error("it was made by a newer version of Allod")]
    Newer,
}

/// The key of a person's backups.
#[derive(Clone)]
pub struct BackupKey {
    /// Names files.
    name: Zeroizing<[u8; 32]>,
    /// Gives each its key.
    seal: Zeroizing<[u8; 32]>,
    /// Says in clear which key a place is for.
    id: [u8; 16],
}

impl std::fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BackupKey({}, …)", self.id())
    }
}

impl BackupKey {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        let derive = |label: &[u8]| {
            *blake3::Hasher::new_keyed(&key).update(b"allod/backup/v1\0").update(label).finalize().as_bytes()
        };
        let id = derive(b"id");
        BackupKey {
            name: Zeroizing::new(derive(b"name")),
            seal: Zeroizing::new(derive(b"seal")),
            id: id[..16].try_into().unwrap_or_default(),
        }
    }

    /// Tells one key from another, and nothing of either.
    pub fn id(&self) -> String {
        HEXLOWER.encode(&self.id)
    }

    fn name(&self, kind: ObjectKind, content: &[u8]) -> DataName {
        let mut hash = blake3::Hasher::new_keyed(&self.name);
        hash.update(&[kind as u8]).update(content);
        DataName(*hash.finalize().as_bytes())
    }

    fn cipher(&self, name: DataName) -> ChaCha20Poly1305 {
        let key = Zeroizing::new(*blake3::keyed_hash(&self.seal, &name.0).as_bytes());
        ChaCha20Poly1305::new((&*key).into())
    }

    /// The name and the bytes of the file that holds a content.
    pub fn seal(&self, kind: ObjectKind, content: &[u8]) -> (DataName, Vec<u8>) {
        let name = self.name(kind, content);
        let head = [&HEAD[..], &[kind as u8]].concat();
        let payload = Payload { msg: content, aad: &head };
        // The key is for this content alone, so one nonce does for all keys.
        let sealed = self.cipher(name).encrypt(&[0; 12].into(), payload).expect("a content is shorter than 256 GiB");
        (name, [head, sealed].concat())
    }

    /// The name of a content, if it lies in a file.
    pub fn name_of(&self, kind: ObjectKind, content: &[u8]) -> DataName {
        self.name(kind, content)
    }

    /// What the file of this name holds.
    ///
    /// # Errors
    /// If it holds something else, or of another kind.
    pub fn open(&self, kind: ObjectKind, name: DataName, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (head, sealed) = file.split_first_chunk::<8>().ok_or(OpenError::Damaged)?;
        if head[..6] == HEAD[..6] && head[6] > HEAD[6] {
            return Err(OpenError::Newer);
        }
        if head[..7] != HEAD[..] || head[7] != kind as u8 {
            return Err(OpenError::Damaged);
        }
        let payload = Payload { msg: sealed, aad: head };
        let content = self.cipher(name).decrypt(&[0; 12].into(), payload).map_err(|_| OpenError::Damaged)?;
        let content = Zeroizing::new(content);
        // One key alone opens a file to a content that its name is the hash of.
        if self.name(kind, &content) == name { Ok(content) } else { Err(OpenError::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecoverySecret;
    use proptest::prelude::*;

    fn key(n: u8) -> BackupKey {
        RecoverySecret::from_entropy([n; 32]).backup_key()
    }

    #[test]
    fn one_content_is_one_file_and_opens_under_its_key_and_kind_alone() {
        let (ours, other) = (key(1), key(2));
        let (name, file) = ours.seal(ObjectKind::Segment, b"rows");
        assert_eq!(ours.seal(ObjectKind::Segment, b"rows"), (name, file.clone()));
        assert_eq!(&ours.open(ObjectKind::Segment, name, &file).unwrap()[..], b"rows", "control");
        assert_eq!(file.len() as u64, ObjectKind::sealed_len(4));
        assert_ne!(ours.seal(ObjectKind::Piece, b"rows").0, name);
        assert_ne!(other.seal(ObjectKind::Segment, b"rows").0, name);
        assert_eq!(other.open(ObjectKind::Segment, name, &file).unwrap_err(), OpenError::Damaged);
        assert_eq!(ours.open(ObjectKind::Piece, name, &file).unwrap_err(), OpenError::Damaged);
        let (another, _) = ours.seal(ObjectKind::Segment, b"rowz");
        assert_eq!(ours.open(ObjectKind::Segment, another, &file).unwrap_err(), OpenError::Damaged);
        let mut newer = file.clone();
        newer[6] = 2;
        assert_eq!(ours.open(ObjectKind::Segment, name, &newer).unwrap_err(), OpenError::Newer);
    }

    proptest! {
        #[test]
        fn a_flipped_bit_and_a_lost_end_are_noticed(
            content in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), bit in 0..8u8,
        ) {
            let key = key(3);
            let (name, file) = key.seal(ObjectKind::Segment, &content);
            prop_assert_eq!(&key.open(ObjectKind::Segment, name, &file).unwrap()[..], &content[..]);
            let mut flipped = file.clone();
            flipped[at.index(file.len())] ^= 1 << bit;
            prop_assert!(key.open(ObjectKind::Segment, name, &flipped).is_err());
            prop_assert!(key.open(ObjectKind::Segment, name, &file[..at.index(file.len())]).is_err());
        }
    }
}
