//! What is not of the language.

use super::*;

#[test]
fn what_stands_at_the_root() {
    refused(
        SchemaFault::Syntax,
        &[
            ("^", (1, 1), "^"),
            ("definition foo {}\n ^", (2, 2), "Unexpected token at root level: TokenTypeError"),
            ("definition foo {} /* unterminated", (1, 19), "Unexpected token at root level: TokenTypeError"),
            (";;", (1, 2), "Unexpected token at root level: TokenTypeSemicolon"),
            ("relation abc: foo", (1, 1), "Unexpected token at root level: TokenTypeKeyword"),
            ("import \"foo\"", (1, 1), "Unexpected token at root level: TokenTypeIdentifier"),
            ("partial foo {}", (1, 1), "Unexpected token at root level: TokenTypeIdentifier"),
            ("definition foo ^", (1, 16), "Expected one of: [TokenTypeLeftBrace], found: TokenTypeError"),
            ("definition foo", (1, 15), "Expected one of: [TokenTypeLeftBrace], found: TokenTypeEOF"),
            ("definition {", (1, 12), "Expected identifier, found token TokenTypeLeftBrace"),
            ("definition foo/", (1, 16), "Expected identifier, found token TokenTypeEOF"),
            ("definition foo {}\nuse expiration", (2, 15), "`use` expressions must be declared before any definition"),
            ("use", (1, 4), "Expected keyword, found token TokenTypeEOF"),
            ("use \"a\"", (1, 5), "Expected keyword, found token TokenTypeString"),
            ("use\nself", (1, 4), "Expected keyword, found token TokenTypeSyntheticSemicolon"),
            ("use import\nimport foo", (2, 8), "Expected quote-delimited string, found token TokenTypeIdentifier"),
            ("use import\nimport \"foo\n", (2, 8), "Expected quote-delimited string, found token TokenTypeError"),
        ],
    );
    for flag in ["foo", "definition"] {
        let message =
            format!("Unknown use flag: `{flag}`. Options are: expiration, import, partial, self, typechecking");
        let column = 5 + u32::try_from(flag.len()).unwrap();
        refused(SchemaFault::Syntax, &[(&format!("use {flag}"), (1, column), &message)]);
    }
}

#[test]
fn what_stands_in_a_definition() {
    let rows = [
        ("bar", (2, 1), "Expected end of statement or definition, found: TokenTypeIdentifier"),
        ("relation abc foo", (2, 14), "Expected one of: [TokenTypeColon], found: TokenTypeIdentifier"),
        ("relation nil: foo", (2, 10), "Expected identifier, found token TokenTypeKeyword"),
        ("relation abc:", (3, 1), "Expected identifier, found token TokenTypeRightBrace"),
        ("relation abc: \"foo", (2, 15), "Expected identifier, found token TokenTypeError"),
        ("relation abc: foo:bar", (2, 19), "Expected one of: [TokenTypeStar], found: TokenTypeIdentifier"),
        (
            "relation abc: foo#*",
            (2, 19),
            "Expected one of: [TokenTypeIdentifier TokenTypeEllipsis], found: TokenTypeStar",
        ),
        // `...` ends no statement.
        ("relation abc: foo#...", (3, 1), "Expected end of statement or definition, found: TokenTypeRightBrace"),
        (
            "relation abc: foo permission def = abc",
            (2, 19),
            "Expected end of statement or definition, found: TokenTypeKeyword",
        ),
        (
            "relation abc: foo /* x\n */ relation def: foo",
            (3, 5),
            "Expected end of statement or definition, found: TokenTypeKeyword",
        ),
        ("relation abc: foo with", (2, 23), "Expected identifier, found token TokenTypeSyntheticSemicolon"),
        (
            "relation abc: foo with bar and",
            (2, 28),
            "Expected end of statement or definition, found: TokenTypeIdentifier",
        ),
        (
            "relation abc: foo with bar | baz\n| foo",
            (3, 1),
            "Expected end of statement or definition, found: TokenTypePipe",
        ),
    ];
    for (line, place, message) in rows {
        refused(SchemaFault::Syntax, &[(&format!("definition foo {{\n{line}\n}}"), place, message)]);
    }
    refused(
        SchemaFault::Syntax,
        &[
            // The end of the text ends a statement, and then there is nothing where something should be.
            (
                "definition foo { relation x: user",
                (1, 1),
                "Expected end of statement or definition, found: TokenTypeError",
            ),
            (
                "definition foo { relation abc: foo }",
                (1, 36),
                "Expected end of statement or definition, found: TokenTypeRightBrace",
            ),
            (
                "use expiration\ndefinition foo {\n relation abc: foo with expiration and bar\n}",
                (3, 36),
                "Unexpected keyword after expiration: the caveat must come before expiration, e.g. `with <caveat_name> and expiration`",
            ),
            // The flag goes on wherever `use` and its name are words that follow each other.
            (
                "use partial\npartial foo {\n relation use: expiration\n}",
                (3, 16),
                "Expected identifier, found token TokenTypeKeyword",
            ),
        ],
    );
}

#[test]
fn what_stands_in_an_expression() {
    for (expression, place, message) in [
        ("", (3, 1), "Expected compute expression for permission"),
        ("()", (2, 19), "Expected compute expression for permission"),
        ("foo +", (3, 1), "Expected right hand expression, found: TokenTypeRightBrace"),
        ("foo\n+ foo", (3, 1), "Expected end of statement or definition, found: TokenTypePlus"),
        ("(foo", (2, 22), "Expected one of: [TokenTypeRightParen], found: TokenTypeSyntheticSemicolon"),
        ("foo)", (2, 21), "Expected end of statement or definition, found: TokenTypeRightParen"),
        ("(foo)->bar", (2, 23), "Expected end of statement or definition, found: TokenTypeRightArrow"),
        ("foo bar", (2, 22), "Expected end of statement or definition, found: TokenTypeIdentifier"),
        ("foo->", (3, 1), "Expected right hand expression, found: TokenTypeRightBrace"),
        ("foo->nil", (2, 23), "Expected right hand expression, found: TokenTypeKeyword"),
        ("a123.foo(b123)", (2, 26), "Expected 'any' or 'all' for arrow function, found: foo"),
        ("a123.any(b123", (2, 31), "Expected one of: [TokenTypeRightParen], found: TokenTypeSyntheticSemicolon"),
        ("a123.any b123", (2, 27), "Expected one of: [TokenTypeLeftParen], found: TokenTypeIdentifier"),
        ("a123->b123->c123", (2, 18), "Nested arrows not yet supported"),
        ("a123.any(b123).all(c123)", (2, 18), "Nested arrows not yet supported"),
        ("a123 + a123.any(b123)->ddd->eee", (2, 25), "Nested arrows not yet supported"),
        ("foo | bar", (2, 22), "Expected end of statement or definition, found: TokenTypePipe"),
        ("foo && bar", (2, 22), "Expected end of statement or definition, found: TokenTypeConditionalAnd"),
    ] {
        let text = format!("definition foo {{\npermission abc = {expression}\n}}");
        refused(SchemaFault::Syntax, &[(&text, place, message)]);
    }
    for (annotation, place, message) in [
        (":", (2, 17), "Expected identifier, found token TokenTypeEquals"),
        (": foo |", (2, 23), "Expected identifier, found token TokenTypeEquals"),
        (": foo/bar", (2, 20), "Expected one of: [TokenTypeEquals], found: TokenTypeDiv"),
    ] {
        let text = format!("definition foo {{\npermission abc{annotation} = foo\n}}");
        refused(SchemaFault::Syntax, &[(&text, place, message)]);
    }
}

#[test]
fn an_import_is_somebody_elses_to_resolve() {
    let error = fails("use import\nimport \"foo\"\ndefinition user {}");
    assert_eq!((error.fault, error.line, error.column), (SchemaFault::Syntax, 2, 1));
    assert!(error.message.starts_with("import statements are not allowed in this context: "), "{error}");
    assert_eq!(fails("use import\nimport 'foo'").line, 2);
    // What cannot be parsed comes first.
    assert!(fails("use import\nimport 'foo'\ndefinition").message.starts_with("Expected identifier"));
}

#[test]
fn an_error_says_where_it_ends_and_what_it_is_about() {
    let details = |text: &str| fails(text).details();
    assert_eq!(
        details("definition foo {\n relation abc foo\n}"),
        [
            ("start_line_number", "1"),
            ("start_column_position", "14"),
            ("end_line_number", "1"),
            ("end_column_position", "12"),
            ("source_code", "foo"),
        ]
        .map(|(key, value)| (key, value.to_owned()))
    );
    // Columns count bytes.
    let error = fails("definition foo {\n /* \u{e9} */ relation us: foo\n}");
    assert_eq!((error.line, error.column, error.end), (2, 11, Some((2, 26))));
    assert_eq!(error.to_string().split(": ").next(), Some("line 2, column 11"));
    // Nothing comes before the very start.
    assert_eq!(details("^"), []);
    assert_eq!(details("nonsense"), []);
    let about = |text: &str| details(text).into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    for (text, expected) in [
        ("definition doc {\n permission see = user\n}", "definition_name=doc relation_or_permission_name=user"),
        ("definition doc {\n relation own: bar\n}", "definition_name=bar"),
        ("definition doc {\n relation own: doc with bar\n}", "caveat_name=bar"),
        ("definition doc {\n relation own: doc | doc\n}", "definition_name=doc relation_name=own allowed_relation=doc"),
        (
            "definition doc {\n permission see = nil\n permission all = see->see\n}",
            "definition_name=doc permission_name=all used_permission_name=see",
        ),
        (
            "definition doc {\n relation own: doc:*\n permission all = own->see\n}",
            "definition_name=doc permission_name=all accessed_relation_name=own",
        ),
        ("definition doc {\n permission see = see\n}", ""),
    ] {
        assert_eq!(about(text).join(" "), expected, "{text}");
    }
}
