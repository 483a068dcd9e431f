//! What names may look like.

use super::*;

const RELATION: &str = "does not match regex pattern `^[a-z][a-z0-9_]{1,62}[a-z0-9]$`";
const DEFINITION: &str =
    "does not match regex pattern `^([a-z][a-z0-9_]{1,62}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$`";
const REFERENCE: &str = "does not match regex pattern `^([a-z][a-z0-9_]{1,61}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$`";
const SUBJECT: &str = r"does not match regex pattern `^(\.\.\.|[a-z][a-z0-9_]{1,62}[a-z0-9])$`";

fn refuses(text: &str, place: (u32, u32), message: &str) {
    refused(SchemaFault::Syntax, &[(text, place, message)]);
}

#[test]
fn of_definitions() {
    for name in ["us", "Foo", "foo_", "1foo", "_foo", "foo/ba", "f\u{e9}e", &"a".repeat(65)] {
        let message = format!("error in object definition {name}: validation error: name: {DEFINITION}");
        refuses(&format!("definition {name} {{}}"), (1, 1), &message);
    }
    let long = format!("{}abcde", "abc/".repeat(31));
    let message = format!("error in object definition {long}: validation error: name: must be at most 128 bytes");
    refuses(&format!("definition {long} {{}}"), (1, 1), &message);
    let longest = format!("{}abcd", "abc/".repeat(31));
    let parts = format!("{}/{}", "a".repeat(63), "b".repeat(64));
    for name in ["foo", "f0_1", "org/foo", &"a".repeat(64), &longest, &parts] {
        reads(&format!("definition {name} {{}}"));
    }
}

#[test]
fn of_relations_and_permissions() {
    for (member, kind) in [("relation X: doc", "relation"), ("permission X = nil", "permission")] {
        for name in ["no", "Own", "own_", "1wn", "_own", "\u{f6}wn"] {
            let message = format!("error in {kind} {name}: validation error: name: {RELATION}");
            refuses(&format!("definition doc {{\n {}\n}}", member.replace('X', name)), (2, 2), &message);
        }
        let name = "d".repeat(65);
        let message = format!(
            "error in {kind} {name}: validation errors:\n - name: must be at most 64 bytes\n - name: {RELATION}"
        );
        refuses(&format!("definition doc {{\n {}\n}}", member.replace('X', &name)), (2, 2), &message);
        reads(&format!("definition doc {{\n {}\n}}", member.replace('X', &"d".repeat(64))));
    }
}

#[test]
fn where_a_relation_names_them() {
    for (subject, broken) in [
        ("DDD", format!("validation error: namespace: {REFERENCE}")),
        ("doc#A", format!("validation error: relation: {SUBJECT}")),
        (&format!("{}/foo", "a".repeat(64)), format!("validation error: namespace: {REFERENCE}")),
        (
            &format!("{}#{}", "c".repeat(200), "b".repeat(70)),
            format!(
                "validation errors:\n - namespace: must be at most 128 bytes\n - namespace: {REFERENCE}\n - relation: must be at most 64 bytes\n - relation: {SUBJECT}"
            ),
        ),
    ] {
        let text = format!("definition doc {{\n relation own: doc | {subject}\n}}");
        refuses(&text, (2, 22), &format!("invalid type relation: {broken}"));
    }
    // As a definition the same name is fine: it may be declared and never used.
    reads(&format!("definition {}/foo {{}}", "a".repeat(64)));
}

#[test]
fn where_a_permission_names_them() {
    let refuses_in = |expression: &str, paths: &[&str]| {
        let text = format!("use self\ndefinition doc {{\n permission see = {expression}\n}}");
        let each: Vec<String> = paths.iter().map(|path| format!("userset_rewrite.{path}: {RELATION}")).collect();
        let broken = match &*each {
            [one] => format!("validation error: {one}"),
            all => format!("validation errors:\n - {}", all.join("\n - ")),
        };
        refuses(&text, (3, 2), &format!("error in permission see: {broken}"));
    };
    refuses_in("_this", &["union.child[0].computed_userset.relation"]);
    refuses_in("own->X", &["union.child[0].tuple_to_userset.computed_userset.relation"]);
    refuses_in("X.all(own)", &["union.child[0].functioned_tuple_to_userset.tupleset.relation"]);
    refuses_in(
        "(A + own) + B & (C & own)",
        &[
            "intersection.child[0].userset_rewrite.union.child[0].computed_userset.relation",
            "intersection.child[0].userset_rewrite.union.child[2].computed_userset.relation",
            "intersection.child[1].computed_userset.relation",
        ],
    );
    refuses_in(
        "A - B - (C - self) + own.any(D)",
        &[
            "exclusion.child[0].userset_rewrite.exclusion.child[0].computed_userset.relation",
            "exclusion.child[0].userset_rewrite.exclusion.child[1].computed_userset.relation",
            "exclusion.child[1].userset_rewrite.union.child[0].userset_rewrite.exclusion.child[0].computed_userset.relation",
            "exclusion.child[1].userset_rewrite.union.child[1].functioned_tuple_to_userset.computed_userset.relation",
        ],
    );
}

#[test]
fn definitions_and_caveats_share_one_set_of_names() {
    let reused = "found name reused between multiple definitions and/or caveats: foo";
    let caveat = "caveat foo(a int) { a == 1 }";
    refuses("definition foo {}\ndefinition foo {}", (2, 1), reused);
    refuses(&format!("definition foo {{}}\n {caveat}"), (2, 2), reused);
    refuses(&format!("{caveat} {caveat}"), (1, 30), reused);
}
