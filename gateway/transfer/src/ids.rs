//! Which id a document has where it comes to. The same file gives the same ids each time it is read, so that an import
//! that was cut off can be run again.

use std::collections::HashMap;

use policy_core::DocId;
use sha2::{Digest, Sha256};

use crate::error::TransferError;

/// Documents whose id in the file and new id differ, at most: they are remembered.
const RENAMED: usize = 2_000_000;

/// The ids of one import.
#[derive(Debug, Default)]
pub struct Ids {
    /// Every document gets a new id, made of this and its own.
    fresh: Option<String>,
    renamed: HashMap<DocId, DocId>,
}

impl Ids {
    /// Documents keep their ids.
    pub fn kept() -> Ids {
        Ids::default()
    }

    /// Documents get new ids, the same each time for one `target`.
    pub fn fresh(target: &str) -> Ids {
        Ids { fresh: Some(target.to_owned()), renamed: HashMap::new() }
    }

    /// The id that a text stands for: an id of ours, one of 2023 (`bae-` before a UUID), or whatever else names a
    /// document elsewhere.
    fn read(text: &str) -> DocId {
        let bare = text.strip_prefix("bae-").unwrap_or(text);
        bare.parse().unwrap_or_else(|_| made(&[b"name", text.as_bytes()]))
    }

    /// Notes that a document is called `new` from here on, where it was called `old`.
    ///
    /// # Errors
    /// If more are called anew than can be remembered.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), TransferError> {
        let (old, new) = (Ids::read(old), Ids::read(new));
        if old == new || self.fresh.is_some() {
            return Ok(());
        }
        if self.renamed.len() >= RENAMED && !self.renamed.contains_key(&old) {
            let text = format!("the file gives more than {RENAMED} documents another id: import it in parts");
            return Err(TransferError::new("too_many_new_ids", text));
        }
        self.renamed.insert(old, new);
        Ok(())
    }

    /// Whether any document is called anew.
    pub fn renames(&self) -> bool {
        !self.renamed.is_empty()
    }

    /// The id, where it comes to, of the document that the file calls so.
    pub fn of(&self, text: &str) -> DocId {
        let id = Ids::read(text);
        match &self.fresh {
            Some(target) => made(&[b"fresh", target.as_bytes(), id.as_bytes()]),
            None => self.renamed.get(&id).copied().unwrap_or(id),
        }
    }

    /// The id of a document that the file gives none: made of what it holds and where it stands.
    pub fn of_content(&self, collection: &str, place: u64, content: &str) -> DocId {
        let target = self.fresh.as_deref().unwrap_or_default();
        made(&[b"content", target.as_bytes(), collection.as_bytes(), &place.to_be_bytes(), content.as_bytes()])
    }
}

/// A UUID of the version for makers' own purposes (RFC 9562), made of these parts.
fn made(parts: &[&[u8]]) -> DocId {
    let mut hash = Sha256::new();
    hash.update(b"allod/import/v1");
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    DocId::from_bytes(id)
}
