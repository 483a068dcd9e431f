use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Timestamp;

/// A few objects with many relationships each, so that every form of what one object has comes about.
#[derive(Debug, Clone)]
enum Step {
    Put(u32, Key, Option<i64>),
    Remove(u32, Key),
    Settle,
}

fn key(n: u32) -> Key {
    Key { first: n % 3, second: n / 3 % 5, other: ObjectIndex::of_number(n / 15) }
}

fn terms(until: Option<i64>) -> SharedTerms {
    until.map(|until| Arc::new(Terms { caveat: None, until: Some(Timestamp(until)) }))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = |keys: u32| (0u32..6, (0..keys).prop_map(key));
    let step = prop_oneof![
        60 => (some(400), prop::option::weighted(0.3, 0i64..5)).prop_map(|((node, key), until)| Step::Put(node, key, until)),
        25 => some(400).prop_map(|(node, key)| Step::Remove(node, key)),
        1 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 0..900)
}

type Model = BTreeMap<u32, BTreeMap<Key, Option<i64>>>;

fn ends(line: Line<'_>) -> (Key, Option<i64>) {
    (line.0, line.1.and_then(|terms| terms.until).map(|until| until.0))
}

fn same(index: &Index, model: &Model, from: Key) -> Result<(), TestCaseError> {
    prop_assert_eq!(index.len(), model.values().map(BTreeMap::len).sum::<usize>());
    for node in 0..7 {
        let lines: Vec<_> = index.lines(ObjectIndex::of_number(node), from).map(ends).collect();
        let expected: Vec<_> =
            model.get(&node).into_iter().flat_map(|lines| lines.range(from..)).map(|(key, end)| (*key, *end)).collect();
        prop_assert_eq!(lines, expected, "of {}", node);
    }
    let (from_node, mut all) = (2, Vec::new());
    for (node, lines) in model.range(from_node..) {
        let first = if *node == from_node { from } else { Key::FIRST };
        all.extend(lines.range(first..).map(|(key, end)| (*node, *key, *end)));
    }
    let found = index.all(ObjectIndex::of_number(from_node), from).map(|(node, line)| {
        let (key, end) = ends(line);
        (node.number(), key, end)
    });
    prop_assert_eq!(found.collect::<Vec<_>>(), all);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_index_is_what_was_put_less_what_was_removed(
        built in prop::collection::btree_map((0u32..5, (0u32..400).prop_map(key)), prop::option::weighted(0.3, 0i64..5), 0..300),
        steps in steps(),
        from in (0u32..400).prop_map(key),
    ) {
        let mut model = Model::new();
        for ((node, key), until) in &built {
            model.entry(*node).or_default().insert(*key, *until);
        }
        let shared: Vec<_> = built.iter().map(|((node, key), until)| (*node, *key, terms(*until))).collect();
        let mut index = Index::of(shared.iter().map(|(node, key, terms)| (ObjectIndex::of_number(*node), *key, terms.as_ref())));
        same(&index, &model, from)?;
        let (first, before) = (index.clone(), model.clone());
        for step in &steps {
            match step {
                Step::Put(node, key, until) => {
                    index.put(ObjectIndex::of_number(*node), *key, terms(*until));
                    model.entry(*node).or_default().insert(*key, *until);
                    let got = index.get(ObjectIndex::of_number(*node), *key);
                    prop_assert_eq!(got.map(|terms| terms.and_then(|terms| terms.until)), Some(until.map(Timestamp)));
                }
                Step::Remove(node, key) => {
                    let there = model.entry(*node).or_default().remove(key).is_some();
                    prop_assert_eq!(index.remove(ObjectIndex::of_number(*node), *key), there);
                    prop_assert!(index.get(ObjectIndex::of_number(*node), *key).is_none());
                }
                Step::Settle => {
                    index.settle();
                    prop_assert!(index.changed.is_empty());
                }
            }
        }
        same(&index, &model, from)?;
        same(&first, &before, from)?;
        index.settle();
        same(&index, &model, from)?;
    }
}

#[test]
fn what_changed_is_taken_in_once_it_is_much() {
    let mut index = Index::default();
    let mut most = 0;
    for n in 0..20_000u32 {
        index.put(ObjectIndex::of_number(n % 5_000), key(n / 5_000), None);
        most = most.max(index.weight);
    }
    assert_eq!(index.len(), 20_000);
    assert!(most <= 4_096 + 20_000 / 4 && index.base.slots.len() > 10_000);
}
