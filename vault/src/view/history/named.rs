//! The fields that a selection names, wherever in it: no other is kept of a document as it was.

use hashbrown::HashSet;
use policy_core::FieldId;
use vault_core::query::{Aggregate, Filter, Item, ItemKind, Operand, OrderOperand, Over, Select, SelectArgs};

/// Ids of fields of whatever collection.
pub(in crate::view) fn named(select: &Select) -> HashSet<FieldId> {
    let mut named = Named(HashSet::new());
    named.select(select);
    named.0
}

struct Named(HashSet<FieldId>);

impl Named {
    fn take(&mut self, field: FieldId) {
        self.0.insert(field);
    }

    fn select(&mut self, select: &Select) {
        let SelectArgs { filter, order, group_by, .. } = &select.args;
        filter.iter().for_each(|filter| self.filter(filter));
        order.iter().for_each(|key| self.order(&key.operand));
        group_by.iter().flatten().for_each(|field| self.take(*field));
        select.items.iter().for_each(|item| self.item(item));
    }

    fn item(&mut self, item: &Item) {
        match &item.kind {
            ItemKind::Field(field) | ItemKind::RelationId(field) => self.take(*field),
            ItemKind::Relation { field, select } => {
                self.take(*field);
                self.select(select);
            }
            ItemKind::Group(select) => self.select(select),
            ItemKind::Aggregate(aggregate) => self.aggregate(aggregate),
            ItemKind::DocId
            | ItemKind::Deleted
            | ItemKind::Constant(_)
            | ItemKind::Version(_)
            | ItemKind::Conflicts(_) => {}
        }
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::And(all) | Filter::Or(all) => all.iter().for_each(|filter| self.filter(filter)),
            Filter::Not(filter) => self.filter(filter),
            Filter::Is(operand, _) => self.operand(operand),
            Filter::Related { field, filter, .. } => {
                self.take(*field);
                self.filter(filter);
            }
        }
    }

    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::DocId | Operand::Deleted => {}
            Operand::Field(field) | Operand::RelationId(field) | Operand::JsonPath(field, _) => self.take(*field),
            Operand::Aggregate(aggregate) => self.aggregate(aggregate),
        }
    }

    fn order(&mut self, operand: &OrderOperand) {
        match operand {
            OrderOperand::Own(operand) => self.operand(operand),
            OrderOperand::Related { field, operand, .. } => {
                self.take(*field);
                self.order(operand);
            }
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) {
        for source in &aggregate.sources {
            match source.over {
                Over::Relation(field, _) | Over::List(field) => self.take(field),
                Over::Collection(_) | Over::Group => {}
            }
            source.field.iter().for_each(|field| self.take(*field));
            source.filter.iter().for_each(|filter| self.filter(filter));
            source.order.iter().for_each(|key| self.order(&key.operand));
        }
    }
}
