//! Objects by number. Numbers are handed out once and never again, so snapshots of any age agree on them.

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::{RwLock, RwLockReadGuard};
use std::hash::BuildHasher;

use crate::Schema;
use crate::relationship::EVERYONE;
use crate::schema::DefinitionId;

/// An object of some definition, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node(u32);

impl Node {
    pub(crate) const FIRST: Node = Node(0);
    pub(crate) const LAST: Node = Node(u32::MAX);
    /// A subject that no relationship names: whoever it is, it is like all others of whom nothing is known.
    pub(crate) const NOBODY: Node = Node(u32::MAX);
    /// A resource that no relationship names.
    pub(crate) const NOWHERE: Node = Node(u32::MAX - 1);

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
    entries: Vec<(DefinitionId, Box<str>)>,
    hasher: DefaultHashBuilder,
}

impl Table {
    fn find(&self, definition: DefinitionId, id: &str) -> Option<Node> {
        let entry =
            |&at: &u32| self.entries.get(at as usize).is_some_and(|(of, name)| *of == definition && &**name == id);
        self.index.find(self.hasher.hash_one((definition.0, id)), entry).copied().map(Node)
    }

    fn add(&mut self, definition: DefinitionId, id: &str) -> Option<Node> {
        let at = u32::try_from(self.entries.len()).ok().filter(|at| *at < Node::NOWHERE.0)?;
        let Table { index, entries, hasher } = self;
        entries.push((definition, id.into()));
        let rehash = |at: &u32| {
            entries.get(*at as usize).map_or(0, |(definition, name)| hasher.hash_one((definition.0, &**name)))
        };
        index.insert_unique(hasher.hash_one((definition.0, id)), at, rehash);
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
        let mut table = self.0.write();
        table.find(definition, id).or_else(|| table.add(definition, id))
    }

    /// For several look-ups in a row. Not to be held across [`Names::intern`].
    pub(crate) fn read(&self) -> Reading<'_> {
        Reading(self.0.read())
    }
}

pub(crate) struct Reading<'a>(RwLockReadGuard<'a, Table>);

impl Reading<'_> {
    pub(crate) fn find(&self, definition: DefinitionId, id: &str) -> Option<Node> {
        self.0.find(definition, id)
    }
    /// The id of an object; empty for one that has no number.
    pub(crate) fn id(&self, node: Node) -> &str {
        self.0.entries.get(node.0 as usize).map_or("", |(_, id)| id)
    }
}
