//! Conditions and orders.

use policy_core::{FieldId, Scalar, Verb};
use vault_core::query::{Filter, Operand, Operator, OrderKey, OrderOperand};
use vault_core::schema::{FieldType, ScalarType};
use vault_core::value::Value;

use super::aliases::Aliases;
use super::error::GraphQlError;
use super::input::Input;
use super::names::Op;
use super::planner::Planner;
use super::scalar;
use super::schema::is_plain;
use super::visible::VisibleCollection;

/// The longest pattern, in bytes: it is held against each row.
const PATTERN_MAX: usize = 10_000;
/// How deep conditions may nest.
const DEPTH_MAX: usize = 24;

/// How the values beside an operator are read.
#[derive(Clone, Copy)]
enum OperandKind {
    Scalar(ScalarType),
    /// A document id.
    Id,
    /// Whatever JSON holds.
    Json,
}

impl Planner<'_> {
    /// The condition that `input` (of the collection's filter type) states.
    pub(crate) fn filter(
        &self,
        collection: &VisibleCollection,
        input: &Input<'_>,
        aliases: &Aliases,
    ) -> Result<Filter, GraphQlError> {
        self.filter_within(collection, input, aliases, 0)
    }

    fn filter_within(
        &self,
        collection: &VisibleCollection,
        input: &Input<'_>,
        aliases: &Aliases,
        depth: usize,
    ) -> Result<Filter, GraphQlError> {
        if depth > DEPTH_MAX {
            let message = format!("A filter is more than {DEPTH_MAX} conditions deep.");
            return Err(GraphQlError::new("limit_depth", message));
        }
        let Input::Object(fields) = input else { return Err(GraphQlError::invalid("A filter is not an object.")) };
        let counted = self.counted();
        let list = |input: &Input<'_>| -> Result<Vec<Filter>, GraphQlError> {
            input.items().iter().map(|item| self.filter_within(collection, item, aliases, depth + 1)).collect()
        };
        let mut all = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            if value.is_null() {
                return Err(GraphQlError::invalid(format!("The condition on `{key}` is null, which is no condition.")));
            }
            match *key {
                "_and" => all.push(Filter::And(list(value)?)),
                "_or" => all.push(Filter::Or(list(value)?)),
                "_not" => {
                    let inner = self.filter_within(collection, value, aliases, depth + 1)?;
                    all.push(Filter::Not(Box::new(inner)));
                }
                "_alias" => {
                    let Input::Object(named) = value else {
                        return Err(GraphQlError::invalid("`_alias` is not an object."));
                    };
                    for (name, block) in named {
                        let alias = aliases.get(name)?;
                        let times = if let Input::Object(operators) = block { operators.len() } else { 0 };
                        self.walk.weigh(alias.weight.saturating_mul(times))?;
                        self.conditions(&alias.operand, OperandKind::Scalar(alias.of), block, name, &mut all)?;
                    }
                }
                key if key == self.spelling().doc_id() => {
                    self.conditions(&Operand::DocId, OperandKind::Id, value, key, &mut all)?;
                }
                key => {
                    if let Some(field) = collection.relation_id(key, Verb::Search, self.spelling()) {
                        self.conditions(&Operand::RelationId(field.id), OperandKind::Id, value, key, &mut all)?;
                        continue;
                    }
                    let owner = || GraphQlError::unknown_field(&format!("{}FilterArg", collection.name), key);
                    let field = collection.named(key, Verb::Search).ok_or_else(owner)?;
                    match &field.kind {
                        FieldType::Scalar { of: ScalarType::Json, .. } => {
                            self.json_conditions(field.id, &mut Vec::new(), value, key, &mut all)?;
                        }
                        FieldType::Scalar { of, .. } | FieldType::List { of, .. } => {
                            self.conditions(&Operand::Field(field.id), OperandKind::Scalar(*of), value, key, &mut all)?;
                        }
                        FieldType::ToOne { target, .. } | FieldType::Inverse { target, .. } => {
                            let related = self.entry.visible.collection(*target).ok_or_else(owner)?;
                            let filter = self.filter_within(related, value, &Aliases::default(), depth + 1)?;
                            all.push(Filter::Related { field: field.id, target: *target, filter: Box::new(filter) });
                        }
                    }
                }
            }
        }
        if self.counted() == counted {
            // One without any is evaluated too.
            self.condition()?;
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Filter::And(all) })
    }

    /// The conditions of one operator block.
    fn conditions(
        &self,
        operand: &Operand,
        kind: OperandKind,
        block: &Input<'_>,
        field: &str,
        out: &mut Vec<Filter>,
    ) -> Result<(), GraphQlError> {
        out.extend(self.operators(kind, block, field)?.into_iter().map(|op| Filter::Is(operand.clone(), op)));
        Ok(())
    }

    /// The operators of one block; at least one, because a block without any would match everything,
    /// as where the only operator has a variable without a value.
    fn operators(&self, kind: OperandKind, block: &Input<'_>, field: &str) -> Result<Vec<Operator>, GraphQlError> {
        let empty = || GraphQlError::invalid(format!("The condition on `{field}` has no operator."));
        let Input::Object(ops) = block else { return Err(empty()) };
        let mut out = Vec::with_capacity(ops.len());
        for (name, value) in ops {
            let op = self
                .spelling()
                .op_named(name)
                .ok_or_else(|| GraphQlError::invalid(format!("`{name}` is not an operator for `{field}`.")))?;
            // One on elements is as many as it asks of each.
            if !matches!(op, Op::Any | Op::All | Op::None) {
                self.condition()?;
            }
            out.push(self.operator(op, kind, value, field)?);
        }
        if out.is_empty() { Err(empty()) } else { Ok(out) }
    }

    /// The operators on values of a type, for the elements of a list.
    pub(crate) fn element_operators(
        &self,
        of: ScalarType,
        block: &Input<'_>,
        field: &str,
    ) -> Result<Vec<Operator>, GraphQlError> {
        self.operators(OperandKind::Scalar(of), block, field)
    }

    fn operator(&self, op: Op, kind: OperandKind, input: &Input<'_>, field: &str) -> Result<Operator, GraphQlError> {
        let list = || -> Result<Vec<Value>, GraphQlError> {
            if input.is_null() {
                return Err(GraphQlError::invalid(format!("The list of values for `{field}` is null.")));
            }
            input.items().iter().map(|item| value(kind, item, field)).collect()
        };
        let compared = || match value(kind, input, field)? {
            Value::Scalar(scalar) if scalar != Scalar::Null => Ok(scalar),
            _ => Err(GraphQlError::invalid(format!("`{field}` is compared with a value that has no order."))),
        };
        let like = |fold, negated| match input {
            Input::Str(text) => {
                let mut pattern = (*text).to_owned();
                // Runs of `%` say what one says.
                pattern.retain({
                    let mut before = ' ';
                    move |next| (std::mem::replace(&mut before, next), next) != ('%', '%')
                });
                if pattern.len() > PATTERN_MAX {
                    let message = format!("The pattern for `{field}` is longer than {PATTERN_MAX} bytes.");
                    return Err(GraphQlError::new("value_too_large", message));
                }
                Ok(Operator::Like { pattern, fold, negated })
            }
            _ => Err(GraphQlError::invalid(format!("The pattern for `{field}` is not a string."))),
        };
        Ok(match op {
            Op::Eq => Operator::Eq(value(kind, input, field)?),
            Op::Neq => Operator::Neq(value(kind, input, field)?),
            Op::In => Operator::In(list()?),
            Op::Nin => Operator::Nin(list()?),
            Op::Gt => Operator::Gt(compared()?),
            Op::Geq => Operator::Geq(compared()?),
            Op::Lt => Operator::Lt(compared()?),
            Op::Leq => Operator::Leq(compared()?),
            Op::Like => like(false, false)?,
            Op::Nlike => like(false, true)?,
            Op::Ilike => like(true, false)?,
            Op::Nilike => like(true, true)?,
            Op::Any => Operator::Any(self.operators(kind, input, field)?),
            Op::All => Operator::All(self.operators(kind, input, field)?),
            Op::None => Operator::None(self.operators(kind, input, field)?),
        })
    }

    /// Conditions inside JSON: keys that are operators apply here, others lead deeper.
    fn json_conditions(
        &self,
        id: FieldId,
        path: &mut Vec<String>,
        input: &Input<'_>,
        field: &str,
        out: &mut Vec<Filter>,
    ) -> Result<(), GraphQlError> {
        let Input::Object(keys) = input else {
            return Err(GraphQlError::invalid(format!("The condition on `{field}` has no operator.")));
        };
        if path.len() > DEPTH_MAX {
            let message = format!("A path in `{field}` is more than {DEPTH_MAX} steps long.");
            return Err(GraphQlError::new("limit_depth", message));
        }
        if keys.is_empty() {
            return Err(GraphQlError::invalid(format!("The condition on `{field}` has no operator.")));
        }
        for (key, value) in keys {
            match self.spelling().op_named(key) {
                Some(op) => {
                    let operand = match path.is_empty() {
                        true => Operand::Field(id),
                        false => Operand::JsonPath(id, path.clone()),
                    };
                    if !matches!(op, Op::Any | Op::All | Op::None) {
                        self.condition()?;
                    }
                    out.push(Filter::Is(operand, self.operator(op, OperandKind::Json, value, field)?));
                }
                None => {
                    path.push((*key).to_owned());
                    self.json_conditions(id, path, value, field, out)?;
                    path.pop();
                }
            }
        }
        Ok(())
    }

    /// The keys by which rows are ordered, most significant first.
    pub(crate) fn order(
        &self,
        collection: &VisibleCollection,
        input: &Input<'_>,
        aliases: &Aliases,
    ) -> Result<Vec<OrderKey>, GraphQlError> {
        let mut keys = Vec::new();
        for item in input.items() {
            // Objects have no order of their own, and variables lose it.
            match item {
                Input::Object(fields) if fields.is_empty() => {}
                item => {
                    // A key is evaluated for each row, as a condition is.
                    self.condition()?;
                    let (operand, descending) = self.order_key(collection, item, aliases, 0)?;
                    keys.push(OrderKey { operand, descending });
                }
            }
        }
        Ok(keys)
    }

    fn order_key(
        &self,
        collection: &VisibleCollection,
        input: &Input<'_>,
        aliases: &Aliases,
        depth: usize,
    ) -> Result<(OrderOperand, bool), GraphQlError> {
        if depth > DEPTH_MAX {
            let message = format!("An order leads through more than {DEPTH_MAX} relations.");
            return Err(GraphQlError::new("limit_depth", message));
        }
        let (key, value) = single(input)?;
        let own = |operand| Ok((OrderOperand::Own(operand), direction(value, key)?));
        if key == "_alias" {
            let (name, value) = single(value)?;
            let alias = aliases.get(name)?;
            self.walk.weigh(alias.weight)?;
            return Ok((OrderOperand::Own(alias.operand.clone()), direction(value, name)?));
        }
        if key == self.spelling().doc_id() {
            return own(Operand::DocId);
        }
        if let Some(field) = collection.relation_id(key, Verb::Search, self.spelling()) {
            return own(Operand::RelationId(field.id));
        }
        let owner = || GraphQlError::unknown_field(&format!("{}OrderArg", collection.name), key);
        let field = collection.named(key, Verb::Search).ok_or_else(owner)?;
        match &field.kind {
            FieldType::ToOne { target, .. } => {
                let related = self.entry.visible.collection(*target).ok_or_else(owner)?;
                let (operand, descending) = self.order_key(related, value, &Aliases::default(), depth + 1)?;
                let operand = Box::new(operand);
                Ok((OrderOperand::Related { field: field.id, target: *target, operand }, descending))
            }
            _ if is_plain(field) => own(Operand::Field(field.id)),
            _ => Err(owner()),
        }
    }
}

fn single<'i, 'v>(input: &'i Input<'v>) -> Result<(&'v str, &'i Input<'v>), GraphQlError> {
    match input {
        Input::Object(fields) if fields.len() == 1 => Ok((fields[0].0, &fields[0].1)),
        _ => Err(GraphQlError::invalid("Each object of `order` has one key: give a list for several.")),
    }
}

fn direction(input: &Input<'_>, key: &str) -> Result<bool, GraphQlError> {
    match input {
        Input::Enum("ASC") | Input::Str("ASC") => Ok(false),
        Input::Enum("DESC") | Input::Str("DESC") => Ok(true),
        _ => Err(GraphQlError::invalid(format!("The order by `{key}` is neither ASC nor DESC."))),
    }
}

fn value(kind: OperandKind, input: &Input<'_>, field: &str) -> Result<Value, GraphQlError> {
    match kind {
        OperandKind::Scalar(of) => scalar::compared(of, input, field).map(Value::Scalar),
        OperandKind::Id => scalar::doc_scalar(input, field).map(Value::Scalar),
        OperandKind::Json => match input {
            Input::Null => Ok(Value::NULL),
            Input::Bool(_) => scalar::scalar(ScalarType::Boolean, input, field).map(Value::Scalar),
            Input::Int(_) => scalar::scalar(ScalarType::Int, input, field).map(Value::Scalar),
            Input::Float(_) => scalar::scalar(ScalarType::Float64, input, field).map(Value::Scalar),
            Input::Str(_) => scalar::scalar(ScalarType::String, input, field).map(Value::Scalar),
            _ => scalar::json(input, field).map(Value::Json),
        },
    }
}
