//! What a query or a change asks for, by its text alone: so much is known before anything is looked at.

use policy_core::Scalar;
use vault_core::query::{
    Aggregate, AggregateSource, CommitItem, Filter, Item, ItemKind, Operand, Operator, OrderOperand, Over, SelectArgs,
};
use vault_core::value::Value;

/// What is asked, of whatever document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    /// Conditions, keys of orders and what is shown, at all levels together.
    pub(crate) parts: usize,
    /// Bytes of values, patterns and names of documents, about.
    pub(crate) bytes: usize,
    /// Whether values are looked through whole, or other documents are looked at for a condition.
    pub(crate) wide: bool,
    /// Documents, at the level that names most.
    pub(crate) documents: usize,
}

/// What a member counts that is answered by more than a column.
const MANY: usize = 25;

impl Asked {
    pub(crate) fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::And(all) | Filter::Or(all) => {
                self.parts += 1;
                all.iter().for_each(|filter| self.filter(filter));
            }
            Filter::Not(filter) => self.filter(filter),
            Filter::Is(operand, operator) => {
                self.operand(operand);
                self.operator(operator);
            }
            Filter::Related { filter, .. } => {
                self.wide = true;
                self.filter(filter);
            }
        }
    }

    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::DocId | Operand::Deleted | Operand::Field(_) | Operand::RelationId(_) => {}
            Operand::JsonPath(_, path) => {
                self.wide = true;
                self.bytes += path.iter().map(String::len).sum::<usize>();
            }
            Operand::Aggregate(aggregate) => {
                self.wide = true;
                self.aggregate(aggregate);
            }
        }
    }

    fn operator(&mut self, operator: &Operator) {
        self.parts += 1;
        match operator {
            Operator::Eq(of) | Operator::Neq(of) => self.bytes += value(of),
            Operator::In(all) | Operator::Nin(all) => self.bytes += all.iter().map(value).sum::<usize>(),
            Operator::Gt(of) | Operator::Geq(of) | Operator::Lt(of) | Operator::Leq(of) => self.bytes += scalar(of),
            Operator::Like { pattern, .. } => {
                self.wide = true;
                self.bytes += pattern.len();
            }
            Operator::Any(all) | Operator::All(all) | Operator::None(all) => {
                self.wide = true;
                all.iter().for_each(|operator| self.operator(operator));
            }
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) {
        for AggregateSource { over, filter, elements, order, .. } in &aggregate.sources {
            self.parts += MANY + order.len();
            self.wide |= matches!(over, Over::Collection(_));
            filter.iter().for_each(|filter| self.filter(filter));
            elements.iter().for_each(|operator| self.operator(operator));
            order.iter().for_each(|key| self.order(&key.operand));
        }
    }

    fn order(&mut self, operand: &OrderOperand) {
        match operand {
            OrderOperand::Own(operand) => self.operand(operand),
            OrderOperand::Related { operand, .. } => {
                self.wide = true;
                self.order(operand);
            }
        }
    }

    pub(crate) fn arguments(&mut self, args: &SelectArgs) {
        args.filter.iter().for_each(|filter| self.filter(filter));
        let documents = args.doc_ids.as_ref().map_or(0, Vec::len);
        self.documents = self.documents.max(documents);
        self.bytes += documents * 16 + args.cids.as_ref().map_or(0, Vec::len) * 64;
        self.parts += args.order.len() + args.group_by.as_ref().map_or(0, Vec::len);
        args.order.iter().for_each(|key| self.order(&key.operand));
    }

    pub(crate) fn items(&mut self, items: &[Item]) {
        self.parts += items.len();
        for item in items {
            match &item.kind {
                ItemKind::Relation { select, .. } | ItemKind::Group(select) => {
                    self.arguments(&select.args);
                    self.items(&select.items);
                }
                ItemKind::Aggregate(aggregate) => self.aggregate(aggregate),
                ItemKind::Version(items) => self.parts += MANY + items.iter().map(parts_of).sum::<usize>(),
                ItemKind::Conflicts(items) => self.parts += MANY + items.len(),
                ItemKind::DocId
                | ItemKind::Deleted
                | ItemKind::Constant(_)
                | ItemKind::Field(_)
                | ItemKind::RelationId(_) => {}
            }
        }
    }
}

fn parts_of(item: &CommitItem) -> usize {
    use vault_core::query::CommitItemKind;
    match &item.kind {
        CommitItemKind::Links(all) | CommitItemKind::Heads(all) => 1 + all.len(),
        CommitItemKind::Signature(all) => 1 + all.len(),
        _ => 1,
    }
}

/// What a value takes beside its text.
const VALUE: usize = 32;

fn scalar(of: &Scalar) -> usize {
    VALUE
        + match of {
            Scalar::String(text) => text.len(),
            Scalar::Blob(bytes) => bytes.len(),
            _ => 0,
        }
}

/// About how much memory a value takes.
pub(crate) fn value(of: &Value) -> usize {
    match of {
        Value::Scalar(of) => scalar(of),
        Value::List(all) => VALUE + all.iter().map(scalar).sum::<usize>(),
        Value::Json(json) => json_size(json),
    }
}

fn json_size(json: &serde_json::Value) -> usize {
    use serde_json::Value as Json;
    VALUE
        + match json {
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
            Json::String(text) => text.len(),
            Json::Array(all) => all.iter().map(json_size).sum(),
            Json::Object(all) => all.iter().map(|(key, one)| key.len() + json_size(one)).sum(),
        }
}
