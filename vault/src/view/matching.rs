//! Conditions evaluated in Rust: patterns, lists, JSON and paths inside it.

mod values;

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
use super::watch::{Meter, TimeUp};
use values::{Subject, Values, number_of};

/// Conditions on one column, all of which must hold.
pub(super) struct Test {
    shape: Shape,
    /// Inside a JSON column.
    path: Vec<String>,
    conditions: Vec<Condition>,
}

/// An operator, made ready once for all rows.
enum Condition {
    In(Values),
    Nin(Values),
    Any(Vec<Condition>),
    All(Vec<Condition>),
    None(Vec<Condition>),
    /// Any other; the pattern of one that does not regard case is folded.
    Plain(Operator),
}

impl Condition {
    fn new(operator: Operator) -> Condition {
        let each = |all: Vec<Operator>| all.into_iter().map(Condition::new).collect();
        match operator {
            Operator::In(all) => Condition::In(Values::new(all)),
            Operator::Nin(all) => Condition::Nin(Values::new(all)),
            Operator::Any(all) => Condition::Any(each(all)),
            Operator::All(all) => Condition::All(each(all)),
            Operator::None(all) => Condition::None(each(all)),
            Operator::Like { pattern, fold: true, negated } => {
                Condition::Plain(Operator::Like { pattern: folded(&pattern), fold: true, negated })
            }
            other => Condition::Plain(other),
        }
    }
}

/// What a condition costs beside the texts that it looks through, in bytes.
const EACH: usize = 32;

impl Test {
    pub(super) fn new(shape: Shape, path: Vec<String>, operators: Vec<Operator>) -> Test {
        Test { shape, path, conditions: operators.into_iter().map(Condition::new).collect() }
    }

    /// Whether the value fulfils all of it. What is looked through is counted as it is, so that one value may be as
    /// large as it likes.
    pub(super) fn passes(&self, value: ValueRef<'_>, meter: &Meter) -> Result<bool, TimeUp> {
        if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = value {
            meter.spend(bytes.len())?;
        }
        match (self.shape, value) {
            (_, ValueRef::Null) => self.all(&Subject::Scalar(Scalar::Null), meter),
            (Shape::List(of), ValueRef::Text(text)) => self.all(&Subject::List(elements(of, text)), meter),
            (Shape::Scalar(ScalarType::Json), ValueRef::Text(text)) => {
                let json = serde_json::from_slice(text).unwrap_or(Json::Null);
                self.along(&json, &self.path, meter)
            }
            (Shape::Scalar(of), value) => self.all(&Subject::Scalar(scalar_from_sql(of, value)), meter),
            (_, ValueRef::Integer(n)) => self.all(&Subject::Scalar(Scalar::Int(n)), meter),
            (_, ValueRef::Real(n)) => self.all(&Subject::Scalar(Scalar::Float(n)), meter),
            (_, ValueRef::Text(text)) => {
                self.all(&Subject::Scalar(Scalar::String(String::from_utf8_lossy(text).into_owned())), meter)
            }
            (_, ValueRef::Blob(bytes)) => self.all(&Subject::Scalar(Scalar::Blob(bytes.to_vec())), meter),
        }
    }

    fn all(&self, subject: &Subject<'_>, meter: &Meter) -> Result<bool, TimeUp> {
        all_hold(&self.conditions, subject, meter)
    }

    /// Follows the path; through an array, by number or else into each element.
    fn along(&self, json: &Json, path: &[String], meter: &Meter) -> Result<bool, TimeUp> {
        let Some((step, rest)) = path.split_first() else { return self.all(&subject(json), meter) };
        meter.spend(EACH)?;
        match json {
            Json::Object(members) => self.along(members.get(step).unwrap_or(&Json::Null), rest, meter),
            Json::Array(all) => match step.parse::<usize>() {
                Ok(n) => self.along(all.get(n).unwrap_or(&Json::Null), rest, meter),
                Err(_) => some(all, |element| self.along(element, path, meter)),
            },
            _ => self.all(&Subject::Scalar(Scalar::Null), meter),
        }
    }
}

/// Whether `check` says so of one of these.
fn some<T>(all: &[T], mut check: impl FnMut(&T) -> Result<bool, TimeUp>) -> Result<bool, TimeUp> {
    for one in all {
        if check(one)? {
            return Ok(true);
        }
    }
    Ok(false)
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

fn all_hold(conditions: &[Condition], subject: &Subject<'_>, meter: &Meter) -> Result<bool, TimeUp> {
    Ok(!some(conditions, |condition| holds(condition, subject, meter).map(|holds| !holds))?)
}

fn holds(condition: &Condition, subject: &Subject<'_>, meter: &Meter) -> Result<bool, TimeUp> {
    let length = match subject {
        Subject::Scalar(Scalar::String(text)) => text.len(),
        Subject::Scalar(Scalar::Blob(bytes)) => bytes.len(),
        Subject::Scalar(_) => 0,
        Subject::List(all) => all.len().saturating_mul(EACH),
        // As much as its text, which is known of the whole alone: its members are counted one by one.
        Subject::Json(Json::Array(all)) => all.len().saturating_mul(EACH),
        Subject::Json(_) => EACH,
    };
    meter.spend(EACH.saturating_add(length))?;
    match condition {
        Condition::In(values) => Ok(values.has(subject)),
        Condition::Nin(values) => Ok(!values.has(subject)),
        Condition::Any(inner) => among(subject, |all| some(all, |e| all_hold(inner, e, meter))),
        Condition::All(inner) => {
            among(subject, |all| Ok(!some(all, |e| all_hold(inner, e, meter).map(|holds| !holds))?))
        }
        Condition::None(inner) => among(subject, |all| Ok(!some(all, |e| all_hold(inner, e, meter))?)),
        Condition::Plain(operator) => Ok(is_so(operator, subject)),
    }
}

/// One operator on one value, whatever it is made of.
fn is_so(operator: &Operator, subject: &Subject<'_>) -> bool {
    let ordered = |bound: &Scalar, order: fn(Ordering) -> bool, with_null: fn(bool) -> bool| match (subject, bound) {
        (Subject::Scalar(scalar), Scalar::Null) => with_null(matches!(scalar, Scalar::Null)),
        (_, Scalar::Null) => with_null(false),
        (Subject::Scalar(scalar), bound) => compare(scalar, bound).is_some_and(order),
        _ => false,
    };
    match operator {
        Operator::Eq(value) => is(subject, value),
        Operator::Neq(value) => !is(subject, value),
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
        // These have conditions of their own.
        Operator::In(_) | Operator::Nin(_) | Operator::Any(_) | Operator::All(_) | Operator::None(_) => false,
    }
}

/// Asks the elements. False on null, empty and what is no list.
fn among(subject_: &Subject<'_>, check: impl FnOnce(&[Subject<'_>]) -> Result<bool, TimeUp>) -> Result<bool, TimeUp> {
    let all: Vec<Subject<'_>> = match subject_ {
        Subject::List(all) => all.iter().cloned().map(Subject::Scalar).collect(),
        Subject::Json(Json::Array(all)) => all.iter().map(subject).collect(),
        _ => return Ok(false),
    };
    Ok(!all.is_empty() && check(&all)?)
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
    use policy_core::Timestamp;
    use proptest::prelude::*;

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
            let operator = Operator::Like { pattern: pattern.into(), fold: true, negated: false };
            let test = Test::new(Shape::Scalar(ScalarType::String), Vec::new(), vec![operator]);
            assert_eq!(passes(&test, ValueRef::Text(text.as_bytes())), expected, "{pattern} {text}");
        }
    }

    fn test(path: &[&str], operator: Operator) -> Test {
        let path = path.iter().map(|s| (*s).to_owned()).collect();
        Test::new(Shape::Scalar(ScalarType::Json), path, vec![operator])
    }

    fn passes(test: &Test, value: ValueRef<'_>) -> bool {
        test.passes(value, &Meter::default()).unwrap()
    }

    fn numbers(range: std::ops::Range<i64>) -> Vec<Value> {
        range.map(|n| Value::Scalar(Scalar::Int(n))).collect()
    }

    #[test]
    fn what_a_value_costs_is_not_its_elements_times_the_values_asked_for() {
        let list: Vec<String> = (0..80_000).map(|n| n.to_string()).collect();
        let list = format!("[{}]", list.join(","));
        let any = |range| {
            let any = Operator::Any(vec![Operator::In(numbers(range))]);
            Test::new(Shape::List(ScalarType::Int), Vec::new(), vec![any])
        };
        // 20 thousand millions of comparisons would take minutes.
        let begun = std::time::Instant::now();
        assert!(!passes(&any(1_000_000..1_240_000), ValueRef::Text(list.as_bytes())));
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
        assert!(passes(&any(79_999..319_999), ValueRef::Text(list.as_bytes())), "control");
        let few: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
        let few = format!("[{}]", few.join(","));
        assert!(passes(&any(999..10_999), ValueRef::Text(few.as_bytes())), "control: an honest one");
        assert!(!passes(&any(1_000..11_000), ValueRef::Text(few.as_bytes())), "control: an honest one");
    }

    #[test]
    fn the_clock_is_looked_at_within_a_value() {
        let json = format!("[{}]", vec!["[1,2,3]"; 100_000].join(","));
        let nested = Operator::Any(vec![Operator::Any(vec![Operator::Eq(Value::Scalar(Scalar::Int(4)))])]);
        let test = test(&[], nested);
        let value = ValueRef::Text(json.as_bytes());
        let over = std::sync::Arc::new(parking_lot::Mutex::new(Some(std::time::Instant::now())));
        assert_eq!(test.passes(value, &Meter::new(&over)), Err(TimeUp));
        assert_eq!(test.passes(value, &Meter::default()), Ok(false), "control");
    }

    #[test]
    fn paths_reach_into_objects_and_arrays() {
        let json = ValueRef::Text(br#"{"a":{"b":[{"c":1},{"c":2.5}]},"n":1.0}"#);
        let eq = |n: i64| Operator::Eq(Value::Scalar(Scalar::Int(n)));
        assert!(passes(&test(&["a", "b", "c"], eq(1)), json));
        assert!(passes(&test(&["a", "b", "0", "c"], eq(1)), json));
        assert!(!passes(&test(&["a", "b", "1", "c"], eq(1)), json));
        assert!(passes(&test(&["n"], eq(1)), json));
        assert!(passes(&test(&["gone"], Operator::Eq(Value::NULL)), json));
        let any = Operator::Any(vec![Operator::Gt(Scalar::Int(2))]);
        assert!(passes(&test(&[], any.clone()), ValueRef::Text(b"[1,3]")));
        for none in [ValueRef::Null, ValueRef::Text(b"[]"), ValueRef::Text(b"3")] {
            assert!(!passes(&test(&[], any.clone()), none));
            assert!(!passes(&test(&[], Operator::None(vec![])), none));
        }
    }

    fn scalars() -> impl Strategy<Value = Scalar> {
        prop_oneof![
            Just(Scalar::Null),
            any::<bool>().prop_map(Scalar::Bool),
            prop_oneof![-2..3i64, Just(i64::MAX), Just(i64::MIN), Just(1 << 53)].prop_map(Scalar::Int),
            prop_oneof![
                (-4..6i32).prop_map(|n| f64::from(n) / 2.0),
                Just(-0.0),
                Just(9_223_372_036_854_775_808.0),
                Just(-9_223_372_036_854_775_808.0),
                Just(9_007_199_254_740_992.0),
                Just(1e300),
                Just(f64::NAN),
                Just(f64::INFINITY),
            ]
            .prop_map(Scalar::Float),
            "[ab]{0,2}".prop_map(Scalar::String),
            (0..3i64).prop_map(|at| Scalar::DateTime(Timestamp(at))),
            proptest::collection::vec(0..2u8, 0..3).prop_map(Scalar::Blob),
        ]
    }

    fn jsons() -> impl Strategy<Value = Json> {
        let number = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            (-1..3i64).prop_map(Json::from),
            Just(number("1.0")),
            Just(number("-0.0")),
            Just(number("18446744073709551615")),
            Just(number("0.5")),
            "[ab]{0,1}".prop_map(Json::String),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
                proptest::collection::vec(("[ab]", inner), 0..3)
                    .prop_map(|all| Json::Object(all.into_iter().collect())),
            ]
        })
    }

    fn lists() -> impl Strategy<Value = Vec<Scalar>> {
        proptest::collection::vec(scalars(), 0..3)
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![scalars().prop_map(Value::Scalar), lists().prop_map(Value::List), jsons().prop_map(Value::Json)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// A set holds exactly what one of its values equals.
        #[test]
        fn a_set_is_what_its_values_are_one_by_one(
            all in proptest::collection::vec(values(), 0..8), scalar in scalars(), list in lists(), json in jsons(),
        ) {
            let set = Values::new(all.clone());
            let subjects = [Subject::Scalar(scalar), Subject::List(list), subject(&json)];
            for subject in &subjects {
                prop_assert_eq!(set.has(subject), all.iter().any(|value| is(subject, value)));
            }
        }
    }
}
