//! What is bounded, and that nothing inside the bounds harms.

use serde_json::json;

use crate::cel::{MAX_EXPRESSION_BYTES, Outcome, Program, Type, Value};

fn parameters() -> Vec<(String, Type)> {
    vec![
        ("b".to_owned(), Type::Bool),
        ("l".to_owned(), Type::List(Box::new(Type::Int))),
        ("s".to_owned(), Type::String),
        ("x".to_owned(), Type::Any),
    ]
}

fn outcome(text: &str, length: u32) -> Result<Outcome, String> {
    let program = Program::compile(text, &parameters()).map_err(|error| error.message)?;
    let list = Value::from_json(&json!((1..=length).collect::<Vec<_>>()), &parameters()[1].1).expect("a list");
    let text = Value::String("a".repeat(length as usize).into());
    let values = [("b".to_owned(), Value::Bool(true)), ("l".to_owned(), list), ("s".to_owned(), text)];
    Ok(program.evaluate(&values.into()))
}

fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
    format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
}

#[test]
fn expressions_nest_as_deep_as_in_spicedb() {
    // What nests, and how deep at most.
    type Shape = (fn(usize) -> String, usize);
    let shapes: [Shape; 9] = [
        (|n| nested("(", "b", ")", n), 249),
        (|n| format!("{} == []", nested("[", "", "]", n)), 250),
        (|n| format!("{} == 1", nested("size(", "l", ")", n)), 249),
        (|n| format!("b{}", " ? b : b".repeat(n)), 249),
        (|n| format!("{} == 1", ["1"; 251][..n + 1].join(" + ")), 249),
        (|n| format!("{} == 1", nested("1 + (", "1", ")", n)), 124),
        (|n| nested("b == (", "b", ")", n), 124),
        (|n| format!("x{} == 1", ".k".repeat(n)), 249),
        (|n| format!("x{} == 1", "[0]".repeat(n)), 249),
    ];
    for (shape, most) in shapes {
        let deepest = outcome(&shape(most), 1);
        let good = match &deepest {
            Ok(_) => true,
            // Too deep for no reason of nesting.
            Err(message) => message.starts_with("found no matching overload"),
        };
        assert!(good, "{}: {deepest:?}", shape(2));
        let deeper = outcome(&shape(most + 1), 1);
        assert!(deeper.as_ref().is_err_and(|message| message.contains("recursion")), "{}: {deeper:?}", shape(2));
    }
    // Operands side by side do not nest.
    assert_eq!(outcome(&vec!["b"; 5000].join(" && "), 1), Ok(Outcome::True));
}

#[test]
fn the_deepest_expressions_need_little_stack() {
    let run = || {
        for levels in [100, 140, 249] {
            for (open, inner, close) in [
                ("b && b || b && !dyn(", "b", ")"),
                ("b && l.all(i, ", "b", ")"),
                ("[[0].map(i, ", "b", ")] == [0] || dyn("),
                ("dyn(optional.of(", "b", "))"),
                ("x[", "x", "]"),
                ("(b ? x : x)[", "x", "]"),
                ("{1: ", "b", "}"),
            ] {
                // Whatever comes out: it must come out.
                let _ = outcome(&format!("{} == 1", nested(open, inner, close, levels)), 1);
            }
        }
        outcome(&nested("!(", "b", ")", 249), 1)
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(run).expect("a thread starts");
    assert_eq!(thread.join().expect("the stack suffices"), Ok(Outcome::False));
}

#[test]
fn expressions_are_bounded_in_length() {
    let long = format!("{}'{}' != ''{}", " ".repeat(1000), "a".repeat(MAX_EXPRESSION_BYTES - 8), "\n".repeat(1000));
    assert_eq!(outcome(&long, 1), Ok(Outcome::True));
    let longer = format!("'{}' != ''", "a".repeat(MAX_EXPRESSION_BYTES - 7));
    assert!(outcome(&longer, 1).is_err_and(|message| message.contains("exceeds maximum allowed size")));
}

#[test]
fn evaluations_are_bounded_in_work() {
    // The expression, and the list's length up to which it must work and from which it must not.
    let table = [
        ("l.all(i, l.all(j, i + j > 0))", 400, 3000),
        ("l.all(i, l.all(j, l.all(k, i + j + k > 0)))", 40, 3000),
        ("l.map(i, l.map(j, [i, j])).size() > 0", 300, 3000),
        ("l.all(i, i in l)", 1000, 5000),
        ("l.all(i, l + l != l)", 300, 3000),
        ("l.all(i, s + s != s)", 1000, 100_000),
        ("l.all(i, s.contains('b') || true)", 3000, 100_000),
        ("l.all(i, s.matches('b' + '*'))", 300, 3000),
        ("l.all(i, s.matches('(a|b)*b') || true)", 1000, 100_000),
    ];
    for (text, works, fails) in table {
        assert_eq!(outcome(text, works), Ok(Outcome::True), "{text}");
        let failed = outcome(text, fails);
        let limit = "operation cancelled: actual cost limit exceeded".to_owned();
        assert_eq!(failed, Ok(Outcome::Failed(limit)), "{text}");
    }
}

/// Nothing takes the bound away: not an operand that would decide.
#[test]
fn no_operator_absorbs_the_bound() {
    let outcome = outcome("l.all(i, l.all(j, l.all(k, true))) || true", 2000);
    assert!(matches!(outcome, Ok(Outcome::Failed(_))), "{outcome:?}");
}

#[test]
fn types_that_double_at_each_level_are_refused() {
    let levels = |count: usize| {
        let open: String =
            (0..count).map(|level| format!("[{{\"k\": v{level}, \"j\": [v{level}]}}].map(v{}, ", level + 1)).collect();
        let first = "[1].map(v0, ";
        format!("{first}{open}v{count} == v{count}{} != []", ")".repeat(count + 1))
    };
    assert_eq!(outcome(&levels(3), 1), Ok(Outcome::True));
    // Either the types or the values are too much; neither takes long.
    let refused = outcome(&levels(60), 1);
    assert!(!matches!(refused, Ok(Outcome::True | Outcome::False)), "{refused:?}");
}

#[test]
fn patterns_are_bounded_in_size() {
    let failed = |text: &str| matches!(outcome(text, 1), Ok(Outcome::Failed(_)));
    assert!(failed(r"s.matches('\\pL{1000}')"));
    assert!(failed(r"s.matches('\\pL{1000}' + s)"));
    assert!(failed(&format!("s.matches('{}')", "a".repeat(20_000))));
    assert!(failed(&format!("s.matches('{}')", nested("(", "a", ")", 5000))));
    assert!(!failed(r"s.matches('\\pL{10}')"));
}

#[test]
fn types_of_parameters_are_bounded_in_depth() {
    let deep = (0..16).try_fold(Type::Int, |of, _| Type::named("list", vec![of]));
    let deep = deep.expect("sixteen levels are allowed");
    assert!(Type::named("map", vec![deep]).is_err());
    let json = (0..200).fold(json!(1), |json, _| json!([json]));
    assert!(Value::from_json(&json, &Type::Any).is_err());
    assert!(Value::from_json(&json!([[[1]]]), &Type::Any).is_ok());
}
