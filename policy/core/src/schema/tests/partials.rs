//! Partials and where they are spliced in.

use super::*;

#[test]
fn partials_are_spliced_in_wherever_they_stand() {
    accepted(&[
        (
            "use partial\ndefinition doc {\n relation own: doc\n ...two\n permission all = own\n}\n\
             partial two {\n ...one\n permission see = self_of\n}\npartial one {\n relation self_of: doc\n}",
            "definition doc {\n\trelation own: doc\n\trelation self_of: doc\n\tpermission see = self_of\n\tpermission all = own\n}",
        ),
        (
            "use partial\npartial Mixed { relation own: doc; }\ndefinition doc { ...Mixed; }\ndefinition app { ...Mixed; }",
            "definition app {\n\trelation own: doc\n}\n\ndefinition doc {\n\trelation own: doc\n}",
        ),
        // Of two with one name the later counts.
        (
            "use partial\npartial one { relation abc: doc; }\npartial one { relation def: doc; }\ndefinition doc { ...one; }",
            "definition doc {\n\trelation def: doc\n}",
        ),
        // One that nobody splices in may say anything that has proper names.
        ("use partial\npartial one { permission see = nobody; }\ndefinition doc {}", "definition doc {}"),
    ]);
}

#[test]
fn what_partials_must_not_be() {
    refused(
        SchemaFault::Syntax,
        &[
            ("use partial\ndefinition doc {\n ...one\n}", (3, 2), "could not find partial reference with name one"),
            (
                "use partial\npartial doc {\n relation abc: doc\n}\ndefinition doc {}",
                (5, 1),
                "found definition with same name as existing partial: doc",
            ),
            (
                "use partial\npartial doc {}\ncaveat doc(a int) { a == 1 }",
                (3, 1),
                "found caveat with same name as existing partial: doc",
            ),
            (
                "use partial\npartial one { relation X: doc; }\ndefinition doc {}",
                (2, 15),
                "error in relation X: validation error: name: does not match regex pattern `^[a-z][a-z0-9_]{1,62}[a-z0-9]$`",
            ),
            (
                "use partial\ndefinition doc { ...a/b; }",
                (2, 22),
                "Expected end of statement or definition, found: TokenTypeDiv",
            ),
            ("use partial\ndefinition doc { ... }", (2, 22), "Expected identifier, found token TokenTypeRightBrace"),
        ],
    );
    refused(
        SchemaFault::Types,
        &[
            (
                "use partial\npartial one { relation own: doc; }\ndefinition doc { ...one; ...one; }",
                (2, 15),
                "found duplicate relation/permission name `own` under definition `doc`",
            ),
            (
                "use partial\npartial one { permission see = own; }\ndefinition doc { ...one; }",
                (2, 32),
                "relation/permission `own` not found under definition `doc`",
            ),
        ],
    );
    let unresolved =
        |names: &str| format!("could not resolve partials: [{names}]. this may indicate a circular reference");
    for (text, names) in [
        ("use partial\npartial one { ...one; }", "one"),
        ("use partial\npartial one { ...two; }\npartial two { ...one; }", "one, two"),
        // A partial that leads to none is no better than one that leads to itself.
        ("use partial\npartial one { ...none; }\ndefinition doc {}", "none"),
    ] {
        refused(SchemaFault::Cycle, &[(text, (2, 1), &unresolved(names))]);
    }
}

#[test]
fn partials_that_wait_for_each_other_in_a_long_row_are_no_trouble() {
    let n = 20_000;
    let mut text = String::from("use partial\n");
    for i in 0..n {
        text.push_str(&format!("partial p{i} {{ ...p{} }}\n", i + 1).replace(" }", "; }"));
    }
    text.push_str(&format!("partial p{n} {{ relation own: doc; }}\ndefinition doc {{ ...p0; }}"));
    assert_eq!(reads(&text).to_source(), "definition doc {\n\trelation own: doc\n}");
}

#[test]
fn partials_of_partials_stop_doubling() {
    let mut text = String::from("use partial\npartial p0 { relation own: doc; }\n");
    for i in 1..40 {
        text.push_str(&format!("partial p{i} {{ ...p{}; ...p{}; }}\n", i - 1, i - 1));
    }
    let error = fails(&text);
    assert!(error.message.contains("partials add more than"), "{error}");
}
