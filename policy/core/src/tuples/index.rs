//! Relationships by the object at one of their ends, in one direction.
//!
//! Most lie in one sorted array that all snapshots share, sixteen bytes each. The objects whose relationships have
//! changed since it was made have theirs in a persistent map beside it, until that has grown to a part of the array and
//! a new one takes it in. So a copy costs nothing, a change copies one path of the map, and a look-up is an offset and
//! a short search.

use std::cmp::Ordering;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::{ObjectIndex, Terms};

#[cfg(test)]
mod tests;

/// What is known of a relationship once the object is, in the order in which those of one object lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) first: u32,
    pub(super) second: u32,
    pub(super) other: ObjectIndex,
}

impl Key {
    pub(super) const FIRST: Key = Key { first: 0, second: 0, other: ObjectIndex::FIRST };

    // Compared as one number: field by field costs a branch each, on the hottest path there is.
    fn number(self) -> u128 {
        [self.first, self.second, self.other.number()].into_iter().fold(0, |all, part| all << 32 | u128::from(part))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number().cmp(&other.number())
    }
}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub(super) type Line<'a> = (Key, Option<&'a Terms>);

type SharedTerms = Option<Arc<Terms>>;

/// A relationship in the array, with the place of its terms.
#[derive(Debug, Clone, Copy)]
struct Slot {
    key: Key,
    terms: u32,
}

/// No terms: no array of them is so long.
const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
struct Base {
    /// Where the slots of each object begin, and the end of the last.
    starts: Vec<u32>,
    slots: Vec<Slot>,
    terms: Vec<Arc<Terms>>,
}

impl Base {
    fn of(&self, node: ObjectIndex) -> &[Slot] {
        let at = node.number() as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&start), Some(&end)) => self.slots.get(start as usize..end as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    fn find(&self, node: ObjectIndex, key: Key) -> Option<&Slot> {
        let slots = self.of(node);
        slots.binary_search_by(|slot| slot.key.cmp(&key)).ok().and_then(|at| slots.get(at))
    }

    fn terms_of(&self, slot: &Slot) -> Option<&Arc<Terms>> {
        self.terms.get(slot.terms as usize)
    }

    /// Behind everything that is there.
    fn push(&mut self, node: ObjectIndex, key: Key, terms: Option<&Arc<Terms>>) {
        let end = self.slots.len() as u32;
        self.starts.resize(self.starts.len().max(node.number() as usize + 1), end);
        let at = match terms {
            None => NONE,
            Some(terms) => {
                self.terms.push(Arc::clone(terms));
                self.terms.len() as u32 - 1
            }
        };
        self.slots.push(Slot { key, terms: at });
    }

    fn end(&mut self) {
        self.starts.push(self.slots.len() as u32);
    }
}

/// What an object has now, where it is not what the array says.
#[derive(Debug, Clone)]
enum Changed {
    /// All of it.
    Whole(Arc<[(Key, SharedTerms)]>),
    /// What is there beside the array, and what of the array is not there. No key is in both the array and `put` without
    /// being in `gone`.
    Parts(Arc<Parts>),
}

#[derive(Debug, Clone, Default)]
struct Parts {
    put: OrdMap<Key, SharedTerms>,
    gone: OrdSet<Key>,
}

/// As many as are copied at each change of an object.
const MAX_COPIED_ROWS: usize = 64;

#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    base: Arc<Base>,
    changed: OrdMap<u32, Changed>,
    /// How much there is in `changed`.
    weight: usize,
    len: usize,
}

impl Index {
    /// Of relationships in the order of their objects and keys, each once.
    pub(super) fn of<'a>(lines: impl Iterator<Item = (ObjectIndex, Key, Option<&'a Arc<Terms>>)>) -> Self {
        let mut base = Base::default();
        base.slots.reserve(lines.size_hint().0);
        lines.for_each(|(node, key, terms)| base.push(node, key, terms));
        base.end();
        let len = base.slots.len();
        Index { base: Arc::new(base), len, ..Index::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The outer option: whether it is there.
    pub(super) fn get(&self, node: ObjectIndex, key: Key) -> Option<Option<&Terms>> {
        let found = match self.changes_of(node) {
            Some(Changed::Whole(all)) => {
                let at = all.binary_search_by(|(other, _)| other.cmp(&key)).ok()?;
                return all.get(at).map(|(_, terms)| terms.as_deref());
            }
            Some(Changed::Parts(parts)) => {
                if let Some(terms) = parts.put.get(&key) {
                    return Some(terms.as_deref());
                }
                self.base.find(node, key).filter(|_| !parts.gone.contains(&key))
            }
            None => self.base.find(node, key),
        };
        found.map(|slot| self.base.terms_of(slot).map(|terms| &**terms))
    }

    /// What an object has, from a key on.
    pub(super) fn lines(&self, node: ObjectIndex, from: Key) -> Lines<'_> {
        self.lines_in(node, self.changes_of(node), from)
    }

    fn changes_of(&self, node: ObjectIndex) -> Option<&Changed> {
        if self.changed.is_empty() { None } else { self.changed.get(&node.number()) }
    }

    fn lines_in<'a>(&'a self, node: ObjectIndex, changed: Option<&'a Changed>, from: Key) -> Lines<'a> {
        let base = || {
            let slots = self.base.of(node);
            let first = slots.partition_point(|slot| slot.key < from);
            slots.get(first..).unwrap_or_default().iter()
        };
        match changed {
            None => Lines(Source::Base(base(), &self.base)),
            Some(Changed::Whole(all)) => {
                let first = all.partition_point(|(key, _)| *key < from);
                Lines(Source::Whole(all.get(first..).unwrap_or_default().iter()))
            }
            Some(Changed::Parts(parts)) => {
                let put = parts.put.range(from..).peekable();
                Lines(Source::Parts(Box::new(Merged { base: base(), put, gone: &parts.gone, of: &self.base })))
            }
        }
    }

    /// Everything, by object, from one object and key on.
    pub(super) fn all(&self, from: ObjectIndex, key: Key) -> impl Iterator<Item = (ObjectIndex, Line<'_>)> {
        let mut changed = self.changed.range(from.number()..).peekable();
        let last = self.changed.get_max().map_or(0, |(node, _)| node + 1);
        let end = last.max(self.base.starts.len() as u32);
        (from.number()..end).map(ObjectIndex::of_number).flat_map(move |node| {
            let changed = changed.next_if(|(at, _)| **at == node.number()).map(|(_, changed)| changed);
            let key = if node == from { key } else { Key::FIRST };
            self.lines_in(node, changed, key).map(move |line| (node, line))
        })
    }

    /// Puts one there, whatever was there under its key.
    pub(super) fn put(&mut self, node: ObjectIndex, key: Key, terms: SharedTerms) {
        if self.get(node, key).is_none() {
            self.len += 1;
        }
        self.change(node, key, Some(terms));
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, node: ObjectIndex, key: Key) -> bool {
        let there = self.get(node, key).is_some();
        if there {
            self.len -= 1;
            self.change(node, key, None);
        }
        there
    }

    fn change(&mut self, node: ObjectIndex, key: Key, terms: Option<SharedTerms>) {
        let before = self.changed.get(&node.number());
        let changed = match before {
            None if self.base.of(node).len() <= MAX_COPIED_ROWS => self.whole(node, key, terms),
            Some(Changed::Whole(all)) if all.len() <= MAX_COPIED_ROWS => self.whole(node, key, terms),
            _ => Changed::Parts(Arc::new(self.parts(node, before, key, terms))),
        };
        self.weight += changed.weight();
        self.weight -= before.map_or(0, Changed::weight);
        self.changed.insert(node.number(), changed);
        if self.weight > self.base.slots.len() / 4 + 4_096 {
            self.settle();
        }
    }

    /// Everything that an object has, with one change.
    fn whole(&self, node: ObjectIndex, key: Key, terms: Option<SharedTerms>) -> Changed {
        let mut all: Vec<(Key, SharedTerms)> = self.shared(node).collect();
        let at = all.binary_search_by(|(other, _)| other.cmp(&key));
        match (at, terms) {
            (Ok(at), Some(terms)) => all[at].1 = terms,
            (Ok(at), None) => {
                all.remove(at);
            }
            (Err(at), Some(terms)) => all.insert(at, (key, terms)),
            (Err(_), None) => {}
        }
        Changed::Whole(all.into())
    }

    /// What makes that which an object has, with one change, differ from the array.
    fn parts(&self, node: ObjectIndex, changed: Option<&Changed>, key: Key, terms: Option<SharedTerms>) -> Parts {
        let mut parts = match changed {
            None => Parts::default(),
            Some(Changed::Parts(parts)) => Parts::clone(parts),
            Some(Changed::Whole(all)) => Parts {
                put: all.iter().cloned().collect(),
                gone: self.base.of(node).iter().map(|slot| slot.key).collect(),
            },
        };
        if self.base.find(node, key).is_some() {
            parts.gone.insert(key);
        }
        match terms {
            Some(terms) => parts.put.insert(key, terms),
            None => parts.put.remove(&key),
        };
        parts
    }

    /// Everything of an object, its terms shared.
    fn shared(&self, node: ObjectIndex) -> Box<dyn Iterator<Item = (Key, SharedTerms)> + '_> {
        let of_slot = |slot: &Slot| (slot.key, self.base.terms_of(slot).cloned());
        match self.changed.get(&node.number()) {
            None => Box::new(self.base.of(node).iter().map(of_slot)),
            Some(Changed::Whole(all)) => Box::new(all.iter().cloned()),
            Some(Changed::Parts(parts)) => {
                let kept = self.base.of(node).iter().filter(|slot| !parts.gone.contains(&slot.key)).map(of_slot);
                let put = parts.put.iter().map(|(key, terms)| (*key, terms.clone()));
                let mut all: Vec<_> = kept.chain(put).collect();
                all.sort_unstable_by_key(|(key, _)| *key);
                Box::new(all.into_iter())
            }
        }
    }

    /// A new array of everything.
    fn settle(&mut self) {
        let mut base = Base::default();
        base.slots.reserve_exact(self.len);
        let last = self.changed.get_max().map_or(0, |(node, _)| node + 1);
        for node in (0..last.max(self.base.starts.len() as u32)).map(ObjectIndex::of_number) {
            match self.changed.get(&node.number()) {
                None => {
                    for slot in self.base.of(node) {
                        base.push(node, slot.key, self.base.terms_of(slot));
                    }
                }
                Some(_) => self.shared(node).for_each(|(key, terms)| base.push(node, key, terms.as_ref())),
            }
        }
        base.end();
        *self = Index { len: base.slots.len(), base: Arc::new(base), ..Index::default() };
    }
}

impl Changed {
    fn weight(&self) -> usize {
        match self {
            Changed::Whole(all) => all.len() + 1,
            Changed::Parts(parts) => parts.put.len() + parts.gone.len() + 1,
        }
    }
}

/// What an object has, in order.
pub(super) struct Lines<'a>(Source<'a>);

enum Source<'a> {
    Base(std::slice::Iter<'a, Slot>, &'a Base),
    Whole(std::slice::Iter<'a, (Key, SharedTerms)>),
    Parts(Box<Merged<'a>>),
}

/// The array without what is gone, and what was put beside it.
struct Merged<'a> {
    base: std::slice::Iter<'a, Slot>,
    gone: &'a OrdSet<Key>,
    of: &'a Base,
    put: std::iter::Peekable<imbl::ordmap::RangedIter<'a, Key, SharedTerms, imbl::shared_ptr::DefaultSharedPtr>>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        match &mut self.0 {
            Source::Base(slots, base) => slots.next().map(|slot| (slot.key, base.terms_of(slot).map(|terms| &**terms))),
            Source::Whole(all) => all.next().map(|(key, terms)| (*key, terms.as_deref())),
            Source::Parts(merged) => merged.next(),
        }
    }
}

impl<'a> Merged<'a> {
    fn next(&mut self) -> Option<Line<'a>> {
        let slot = loop {
            match self.base.as_slice().first() {
                Some(slot) if self.gone.contains(&slot.key) => drop(self.base.next()),
                other => break other,
            }
        };
        if let Some(slot) = slot
            && self.put.peek().is_none_or(|(key, _)| slot.key < **key)
        {
            self.base.next();
            return Some((slot.key, self.of.terms_of(slot).map(|terms| &**terms)));
        }
        self.put.next().map(|(key, terms)| (*key, terms.as_deref()))
    }
}
