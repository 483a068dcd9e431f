//! Which documents of a collection an entry reaches, beside its predicate.

use std::sync::Arc;

use crate::DocId;

/// The most documents of one collection that a permit tells apart.
pub const MAX_DOCUMENTS: usize = 100_000;

/// A set of documents of one collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Documents {
    /// Every one of the collection.
    #[default]
    All,
    /// All but these. Sorted, no doubles, not empty.
    Except(Arc<[DocId]>),
    /// These. Sorted, no doubles.
    Only(Arc<[DocId]>),
}

fn sorted(mut documents: Vec<DocId>) -> Vec<DocId> {
    documents.sort_unstable();
    documents.dedup();
    documents
}

impl Documents {
    /// All but these, in any order.
    pub fn except(documents: Vec<DocId>) -> Self {
        if documents.is_empty() { Documents::All } else { Documents::Except(sorted(documents).into()) }
    }
    /// These, in any order.
    pub fn only(documents: Vec<DocId>) -> Self {
        Documents::Only(sorted(documents).into())
    }
    /// What of the set is among these, which are sorted and without doubles.
    #[must_use]
    pub fn among(&self, documents: &[DocId]) -> Self {
        match self {
            Documents::All => Documents::Only(documents.into()),
            _ => Documents::Only(documents.iter().copied().filter(|document| self.has(*document)).collect()),
        }
    }
    /// Whether the document is in the set.
    pub fn has(&self, document: DocId) -> bool {
        match self {
            Documents::All => true,
            Documents::Except(documents) => documents.binary_search(&document).is_err(),
            Documents::Only(documents) => documents.binary_search(&document).is_ok(),
        }
    }
    /// Whether it is every one.
    pub fn is_all(&self) -> bool {
        matches!(self, Documents::All)
    }
    /// Whether no document can be in the set.
    pub fn is_none(&self) -> bool {
        matches!(self, Documents::Only(documents) if documents.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_it_names_or_all_but_that() {
        let doc = |n: u8| DocId::from_bytes([n; 16]);
        let some = || vec![doc(3), doc(1), doc(3)];
        let has = |set: &Documents| [1, 2, 3].map(|n| set.has(doc(n)));
        assert_eq!(has(&Documents::All), [true, true, true]);
        assert_eq!(has(&Documents::only(some())), [true, false, true]);
        assert_eq!(has(&Documents::except(some())), [false, true, false]);
        assert_eq!(Documents::except(Vec::new()), Documents::All);
        let none = Documents::only(Vec::new());
        assert!(none.is_none() && !none.is_all() && has(&none) == [false; 3]);
        let named = [doc(1), doc(2)];
        for (set, left) in [
            (Documents::All, [true, true, false]),
            (Documents::only(some()), [true, false, false]),
            (Documents::except(some()), [false, true, false]),
            (none, [false; 3]),
        ] {
            assert_eq!(has(&set.among(&named)), left, "{set:?}");
            assert!(!set.among(&named).is_all());
        }
    }
}
