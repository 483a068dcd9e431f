//! The key schedule: every derivation in one place (vault/docs/format.md, Keys).
//!
//! `KDF(key, label, parts)` is keyed BLAKE3 over the label, a zero byte and the parts, each preceded
//! by its length as four bytes. Blinded tags are HMAC-SHA-256 cut to sixteen bytes.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use policy_core::{CollectionId, DocId, FieldId};
use rand::{CryptoRng, RngExt};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::tags::{DocTag, FieldTag, LaneTag};

fn kdf(key: &[u8; 32], label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new_keyed(key);
    hash.update(label.as_bytes()).update(&[0]);
    for part in parts {
        hash.update(&(part.len() as u32).to_be_bytes()).update(part);
    }
    *hash.finalize().as_bytes()
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; 32]);
        impl $name {
            /// A secret that is held elsewhere as these bytes.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
            /// The secret itself: for sealing it to someone, never for output.
            pub fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret!(
    /// `S_e`: the secret of one epoch of a space.
    SpaceSecret
);
secret!(
    /// `K_tag`: blinds names in a space. It outlives epochs, or tags would change.
    TagKey
);
secret!(
    /// `K_coll`.
    CollectionKey
);
secret!(
    /// `K_field`: one field in every document of a collection.
    FieldKey
);
secret!(
    /// `K_leaf`: one field of one document; what a part is sealed under.
    LeafKey
);

/// The parts every document may have beside its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reserved {
    /// Document id and salt; only in a root commit.
    Head,
    /// Deleted or undeleted.
    Status,
    /// Author, where it is not the device's own account.
    Who,
}

impl Reserved {
    const fn label(self) -> &'static str {
        match self {
            Reserved::Head => "head",
            Reserved::Status => "status",
            Reserved::Who => "who",
        }
    }
}

impl SpaceSecret {
    /// A new secret.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        SpaceSecret(rng.random())
    }
    /// The key of a collection.
    pub fn collection(&self, id: CollectionId) -> CollectionKey {
        CollectionKey(kdf(&self.0, "allod/collection/v1", &[id.as_bytes()]))
    }
    /// What sealed control entries (schema, policy) are sealed under.
    pub fn control(&self) -> LeafKey {
        LeafKey(kdf(&self.0, "allod/control/v1", &[]))
    }
}

impl CollectionKey {
    /// The key of a field in one generation of its definition.
    pub fn field(&self, id: FieldId, generation: u32) -> FieldKey {
        FieldKey(kdf(&self.0, "allod/field/v1", &[id.as_bytes(), &generation.to_be_bytes()]))
    }
    /// Reserved parts need no salt: the head part is where the salt is found.
    pub fn reserved(&self, which: Reserved) -> LeafKey {
        LeafKey(kdf(&self.0, "allod/reserved/v1", &[which.label().as_bytes()]))
    }
}

impl FieldKey {
    /// The key of this field in one document.
    pub fn leaf(&self, doc: DocId, salt: &[u8; 16]) -> LeafKey {
        LeafKey(kdf(&self.0, "allod/leaf/v1", &[doc.as_bytes(), salt]))
    }
}

impl TagKey {
    /// A new key.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        TagKey(rng.random())
    }

    fn tag(&self, label: &str, parts: &[&[u8]]) -> [u8; 16] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(label.as_bytes());
        mac.update(&[0]);
        for part in parts {
            mac.update(&(part.len() as u32).to_be_bytes());
            mac.update(part);
        }
        let mut out = [0u8; 16];
        out.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        out
    }

    /// The tag of a collection's lane.
    pub fn lane(&self, collection: CollectionId) -> LaneTag {
        LaneTag(self.tag("lane", &[collection.as_bytes()]))
    }
    /// The tag of a document in its lane.
    pub fn document(&self, lane: LaneTag, doc: DocId) -> DocTag {
        DocTag(self.tag("doc", &[&lane.0, doc.as_bytes()]))
    }
    /// The tag of a field.
    pub fn field(&self, collection: CollectionId, field: FieldId) -> FieldTag {
        FieldTag(self.tag("field", &[collection.as_bytes(), field.as_bytes()]))
    }
    /// The tag of a part that stands beside fields.
    pub fn reserved(&self, collection: CollectionId, which: Reserved) -> FieldTag {
        FieldTag(self.tag("reserved", &[collection.as_bytes(), which.label().as_bytes()]))
    }
    /// The id of a collection of this name; `dropped`: how often the name was dropped before. Equal
    /// definitions that two offline devices make merge into one collection.
    pub fn collection_id(&self, name: &str, dropped: u32) -> CollectionId {
        CollectionId::from_bytes(self.tag("collection-id", &[name.as_bytes(), &dropped.to_be_bytes()]))
    }
    /// The id of a field: from its name, and from how many of this name were dropped before.
    pub fn field_id(&self, collection: CollectionId, name: &str, dropped: u32) -> FieldId {
        let parts: [&[u8]; 3] = [collection.as_bytes(), name.as_bytes(), &dropped.to_be_bytes()];
        FieldId::from_bytes(self.tag("field-id", &parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_themselves_and_parts_do_not_run_together() {
        assert_eq!(format!("{:?}", TagKey::from_bytes([7; 32])), "TagKey(…)");
        assert_ne!(kdf(&[1; 32], "x", &[b"ab", b"c"]), kdf(&[1; 32], "x", &[b"a", b"bc"]));
        assert_ne!(kdf(&[1; 32], "x", &[b"a"]), kdf(&[1; 32], "y", &[b"a"]));
        let tag = TagKey::from_bytes([7; 32]);
        let (a, b) = (tag.collection_id("Book", 0), tag.collection_id("Book", 1));
        assert_ne!(a, b);
        assert_ne!(tag.field(a, FieldId::from_bytes([1; 16])), tag.field(b, FieldId::from_bytes([1; 16])));
    }
}
