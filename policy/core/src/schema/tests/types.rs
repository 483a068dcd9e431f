//! What is of the language but does not fit together.

use super::*;

#[test]
fn names_must_lead_somewhere() {
    refused(
        SchemaFault::Types,
        &[
            (
                "definition doc {\n relation own: bar\n}",
                (2, 16),
                "could not lookup definition `bar` for relation `own`: object definition `bar` not found",
            ),
            (
                "definition doc {\n relation own: doc#bar\n}",
                (2, 16),
                "relation/permission `bar` not found under definition `doc`",
            ),
            (
                "definition user {}\ndefinition doc {\n relation own: doc | user#bar\n}",
                (3, 22),
                "relation/permission `bar` not found under definition `user`",
            ),
            (
                "definition doc {\n permission see = nil + user\n}",
                (2, 25),
                "relation/permission `user` not found under definition `doc`",
            ),
            (
                "definition doc {\n permission see = own.all(xyz)\n}",
                (2, 19),
                "relation/permission `own` not found under definition `doc`",
            ),
            (
                "definition doc {\n relation own: doc with bar\n}",
                (2, 16),
                "could not lookup caveat `bar` for relation `own`: caveat with name `bar` not found",
            ),
            (
                "definition doc {\n relation own: doc with expiration\n}",
                (2, 16),
                "could not lookup caveat `expiration` for relation `own`: caveat with name `expiration` not found",
            ),
        ],
    );
    // Where an arrow leads nobody has to be.
    reads("definition doc {\n relation own: doc\n permission see = own->nowhere\n}");
}

#[test]
fn nothing_is_said_twice() {
    refused(
        SchemaFault::Types,
        &[
            (
                "definition doc {\n relation own: doc\n permission own = nil\n}",
                (3, 2),
                "found duplicate relation/permission name `own` under definition `doc`",
            ),
            (
                "definition doc {\n relation own: bar\n}\ndefinition bar {\n relation xyz: bar\n relation xyz: bar\n}",
                (2, 16),
                "could not lookup definition `bar` for relation `own`: found duplicate relation/permission name `xyz` under definition `bar`",
            ),
            (
                "definition doc {\n relation own: doc | doc#...;\n}",
                (2, 22),
                "found duplicate allowed subject type `doc` on relation `own` under definition `doc`",
            ),
            (
                "use expiration\ndefinition doc {\n relation own: doc:* with expiration | doc:* | doc:* with expiration\n}",
                (3, 48),
                "found duplicate allowed subject type `doc:* with expiration` on relation `own` under definition `doc`",
            ),
        ],
    );
}

#[test]
fn arrows_start_from_relations_without_wildcards() {
    refused(
        SchemaFault::Types,
        &[
            (
                "definition doc {\n permission see = nil\n permission all = nil + see->see\n}",
                (3, 25),
                "under permission `all` under definition `doc`: permissions cannot be used on the left hand side of an arrow (found `see`)",
            ),
            (
                "definition doc {\n relation own: doc:*\n permission see = own->xyz\n}",
                (3, 19),
                "for arrow under permission `see`: relation `doc#own` includes wildcard type `doc` via relation `doc#own`: wildcard relations cannot be used on the left side of arrows",
            ),
            (
                "definition doc {\n relation all: doc:*\n relation own: doc#all\n permission see = own.all(xyz)\n}",
                (4, 19),
                "for arrow under permission `see`: relation `doc#own` includes wildcard type `doc` via relation `doc#all`: wildcard relations cannot be used on the left side of arrows",
            ),
        ],
    );
    // By way of a permission everyone may come in.
    reads(
        "definition doc {\n relation all: doc:*\n permission see = all\n relation own: doc#see\n permission any = own->see\n}",
    );
}

#[test]
fn a_relation_of_another_definition_that_allows_everyone_is_not_included() {
    let other = "definition user {}\ndefinition doc {\n relation own: user:*\n relation via: doc#own\n permission see = own\n}\n";
    for (included, place) in [("own", "own"), ("via", "own")] {
        let text = format!("{other}definition folder {{\n relation all: user | doc#{included}\n}}");
        let message = format!(
            "for relation `all`: relation/permission `doc#{included}` includes wildcard type `user` via relation `doc#{place}`: wildcard relations cannot be transitively included"
        );
        refused(SchemaFault::Types, &[(&text, (8, 23), &message)]);
    }
    reads(&format!("{other}definition folder {{\n relation all: user | doc#see\n}}"));
}

#[test]
fn a_wildcard_behind_a_relation_is_remembered_by_the_name_alone() {
    let text = |order: &str| {
        format!(
            "{USER}definition one {{\n relation mem: user\n}}\ndefinition two {{\n relation mem: user:*\n}}\ndefinition doc {{\n relation own: {order}\n}}"
        )
    };
    reads(&text("one#mem | two#mem"));
    assert!(fails(&text("two#mem | one#mem")).message.contains("cannot be transitively included"));
}

#[test]
fn permissions_that_are_each_other_are_refused_and_other_circles_are_not() {
    refused(
        SchemaFault::Cycle,
        &[
            (
                "definition doc {\n permission see = see\n}",
                (2, 2),
                "under definition `doc`, there exists a cycle in permissions: see",
            ),
            (
                "definition doc {\n permission ccc = (bbb)\n permission bbb = aaa\n permission aaa = bbb\n permission out = nil\n}",
                (2, 2),
                "under definition `doc`, there exists a cycle in permissions: aaa, bbb, ccc",
            ),
        ],
    );
    reads("definition doc {\n permission see = see + nil\n permission aaa = bbb + nil\n permission bbb = aaa\n}");
    reads("definition doc {\n permission ccc = bbb\n permission bbb = aaa\n permission aaa = nil\n}");
}

#[test]
fn an_annotation_names_every_type_under_typechecking() {
    let text = |types: &str| {
        format!(
            "use typechecking\n{USER}definition group {{\n relation member: user\n relation any: team:*\n}}\ndefinition team {{}}\n\
             definition doc {{\n relation own: group#member\n relation par: group\n relation ban: team\n \
             permission see: {types} = own + par->any - ban\n permission all: none = self - nil\n}}"
        )
        .replace("use typechecking", "use typechecking\nuse self")
    };
    reads(&text("user | team"));
    // More may be named, and what does not exist.
    reads(&text("user | nobody | team | user"));
    for (said, missing) in [("user", "team"), ("team", "user")] {
        let message = format!(
            "incomplete type annotation on relation `see` in definition `doc`: `{missing}` found as reachable type, but not contained in provided set [`{said}`]"
        );
        refused(SchemaFault::Types, &[(&text(said), (13, 2), &message)]);
        reads(&text(said).replace("use typechecking\n", ""));
    }
    // What is only taken away counts.
    let text = "use typechecking\ndefinition user {}\ndefinition doc {\n relation own: user\n permission see: doc = nil - own\n}";
    assert!(fails(text).message.contains("`user` found as reachable type"));
}
