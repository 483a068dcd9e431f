use std::sync::Arc;

use proptest::prelude::*;

use super::set::Set;
use super::*;
use crate::{Check, Permissionship, Schema};

const NOW: Timestamp = Timestamp::from_seconds(1_000);

fn stored(schema: &str, relationships: &[&str]) -> Tuples {
    let mut tuples = Tuples::new(Arc::new(Schema::parse(schema).unwrap()));
    for text in relationships {
        tuples.put(&text.parse().unwrap()).unwrap();
    }
    tuples
}

/// As a validation file writes it.
fn shown(memberships: Vec<Membership>) -> Vec<String> {
    let mark = |conditional: bool| if conditional { "[...]" } else { "" };
    let one = |membership: Membership| {
        let mut text = format!("{}{}", membership.subject, mark(membership.conditional));
        for (subject, conditional) in membership.excluded {
            text.push_str(&format!(" -{subject}{}", mark(conditional)));
        }
        for (object, member) in membership.through {
            text.push_str(&format!(" <{object}#{member}>"));
        }
        text
    };
    memberships.into_iter().map(one).collect()
}

const GROUPS: &str = "
    use expiration
    definition user {}
    definition group {
        relation direct: user | user:* | user with expiration
        relation nested: group#all
        permission all = direct + nested
    }
    definition doc {
        relation parent: doc
        relation team: group
        relation aaa: user | user:* | group#all
        relation bbb: user | user:* | group#all
        relation ccc: user
        permission union = aaa + bbb
        permission meet = aaa & bbb
        permission less = aaa - bbb
        permission more = (aaa & ccc) - bbb
        permission arrow = team->all
        permission every = team.all(all)
        permission above = less + parent->above
        permission deep = (aaa - (bbb - ccc)) & (every + ccc) - nil
    }";

#[test]
fn subjects_are_spelled_out_with_where_they_stand() {
    let stored = stored(
        GROUPS,
        &[
            "group:1#direct@user:a",
            "group:1#nested@group:2#all",
            "group:2#direct@user:*",
            "group:2#direct@user:gone[expiration:1970-01-01T00:10:00Z]",
            "group:2#direct@user:soon[expiration:1970-01-01T00:20:00Z]",
            "doc:1#aaa@group:1#all",
            "doc:1#bbb@user:a",
            "doc:1#team@group:1",
            "doc:1#team@group:2",
            "doc:2#parent@doc:1",
        ],
    );
    let of = |doc: &str, member: &str| shown(stored.memberships(&Object::new("doc", doc), member, NOW).unwrap());
    let everyone = "user:* <group:2#direct>";
    let groups = ["group:1#all <doc:1#aaa>", "group:2#all <group:1#nested>"];
    assert_eq!(
        of("1", "union"),
        [groups[0], groups[1], everyone, "user:a <doc:1#bbb> <group:1#direct>", "user:soon <group:2#direct>"]
    );
    assert_eq!(
        of("1", "less"),
        [groups[0], groups[1], "user:* -user:a <group:2#direct>", "user:soon <group:2#direct>"]
    );
    assert_eq!(of("2", "above"), of("1", "less"));
    assert_eq!(of("1", "meet"), ["user:a <doc:1#bbb> <group:1#direct>"]);
    assert_eq!(of("1", "every"), [everyone, "user:a <group:1#direct>", "user:soon <group:2#direct>"]);
    assert!(of("3", "every").is_empty());
}

#[test]
fn what_cannot_be_spelled_out_is_an_error() {
    let stored = stored(GROUPS, &["group:1#nested@group:2#all", "group:2#nested@group:1#all"]);
    let of = |kind: &str, member: &str| stored.memberships(&Object::new(kind, "1"), member, NOW);
    assert_eq!(of("group", "all"), Err(CheckError::Depth));
    assert!(matches!(of("folder", "all"), Err(CheckError::UnknownDefinition { .. })));
    assert!(matches!(of("group", "any"), Err(CheckError::UnknownMember { .. })));
}

/// A set from `id`, `id?` under a caveat; each is said to stand in a relation of its own.
fn set(of: &str, ids: &[&str]) -> Set {
    let mut set = Set::default();
    for id in ids {
        let (id, conditional) = id.strip_suffix('?').map_or((*id, false), |id| (id, true));
        set.name(&Subject::object("user", id), conditional, (Object::new("doc", of), "viewer".into()));
    }
    set
}

fn ids(set: &Set) -> String {
    let short =
        |subject: &Subject, conditional: bool| format!("{}{}", subject.object.id, if conditional { "?" } else { "" });
    let one = |one: Membership| {
        let excluded: String =
            one.excluded.iter().map(|(out, conditional)| format!("-{}", short(out, *conditional))).collect();
        format!("{}{excluded}", short(&one.subject, one.conditional))
    };
    set.memberships().into_iter().map(one).collect::<Vec<_>>().join(" ")
}

/// `a` minus, with or plus `b`.
fn combined(operator: char, a: &Set, b: &Set) -> Set {
    let mut result = a.clone();
    match operator {
        '-' => result.subtract(b),
        '&' => result = a.intersection(b),
        _ => result.union(b),
    }
    result
}

#[test]
fn conditions_go_through_unions_intersections_and_exclusions() {
    for (a, operator, b, result) in [
        (&["t"][..], '+', &["t?"][..], "t"),
        (&["t?"], '+', &["t?", "u?"], "t? u?"),
        (&["*"], '+', &["t?"], "* t?"),
        (&["t"], '&', &["t?"], "t?"),
        (&["t"], '&', &["*?"], "t?"),
        (&["t", "u"], '&', &["*"], "t u"),
        (&["*?"], '&', &["*"], "*?"),
        (&["*", "t"], '&', &["*?", "u"], "*? t? u"),
        (&["t", "u"], '-', &["t?"], "t? u"),
        (&["t?"], '-', &["t"], ""),
        (&["t", "*"], '-', &["t"], "*-t"),
        (&["*"], '-', &["t?"], "*-t?"),
        (&["t"], '-', &["*?"], "t?"),
        (&["*", "t"], '-', &["*?"], "*? t?"),
        (&["*?", "t"], '-', &["*"], ""),
    ] {
        let (a, b) = (set("1", a), set("2", b));
        assert_eq!(ids(&combined(operator, &a, &b)), result, "{} {operator} {}", ids(&a), ids(&b));
    }
}

#[test]
fn exclusions_go_through_unions_intersections_and_exclusions() {
    let less = |from: &[&str], what: &[&str]| combined('-', &set("1", from), &set("2", what));
    for (a, operator, b, result) in [
        (less(&["*"], &["t"]), '+', less(&["*"], &["t", "u"]), "*-t"),
        (less(&["*"], &["t?"]), '+', less(&["*"], &["t"]), "*-t?"),
        (less(&["*"], &["t"]), '+', set("3", &["t"]), "* t"),
        (less(&["*"], &["t"]), '+', set("3", &["t?"]), "*-t? t?"),
        (set("3", &["t"]), '+', less(&["*"], &["t"]), "* t"),
        (less(&["*"], &["t?"]), '&', less(&["*"], &["t", "u"]), "*-t-u"),
        (less(&["*"], &["t"]), '&', set("3", &["t", "u"]), "u"),
        (less(&["*"], &["t?"]), '&', set("3", &["t"]), "t?"),
        (set("3", &["t", "u"]), '&', less(&["*?"], &["t?"]), "t? u?"),
        (set("3", &["t", "u"]), '-', less(&["*"], &["t"]), "t"),
        (set("3", &["t", "u"]), '-', less(&["*"], &["t?"]), "t?"),
        (set("3", &["t", "u"]), '-', less(&["*?"], &["t"]), "t u?"),
        (set("3", &["*"]), '-', less(&["*"], &["t", "u?"]), "t u?"),
        (less(&["*"], &["t"]), '-', less(&["*"], &["t", "u"]), "u"),
        (less(&["*"], &["t?"]), '-', less(&["*"], &["t"]), "t?"),
        (less(&["*"], &["t?"]), '-', set("3", &["t"]), "*-t"),
    ] {
        assert_eq!(ids(&combined(operator, &a, &b)), result, "{} {operator} {}", ids(&a), ids(&b));
    }
}

fn relationship() -> impl Strategy<Value = String> {
    let user = prop_oneof![4 => (0..4).prop_map(|n| format!("user:{n}")), 1 => Just("user:*".to_owned())];
    let name = prop_oneof![Just("aaa"), Just("bbb")];
    prop_oneof![
        (0..3, user.clone()).prop_map(|(group, user)| format!("group:{group}#direct@{user}")),
        // A group nests later ones only: no circles.
        (0..2, 1..3).prop_map(|(group, by)| format!("group:{group}#nested@group:{}#all", group + by)),
        (0..3, name.clone(), user).prop_map(|(doc, name, user)| format!("doc:{doc}#{name}@{user}")),
        (0..3, name, 0..3).prop_map(|(doc, name, group)| format!("doc:{doc}#{name}@group:{group}#all")),
        (0..3, 0..4).prop_map(|(doc, user)| format!("doc:{doc}#ccc@user:{user}")),
        (0..3, 0..3).prop_map(|(doc, group)| format!("doc:{doc}#team@group:{group}")),
        (0..2, 1..3).prop_map(|(doc, by)| format!("doc:{doc}#parent@doc:{}", doc + by)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whoever is spelled out, and nobody else, passes the check: two evaluators that share no code.
    #[test]
    fn members_are_those_who_pass_the_check(rows in prop::collection::vec(relationship(), 0..24)) {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let stored = stored(GROUPS, &rows);
        for doc in 0..3 {
            let doc = Object::new("doc", doc);
            for permission in ["union", "meet", "less", "more", "arrow", "every", "above", "deep"] {
                let members = stored.memberships(&doc, permission, NOW).unwrap();
                let user = |id: &str| members.iter().find(|one| one.subject == Subject::object("user", id));
                for id in ["0", "1", "2", "3", "stranger"] {
                    let subject = Subject::object("user", id);
                    let everyone = user("*").is_some_and(|all| !all.excluded.iter().any(|(out, _)| *out == subject));
                    let spelled = user(id).is_some() || everyone;
                    let check = Check::new(doc.clone(), permission, subject);
                    let passes = stored.check(&check, NOW).unwrap().permissionship == Permissionship::Yes;
                    prop_assert_eq!(spelled, passes, "{} {:?}", check, rows);
                }
            }
        }
    }
}
