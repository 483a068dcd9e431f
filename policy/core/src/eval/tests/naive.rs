//! The same answers by a second road: all members of all objects at once, fifty rounds, no memory of
//! paths and nothing cut short; look-ups ask about everybody in turn. Compared with the evaluator on
//! random schemas and rows.

mod grow;
mod solve;

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use crate::relationship::EVERYONE;
use crate::{
    Check, Context, Decision, LookupResources, LookupSubjects, Object, Permissionship, Schema, Subject, Timestamp,
    Tuples,
};
use grow::{Plan, Row, plan};
use solve::{Table, Truth, World};

/// Ends of rows are whole thousands; questions are asked between them and at them.
const ENDS: [i64; 3] = [1_000, 2_000, 3_000];

/// A plan as the evaluator sees it, and the rows that its schema let in.
struct Grown {
    text: String,
    tuples: Tuples,
    /// The same, put in the opposite order.
    backwards: Tuples,
    rows: Vec<Row>,
}

fn grown(plan: &Plan) -> Grown {
    let text = plan.text();
    let schema = Arc::new(Schema::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")));
    let mut tuples = Tuples::new(Arc::clone(&schema));
    let mut rows: Vec<Row> = Vec::new();
    for row in &plan.rows {
        if tuples.put(&row.tuple()).is_ok() {
            rows.retain(|other| other.identity() != row.identity());
            rows.push(row.clone());
        }
    }
    let mut backwards = Tuples::new(schema);
    rows.iter().rev().for_each(|row| assert!(backwards.put(&row.tuple()).unwrap()));
    Grown { text, tuples, backwards, rows }
}

fn truth(decision: &Decision) -> Truth {
    match decision.permissionship {
        Permissionship::Yes => Truth::Yes,
        Permissionship::No => Truth::No,
        Permissionship::Conditional => Truth::Maybe(decision.missing.iter().cloned().collect()),
    }
}

fn object(text: &str) -> Object {
    let (kind, id) = text.split_once(':').unwrap();
    Object::new(kind, id)
}

fn subject(text: &str) -> Subject {
    let (of, relation) = match text.split_once('#') {
        Some((of, relation)) => (of, Some(relation.to_owned())),
        None => (text, None),
    };
    Subject { object: object(of), relation }
}

/// Whom the questions are about; some of them no row names.
const SUBJECTS: [&str; 12] = [
    "user:tom",
    "user:ann",
    "user:new",
    "grp:1",
    "grp:2",
    "doc:2",
    "grp:1#raa",
    "grp:2#pbb",
    "doc:1#raa",
    "doc:3#pbb",
    "doc:2#pcc",
    "doc:new#raa",
];

fn solve(grown: &Grown, plan: &Plan, who: &str, context: &Context, now: i64) -> Table {
    World { rows: &grown.rows, plan, subject: who.to_owned(), context, now }.solve()
}

fn contexts() -> impl Strategy<Value = Context> {
    proptest::collection::vec(proptest::option::of(any::<bool>()), grow::CAVEATS.len()).prop_map(|states| {
        let state = |(caveat, state): (&grow::Leaf, Option<bool>)| Some((caveat.parameter.to_owned(), state?.into()));
        grow::CAVEATS.iter().zip(states).filter_map(state).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn checks_agree_with_fifty_rounds(
        plan in plan(),
        context in contexts(),
        now in 0i64..4,
        who in proptest::sample::select(&SUBJECTS[..]),
    ) {
        let (grown, now) = (grown(&plan), now * 1_000);
        let at = |now| solve(&grown, &plan, who, &context, now);
        let (table, later) = (at(now), ENDS.map(|end| (end, at(end))));
        let checks: Vec<Check> = table.keys().map(|(of, member)| Check {
            resource: object(of), permission: member.clone(), subject: subject(who), context: context.clone(),
        }).collect();
        let together = grown.tuples.check_all(&checks, Timestamp(now));
        for ((check, together), (place, expected)) in checks.iter().zip(together).zip(&table) {
            let answer = grown.tuples.check(check, Timestamp(now));
            let backwards = grown.backwards.check(check, Timestamp(now));
            for other in [&backwards, &together] {
                prop_assert_eq!(answer.as_ref().map(truth), other.as_ref().map(truth), "{} in {}", check, grown.text);
            }
            let Ok(decision) = answer else {
                prop_assert_eq!(expected, &Truth::Deep, "{} {:?} in {}", check, answer, grown.text);
                continue;
            };
            prop_assert_eq!(&truth(&decision), expected, "{} in {}", check, grown.text);
            // Until it says that it lapses, the answer stays, and it names an instant at which a row ends. How early
            // it lapses may hang on how many steps were left where the data run in circles; too late it never does.
            for decision in [Some(&decision), backwards.as_ref().ok(), together.as_ref().ok()].into_iter().flatten() {
                let valid_until = decision.valid_until.map(|Timestamp(at)| at);
                prop_assert!(valid_until.is_none_or(|at| at > now && ENDS.contains(&at)), "{:?}", valid_until);
                for (end, then) in later.iter().filter(|(end, _)| *end > now) {
                    if valid_until.is_none_or(|at| *end < at) {
                        prop_assert_eq!(&then[place], expected, "{} at {} in {}", check, end, grown.text);
                    }
                    let before = grown.tuples.check(check, Timestamp(end - 1));
                    if valid_until.is_none_or(|at| *end <= at) {
                        prop_assert_eq!(before.as_ref().map(truth), Ok(expected.clone()), "{} at {} - 1", check, end);
                    }
                }
            }
            let (traced, _) = grown.tuples.trace(check, Timestamp(now)).unwrap();
            prop_assert_eq!(&traced, &decision);
        }
    }

    #[test]
    fn resources_are_those_that_a_check_allows(
        plan in plan(),
        context in contexts(),
        now in 0i64..4,
        who in proptest::sample::select(&SUBJECTS[..]),
    ) {
        let (grown, now) = (grown(&plan), now * 1_000);
        let table = solve(&grown, &plan, who, &context, now);
        let later = ENDS.map(|end| (end, solve(&grown, &plan, who, &context, end)));
        for (kind, permission) in grow::members() {
            let lookup = LookupResources {
                kind: kind.to_owned(), permission: permission.to_owned(), subject: subject(who), context: context.clone(),
            };
            let found = grown.tuples.lookup_resources(&lookup, Timestamp(now));
            let of_table = |table: &Table| -> Vec<(String, Truth)> {
                table.iter()
                    .filter(|((of, member), truth)| member == permission && object(of).kind == kind && **truth != Truth::No)
                    .map(|((of, _), truth)| (of[kind.len() + 1..].to_owned(), truth.clone()))
                    .collect()
            };
            let expected = of_table(&table);
            let Ok(found) = found else {
                prop_assert!(expected.iter().any(|(_, truth)| *truth == Truth::Deep), "{:?} in {}", lookup, grown.text);
                continue;
            };
            let until = found.valid_until.map(|Timestamp(at)| at);
            prop_assert!(until.is_none_or(|at| at > now && ENDS.contains(&at)), "{:?}", until);
            let found: Vec<(String, Truth)> = found.found.into_iter().map(|found| {
                let missing: BTreeSet<String> = found.missing.into_iter().collect();
                let sure = found.permissionship == Permissionship::Yes;
                (found.id, if sure { Truth::Yes } else { Truth::Maybe(missing) })
            }).collect();
            let plain = |mut list: Vec<(String, Truth)>| {
                list.retain(|(_, truth)| *truth != Truth::Deep);
                list
            };
            prop_assert_eq!(&found, &plain(expected), "{:?} in {}", lookup, grown.text);
            // Until then it stays as it is: what was too deep to be told may then be told.
            let whole = |table: &Table| table.iter().all(|(_, truth)| *truth != Truth::Deep);
            for (end, then) in later.iter().filter(|(end, _)| *end > now && until.is_none_or(|at| *end < at)) {
                if whole(&table) && whole(then) {
                    prop_assert_eq!(&found, &of_table(then), "{:?} at {} in {}", lookup, end, grown.text);
                }
            }
        }
    }

    #[test]
    fn subjects_are_those_that_a_check_allows(
        plan in plan(),
        context in contexts(),
        now in 0i64..4,
        resource in proptest::sample::select(&["grp:1", "doc:1", "doc:2", "doc:new", "user:tom"][..]),
    ) {
        let (grown, now) = (grown(&plan), now * 1_000);
        for (of, relation) in grow::subject_kinds() {
            let ids = grow::ids(of).iter().copied().chain(["new", "other"]);
            let tables: Vec<(&str, Table)> = ids.map(|id| {
                let who = relation.map_or(format!("{of}:{id}"), |relation| format!("{of}:{id}#{relation}"));
                (id, solve(&grown, &plan, &who, &context, now))
            }).collect();
            for (_, permission) in grow::members().filter(|(kind, _)| *kind == object(resource).kind) {
                let lookup = LookupSubjects {
                    resource: object(resource), permission: permission.to_owned(), kind: of.to_owned(),
                    relation: relation.map(str::to_owned), context: context.clone(),
                };
                let found = grown.tuples.lookup_subjects(&lookup, Timestamp(now));
                let place = (resource.to_owned(), permission.to_owned());
                let expected: Vec<(&str, &Truth)> = tables.iter().map(|(id, table)| (*id, &table[&place])).collect();
                let Ok(found) = found else {
                    let deep = expected.iter().any(|(_, truth)| **truth == Truth::Deep);
                    prop_assert!(deep, "{:?} {:?} in {}", lookup, found, grown.text);
                    continue;
                };
                for (id, expected) in expected.into_iter().filter(|(_, truth)| **truth != Truth::Deep) {
                    let own = found.iter().find(|subject| subject.found.id == id);
                    let everyone = found.iter().find(|subject| subject.found.id == EVERYONE);
                    let excluded = everyone.and_then(|all| all.excluded.iter().find(|excluded| excluded.id == id));
                    let of_all = everyone.map_or(Permissionship::No, |all| {
                        let not = match excluded.map(|excluded| excluded.permissionship) {
                            None => Permissionship::Yes,
                            Some(Permissionship::Yes) => Permissionship::No,
                            Some(_) => Permissionship::Conditional,
                        };
                        weaker(not, all.found.permissionship)
                    });
                    let said = stronger(own.map_or(Permissionship::No, |own| own.found.permissionship), of_all);
                    prop_assert_eq!(said, expected.permissionship(), "{} of {:?}: {:?} in {}", id, lookup, found, grown.text);
                    if let (Some(own), Truth::Maybe(names)) = (own, expected) {
                        prop_assert_eq!(&own.found.missing.iter().cloned().collect::<BTreeSet<_>>(), names);
                    }
                }
                // Sorted, each once, everyone last; nobody is excepted twice.
                let order = |id: &str| (id == EVERYONE, id.to_owned());
                prop_assert!(found.windows(2).all(|two| order(&two[0].found.id) < order(&two[1].found.id)), "{:?}", found);
                for subject in &found {
                    prop_assert!(subject.excluded.windows(2).all(|two| two[0].id < two[1].id), "{:?}", found);
                    prop_assert!(subject.excluded.is_empty() || subject.found.id == EVERYONE);
                }
            }
        }
    }
}

fn rank(permissionship: Permissionship) -> u8 {
    match permissionship {
        Permissionship::No => 0,
        Permissionship::Conditional => 1,
        Permissionship::Yes => 2,
    }
}
fn weaker(a: Permissionship, b: Permissionship) -> Permissionship {
    if rank(a) < rank(b) { a } else { b }
}
fn stronger(a: Permissionship, b: Permissionship) -> Permissionship {
    if rank(a) < rank(b) { b } else { a }
}
