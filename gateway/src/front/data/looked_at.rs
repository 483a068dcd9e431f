//! Which types and fields a request looks at: what is answered of them, and what is asked about them. For the books of what
//! an app really used, and for the limits of what it is told.

use std::collections::{BTreeMap, BTreeSet};

use policy_core::{CollectionId, FieldId, Mask, Permits, Read, Verb};
use vault_core::change::{Action, ChangeRequest};
use vault_core::query::{
    Aggregate, AggregateSource, Filter, Item, ItemKind, Operand, OrderKey, OrderOperand, Over, Query, RootKind, Select,
    SelectArgs,
};

/// What may be read of each collection that anything may be read of.
pub(super) type Readable = BTreeMap<CollectionId, BTreeSet<FieldId>>;

/// What the caller may read.
pub(super) fn readable(permits: &Permits<Read>) -> Readable {
    let of = |mask: &Mask| {
        let read = mask.entries.iter().filter(|entry| entry.verbs.has(Verb::Read));
        read.flat_map(|entry| entry.fields.iter().copied()).collect()
    };
    permits.collections().map(|(id, mask)| (id, of(mask))).collect()
}

/// What a request looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LookedAt {
    pub(super) fields: BTreeSet<FieldId>,
    pub(super) collections: BTreeSet<CollectionId>,
    /// How many questions it asks: each is answered, if by nothing.
    pub(super) questions: u64,
    /// How many answers there may be beside each row: numbers over what belongs to it, its versions and its conflicts.
    pub(super) beside: u64,
}

impl LookedAt {
    /// How many rows are told by an answer of so many documents, groups and commits: what stands beside each counts as
    /// rows as well, and so does every question but the first.
    pub(super) fn cost(&self, rows: u64) -> u64 {
        let told = rows.saturating_mul(self.beside.saturating_add(1));
        told.saturating_add(self.questions.saturating_sub(1)).max(self.questions)
    }
}

/// What a query looks at. Of history it is not known before it is read: it counts as all that may be read of it.
pub(super) fn by_query(query: &Query, readable: &Readable) -> LookedAt {
    let mut walk = Walk { seen: LookedAt::default(), readable };
    for root in &query.roots {
        match &root.kind {
            RootKind::Select(select) => walk.select(select),
            RootKind::Aggregate(aggregate) => walk.aggregate(aggregate),
            // Whose commits they are, their ids do not tell.
            RootKind::Commits(_) => {
                walk.seen.fields.extend(readable.values().flatten());
                walk.seen.collections.extend(readable.keys());
            }
            RootKind::Constant(_) => continue,
        }
        walk.seen.questions += 1;
    }
    walk.seen
}

/// What a change looks at: for which documents it is, and what its answer tells.
pub(super) fn by_change(change: &ChangeRequest, readable: &Readable) -> LookedAt {
    let mut walk = Walk { seen: LookedAt::default(), readable };
    for change in &change.changes {
        walk.seen.questions += 1;
        let filter = match &change.action {
            Action::Add(_) => None,
            Action::Update { target, .. } | Action::Delete { target, .. } | Action::Restore { target, .. } => {
                target.filter.as_ref()
            }
            Action::Upsert { filter, .. } => Some(filter),
        };
        filter.into_iter().for_each(|filter| walk.filter(filter));
        walk.seen.collections.insert(change.collection);
        walk.items(change.collection, &change.items);
    }
    walk.seen
}

struct Walk<'a> {
    seen: LookedAt,
    readable: &'a Readable,
}

impl Walk<'_> {
    fn field(&mut self, field: FieldId) {
        self.seen.fields.insert(field);
    }

    fn select(&mut self, select: &Select) {
        self.seen.collections.insert(select.collection);
        self.args(&select.args);
        self.items(select.collection, &select.items);
    }

    fn args(&mut self, args: &SelectArgs) {
        args.filter.iter().for_each(|filter| self.filter(filter));
        self.order(&args.order);
        args.group_by.iter().flatten().for_each(|field| self.field(*field));
    }

    fn items(&mut self, collection: CollectionId, items: &[Item]) {
        for item in items {
            match &item.kind {
                ItemKind::Field(field) | ItemKind::RelationId(field) => self.field(*field),
                ItemKind::Relation { field, select } => {
                    self.field(*field);
                    self.select(select);
                }
                ItemKind::Group(select) => self.select(select),
                ItemKind::Aggregate(aggregate) => {
                    self.seen.beside += 1;
                    self.aggregate(aggregate);
                }
                // History, and what it does not agree on, is of all fields.
                ItemKind::Version(_) | ItemKind::Conflicts(_) => {
                    self.seen.beside += 1;
                    self.seen.fields.extend(self.readable.get(&collection).into_iter().flatten());
                }
                ItemKind::DocId | ItemKind::Deleted | ItemKind::Constant(_) => {}
            }
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) {
        for AggregateSource { over, field, filter, order, .. } in &aggregate.sources {
            match over {
                Over::Relation(field, of) => {
                    self.field(*field);
                    self.seen.collections.insert(*of);
                }
                Over::List(field) => self.field(*field),
                Over::Collection(of) => {
                    self.seen.collections.insert(*of);
                }
                Over::Group => {}
            }
            field.iter().for_each(|field| self.field(*field));
            filter.iter().for_each(|filter| self.filter(filter));
            self.order(order);
        }
    }

    fn order(&mut self, keys: &[OrderKey]) {
        for key in keys {
            let mut operand = &key.operand;
            while let OrderOperand::Related { field, target, operand: inner } = operand {
                self.field(*field);
                self.seen.collections.insert(*target);
                operand = inner;
            }
            if let OrderOperand::Own(operand) = operand {
                self.operand(operand);
            }
        }
    }

    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Field(field) | Operand::RelationId(field) | Operand::JsonPath(field, _) => self.field(*field),
            Operand::Aggregate(aggregate) => self.aggregate(aggregate),
            Operand::DocId | Operand::Deleted => {}
        }
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::And(all) | Filter::Or(all) => all.iter().for_each(|one| self.filter(one)),
            Filter::Not(one) => self.filter(one),
            Filter::Is(operand, _) => self.operand(operand),
            Filter::Related { field, filter, target } => {
                self.field(*field);
                self.seen.collections.insert(*target);
                self.filter(filter);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use vault_core::change::{Change, Target};
    use vault_core::query::Item;

    use super::*;

    #[test]
    fn a_change_looks_at_what_it_is_held_to_and_history_at_all_that_may_be_read() {
        let (of, field) = (CollectionId::from_bytes([1; 16]), |n: u8| FieldId::from_bytes([n; 16]));
        let readable = Readable::from([(of, [field(1), field(2)].into())]);
        let filter = || Filter::Related { field: field(3), filter: Box::new(Filter::And(vec![])), target: of };
        let seen = |action, kind| {
            let items = vec![Item { key: "k".into(), kind }];
            let change = Change { key: "r".into(), collection: of, action, items };
            by_change(&ChangeRequest { changes: vec![change] }, &readable).fields
        };
        let target = || Target { filter: Some(filter()), ..Target::default() };
        for action in [
            Action::Delete { target: target(), expect_heads: None },
            Action::Restore { target: target(), expect_heads: None },
            Action::Update { target: target(), fields: vec![], expect_heads: None },
        ] {
            assert_eq!(seen(action, ItemKind::DocId), [field(3)].into());
        }
        let all = || Action::Delete { target: Target::default(), expect_heads: None };
        assert_eq!(seen(all(), ItemKind::DocId), [].into(), "control");
        assert_eq!(seen(all(), ItemKind::Version(vec![])), [field(1), field(2)].into());
        assert_eq!(seen(all(), ItemKind::Conflicts(vec![])), [field(1), field(2)].into());
    }

    #[test]
    fn each_answer_counts() {
        let of = |questions: u64, beside: u64| LookedAt { questions, beside, ..LookedAt::default() };
        assert_eq!([0, 1, 3].map(|rows| of(1, 0).cost(rows)), [1, 1, 3], "a question that is answered by nothing");
        assert_eq!([0, 1, 3].map(|rows| of(3, 0).cost(rows)), [3, 3, 5]);
        assert_eq!([0, 1, 3].map(|rows| of(1, 2).cost(rows)), [1, 3, 9], "with numbers beside each row");
        assert_eq!(of(0, 0).cost(0), 0);
        assert_eq!(of(u64::MAX, u64::MAX).cost(u64::MAX), u64::MAX);
    }
}
