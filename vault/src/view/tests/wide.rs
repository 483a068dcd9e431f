//! Operations that are wide: whatever is asked for within the limits of a front has an answer, and no statement meets
//! the limits of SQLite.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// As many conditions as a front lets through.
const CONDITIONS: usize = 1_024;

/// Conditions by kind, of which those on relations make statements inside the statement.
fn condition(kind: u8, n: usize) -> Filter {
    let number = i64::try_from(n).unwrap();
    match kind {
        0 => is(PAGES, Operator::Neq(int(number + 1_000))),
        1 => is(TITLE, Operator::Like { pattern: format!("%y{n}%"), fold: n.is_multiple_of(2), negated: true }),
        2 => is(PAGES, Operator::Nin((0..8).map(|i| int(number * 8 + i + 1_000)).collect())),
        3 => is(TAGS, Operator::Any(vec![Operator::Neq(text(&format!("x{n}")))])),
        4 => Filter::Is(Operand::JsonPath(EXTRA, vec!["a".into(), format!("k{n}")]), Operator::Eq(Value::NULL)),
        5 => Filter::Is(Operand::RelationId(BY), Operator::Neq(link(doc((n % 100) as u8 + 100)))),
        6 => Filter::Related {
            field: BY,
            target: AUTHOR,
            filter: Box::new(is(BORN, Operator::Neq(int(number + 5_000)))),
        },
        7 => Filter::Not(Box::new(is(RATING, Operator::Eq(float(n as f64 + 0.25))))),
        _ => Filter::Is(
            Operand::Aggregate(Box::new(aggregate(Function::Count, Over::List(TAGS), None))),
            Operator::Lt(Scalar::Int(number + 10)),
        ),
    }
}

/// Everything of books, and authors by an entry of many values: each relation binds them.
fn scoped() -> Masked {
    let names: Vec<Scalar> =
        (0..255).map(|n| Scalar::String(format!("n{n}"))).chain([Scalar::String("Austen".into())]).collect();
    let all = vec![NAME, BORN, BOOKS];
    let verbs = [Verb::Read, Verb::Search, Verb::Update];
    with(owner(), AUTHOR, vec![entry(&verbs, &all, vec![(NAME, Comparison::In(names))])])
}

fn tree(kinds: &[u8], shape: &[(u8, usize)]) -> Filter {
    let mut open: Vec<Filter> = kinds.iter().enumerate().map(|(n, kind)| condition(*kind, n)).collect();
    // Each step takes some of what there is together.
    for (word, of) in shape {
        let taken = open.split_off(open.len().saturating_sub(*of));
        open.push(match word {
            0 => Filter::And(taken),
            1 => Filter::Or(taken),
            _ => Filter::Not(Box::new(Filter::Not(Box::new(Filter::And(taken))))),
        });
        open.rotate_right(1);
    }
    Filter::And(open)
}

#[test]
fn as_many_conditions_as_a_front_takes_are_answered_right() {
    let fixture = Fixture::library();
    for masks in [owner(), scoped()] {
        for kind in 0..9 {
            for n in [1, 998, CONDITIONS] {
                let all: Vec<Filter> = (0..n).map(|n| condition(kind, n)).collect();
                // A relation to nobody has no id that differs from another, and no related document.
                let narrow = masks[&AUTHOR].entries[0].predicate.conditions.len() == 1;
                let expected: &[&str] = match (kind, narrow) {
                    (3, _) => &["Book 1", "Book 2", "Book 3", "Book 4"],
                    (6, false) => &["Book 1", "Book 2", "Book 3", "Book 4"],
                    (6, true) => &["Book 2", "Book 4"],
                    _ => &["Book 1", "Book 2", "Book 3", "Book 4", "Anon"],
                };
                let titles = fixture.titles(&masks, filtered(Filter::And(all.clone())));
                assert_eq!(titles, expected, "{n} of kind {kind}, {narrow}");
                let none =
                    Filter::Not(Box::new(Filter::Or(all.into_iter().map(|f| Filter::Not(Box::new(f))).collect())));
                assert_eq!(
                    fixture.titles(&masks, filtered(none)),
                    expected,
                    "not any of {n} not of kind {kind}, {narrow}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_conditions_meet_the_limits_of_sqlite(
        kinds in proptest::collection::vec(0u8..9, 1..=CONDITIONS),
        shape in proptest::collection::vec((0u8..3, 1usize..400), 0..12),
        narrow: bool,
    ) {
        let fixture = Fixture::library();
        let masks = if narrow { scoped() } else { owner() };
        let filter = tree(&kinds, &shape);
        let count = |filter: Filter| {
            let mut count = aggregate(Function::Count, Over::Collection(BOOK), None);
            count.sources[0].filter = Some(filter);
            fixture.read(&masks, RootKind::Aggregate(count))
        };
        let rows = fixture.read(&masks, select(BOOK, filtered(filter.clone()), vec![item("t", ItemKind::Field(TITLE))]));
        let ids = fixture.view.select_masked(&|id| masks.get(&id).cloned(), BOOK, None, Some(&filter), Verb::Update, false);
        let rows = rows.map(|rows| rows.as_array().map_or(0, Vec::len));
        prop_assert!(rows.is_ok() || matches!(rows, Err(ReadError::Wide)), "{rows:?}");
        if let Ok(rows) = rows {
            prop_assert_eq!(count(filter).unwrap(), json!(rows));
            prop_assert_eq!(ids.unwrap().len(), rows);
        }
    }
}
