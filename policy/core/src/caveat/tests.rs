use serde_json::json;

use super::*;

fn context(json: serde_json::Value) -> Context {
    json.as_object().cloned().expect("the test gives an object")
}

fn purpose() -> Caveat {
    let parameters =
        vec![("allowed".to_owned(), Type::List(Box::new(Type::String))), ("purpose".to_owned(), Type::String)];
    Caveat::new("purpose_in", parameters, "purpose in allowed").expect("it compiles")
}

#[test]
fn stored_values_go_before_those_of_the_request() {
    let caveat = purpose();
    let stored = context(json!({"allowed": ["care"]}));
    let outcome = |request: serde_json::Value| caveat.evaluate(&stored, &context(request));
    assert_eq!(outcome(json!({"purpose": "care"})), Outcome::True);
    assert_eq!(outcome(json!({"purpose": "sale"})), Outcome::False);
    assert_eq!(outcome(json!({"purpose": "sale", "allowed": ["sale"]})), Outcome::False);
    assert_eq!(outcome(json!({})), Outcome::Missing(["purpose".to_owned()].into()));
    // Not even a value of a wrong type counts where a stored one is.
    assert_eq!(outcome(json!({"purpose": "care", "allowed": 5})), Outcome::True);
    assert_eq!(outcome(json!({"purpose": "care", "other": 5})), Outcome::True);
}

#[test]
fn a_value_of_a_wrong_type_fails_the_evaluation() {
    let caveat = purpose();
    let failed = caveat.evaluate(&Context::new(), &context(json!({"purpose": 5})));
    let Outcome::Failed(error) = failed else { panic!("{failed:?}") };
    assert_eq!(
        error.to_string(),
        "type error for parameters for caveat `purpose_in`: could not convert context parameter `purpose`: \
         for string: a string value is required, but found float64 `5`"
    );
    // Even one that nothing depends on.
    let both = Caveat::new("c", vec![("a".to_owned(), Type::Int), ("b".to_owned(), Type::Int)], "a == 1 || b == 1");
    let outcome = both.expect("it compiles").evaluate(&Context::new(), &context(json!({"a": 1, "b": "x"})));
    assert!(matches!(outcome, Outcome::Failed(CaveatError::ParameterType { parameter, .. }) if parameter == "b"));
}

#[test]
fn contexts_are_checked_when_stored() {
    let caveat = purpose();
    assert_eq!(caveat.check_stored(&context(json!({"allowed": ["care"]}))), Ok(()));
    assert_eq!(caveat.check_stored(&Context::new()), Ok(()));
    let unknown = caveat.check_stored(&context(json!({"alowed": ["care"]}))).expect_err("it is misspelt");
    assert_eq!(unknown.to_string(), "unknown parameter `alowed`");
    let wrong = caveat.check_stored(&context(json!({"allowed": ["care", 5]})));
    assert!(matches!(wrong, Err(CaveatError::ParameterType { parameter, .. }) if parameter == "allowed"));
}

#[test]
fn a_prepared_context_gives_the_same_outcomes() {
    let caveat = purpose();
    for stored in [json!({"allowed": ["care"]}), json!({"allowed": [], "gone": 1}), json!({})] {
        let stored = context(stored);
        let prepared = caveat.prepare(&stored).expect("the values are of the declared types");
        for request in [
            json!({"purpose": "care"}),
            json!({"purpose": "care", "allowed": ["care"]}),
            json!({"purpose": 5}),
            json!({}),
        ] {
            let request = context(request);
            assert_eq!(caveat.evaluate_prepared(&prepared, &request), caveat.evaluate(&stored, &request));
        }
    }
    assert!(caveat.prepare(&context(json!({"allowed": "care"}))).is_err());
}

#[test]
fn failures_of_the_expression_name_the_caveat() {
    let caveat = Caveat::new("ratio", vec![("part".to_owned(), Type::Int)], "100 / part > 10").expect("it compiles");
    let outcome = caveat.evaluate(&Context::new(), &context(json!({"part": 0})));
    let Outcome::Failed(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.to_string(), "evaluation error for caveat ratio: division by zero");
}

#[test]
fn a_caveat_says_what_it_is() {
    let caveat = purpose();
    assert_eq!((caveat.name(), caveat.expression(), caveat.unused()), ("purpose_in", "purpose in allowed", None));
    assert_eq!(caveat.parameters()[0].1.to_string(), "list<string>");
    let parameters = vec![("a".to_owned(), Type::Bool), ("b".to_owned(), Type::Bool)];
    let caveat = Caveat::new("c", parameters, "a").expect("it compiles");
    assert_eq!(caveat.unused(), Some("b"));
    let error = Caveat::new("c", vec![("a".to_owned(), Type::Int)], "\n  a + 'x' == 1").expect_err("it is ill typed");
    assert_eq!((error.line, error.column), (2, 5));
}
