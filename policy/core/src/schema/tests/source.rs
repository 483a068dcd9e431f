//! Schemas written out again.

use proptest::prelude::*;

use super::*;

#[test]
fn a_schema_is_written_out_in_normal_form() {
    accepted(&[
        ("", ""),
        ("definition user {\n}", "definition user {}"),
        ("definition foo {}definition bar {}", "definition bar {}\n\ndefinition foo {}"),
        (
            "use expiration use self\ndefinition foo { relation abc: foo with expiration; permission def = self; }",
            "use self\n\nuse expiration\n\ndefinition foo {\n\trelation abc: foo with expiration\n\tpermission def = self\n}",
        ),
        // A flag that nothing needs is gone; so are annotations.
        (
            "use typechecking use expiration\ndefinition foo { relation abc: foo; permission def: foo = abc; }",
            "definition foo {\n\trelation abc: foo\n\tpermission def = abc\n}",
        ),
        // An `and` with nothing behind it.
        (
            "use expiration\ndefinition foo {\n relation abc: foo with bar and\n relation bcd: foo with bar and | foo\n}\ncaveat bar(a int) { a == 1 }",
            "caveat bar(a int) {\n\ta == 1\n}\n\ndefinition foo {\n\trelation abc: foo with bar\n\trelation bcd: foo with bar | foo\n}",
        ),
    ]);
    let long = "x".repeat(71);
    accepted(&[
        (
            "// one\n// two\ndefinition doc { // lost\n\n /** three */ relation own: doc // lost\n // four\n relation via: doc;\n permission see = own // lost\n}\n// lost",
            "// one\n// two\ndefinition doc {\n\t// lost\n\t/** three */\n\trelation own: doc\n\n\t// four\n\trelation via: doc\n\tpermission see = own\n}",
        ),
        (&format!("/*{long}*/definition doc {{}}"), &format!("/*\n * {long}\n */\ndefinition doc {{}}")),
        ("/**\n   * a\n\t b\r\n *\n */\ndefinition doc {}", "/**\n * a\n * b\n * \n */\ndefinition doc {}".trim_end()),
        ("/**/definition doc {}", "/** / */\ndefinition doc {}"),
        ("//\ndefinition doc {}", "// \ndefinition doc {}"),
        ("///  a\ndefinition doc {}", "// /  a\ndefinition doc {}"),
        (
            "// kept\ncaveat bar(b int, a list<string>) { a == a && b == 1 }",
            "// kept\ncaveat bar(a list<string>, b int) {\n\ta == a && b == 1\n}",
        ),
        ("/* lost */ use self; // kept\ndefinition doc {}", "// kept\ndefinition doc {}"),
    ]);
}

#[test]
fn parentheses_stand_where_they_are_needed() {
    for (expression, expected) in [
        ("((own))", "own"),
        ("own+via", "own + via"),
        ("(own + via) & own", "own + via & own"),
        ("own - (own + via)", "own - own + via"),
        ("own + (own & via)", "own + (own & via)"),
        ("own & via - own", "(own & via) - own"),
        ("own - via - own - via", "((own - via) - own) - via"),
        ("own - (via - own)", "own - (via - own)"),
        ("(own + (own & via)) - via", "(own + (own & via)) - via"),
        ("own + (own + (via + own))", "own + own + via + own"),
        ("own.any(via) + own.all(via) + own->via", "own.any(via) + own.all(via) + own->via"),
        ("nil + (nil)", "nil + nil"),
    ] {
        let text = |expression: &str| {
            format!("definition doc {{\n\trelation own: doc\n\trelation via: doc\n\tpermission see = {expression}\n}}")
        };
        accepted(&[(&text(expression), &text(expected))]);
    }
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["own", "via", "nil", "self", "own->via", "own.any(via)", "via.all(see)"]);
    leaf.prop_map(str::to_owned).prop_recursive(6, 40, 4, |inner| {
        (prop::collection::vec(inner, 1..4), prop::sample::select(vec![" + ", " & ", " - ", "+", "-"]))
            .prop_map(|(operands, sign)| format!("({})", operands.join(sign)))
    })
}

fn rules(schema: &Schema) -> Vec<String> {
    schema.member_ids().map(|id| format!("{:?}", schema.member(id).body)).collect()
}

proptest! {
    #[test]
    fn what_is_written_out_reads_as_the_same(
        first in expression(), second in expression(), flags in prop::sample::subsequence(vec!["self", "expiration"], 2)
    ) {
        let uses: String = flags.iter().map(|flag| format!("use {flag}\n")).collect();
        let text = format!(
            "{uses}/* a */ definition doc {{\n relation own: doc with expiration | doc\n // b\n relation via: doc#own\n \
             permission see = {first}\n permission all = {second} + see\n}}"
        );
        let schema = reads(&text);
        let source = schema.to_source();
        let again = reads(&source);
        prop_assert_eq!(again.to_source(), source);
        prop_assert_eq!(rules(&again), rules(&schema));
        prop_assert_eq!(schema.diff(&again), vec![]);
    }
}
