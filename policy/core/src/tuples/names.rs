//! Objects by number. Numbers are handed out once and never again, so snapshots of any age agree on them.

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::hash::BuildHasher;

use crate::Schema;
use crate::relationship::EVERYONE;
use crate::schema::DefinitionId;

/// An object of some definition, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectIndex(u32);

impl ObjectIndex {
    pub(crate) const FIRST: ObjectIndex = ObjectIndex(0);
    /// A subject that no relationship names: whoever it is, it is like all others of whom nothing is known.
    pub(crate) const NOBODY: ObjectIndex = ObjectIndex(u32::MAX);
    /// A resource that no relationship names.
    pub(crate) const NOWHERE: ObjectIndex = ObjectIndex(u32::MAX - 1);

    pub(crate) fn number(self) -> u32 {
        self.0
    }
    /// Of a number that [`ObjectIndex::number`] told.
    pub(super) fn of_number(number: u32) -> ObjectIndex {
        ObjectIndex(number)
    }

    /// Everyone of a definition.
    pub(crate) fn everyone(definition: DefinitionId) -> ObjectIndex {
        ObjectIndex(definition.0)
    }
}

/// The table, shared by all snapshots that descend from one. It only grows.
#[derive(Debug)]
pub(crate) struct Names(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    index: HashTable<Slot>,
    /// Where the entry of each node lies, in words.
    places: Vec<u32>,
    /// Every entry, one behind the other, each from a whole word on: its definition, the length of its id, the id. An
    /// allocation each would cost more than most ids, and apart from each other they would be waited for twice.
    entries: Vec<u8>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    node: ObjectIndex,
    place: u32,
}

const WORD: usize = 8;

/// The definition and the id in the entry at a place.
fn entry(entries: &[u8], place: u32) -> (DefinitionId, &[u8]) {
    let parts = || {
        let (definition, rest) = entries.get(place as usize * WORD..)?.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let id = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
        Some((DefinitionId(u32::from_le_bytes(*definition)), id))
    };
    parts().unwrap_or((DefinitionId(u32::MAX), &[]))
}

impl Table {
    fn hash(&self, definition: DefinitionId, id: &[u8]) -> u64 {
        self.hasher.hash_one((definition.0, id))
    }

    fn find(&self, definition: DefinitionId, id: &str) -> Option<ObjectIndex> {
        let sought = (definition, id.as_bytes());
        let same = |slot: &Slot| entry(&self.entries, slot.place) == sought;
        self.index.find(self.hash(definition, id.as_bytes()), same).map(|slot| slot.node)
    }

    fn add(&mut self, definition: DefinitionId, id: &str) -> Option<ObjectIndex> {
        let node =
            u32::try_from(self.places.len()).ok().map(ObjectIndex).filter(|node| *node < ObjectIndex::NOWHERE)?;
        // Ids are at most 1,024 bytes.
        let length = u16::try_from(id.len()).ok()?;
        let place = u32::try_from(self.entries.len() / WORD).ok()?;
        self.entries.extend_from_slice(&definition.0.to_le_bytes());
        self.entries.extend_from_slice(&length.to_le_bytes());
        self.entries.extend_from_slice(id.as_bytes());
        self.entries.resize(self.entries.len().next_multiple_of(WORD), 0);
        self.places.push(place);
        let hash = self.hash(definition, id.as_bytes());
        let Table { index, entries, hasher, .. } = self;
        let rehash = |slot: &Slot| {
            let (definition, id) = entry(entries, slot.place);
            hasher.hash_one((definition.0, id))
        };
        index.insert_unique(hash, Slot { node, place }, rehash);
        Some(node)
    }
}

impl Names {
    /// Everyone of each definition comes first, so that [`ObjectIndex::everyone`] needs no table.
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut table = Table::default();
        for definition in (0u32..).map(DefinitionId).take(schema.definition_count()) {
            table.add(definition, EVERYONE);
        }
        Names(RwLock::new(table))
    }

    /// The number of an object; a new one if it has none. `None`: there are no more numbers.
    pub(crate) fn intern(&self, definition: DefinitionId, id: &str) -> Option<ObjectIndex> {
        if let Some(node) = self.0.read().find(definition, id) {
            return Some(node);
        }
        self.write().intern(definition, id)
    }

    /// To give many objects their numbers in a row. Nobody reads meanwhile.
    pub(crate) fn write(&self) -> Writing<'_> {
        Writing(self.0.write())
    }

    /// For several look-ups in a row. Not to be held across [`Names::intern`].
    pub(crate) fn read(&self) -> Reading<'_> {
        Reading(self.0.read())
    }
}

pub(crate) struct Writing<'a>(RwLockWriteGuard<'a, Table>);

impl Writing<'_> {
    pub(crate) fn intern(&mut self, definition: DefinitionId, id: &str) -> Option<ObjectIndex> {
        self.0.find(definition, id).or_else(|| self.0.add(definition, id))
    }
}

pub(crate) struct Reading<'a>(RwLockReadGuard<'a, Table>);

impl Reading<'_> {
    pub(crate) fn find(&self, definition: DefinitionId, id: &str) -> Option<ObjectIndex> {
        self.0.find(definition, id)
    }
    /// The id of an object; empty for one that has no number.
    pub(crate) fn id(&self, node: ObjectIndex) -> &str {
        let place = self.0.places.get(node.0 as usize);
        place.and_then(|place| str::from_utf8(entry(&self.0.entries, *place).1).ok()).unwrap_or_default()
    }
}
