//! Which documents an entry of a permit covers: the same truth in Rust and in SQL.
//!
//! A null field makes every comparison false but `_eq: null`, `_neq` and `_nin`; values of different
//! types are different and in no order.

use std::cmp::Ordering;

use policy_core::{Comparison, Condition, DocId, Entry, FieldId, Predicate, Scalar};
use vault_core::query::Operator;
use vault_core::schema::{Collection, ScalarType};
use vault_core::value::Value;

use super::column::{Shape, column_name, operand, scalar_to_sql, shape};
use super::compile::MAX_BOUND_VALUES;
use super::matching::Test;
use super::parameters::Parameters;

/// How two scalars compare; `None` if they are of different types or either is null. Integers and
/// floats compare as numbers, exactly.
pub(super) fn compare(a: &Scalar, b: &Scalar) -> Option<Ordering> {
    match (a, b) {
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        (Scalar::Int(a), Scalar::Int(b)) => Some(a.cmp(b)),
        (Scalar::Float(a), Scalar::Float(b)) => a.partial_cmp(b),
        (Scalar::Int(a), Scalar::Float(b)) => int_with_float(*a, *b),
        (Scalar::Float(a), Scalar::Int(b)) => int_with_float(*b, *a).map(Ordering::reverse),
        (Scalar::String(a), Scalar::String(b)) => Some(a.cmp(b)),
        (Scalar::DateTime(a), Scalar::DateTime(b)) => Some(a.cmp(b)),
        (Scalar::Blob(a), Scalar::Blob(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn int_with_float(int: i64, float: f64) -> Option<Ordering> {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        None
    } else if float >= TWO_63 {
        Some(Ordering::Less)
    } else if float < -TWO_63 {
        Some(Ordering::Greater)
    } else {
        let whole = float.trunc();
        Some(int.cmp(&(whole as i64)).then_with(|| 0.0f64.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal)))
    }
}

pub(super) fn equal(a: &Scalar, b: &Scalar) -> bool {
    matches!((a, b), (Scalar::Null, Scalar::Null)) || compare(a, b) == Some(Ordering::Equal)
}

/// Whether an entry covers a document with these values (absent: null). `None`: one that is not yet made.
pub fn covers(entry: &Entry, document: Option<DocId>, values: &[(FieldId, Value)]) -> bool {
    document.is_none_or(|document| entry.documents.has(document)) && holds_of(&entry.predicate, values)
}

fn holds_of(predicate: &Predicate, values: &[(FieldId, Value)]) -> bool {
    predicate.conditions.iter().all(|condition| {
        let value = values.iter().find(|(field, _)| *field == condition.field).map(|(_, value)| value);
        match value {
            None | Some(Value::Json(serde_json::Value::Null)) => holds(&condition.comparison, Some(&Scalar::Null)),
            Some(Value::Scalar(scalar)) => holds(&condition.comparison, Some(scalar)),
            Some(Value::List(_) | Value::Json(_)) => holds(&condition.comparison, None),
        }
    })
}

/// `scalar`: `None` for a list or JSON, which no scalar equals.
fn holds(comparison: &Comparison, scalar: Option<&Scalar>) -> bool {
    let same = |other: &Scalar| scalar.is_some_and(|scalar| equal(scalar, other));
    let order = |other: &Scalar| scalar.and_then(|scalar| compare(scalar, other));
    match comparison {
        Comparison::Eq(other) => same(other),
        Comparison::Neq(other) => !same(other),
        Comparison::In(all) => all.iter().any(same),
        Comparison::Nin(all) => !all.iter().any(same),
        Comparison::Gt(other) => order(other).is_some_and(Ordering::is_gt),
        Comparison::Geq(other) => order(other).is_some_and(Ordering::is_ge),
        Comparison::Lt(other) => order(other).is_some_and(Ordering::is_lt),
        Comparison::Leq(other) => order(other).is_some_and(Ordering::is_le),
    }
}

/// The predicate over the raw columns of `alias`. A condition on a field that the collection does not
/// have covers nothing.
/// One SQL condition each, all of which hold where it does. `test` names what is evaluated in Rust, by the place of
/// its condition.
pub(super) fn predicate_sql(
    into: &mut Parameters,
    test: &mut dyn FnMut(usize, &dyn Fn() -> Test) -> usize,
    collection: &Collection,
    alias: &str,
    of: &Predicate,
) -> Vec<String> {
    let sql = |(n, condition): (usize, &Condition)| match collection.field(condition.field).and_then(shape) {
        None => "0".to_owned(),
        Some(shape) => {
            let column = format!("{alias}.{}", column_name(condition.field));
            comparison_sql(into, &mut |make| test(n, make), &column, shape, &condition.comparison)
        }
    };
    of.conditions.iter().enumerate().map(sql).collect()
}

fn comparison_sql(
    into: &mut Parameters,
    test: &mut dyn FnMut(&dyn Fn() -> Test) -> usize,
    column: &str,
    shape: Shape,
    comparison: &Comparison,
) -> String {
    if let Comparison::In(all) | Comparison::Nin(all) = comparison
        && all.len() > MAX_BOUND_VALUES
        && !matches!(shape, Shape::List(_) | Shape::Scalar(ScalarType::Json))
    {
        let among = || Operator::In(all.iter().cloned().map(Value::Scalar).collect());
        let number = test(&|| Test::new(shape, Vec::new(), vec![among()]));
        let negated = if matches!(comparison, Comparison::Nin(_)) { "NOT " } else { "" };
        return format!("{negated}allod_test({column},{number})");
    }
    let mut strict = |scalar: &Scalar| match (shape, scalar) {
        // Only what Rust finds equal too, where the type of the field is not at hand.
        (Shape::Relation(_), Scalar::String(_)) => None,
        (Shape::Relation(_), Scalar::Blob(_)) | (Shape::Scalar(ScalarType::Float32), Scalar::Float(_)) => {
            Some(into.bind(scalar_to_sql(scalar)))
        }
        _ => operand(shape, scalar).map(|value| into.bind(value)),
    };
    let ordered = |sign: &str, bound: Option<String>| match bound {
        Some(bound) => format!("{column} {sign} {bound}"),
        None => "0".to_owned(),
    };
    match comparison {
        Comparison::Eq(Scalar::Null) => format!("{column} IS NULL"),
        Comparison::Neq(Scalar::Null) => format!("{column} IS NOT NULL"),
        Comparison::Eq(other) => ordered("=", strict(other)),
        Comparison::Neq(other) => match strict(other) {
            Some(bound) => format!("{column} IS NOT {bound}"),
            None => "1".to_owned(),
        },
        Comparison::In(all) => membership(column, all, strict),
        Comparison::Nin(all) => format!("NOT ifnull({}, 0)", membership(column, all, strict)),
        Comparison::Gt(other) => ordered(">", strict(other)),
        Comparison::Geq(other) => ordered(">=", strict(other)),
        Comparison::Lt(other) => ordered("<", strict(other)),
        Comparison::Leq(other) => ordered("<=", strict(other)),
    }
}

/// Whether the column is among `all`, of which those that cannot be compared are left out.
pub(super) fn membership(column: &str, all: &[Scalar], bind: impl FnMut(&Scalar) -> Option<String>) -> String {
    let null = all.iter().any(|scalar| matches!(scalar, Scalar::Null));
    let bound: Vec<String> = all.iter().filter(|s| !matches!(s, Scalar::Null)).filter_map(bind).collect();
    match (bound.is_empty(), null) {
        (true, true) => format!("{column} IS NULL"),
        (true, false) => "0".to_owned(),
        (false, true) => format!("({column} IS NULL OR {column} IN ({}))", bound.join(",")),
        (false, false) => format!("{column} IN ({})", bound.join(",")),
    }
}
