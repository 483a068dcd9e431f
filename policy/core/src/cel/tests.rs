//! The tables hold answers that SpiceDB 1.54 gave to the same expressions and values.

mod answers;
mod bounds;
mod contexts;
mod patterns;
mod refused;
mod soup;
mod unknown;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{Outcome, Program, Type, Value};

/// A type as a schema writes it.
fn declared(text: &str) -> Type {
    let (name, arguments) = match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((name, of)) => (name, vec![declared(of)]),
        None => (text, Vec::new()),
    };
    let of = Type::named(name, arguments).expect("the type is known");
    assert_eq!(of.to_string(), text);
    of
}

/// The parameters of the tables, and a value for each.
fn table() -> Vec<(&'static str, &'static str, Json)> {
    vec![
        ("a", "int", json!(5)),
        ("b", "int", json!(7)),
        ("u", "uint", json!(5)),
        ("d", "double", json!(2.5)),
        ("s", "string", json!("hello")),
        ("t", "string", json!("ell")),
        ("y", "bytes", json!("aGVsbG8=")),
        ("z", "bool", json!(true)),
        ("dur", "duration", json!("1h30m")),
        ("ts", "timestamp", json!("2023-01-22T01:13:00.123456789+02:00")),
        ("ts2", "timestamp", json!("2024-02-29T23:59:59Z")),
        ("l", "list<int>", json!([1, 2, 3])),
        ("ls", "list<string>", json!(["a", "b", "hello"])),
        ("lu", "list<uint>", json!([1, 5])),
        ("la", "list<any>", json!([1, "a", null, true, [1], {"k": 1}])),
        ("m", "map<any>", json!({"k": 1, "s": "x", "n": null, "m": {"k": 2}, "l": [1, 2]})),
        ("mi", "map<int>", json!({"k": 1, "j": 2})),
        ("ms", "map<string>", json!({"k": "v"})),
        ("mm", "map<map<any>>", json!({"q": {"k": 1}})),
        ("mb", "map<bool>", json!({"t": true, "f": false})),
        ("ip", "ipaddress", json!("10.1.2.3")),
        ("x", "any", json!(1)),
        ("mt", "map<timestamp>", json!({"a": "2023-01-22T01:13:00Z"})),
        ("mt2", "map<timestamp>", json!({"a": "2023-01-22T01:13:00Z", "b": "2023-01-22T01:13:00Z"})),
    ]
}

fn parameters() -> Vec<(String, Type)> {
    table().into_iter().map(|(name, of, _)| (name.to_owned(), declared(of))).collect()
}

fn context() -> Map<String, Json> {
    table().into_iter().map(|(name, _, value)| (name.to_owned(), value)).collect()
}

fn values(context: &Map<String, Json>) -> BTreeMap<String, Value> {
    let given = parameters().into_iter().filter_map(|(name, of)| {
        let json = context.get(&name)?;
        let value = Value::from_json(json, &of).expect("the value is of the declared type");
        Some((name, value))
    });
    given.collect()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Yes,
    No,
    Fails,
}

fn check_answers(table: &[(&str, Answer)]) {
    let values = values(&context());
    for (text, expected) in table {
        let program = Program::compile(text, &parameters()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let outcome = program.evaluate(&values);
        let answer = match &outcome {
            Outcome::True => Answer::Yes,
            Outcome::False => Answer::No,
            Outcome::Failed(_) => Answer::Fails,
            Outcome::Missing(names) => panic!("{text} misses {names:?}"),
        };
        assert_eq!(answer, *expected, "{text}: {outcome:?}");
    }
}

#[test]
fn types_are_found_by_name_and_written_back() {
    for text in ["any", "uint", "ipaddress", "list<string>", "map<list<map<any>>>"] {
        declared(text);
    }
    assert_eq!(Type::named("strin", Vec::new()), Err("unknown type `strin`".to_owned()));
    assert_eq!(Type::named("list", Vec::new()), Err("type `list` requires 1 generic types; found 0".to_owned()));
    let two = vec![Type::Int, Type::Int];
    assert_eq!(Type::named("map", two), Err("type `map` requires 1 generic types; found 2".to_owned()));
    // What takes no argument ignores one.
    assert_eq!(Type::named("string", vec![Type::Int]), Ok(Type::String));
}

#[test]
fn parameters_count_as_used_where_spicedb_counts_them() {
    let table = [
        ("a == 1", true),
        ("b == 1", false),
        ("[b].all(i, i > a)", true),
        ("{\"k\": a}.k == 1", true),
        // Keys of a written map are not looked at.
        ("{a: 1}.size() == 1", false),
        // A fold's variable counts by its name alone where the fold refers to it.
        ("[1].all(a, a > 0)", true),
        ("[1].all(a, true)", false),
        ("[1].map(a, 1).size() == 1", false),
        ("[1].filter(a, true).size() == 1", true),
        ("optional.of(1).optMap(a, 2).hasValue()", true),
    ];
    let parameters = [("a".to_owned(), Type::Int), ("b".to_owned(), Type::Int)];
    for (text, used) in table {
        let program = Program::compile(text, &parameters).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(program.uses("a"), used, "{text}");
        assert_eq!(program.text(), text);
        assert!(!program.uses("c"));
    }
}

#[test]
fn no_parameter_takes_the_name_of_a_type() {
    for name in ["int", "list", "type", "null_type"] {
        let error = Program::compile("true", &[(name.to_owned(), Type::Int)]).expect_err(name);
        assert_eq!(error.message, format!("overlapping identifier for name '{name}'"));
    }
    assert!(Program::compile("duration == 1", &[("duration".to_owned(), Type::Int)]).is_ok());
}

/// Dotted names of parameters go before fields.
#[test]
fn names_may_hold_dots() {
    let parameters = [("a.b".to_owned(), Type::Int), ("a".to_owned(), Type::Map(Box::new(Type::String)))];
    let program = Program::compile("a.b == 5 && a.c == 'x'", &parameters).expect("it compiles");
    let outcome = program.evaluate(&[("a.b".to_owned(), Value::Int(5))].into());
    assert_eq!(outcome, Outcome::Missing(["a".to_owned()].into()));
}
