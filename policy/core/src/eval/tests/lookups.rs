//! What look-ups say where SpiceDB v1.54 says something else: each answer is what a check of it alone is.

use super::*;
use crate::{Found, FoundSubject, LookupResources, LookupSubjects, Permissionship};

const ROOMS: &str = "
caveat small(size int) { size < 5 }
definition user {}
definition group {
  relation member: user | user with small | group#member
}
definition room {
  relation guest: user | user:* | user with small | user:* with small | group#member
  relation host: user | user with small
  relation near: room
  permission enter = guest + host
  permission stay = guest & host
  permission leave = guest - host
  permission around = near->enter
  permission beyond = host + near->beyond
  permission quiet = guest - beyond
}
";

fn rooms(lines: &[&str]) -> Tuples {
    let mut tuples = Tuples::new(Arc::new(Schema::parse(ROOMS).unwrap()));
    lines.iter().for_each(|line| assert!(tuples.put(&line.parse().unwrap()).unwrap(), "{line}"));
    tuples
}

fn yes_of(id: &str) -> Found {
    Found { id: id.to_owned(), permissionship: Permissionship::Yes, missing: Vec::new() }
}

fn perhaps(id: &str) -> Found {
    Found { id: id.to_owned(), permissionship: Permissionship::Conditional, missing: vec!["size".to_owned()] }
}

fn subjects(tuples: &Tuples, resource: &str, permission: &str) -> Result<Vec<FoundSubject>, CheckError> {
    let (kind, permission) = ("user".to_owned(), permission.to_owned());
    let context = Default::default();
    tuples
        .lookup_subjects(&LookupSubjects { resource: object(resource), permission, kind, relation: None, context }, NOW)
}

fn resources(tuples: &Tuples, kind: &str, permission: &str, who: &str) -> Result<Vec<String>, CheckError> {
    let subject = ask(&format!("room:any#enter@{who}")).subject;
    let (kind, permission, context) = (kind.to_owned(), permission.to_owned(), Default::default());
    let found = tuples.lookup_resources(&LookupResources { kind, permission, subject, context }, NOW)?;
    Ok(found.found.into_iter().map(|found| found.id).collect())
}

fn plain(found: Found) -> FoundSubject {
    FoundSubject { found, excluded: Vec::new() }
}

/// SpiceDB calls the one conditional whom a relationship under a caveat names, though as one of everyone he has it.
#[test]
fn who_is_named_on_a_condition_beside_everyone_has_it_for_sure() {
    for lines in [
        &["room:1#guest@user:*", "room:1#guest@user:tom[small]"][..],
        &["room:1#guest@user:*", "room:1#host@user:tom[small]"],
        &["room:1#guest@user:*", "room:1#guest@group:a#member", "group:a#member@user:tom[small]"],
    ] {
        let tuples = rooms(&[lines, &["room:2#near@room:1"]].concat());
        for (room, permission) in [("room:1", "enter"), ("room:2", "around")] {
            let found = subjects(&tuples, room, permission).unwrap();
            assert_eq!(found, [plain(yes_of("tom")), plain(yes_of("*"))], "{lines:?}");
            assert!(yes(&tuples, &format!("{room}#{permission}@user:tom")));
        }
    }
    // Where it hangs on the condition, it is conditional.
    let tuples = rooms(&["room:1#guest@user:*", "room:1#host@user:tom[small]"]);
    assert_eq!(subjects(&tuples, "room:1", "stay").unwrap(), [plain(perhaps("tom"))]);
    let found = subjects(&tuples, "room:1", "leave").unwrap();
    let everyone = FoundSubject { found: yes_of("*"), excluded: vec![perhaps("tom")] };
    assert_eq!(found, [everyone]);
    let tuples = rooms(&["room:1#guest@user:*[small]", "room:1#guest@user:tom[small]", "room:1#guest@user:ann"]);
    let found = subjects(&tuples, "room:1", "enter").unwrap();
    assert_eq!(found, [plain(yes_of("ann")), plain(perhaps("tom")), plain(perhaps("*"))]);
}

/// Who is covered by everyone, and named again where an exclusion takes back another, is not told beside everyone; who is
/// all that is left, or named to be in, is.
#[test]
fn who_is_named_again_by_an_exclusion_of_an_exclusion_is_told_once() {
    let schema = "definition user {}
definition doc {
  relation viewer: user | user:*
  relation banned: user | user:*
  relation pardoned: user
  permission out = banned - pardoned
  permission see = viewer - out
  permission see_or = see + pardoned
}";
    let of = |lines: &[&str], permission: &str| {
        let mut tuples = Tuples::new(Arc::new(Schema::parse(schema).unwrap()));
        lines.iter().for_each(|line| assert!(tuples.put(&line.parse().unwrap()).unwrap(), "{line}"));
        subjects(&tuples, "doc:1", permission).unwrap()
    };
    let banned =
        ["doc:1#viewer@user:*", "doc:1#banned@user:tom", "doc:1#banned@user:sarah", "doc:1#pardoned@user:sarah"];
    let all_but_tom = FoundSubject { found: yes_of("*"), excluded: vec![yes_of("tom")] };
    assert_eq!(of(&banned, "see"), std::slice::from_ref(&all_but_tom));
    assert_eq!(of(&banned, "see_or"), [plain(yes_of("sarah")), all_but_tom.clone()]);
    let named = [&banned[..], &["doc:1#viewer@user:sarah"]].concat();
    assert_eq!(of(&named, "see"), [plain(yes_of("sarah")), all_but_tom]);
    let all = ["doc:1#viewer@user:*", "doc:1#banned@user:*", "doc:1#pardoned@user:sarah"];
    assert_eq!(of(&all, "see"), [plain(yes_of("sarah"))]);
}

/// SpiceDB fails each look-up that meets a circle on its way, whatever the answer.
#[test]
fn look_ups_over_a_circle_answer_where_checks_do() {
    let tuples = rooms(&[
        "group:a#member@group:b#member",
        "group:b#member@group:a#member",
        "group:a#member@user:tom",
        "room:1#guest@group:b#member",
        "room:2#guest@user:ann",
    ]);
    assert_eq!(subjects(&tuples, "group:b", "member").unwrap(), [plain(yes_of("tom"))]);
    assert_eq!(subjects(&tuples, "room:1", "enter").unwrap(), [plain(yes_of("tom"))]);
    assert_eq!(resources(&tuples, "group", "member", "user:tom").unwrap(), ["a", "b"]);
    assert_eq!(resources(&tuples, "room", "enter", "user:tom").unwrap(), ["1"]);
    assert_eq!(resources(&tuples, "group", "member", "group:a#member").unwrap(), ["a", "b"]);
    // Where a check of one who is named has no answer, nor has the look-up.
    let mut tuples = rooms(&["room:1#near@room:1", "room:1#guest@user:tom"]);
    assert_eq!(tuples.check(&ask("room:1#quiet@user:tom"), NOW), Err(CheckError::Depth));
    assert_eq!(subjects(&tuples, "room:1", "quiet"), Err(CheckError::Depth));
    assert_eq!(resources(&tuples, "room", "quiet", "user:tom"), Err(CheckError::Depth));
    tuples.put(&tuple("room:1#host@user:tom")).unwrap();
    assert!(!yes(&tuples, "room:1#quiet@user:tom"));
    assert_eq!(subjects(&tuples, "room:1", "quiet").unwrap(), []);
    assert_eq!(resources(&tuples, "room", "quiet", "user:tom").unwrap(), [""; 0]);
}

/// The one part of a rule that has an answer gives it, whatever the order; SpiceDB takes what comes first, and behind
/// `-` nothing that follows a failure.
#[test]
fn a_part_that_goes_round_does_not_hide_the_answer_of_another() {
    let t = rooms(&["room:1#near@room:1", "room:1#host@user:tom", "room:1#guest@user:ann", "room:1#host@user:ann"]);
    for _ in 0..20 {
        assert!(yes(&t, "room:1#beyond@user:tom") && !yes(&t, "room:1#quiet@user:ann"));
    }
    assert_eq!(t.check(&ask("room:1#beyond@user:ben"), NOW), Err(CheckError::Depth));
}

#[test]
fn names_that_the_schema_has_not_are_told_before_an_id_that_nothing_can_have() {
    let t = rooms(&[]);
    let unknown = |name: &str| Err(CheckError::UnknownDefinition { definition: name.to_owned() });
    let id = || CheckError::ObjectId { id: "*".to_owned() };
    assert_eq!(t.check(&ask("room:*#enter@user:tom"), NOW), Err(id()));
    assert_eq!(t.check(&ask("room:*#enter@nobody:tom"), NOW), unknown("nobody"));
    assert_eq!(t.check(&ask("nothing:*#enter@nobody:tom"), NOW), unknown("nothing"));
    let missing = t.check(&ask("room:*#enter@group:a#owner"), NOW);
    assert!(matches!(missing, Err(CheckError::UnknownMember { member, .. }) if member == "owner"));
    assert_eq!(t.check(&ask("room:*#enter@user:*"), NOW), Err(CheckError::Everyone));
    let look_up = |kind: &str| {
        let (kind, permission, context) = (kind.to_owned(), "enter".to_owned(), Default::default());
        t.lookup_subjects(
            &LookupSubjects { resource: object("room:*"), permission, kind, relation: None, context },
            NOW,
        )
    };
    assert_eq!(look_up("user"), Err(id()));
    assert_eq!(look_up("nobody").map(|_| ()), unknown("nobody").map(|_: Decision| ()));
}
