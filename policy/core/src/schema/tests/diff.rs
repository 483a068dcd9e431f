//! What differs between two schemas.

use super::*;

const BEFORE: &str = "use expiration\ndefinition gone {}\ndefinition user {}\ncaveat fallen(a int) { a == 1 }\n\
caveat old(age int, town string) { age > 3 && town == town }\n\
definition doc {\n relation own: user | user:*\n relation lost: user\n relation was: user\n relation same: user\n \
permission see = own - same\n permission not = own\n permission kept = own & same\n}";

fn told(before: &str, after: &str) -> Vec<String> {
    reads(before).diff(&reads(after)).iter().map(ToString::to_string).collect()
}

#[test]
fn each_kind_of_change_is_told() {
    let after = "use expiration\ndefinition come {}\n// new\ndefinition user {}\ncaveat risen(a int) { a == 1 }\n// new\n\
caveat old(age double, land string) { age > 3.0 && land == land }\n// new\n\
definition doc {\n // new\n relation own: user | user with expiration\n relation found: user\n permission was = own\n relation same: user\n \
// new\n permission see = own - (same)\n permission new = own\n permission kept = same & own\n}";
    assert_eq!(
        told(BEFORE, after),
        [
            "definition `come` was added",
            "definition `gone` was removed",
            "caveat `risen` was added",
            "caveat `fallen` was removed",
            "the comment of definition `doc` changed",
            "relation `doc#lost` was removed",
            "relation `doc#was` was removed",
            "relation `doc#found` was added",
            "permission `doc#not` was removed",
            "permission `doc#was` was added",
            "permission `doc#new` was added",
            "the comment of permission `doc#see` changed",
            "permission `doc#kept` follows otherwise",
            "the comment of relation `doc#own` changed",
            "relation `doc#own` no longer allows `user:*`",
            "relation `doc#own` now allows `user with expiration`",
            "the comment of definition `user` changed",
            "the comment of caveat `old` changed",
            "parameter `town` of caveat `old` was removed",
            "parameter `land` of caveat `old` was added",
            "parameter `age` of caveat `old` was of type `int` and is of type `double`",
            "the expression of caveat `old` changed",
        ]
    );
}

#[test]
fn order_and_space_make_no_difference_but_in_expressions_of_caveats() {
    assert_eq!(told(BEFORE, BEFORE), [""; 0]);
    let moved = "definition doc {\n relation same: user\n permission see = ((own) - same)\n relation own: user:* | user\n}\ndefinition user {}";
    let text = "definition user {}\ndefinition doc {\n relation own: user | user:*\n relation same: user\n permission see = own-same\n}";
    assert_eq!(told(text, moved), [""; 0]);
    // An arrow and its other spelling mean the same and are told apart.
    let arrow = |expression: &str| format!("definition doc {{\n relation own: doc\n permission see = {expression}\n}}");
    assert_eq!(told(&arrow("own->see"), &arrow("own.any(see)")), ["permission `doc#see` follows otherwise"]);
    let caveat = |parameter: &str, expression: &str| format!("caveat foo(a {parameter}) {{{expression}}}");
    let changed = "the expression of caveat `foo` changed";
    for (before, after, expected) in [
        (caveat("int", " a == 1 "), caveat("int", "\n // a\n a == 1 /* b */"), vec![]),
        (caveat("int", "a == 1"), caveat("int", "a  == 1"), vec![changed]),
        (caveat("int<int>", "a == 1"), caveat("int", "a == 1"), vec![]),
        (
            caveat("int", "a == 1"),
            caveat("uint", "a == 1"),
            vec!["parameter `a` of caveat `foo` was of type `int` and is of type `uint`"],
        ),
        (
            caveat("list<int>", "a == a"),
            caveat("any", "a == a"),
            vec!["parameter `a` of caveat `foo` was of type `list<int>` and is of type `any`", changed],
        ),
    ] {
        assert_eq!(told(&before, &after), expected, "{before} {after}");
    }
}
