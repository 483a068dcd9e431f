//! What `_alias` can name in one selection.

use policy_core::Scalar;
use vault_core::query::{Aggregate, Filter, Operand, Operator, OrderOperand};
use vault_core::schema::ScalarType;
use vault_core::value::Value;

use super::error::GraphQlError;
use super::input::VALUE_WEIGHT;

/// The members of a selection that have a value to compare.
#[derive(Default)]
pub(crate) struct Aliases(Vec<Alias>);

/// One of them.
pub(crate) struct Alias {
    response: String,
    pub operand: Operand,
    pub of: ScalarType,
    /// About how many bytes it takes wherever it is named: an aggregate is copied with all of its conditions.
    pub weight: usize,
}

impl Aliases {
    pub fn add(&mut self, response: &str, operand: Operand, of: ScalarType) {
        let weight = VALUE_WEIGHT + of_operand(&operand);
        self.0.push(Alias { response: response.to_owned(), operand, of, weight });
    }

    pub fn get(&self, name: &str) -> Result<&Alias, GraphQlError> {
        self.0.iter().find(|alias| alias.response == name).ok_or_else(|| {
            GraphQlError::invalid(format!("`_alias` names `{name}`, which the selection does not ask for."))
        })
    }
}

fn of_operand(operand: &Operand) -> usize {
    match operand {
        Operand::JsonPath(_, path) => path.iter().map(|step| VALUE_WEIGHT + step.len()).sum(),
        Operand::Aggregate(aggregate) => of_aggregate(aggregate),
        Operand::DocId | Operand::Deleted | Operand::Field(_) | Operand::RelationId(_) => 0,
    }
}

fn of_aggregate(aggregate: &Aggregate) -> usize {
    let source = |source: &vault_core::query::AggregateSource| {
        let keys = source.order.iter().map(|key| VALUE_WEIGHT + of_order(&key.operand)).sum::<usize>();
        let filter = source.filter.as_ref().map_or(0, of_filter);
        2 * VALUE_WEIGHT + keys + filter + source.elements.iter().map(of_operator).sum::<usize>()
    };
    aggregate.sources.iter().map(source).sum()
}

fn of_order(operand: &OrderOperand) -> usize {
    match operand {
        OrderOperand::Own(operand) => of_operand(operand),
        OrderOperand::Related { operand, .. } => VALUE_WEIGHT + of_order(operand),
    }
}

fn of_filter(filter: &Filter) -> usize {
    VALUE_WEIGHT
        + match filter {
            Filter::And(all) | Filter::Or(all) => all.iter().map(of_filter).sum(),
            Filter::Not(filter) | Filter::Related { filter, .. } => of_filter(filter),
            Filter::Is(operand, operator) => of_operand(operand) + of_operator(operator),
        }
}

fn of_operator(operator: &Operator) -> usize {
    VALUE_WEIGHT
        + match operator {
            Operator::Eq(value) | Operator::Neq(value) => of_value(value),
            Operator::In(all) | Operator::Nin(all) => all.iter().map(of_value).sum(),
            Operator::Gt(scalar) | Operator::Geq(scalar) | Operator::Lt(scalar) | Operator::Leq(scalar) => {
                of_scalar(scalar)
            }
            Operator::Like { pattern, .. } => pattern.len(),
            Operator::Any(all) | Operator::All(all) | Operator::None(all) => all.iter().map(of_operator).sum(),
        }
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::Scalar(scalar) => of_scalar(scalar),
        Value::List(all) => all.iter().map(of_scalar).sum(),
        Value::Json(json) => of_json(json),
    }
}

fn of_json(json: &serde_json::Value) -> usize {
    use serde_json::Value as Json;
    VALUE_WEIGHT
        + match json {
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
            Json::String(text) => text.len(),
            Json::Array(all) => all.iter().map(of_json).sum(),
            Json::Object(all) => all.iter().map(|(key, value)| key.len() + of_json(value)).sum(),
        }
}

fn of_scalar(scalar: &Scalar) -> usize {
    VALUE_WEIGHT
        + match scalar {
            Scalar::String(text) => text.len(),
            Scalar::Blob(bytes) => bytes.len(),
            _ => 0,
        }
}
