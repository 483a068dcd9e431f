//! Caveats in schemas. What their expressions may be is tested where they are compiled.

use super::*;

#[test]
fn what_is_no_caveat() {
    refused(
        SchemaFault::Syntax,
        &[
            ("caveat foo(a int", (1, 17), "Expected one of: [TokenTypeRightParen], found: TokenTypeEOF"),
            ("caveat foo(a int)", (1, 18), "Expected one of: [TokenTypeLeftBrace], found: TokenTypeEOF"),
            ("caveat foo(a int) { a == 1 ", (1, 28), "Expected one of: [TokenTypeRightBrace], found: TokenTypeEOF"),
            ("caveat foo(a int) { a == ^", (1, 26), "Expected one of: [TokenTypeRightBrace], found: TokenTypeError"),
            ("caveat foo(a) { a == 1 }", (1, 13), "Expected identifier, found token TokenTypeRightParen"),
            (
                "caveat foo(a list<int) { a == a }",
                (1, 22),
                "Expected one of: [TokenTypeGreaterThan], found: TokenTypeRightParen",
            ),
            ("caveat foo(a list<>) { a == a }", (1, 19), "Expected identifier, found token TokenTypeGreaterThan"),
            // What is missing is only missed when the rest can be parsed.
            ("caveat foo() { true }", (1, 12), "Unexpected token at root level: TokenTypeRightParen"),
            ("caveat foo(nil int) { true }", (1, 12), "Unexpected token at root level: TokenTypeKeyword"),
            ("caveat foo(a int) {}", (1, 20), "Unexpected token at root level: TokenTypeRightBrace"),
            ("caveat foo(", (1, 1), "caveat `foo` must have at least one parameter defined"),
            ("caveat foo(a int, ", (1, 1), "invalid expression: unknown predicate caveat-definition-expression"),
            ("caveat foo(a int) {", (1, 1), "invalid expression: unknown predicate caveat-definition-expression"),
        ],
    );
}

#[test]
fn parameters_have_one_name_and_a_known_type() {
    refused(
        SchemaFault::Syntax,
        &[
            ("caveat foo(a int, a int) { a > 1 }", (1, 19), "duplicate parameter `a` defined on caveat `foo`"),
            (
                "caveat foo(a bar) { a > 1 }",
                (1, 12),
                "invalid type for caveat parameter `a` on caveat `foo`: unknown type `bar`",
            ),
            (
                "caveat foo(a list<bar>) { a == a }",
                (1, 12),
                "invalid type for caveat parameter `a` on caveat `foo`: unknown type `bar`",
            ),
            (
                "caveat foo(a int<bar>) { a == a }",
                (1, 12),
                "invalid type for caveat parameter `a` on caveat `foo`: unknown type `bar`",
            ),
            (
                "caveat foo(b int, a list) { a == a }",
                (1, 19),
                "invalid type for caveat parameter `a` on caveat `foo`: type `list` requires 1 generic types; found 0",
            ),
            (
                "caveat foo(a map<string, int>) { a == a }",
                (1, 12),
                "invalid type for caveat parameter `a` on caveat `foo`: type `map` requires 1 generic types; found 2",
            ),
        ],
    );
    refused(
        SchemaFault::Types,
        &[("caveat foo(a int, b int) { a > 1 }", (1, 1), "parameter `b` for caveat `foo` is unused")],
    );
    let about = fails("caveat foo(a int, b int) { a > 1 }").details();
    assert_eq!(about, [("caveat_name", "foo"), ("parameter_name", "b")].map(|(k, v)| (k, v.to_owned())));
}

#[test]
fn an_expression_is_what_stands_between_the_braces() {
    let error = fails("caveat foo(a int) {\n  // sum\n  a + 1 // sum\n}");
    assert_eq!((error.fault, error.line, error.column), (SchemaFault::Syntax, 3, 3));
    assert!(error.message.starts_with("invalid expression for caveat `foo`: "), "{error}");
    // The newline that ends the statement is of it, the comments around it are not.
    assert_eq!(error.source_code, "a + 1 // sum\n");
    let schema = reads("caveat foo(a map<int>) { a == {'b': {'c': 1}.c} }");
    assert_eq!(schema.caveat(CaveatId(0)).parameters()[0].1.to_string(), "map<int>");
    let long = format!("caveat foo(a int) {{ a == {} }}", "(".repeat(100_001));
    assert!(
        fails(&long).message.ends_with("caveat expression provided exceeds maximum allowed size of 100000 characters")
    );
}

#[test]
fn caveats_have_almost_any_name_and_may_stand_alone() {
    accepted(&[
        ("caveat A(a int) { a == 1 }", "caveat A(a int) {\n\ta == 1\n}"),
        ("caveat foo(a int<int>) { a == 1 }", "caveat foo(a int) {\n\ta == 1\n}"),
        (
            "caveat foo(b list<int>, a bool) {\n  (a&&!(b.all(x,x>0)))||('\\u0041'=='b') // c\n}",
            "caveat foo(a bool, b list<int>) {\n\ta && !b.all(x, x > 0) || \"A\" == \"b\"\n}",
        ),
        (
            &format!("caveat foo(a bool) {{ {} }}", ["a == true"; 10].join("&&")),
            &format!(
                "caveat foo(a bool) {{\n\t{} &&\n\t{}\n}}",
                ["a == true"; 7].join(" && "),
                ["a == true"; 3].join(" && ")
            ),
        ),
        (
            "caveat foo/bar/baz(b int, a bool) { a && b == 1 }\ndefinition doc {\n relation own: doc with foo/bar/baz\n}",
            "caveat foo/bar/baz(a bool, b int) {\n\ta && b == 1\n}\n\ndefinition doc {\n\trelation own: doc with foo/bar/baz\n}",
        ),
    ]);
    assert_eq!(reads("caveat A(a int) { a == 1 }").definition_count(), 0);
    // Whatever the order of the text: a relation may name a caveat that comes later.
    reads("definition doc {\n relation own: doc with old\n}\ncaveat old(age int) { age > 3 }");
}
