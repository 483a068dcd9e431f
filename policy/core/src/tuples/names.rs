//! Objects by number. Numbers are handed out once and never again, so snapshots of any age agree on them.

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::hash::BuildHasher;

use crate::Schema;
use crate::relationship::EVERYONE;
use crate::schema::DefinitionId;

/// An object of some definition, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node(u32);

impl Node {
    pub(crate) const FIRST: Node = Node(0);
    /// A subject that no relationship names: whoever it is, it is like all others of whom nothing is known.
    pub(crate) const NOBODY: Node = Node(u32::MAX);
    /// A resource that no relationship names.
    pub(crate) const NOWHERE: Node = Node(u32::MAX - 1);

    pub(crate) fn number(self) -> u32 {
        self.0
    }
    /// Of a number that [`Node::number`] told.
    pub(super) fn of_number(number: u32) -> Node {
        Node(number)
    }

    /// Everyone of a definition.
    pub(crate) fn everyone(definition: DefinitionId) -> Node {
        Node(definition.0)
    }
}

/// The table, shared by all snapshots that descend from one. It only grows.
#[derive(Debug)]
pub(crate) struct Names(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    index: HashTable<u32>,
    entries: Vec<Entry>,
    /// Every id, one behind the other: an allocation each would cost more than most ids.
    text: String,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    definition: DefinitionId,
    /// Ids are at most 1,024 bytes.
    length: u16,
    start: usize,
}

fn id(text: &str, entry: Entry) -> &str {
    text.get(entry.start..entry.start + usize::from(entry.length)).unwrap_or_default()
}

impl Table {
    fn find(&self, definition: DefinitionId, name: &str) -> Option<Node> {
        let same = |&at: &u32| {
            self.entries
                .get(at as usize)
                .is_some_and(|entry| entry.definition == definition && id(&self.text, *entry) == name)
        };
        self.index.find(self.hasher.hash_one((definition.0, name)), same).copied().map(Node)
    }

    fn add(&mut self, definition: DefinitionId, name: &str) -> Option<Node> {
        let at = u32::try_from(self.entries.len()).ok().filter(|at| *at < Node::NOWHERE.0)?;
        let length = u16::try_from(name.len()).ok()?;
        let Table { index, entries, text, hasher } = self;
        entries.push(Entry { definition, length, start: text.len() });
        text.push_str(name);
        let rehash = |at: &u32| {
            entries.get(*at as usize).map_or(0, |entry| hasher.hash_one((entry.definition.0, id(text, *entry))))
        };
        index.insert_unique(hasher.hash_one((definition.0, name)), at, rehash);
        Some(Node(at))
    }
}

impl Names {
    /// Everyone of each definition comes first, so that [`Node::everyone`] needs no table.
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut table = Table::default();
        for definition in (0u32..).map(DefinitionId).take(schema.definition_count()) {
            table.add(definition, EVERYONE);
        }
        Names(RwLock::new(table))
    }

    /// The number of an object; a new one if it has none. `None`: there are no more numbers.
    pub(crate) fn intern(&self, definition: DefinitionId, id: &str) -> Option<Node> {
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
    pub(crate) fn intern(&mut self, definition: DefinitionId, id: &str) -> Option<Node> {
        self.0.find(definition, id).or_else(|| self.0.add(definition, id))
    }
}

pub(crate) struct Reading<'a>(RwLockReadGuard<'a, Table>);

impl Reading<'_> {
    pub(crate) fn find(&self, definition: DefinitionId, id: &str) -> Option<Node> {
        self.0.find(definition, id)
    }
    /// The id of an object; empty for one that has no number.
    pub(crate) fn id(&self, node: Node) -> &str {
        self.0.entries.get(node.0 as usize).map_or("", |entry| id(&self.0.text, *entry))
    }
}
