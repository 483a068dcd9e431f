//! Filters. A condition is never asked for its truth but at the top of a statement or under `NOT`,
//! where unknown is made false first: so null and false are the same.

use policy_core::{CollectionId, DocId, FieldId, Scalar, Verb};
use rusqlite::types::Value as Sql;
use vault_core::query::{Filter, Operand, Operator};
use vault_core::schema::{FieldType, ScalarType};
use vault_core::value::Value;

use super::aggregate::Around;
use super::{Compiler, Scope, all_of, among, any_of};
use crate::view::ReadError;
use crate::view::column::{Shape, operand};
use crate::view::matching::Test;
use crate::view::parameters::Parameters;
use crate::view::predicate::membership;

/// Lists of more values are looked through in Rust.
pub(in crate::view) const MAX_BOUND_VALUES: usize = 500;

impl Compiler<'_> {
    pub(in crate::view) fn filter(
        &mut self,
        p: &mut Parameters,
        around: &Around<'_, '_>,
        filter: &Filter,
    ) -> Result<String, ReadError> {
        match filter {
            Filter::And(all) => Ok(format!("({})", all_of(&self.each(p, around, all)?))),
            Filter::Or(all) => Ok(any_of(&self.each(p, around, all)?)),
            Filter::Not(of) => Ok(format!("NOT ifnull({}, 0)", self.filter(p, around, of)?)),
            Filter::Is(operand, operator) => self.condition(p, around, operand, operator),
            Filter::Related { field, target, filter } => self.related(p, around.document()?, *field, *target, filter),
        }
    }

    fn each(&mut self, p: &mut Parameters, around: &Around<'_, '_>, all: &[Filter]) -> Result<Vec<String>, ReadError> {
        self.spend(all.len())?;
        all.iter().map(|filter| self.filter(p, around, filter)).collect()
    }

    /// What a condition or an order looks at.
    pub(in crate::view) fn operand(
        &mut self,
        p: &mut Parameters,
        around: &Around<'_, '_>,
        of: &Operand,
    ) -> Result<(String, Shape), ReadError> {
        match of {
            Operand::DocId => Ok((format!("{}.doc", around.document()?.alias), Shape::DocId)),
            Operand::Deleted => {
                Ok((format!("{}.deleted", around.document()?.alias), Shape::Scalar(ScalarType::Boolean)))
            }
            Operand::Field(field) | Operand::RelationId(field) | Operand::JsonPath(field, _) => {
                self.field(p, around.document()?, *field, &[Verb::Search])
            }
            Operand::Aggregate(aggregate) => self.aggregate(p, around, aggregate),
        }
    }

    fn condition(
        &mut self,
        p: &mut Parameters,
        around: &Around<'_, '_>,
        of: &Operand,
        operator: &Operator,
    ) -> Result<String, ReadError> {
        let (expression, shape) = self.operand(p, around, of)?;
        self.spend(match operator {
            Operator::In(all) | Operator::Nin(all) => all.len().min(MAX_BOUND_VALUES),
            _ => 1,
        })?;
        if let Operand::JsonPath(_, path) = of {
            let test = Test::new(shape, path.clone(), vec![operator.clone()]);
            return Ok(self.call(&expression, test));
        }
        Ok(self.compare(p, &expression, shape, operator))
    }

    fn call(&mut self, expression: &str, test: Test) -> String {
        format!("allod_test({expression},{})", self.test(test))
    }

    pub(super) fn compare(
        &mut self,
        p: &mut Parameters,
        expression: &str,
        shape: Shape,
        operator: &Operator,
    ) -> String {
        let scalar = !matches!(shape, Shape::List(_) | Shape::Scalar(ScalarType::Json));
        let scalars = |all: &[Value]| -> Vec<Scalar> {
            let of = |value: &Value| if let Value::Scalar(s) = value { Some(s.clone()) } else { None };
            all.iter().filter_map(of).collect()
        };
        match operator {
            Operator::Eq(value) if value.is_null() => return format!("{expression} IS NULL"),
            Operator::Neq(value) if value.is_null() => return format!("{expression} IS NOT NULL"),
            Operator::Gt(Scalar::Null) => return format!("{expression} IS NOT NULL"),
            Operator::Geq(Scalar::Null) => return "1".to_owned(),
            Operator::Lt(Scalar::Null) => return "0".to_owned(),
            Operator::Leq(Scalar::Null) => return format!("{expression} IS NULL"),
            Operator::Eq(Value::Scalar(value)) if scalar => return sign(p, expression, shape, "=", value),
            Operator::Neq(Value::Scalar(value)) if scalar => match operand(shape, value) {
                Some(bound) => return format!("{expression} IS NOT {}", p.bind(bound)),
                None => return "1".to_owned(),
            },
            Operator::In(all) if scalar && all.len() <= MAX_BOUND_VALUES => {
                return membership(expression, &scalars(all), |s| operand(shape, s).map(|bound| p.bind(bound)));
            }
            Operator::Nin(all) if scalar && all.len() <= MAX_BOUND_VALUES => {
                let among = membership(expression, &scalars(all), |s| operand(shape, s).map(|bound| p.bind(bound)));
                return format!("NOT ifnull({among}, 0)");
            }
            Operator::In(all) if matches!(shape, Shape::DocId | Shape::Relation(_)) => {
                return among(p, expression, &ids(all));
            }
            Operator::Gt(value) if scalar => return sign(p, expression, shape, ">", value),
            Operator::Geq(value) if scalar => return sign(p, expression, shape, ">=", value),
            Operator::Lt(value) if scalar => return sign(p, expression, shape, "<", value),
            Operator::Leq(value) if scalar => return sign(p, expression, shape, "<=", value),
            _ => {}
        }
        self.call(expression, Test::new(shape, Vec::new(), vec![operator.clone()]))
    }

    /// To-one: the related document matches. To-many: at least one does.
    fn related(
        &mut self,
        p: &mut Parameters,
        scope: &Scope<'_>,
        field: FieldId,
        target: CollectionId,
        filter: &Filter,
    ) -> Result<String, ReadError> {
        let kind = scope.collection.field(field).map(|field| &field.kind).ok_or(ReadError::Hidden)?;
        self.expect_visible(scope, field, Verb::Search)?;
        let mut there = self.scope(target)?;
        let mut conditions = vec![format!("{}.deleted=0", there.alias)];
        self.restrict(p, &mut there, Verb::Search, &mut conditions);
        conditions.push(self.filter(p, &Around::Document(&there), filter)?);
        // Not correlated: found once, and whichever side has an index is looked up by the other.
        match kind {
            FieldType::ToOne { target: of, .. } if *of == target => {
                let column = format!("{}.{}", scope.alias, crate::view::column::column_name(field));
                let shown = self.visible_when(p, scope, field, Verb::Search);
                let found = format!(
                    "{column} IN (SELECT {}.doc FROM {} WHERE {})",
                    there.alias,
                    there.table(),
                    all_of(&conditions)
                );
                Ok(all_of(&[found].into_iter().chain(shown).collect::<Vec<_>>()))
            }
            FieldType::Inverse { target: of, via, .. } if *of == target => {
                self.expect_visible(&there, *via, Verb::Search)?;
                conditions.extend(self.visible_when(p, &there, *via, Verb::Search));
                let shown = self.visible_when(p, scope, field, Verb::Search);
                let found = format!(
                    "{}.doc IN (SELECT {}.{} FROM {} WHERE {})",
                    scope.alias,
                    there.alias,
                    crate::view::column::column_name(*via),
                    there.table(),
                    all_of(&conditions)
                );
                Ok(all_of(&[found].into_iter().chain(shown).collect::<Vec<_>>()))
            }
            _ => Err(ReadError::Hidden),
        }
    }
}

fn sign(p: &mut Parameters, expression: &str, shape: Shape, sign: &str, value: &Scalar) -> String {
    match operand(shape, value) {
        Some(bound) => format!("{expression}{sign}{}", p.bind(bound)),
        None => "0".to_owned(),
    }
}

fn ids(all: &[Value]) -> Vec<DocId> {
    let id = |value: &Value| match value {
        Value::Scalar(scalar) => match operand(Shape::DocId, scalar) {
            Some(Sql::Blob(bytes)) => DocId::from_slice(&bytes),
            _ => None,
        },
        _ => None,
    };
    all.iter().filter_map(id).collect()
}
