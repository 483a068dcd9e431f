//! Which fields a request looks at: what is answered of them, and what is asked about them. For the books of what an app
//! really used.

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

/// The fields that a query looks at. Of history it is not known before it is read: it counts as all that may be read of it.
pub(super) fn by_query(query: &Query, readable: &Readable) -> BTreeSet<FieldId> {
    let mut seen = FieldWalk { fields: BTreeSet::new(), readable };
    for root in &query.roots {
        match &root.kind {
            RootKind::Select(select) => seen.select(select),
            RootKind::Aggregate(aggregate) => seen.aggregate(aggregate),
            // Whose commits they are, their ids do not tell.
            RootKind::Commits(_) => seen.fields.extend(readable.values().flatten()),
            RootKind::Constant(_) => {}
        }
    }
    seen.fields
}

/// The fields that a change looks at: for which documents it is, and what its answer tells.
pub(super) fn by_change(change: &ChangeRequest, readable: &Readable) -> BTreeSet<FieldId> {
    let mut seen = FieldWalk { fields: BTreeSet::new(), readable };
    for change in &change.changes {
        let filter = match &change.action {
            Action::Add(_) => None,
            Action::Update { target, .. } | Action::Delete { target, .. } | Action::Restore { target, .. } => {
                target.filter.as_ref()
            }
            Action::Upsert { filter, .. } => Some(filter),
        };
        filter.into_iter().for_each(|filter| seen.filter(filter));
        seen.items(change.collection, &change.items);
    }
    seen.fields
}

struct FieldWalk<'a> {
    fields: BTreeSet<FieldId>,
    readable: &'a Readable,
}

impl FieldWalk<'_> {
    fn field(&mut self, field: FieldId) {
        self.fields.insert(field);
    }

    fn select(&mut self, select: &Select) {
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
                ItemKind::Aggregate(aggregate) => self.aggregate(aggregate),
                // History, and what it does not agree on, is of all fields.
                ItemKind::Version(_) | ItemKind::Conflicts(_) => {
                    self.fields.extend(self.readable.get(&collection).into_iter().flatten());
                }
                ItemKind::DocId | ItemKind::Deleted | ItemKind::Constant(_) => {}
            }
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) {
        for AggregateSource { over, field, filter, order, .. } in &aggregate.sources {
            if let Over::Relation(field, _) | Over::List(field) = over {
                self.field(*field);
            }
            field.iter().for_each(|field| self.field(*field));
            filter.iter().for_each(|filter| self.filter(filter));
            self.order(order);
        }
    }

    fn order(&mut self, keys: &[OrderKey]) {
        for key in keys {
            let mut operand = &key.operand;
            while let OrderOperand::Related { field, operand: inner, .. } = operand {
                self.field(*field);
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
            Filter::Related { field, filter, .. } => {
                self.field(*field);
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
            by_change(&ChangeRequest { changes: vec![change] }, &readable)
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
}
