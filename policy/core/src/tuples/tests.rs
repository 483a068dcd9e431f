use std::sync::Arc;

use super::*;
use crate::relationship::{Filter, Precondition, SubjectFilter, SubjectRelation, Update};

const NOW: Timestamp = Timestamp(1_000_000);

const SCHEMA: &str = "
use expiration
definition user {}
definition group {
  relation member: user | group#member | user with expiration
}
definition doc {
  relation parent: doc
  relation viewer: user | user:* | group#member | user with expiration
  permission view = viewer + parent->view
}";

fn schema(text: &str) -> Arc<Schema> {
    Arc::new(Schema::parse(text).unwrap())
}

fn t(text: &str) -> Tuple {
    text.parse().unwrap()
}

fn tuples(lines: &[&str]) -> Tuples {
    let mut tuples = Tuples::new(schema(SCHEMA));
    lines.iter().for_each(|line| assert!(tuples.put(&t(line)).unwrap(), "{line}"));
    tuples
}

fn selected(tuples: &Tuples, filter: &Filter) -> Vec<String> {
    tuples.select(filter, NOW).map(|tuple| tuple.to_text()).collect()
}

fn by_subject(kind: &str, id: Option<&str>, relation: SubjectRelation) -> Filter {
    let subject = SubjectFilter { kind: kind.to_owned(), id: id.map(str::to_owned), relation };
    Filter { subject: Some(subject), ..Filter::default() }
}

const LINES: [&str; 8] = [
    "doc:1#viewer@user:tom",
    "doc:1#viewer@user:*",
    "doc:1#viewer@group:eng#member",
    "doc:12#viewer@user:tom",
    "doc:2#parent@doc:1",
    "group:eng#member@user:tom",
    "group:eng#member@group:ops#member",
    "group:ops#member@user:ann[expiration:1970-01-01T00:00:01Z]",
];

#[test]
fn every_filter_selects_what_it_says() {
    let tuples = tuples(&LINES);
    let kinds: [Option<&str>; 4] = [None, Some("doc"), Some("group"), Some("ship")];
    let ids = [None, Some("1"), Some("eng"), Some("nowhere")];
    let relations = [None, Some("viewer"), Some("member"), Some("fly")];
    let subjects = [
        None,
        Some(("user", None, SubjectRelation::Any)),
        Some(("user", Some("tom"), SubjectRelation::None)),
        Some(("user", Some("*"), SubjectRelation::Any)),
        Some(("group", Some("eng"), SubjectRelation::Any)),
        Some(("group", Some("ops"), SubjectRelation::Is("member".to_owned()))),
        Some(("group", None, SubjectRelation::Is("member".to_owned()))),
        Some(("group", Some("eng"), SubjectRelation::None)),
        Some(("ship", Some("1"), SubjectRelation::Any)),
    ];
    let mut some = 0;
    for kind in kinds {
        for id in ids {
            for relation in relations {
                for subject in &subjects {
                    for prefix in [None, Some("1"), Some("e")] {
                        let filter = Filter {
                            resource_kind: kind.map(str::to_owned),
                            resource_id: id.map(str::to_owned),
                            resource_id_prefix: prefix.map(str::to_owned),
                            relation: relation.map(str::to_owned),
                            subject: subject.as_ref().map(|(kind, id, relation)| SubjectFilter {
                                kind: (*kind).to_owned(),
                                id: id.map(str::to_owned),
                                relation: relation.clone(),
                            }),
                        };
                        let mut found = selected(&tuples, &filter);
                        found.sort();
                        let mut wanted: Vec<String> = LINES[..7]
                            .iter()
                            .map(|line| t(line))
                            .filter(|tuple| filter.selects(tuple))
                            .map(|tuple| tuple.to_text())
                            .collect();
                        wanted.sort();
                        assert_eq!(found, wanted, "{filter:?}");
                        some += found.len();
                    }
                }
            }
        }
    }
    assert!(some > 100, "{some}");
}

#[test]
fn a_list_goes_on_where_it_stopped_also_when_that_is_gone() {
    let mut all = tuples(&LINES);
    for filter in [Filter::default(), by_subject("user", Some("tom"), SubjectRelation::Any)] {
        let whole: Vec<Tuple> = all.select(&filter, NOW).collect();
        assert!(whole.len() >= 3);
        for (at, last) in whole.iter().enumerate() {
            let rest: Vec<Tuple> = all.select_after(&filter, Some(last), NOW).collect();
            assert_eq!(rest, whole[at + 1..]);
        }
    }
    let whole: Vec<Tuple> = all.select(&Filter::default(), NOW).collect();
    assert!(all.remove(&whole[2]));
    assert_eq!(all.select_after(&Filter::default(), Some(&whole[2]), NOW).collect::<Vec<_>>(), whole[3..]);
}

#[test]
fn a_change_is_made_whole_or_not_at_all() {
    let mut all = tuples(&LINES);
    let before = selected(&all, &Filter::default());
    let touch = |line: &str| Update::Touch(t(line));
    let absent = Precondition::MustNotMatch(by_subject("user", Some("tom"), SubjectRelation::Any));
    for (updates, preconditions) in [
        (vec![touch("doc:7#viewer@user:tom"), Update::Create(t("doc:1#viewer@user:tom"))], vec![]),
        (vec![touch("doc:7#viewer@user:tom"), touch("doc:7#view@user:tom")], vec![]),
        (vec![touch("doc:7#viewer@user:tom"), Update::Delete(t("doc:7#viewer@user:tom"))], vec![]),
        (vec![touch("doc:7#viewer@user:tom")], vec![absent]),
        // Lapsed, but there.
        (vec![touch("doc:7#viewer@user:tom"), Update::Create(t("group:ops#member@user:ann"))], vec![]),
    ] {
        assert!(all.apply(&updates, &preconditions, NOW).is_err(), "{updates:?}");
        assert_eq!(selected(&all, &Filter::default()), before);
    }
    let present = Precondition::MustMatch(by_subject("user", Some("tom"), SubjectRelation::Any));
    let changed = all
        .apply(
            &[
                touch("doc:1#viewer@user:tom"),
                touch("doc:7#viewer@user:tom"),
                Update::Delete(t("doc:2#parent@doc:1")),
                Update::Delete(t("doc:9#parent@doc:1")),
            ],
            &[present],
            NOW,
        )
        .unwrap();
    assert_eq!(changed, [touch("doc:7#viewer@user:tom"), Update::Delete(t("doc:2#parent@doc:1"))]);
}

#[test]
fn what_lapsed_fulfils_no_precondition() {
    let mut all = tuples(&LINES);
    let ann = Precondition::MustMatch(by_subject("user", Some("ann"), SubjectRelation::Any));
    let update = [Update::Touch(t("doc:7#viewer@user:tom"))];
    assert!(all.clone().apply(&update, std::slice::from_ref(&ann), Timestamp(NOW.0 - 1)).is_ok());
    assert!(matches!(all.apply(&update, &[ann], NOW), Err(ApplyError::Precondition(_))));
}

#[test]
fn another_schema_takes_over_what_fits_it() {
    let all = tuples(&LINES);
    let wider = SCHEMA.replace("relation parent: doc", "relation parent: doc | user\n  relation extra: group");
    let next = all.with_schema(schema(&wider), NOW).unwrap();
    assert_eq!(selected(&next, &Filter::default()).len(), 7, "all but the lapsed one");
    for (from, to, why) in [
        (
            "definition group {\n  relation member: user | group#member | user with expiration\n}",
            "",
            "cannot delete object definition `group`",
        ),
        ("relation parent: doc", "relation parents: doc", "cannot delete relation `parent`"),
        ("user | user:* | group#member", "user | group#member", "cannot remove allowed type `user:*`"),
    ] {
        let text = SCHEMA.replace(from, to).replace("+ parent->view", "");
        let text = if to.is_empty() { text.replace("| group#member", "") } else { text };
        let error = all.with_schema(schema(&text), NOW).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

/// SpiceDB v1.54 lets the first go, and keeps the second for the sake of everyone.
#[test]
fn what_is_under_a_caveat_is_in_the_way_of_another_schema_where_it_does_not_fit_it() {
    let with = |forms: &str| {
        schema(&format!("caveat c(n int) {{ n < 5 }}\ndefinition user {{}}\ndefinition doc {{\n{forms}\n}}"))
    };
    let mut all = Tuples::new(with("relation viewer: user with c | user:* with c"));
    all.put(&t("doc:1#viewer@user:*[c]")).unwrap();
    let gone = all.with_schema(with("relation owner: user"), NOW).unwrap_err().to_string();
    assert!(gone.contains("cannot delete relation `viewer`"), "{gone}");
    assert_eq!(all.with_schema(with("relation viewer: user:* with c"), NOW).unwrap().len(), 1);
    let narrowed = all.with_schema(with("relation viewer: user with c"), NOW).unwrap_err().to_string();
    assert!(narrowed.contains("cannot remove allowed type `user:* with c`"), "{narrowed}");
}

#[test]
fn nesting_is_measured_both_ways() {
    let mut all = tuples(&[]);
    for i in 0..5 {
        all.put(&t(&format!("group:g{i}#member@group:g{}#member", i + 1))).unwrap();
        all.put(&t(&format!("group:h{i}#member@group:h{}#member", i + 1))).unwrap();
    }
    for (line, nesting) in [
        ("group:g5#member@group:h0#member", Some(Nesting::Levels(11))),
        ("group:g0#member@group:h5#member", Some(Nesting::Levels(1))),
        ("group:new#member@group:g0#member", Some(Nesting::Levels(6))),
        ("group:g5#member@group:g0#member", Some(Nesting::Circle)),
        ("group:new#member@group:new#member", Some(Nesting::Circle)),
        ("group:g5#member@user:tom", None),
        ("doc:1#viewer@group:g0#member", Some(Nesting::Levels(6))),
        ("doc:1#parent@doc:2", Some(Nesting::Levels(1))),
    ] {
        assert_eq!(all.nesting(&t(line)), nesting, "{line}");
    }
}

#[test]
fn a_copy_keeps_what_its_original_loses() {
    let mut all = tuples(&LINES);
    let copy = all.clone();
    for line in LINES {
        assert!(all.remove(&t(line)));
        assert!(!all.remove(&t(line)));
    }
    assert!(all.is_empty());
    assert_eq!(copy.len(), LINES.len());
    assert_eq!(copy.get(&t(LINES[0])), Some(t(LINES[0])));
    assert!(copy.holds(&t(LINES[7])) && !copy.holds(&t("group:ops#member@user:ann")));
}

#[test]
fn loaded_at_once_is_loaded_one_by_one() {
    let mut lines: Vec<Tuple> = LINES.iter().map(|line| t(line)).collect();
    lines.push(t("group:ops#member@user:ann"));
    let mut slow = Tuples::new(schema(SCHEMA));
    lines.iter().for_each(|line| assert!(slow.put(line).unwrap()));
    let fast = Tuples::load(schema(SCHEMA), lines).unwrap();
    assert_eq!(fast.len(), LINES.len());
    assert_eq!(selected(&fast, &Filter::default()), selected(&slow, &Filter::default()));
    let everyone = by_subject("user", Some("*"), SubjectRelation::Any);
    assert_eq!(selected(&fast, &everyone), ["doc:1#viewer@user:*"]);
    let (wrong, _) = Tuples::load(schema(SCHEMA), [t("doc:1#viewer@doc:2")]).unwrap_err();
    assert_eq!(wrong.to_text(), "doc:1#viewer@doc:2");
}
