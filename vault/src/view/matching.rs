//! Conditions evaluated in Rust: patterns, lists, JSON and paths inside it.

use std::cmp::Ordering;

use policy_core::Scalar;
use rusqlite::types::ValueRef;
use serde_json::Value as Json;
use unicase::UniCase;
use vault_core::query::Operator;
use vault_core::schema::ScalarType;
use vault_core::value::Value;

use super::column::{Shape, elements, scalar_from_sql};
use super::predicate::{compare, equal};

/// Conditions on one column, all of which must hold.
pub(super) struct Test {
    pub(super) shape: Shape,
    /// Inside a JSON column.
    pub(super) path: Vec<String>,
    pub(super) operators: Vec<Operator>,
}

fn cost(operator: &Operator) -> usize {
    match operator {
        Operator::In(all) | Operator::Nin(all) => all.len() * 16,
        Operator::Like { pattern, .. } => pattern.len(),
        Operator::Any(all) | Operator::All(all) | Operator::None(all) => all.iter().map(cost).sum(),
        _ => 8,
    }
}

/// What a condition looks at.
enum Subject<'a> {
    Scalar(Scalar),
    List(Vec<Scalar>),
    /// An array or an object.
    Json(&'a Json),
}

impl Test {
    /// About how many bytes are looked through for this value.
    pub(super) fn cost(&self, value: ValueRef<'_>) -> usize {
        let length = match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
            _ => 8,
        };
        length + self.operators.iter().map(cost).sum::<usize>()
    }

    pub(super) fn passes(&self, value: ValueRef<'_>) -> bool {
        match (self.shape, value) {
            (_, ValueRef::Null) => self.all(&Subject::Scalar(Scalar::Null)),
            (Shape::List(of), ValueRef::Text(text)) => self.all(&Subject::List(elements(of, text))),
            (Shape::Scalar(ScalarType::Json), ValueRef::Text(text)) => {
                let json = serde_json::from_slice(text).unwrap_or(Json::Null);
                self.along(&json, &self.path)
            }
            (Shape::Scalar(of), value) => self.all(&Subject::Scalar(scalar_from_sql(of, value))),
            (_, ValueRef::Integer(n)) => self.all(&Subject::Scalar(Scalar::Int(n))),
            (_, ValueRef::Real(n)) => self.all(&Subject::Scalar(Scalar::Float(n))),
            (_, ValueRef::Text(text)) => {
                self.all(&Subject::Scalar(Scalar::String(String::from_utf8_lossy(text).into_owned())))
            }
            (_, ValueRef::Blob(bytes)) => self.all(&Subject::Scalar(Scalar::Blob(bytes.to_vec()))),
        }
    }

    fn all(&self, subject: &Subject<'_>) -> bool {
        self.operators.iter().all(|operator| holds(operator, subject))
    }

    /// Follows the path; through an array, by number or else into each element.
    fn along(&self, json: &Json, path: &[String]) -> bool {
        let Some((step, rest)) = path.split_first() else { return self.all(&subject(json)) };
        match json {
            Json::Object(members) => self.along(members.get(step).unwrap_or(&Json::Null), rest),
            Json::Array(all) => match step.parse::<usize>() {
                Ok(n) => self.along(all.get(n).unwrap_or(&Json::Null), rest),
                Err(_) => all.iter().any(|element| self.along(element, path)),
            },
            _ => self.all(&Subject::Scalar(Scalar::Null)),
        }
    }
}

fn subject(json: &Json) -> Subject<'_> {
    Subject::Scalar(match json {
        Json::Null => Scalar::Null,
        Json::Bool(value) => Scalar::Bool(*value),
        Json::Number(number) => number_of(number),
        Json::String(text) => Scalar::String(text.clone()),
        Json::Array(_) | Json::Object(_) => return Subject::Json(json),
    })
}

fn number_of(number: &serde_json::Number) -> Scalar {
    match (number.as_i64(), number.as_f64()) {
        (Some(n), _) => Scalar::Int(n),
        (None, Some(n)) if n.is_finite() => Scalar::Float(n),
        _ => Scalar::Null,
    }
}

fn holds(operator: &Operator, subject: &Subject<'_>) -> bool {
    let ordered = |bound: &Scalar, order: fn(Ordering) -> bool, with_null: fn(bool) -> bool| match (subject, bound) {
        (Subject::Scalar(scalar), Scalar::Null) => with_null(matches!(scalar, Scalar::Null)),
        (_, Scalar::Null) => with_null(false),
        (Subject::Scalar(scalar), bound) => compare(scalar, bound).is_some_and(order),
        _ => false,
    };
    match operator {
        Operator::Eq(value) => is(subject, value),
        Operator::Neq(value) => !is(subject, value),
        Operator::In(all) => all.iter().any(|value| is(subject, value)),
        Operator::Nin(all) => !all.iter().any(|value| is(subject, value)),
        Operator::Gt(bound) => ordered(bound, Ordering::is_gt, |null| !null),
        Operator::Geq(bound) => ordered(bound, Ordering::is_ge, |_| true),
        Operator::Lt(bound) => ordered(bound, Ordering::is_lt, |_| false),
        Operator::Leq(bound) => ordered(bound, Ordering::is_le, |null| null),
        Operator::Like { pattern, fold, negated } => {
            let like = match subject {
                Subject::Scalar(Scalar::String(text)) => like(pattern, text, *fold),
                Subject::Scalar(Scalar::Blob(bytes)) => like(pattern, &data_encoding::HEXLOWER.encode(bytes), *fold),
                _ => false,
            };
            like != *negated
        }
        Operator::Any(operators) => members(subject, |all| all.iter().any(|e| each(operators, e))),
        Operator::All(operators) => members(subject, |all| all.iter().all(|e| each(operators, e))),
        Operator::None(operators) => members(subject, |all| !all.iter().any(|e| each(operators, e))),
    }
}

fn each(operators: &[Operator], element: &Subject<'_>) -> bool {
    operators.iter().all(|operator| holds(operator, element))
}

/// False on null, empty and what is no list.
fn members(subject_: &Subject<'_>, check: impl FnOnce(&[Subject<'_>]) -> bool) -> bool {
    let all: Vec<Subject<'_>> = match subject_ {
        Subject::List(all) => all.iter().cloned().map(Subject::Scalar).collect(),
        Subject::Json(Json::Array(all)) => all.iter().map(subject).collect(),
        _ => return false,
    };
    !all.is_empty() && check(&all)
}

fn is(subject_: &Subject<'_>, value: &Value) -> bool {
    match (subject_, value) {
        (Subject::Scalar(a), Value::Scalar(b)) => equal(a, b),
        (Subject::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Subject::Json(Json::Array(a)), Value::List(b)) => {
            let same = |(a, b): (&Json, &Scalar)| matches!(subject(a), Subject::Scalar(a) if equal(&a, b));
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        (Subject::Json(a), Value::Json(b)) => same_json(a, b),
        (Subject::Scalar(a), Value::Json(b)) => matches!(subject(b), Subject::Scalar(b) if equal(a, &b)),
        _ => false,
    }
}

/// Numbers compare as numbers: `1` is `1.0`.
fn same_json(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same_json(a, b)))
        }
        (Json::Number(a), Json::Number(b)) => equal(&number_of(a), &number_of(b)),
        (a, b) => a == b,
    }
}

/// The text under Unicode's full case folding, character by character: `ß` is `ss`, all sigmas are one, the Kelvin
/// sign is `k`. It knows no language (`I` is `i`, also in Turkish) and composes nothing: `é` in one character and in
/// two stay different.
fn folded(text: &str) -> String {
    UniCase::new(text).to_folded_case()
}

/// Folds the patterns of what does not regard case, once and not for every row.
pub(super) fn fold_patterns(operators: &mut [Operator]) {
    for operator in operators {
        match operator {
            Operator::Like { pattern, fold: true, .. } => *pattern = folded(pattern),
            Operator::Any(inner) | Operator::All(inner) | Operator::None(inner) => fold_patterns(inner),
            _ => {}
        }
    }
}

/// `%` stands for any run of characters; everything else for itself, and nothing for a `%`. With `fold` the pattern
/// is folded already.
fn like(pattern: &str, text: &str, fold: bool) -> bool {
    if fold {
        return like(pattern, &folded(text), false);
    }
    let Some((head, rest)) = pattern.split_once('%') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('%').unwrap_or(("", rest));
    // Piece by piece: a pattern of many is done as soon as the text is.
    for piece in middle.split('%') {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_runs_of_characters() {
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("a%", "abc", true),
            ("%c", "abc", true),
            ("%b%", "abc", true),
            ("a%a", "a", false),
            ("%ab%ab%", "ab", false),
            ("%ab%ab%", "xabxabx", true),
            ("a%b%c", "abc", true),
            ("a%b%c", "acbc", true),
            ("a%b%c", "acb", false),
            ("%%", "a", true),
            ("a%%c", "abc", true),
            ("%", "", true),
            ("a_c", "abc", false),
            ("Ä%", "ärger", false),
        ] {
            assert_eq!(like(pattern, text, false), expected, "{pattern} {text}");
        }
        for (pattern, text, expected) in [
            ("Ä%", "ärger", true),
            ("%STRASSE", "Hauptstraße", true),
            ("%straße", "HAUPTSTRASSE", true),
            ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς", true),
            ("%ς", "ΣΊΣΥΦΟΣ", true),
            ("%σ%", "ὀδυσσεύς", true),
            ("273 k", "273 \u{212a}", true),
            ("i%", "Istanbul", true),
            ("İ%", "i\u{307}stanbul", true),
            ("ı", "I", false),
            ("é", "e\u{301}", false),
            ("ﬀ", "FF", true),
        ] {
            let mut operators = [Operator::Like { pattern: pattern.into(), fold: true, negated: false }];
            fold_patterns(&mut operators);
            let [Operator::Like { pattern, .. }] = &operators else { unreachable!() };
            assert_eq!(like(pattern, text, true), expected, "{pattern} {text}");
        }
    }

    fn test(path: &[&str], operator: Operator) -> Test {
        Test {
            shape: Shape::Scalar(ScalarType::Json),
            path: path.iter().map(|s| (*s).to_owned()).collect(),
            operators: vec![operator],
        }
    }

    #[test]
    fn paths_reach_into_objects_and_arrays() {
        let json = ValueRef::Text(br#"{"a":{"b":[{"c":1},{"c":2.5}]},"n":1.0}"#);
        let eq = |n: i64| Operator::Eq(Value::Scalar(Scalar::Int(n)));
        assert!(test(&["a", "b", "c"], eq(1)).passes(json));
        assert!(test(&["a", "b", "0", "c"], eq(1)).passes(json));
        assert!(!test(&["a", "b", "1", "c"], eq(1)).passes(json));
        assert!(test(&["n"], eq(1)).passes(json));
        assert!(test(&["gone"], Operator::Eq(Value::NULL)).passes(json));
        let any = Operator::Any(vec![Operator::Gt(Scalar::Int(2))]);
        assert!(test(&[], any.clone()).passes(ValueRef::Text(b"[1,3]")));
        for none in [ValueRef::Null, ValueRef::Text(b"[]"), ValueRef::Text(b"3")] {
            assert!(!test(&[], any.clone()).passes(none));
            assert!(!test(&[], Operator::None(vec![])).passes(none));
        }
    }
}
