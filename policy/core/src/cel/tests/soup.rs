//! Whatever the text and the values: an outcome, no panic.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::{context, parameters, values};
use crate::cel::pattern::Pattern;
use crate::cel::{Outcome, Program, Type, Value};

const TOKENS: [&str; 76] = [
    "a",
    "b",
    "u",
    "d",
    "s",
    "y",
    "z",
    "dur",
    "ts",
    "l",
    "ls",
    "la",
    "m",
    "mi",
    "mm",
    "ip",
    "x",
    "i",
    "1",
    "0",
    "-1",
    "2.5",
    "1u",
    "9223372036854775807",
    "\"k\"",
    "'é'",
    "b\"\\xff\"",
    "r\"\\d\"",
    "\"\"\"k\"\"\"",
    "true",
    "false",
    "null",
    "in",
    "&&",
    "||",
    "!",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    "?",
    ":",
    ".?",
    "[?",
    "has(",
    "size(",
    ".all(i,",
    ".exists(i,",
    ".exists_one(i,",
    ".map(i,",
    ".filter(i,",
    ".optMap(i,",
    "optional.of(",
    ".orValue(",
    ".matches(",
    ".getHours(",
    "timestamp(",
    "duration(",
    "int(",
    "string(",
    "dyn(",
    "type(",
    "// \n",
];

fn run(text: &str) {
    if let Ok(program) = Program::compile(text, &parameters()) {
        let all = context();
        program.evaluate(&values(&all));
        let some = all.into_iter().step_by(2).collect();
        program.evaluate(&values(&some));
        program.evaluate(&[].into());
    }
}

/// Expressions that are mostly well typed, by building them from typed parts.
fn boolean() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("z".to_owned()),
        Just("has(m.k)".to_owned()),
        Just("x == 1".to_owned()),
        Just("a in l".to_owned()),
        Just("s.matches(t)".to_owned()),
        Just("ts < ts2".to_owned()),
        Just("1 / 0 == a".to_owned()),
        Just("m[s].k == 2.0".to_owned()),
        Just("i > 1".to_owned()),
        Just("m.?k.hasValue()".to_owned()),
    ];
    leaf.prop_recursive(6, 64, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} && {two})")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} || {two})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(one, two, three)| format!("({one} ? {two} : {three})")),
            inner.clone().prop_map(|one| format!("!({one})")),
            inner.clone().prop_map(|one| format!("[1, a, 3].exists(i, {one})")),
            inner.clone().prop_map(|one| format!("l.filter(i, {one}).size() == 1")),
            inner.prop_map(|one| format!("[{one}, dyn(1)][a - 5] == {{\"k\": {one}}}.k")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_text(text in ".{0,60}") {
        run(&text);
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..60)) {
        run(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_tokens(picked in vec(0..TOKENS.len(), 0..14), space in any::<bool>()) {
        let words: Vec<&str> = picked.into_iter().map(|index| TOKENS[index]).collect();
        run(&words.join(if space { " " } else { "" }));
    }

    #[test]
    fn any_pattern(pattern in r"[ab\\.*+?(){}\[\]|^$:=!<>PQEdwspxiU0-9,-]{0,20}", text in ".{0,20}") {
        let _ = Pattern::new(&pattern).is_match(&text);
    }

    #[test]
    fn any_value(text in ".{0,30}", number in any::<f64>(), which in 0..3) {
        let json = match which {
            0 => json!(text),
            1 => json!(number),
            _ => json!([text, {"k": number}]),
        };
        for (_, of) in parameters() {
            let _ = Value::from_json(&json, &of);
        }
        let times = format!("0{text}-01-22T01:13:00{text}Z");
        let _ = Value::from_json(&json!(times), &Type::Timestamp);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whether a parameter is missing or given, an answer that was reached without it stays.
    #[test]
    fn a_value_more_changes_no_answer(text in boolean(), given in vec(any::<bool>(), 24)) {
        let Ok(program) = Program::compile(&text, &parameters()) else { return Ok(()) };
        let all = context();
        let part = all.clone().into_iter().zip(given).filter(|(_, given)| *given).map(|(entry, _)| entry).collect();
        let (partial, full) = (program.evaluate(&values(&part)), program.evaluate(&values(&all)));
        prop_assert!(!matches!(full, Outcome::Missing(_)));
        // Except that `has` of what is under an unknown key holds, as in SpiceDB; not made here.
        if matches!(partial, Outcome::True | Outcome::False) {
            prop_assert_eq!(partial, full, "{}", text);
        }
    }
}
