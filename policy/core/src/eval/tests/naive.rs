//! The same answers by a second road: all members of all objects at once, fifty rounds, no memory of
//! paths and nothing cut short. Compared with the evaluator on random schemas and rows.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{ask, tuple};
use crate::eval::MAX_DEPTH;
use crate::{Schema, Timestamp, Tuple, Tuples};

/// A rule as the test writes it, and as text.
#[derive(Debug, Clone)]
enum Term {
    Nil,
    Itself,
    Member(&'static str),
    Arrow(&'static str, &'static str),
    Every(&'static str, &'static str),
    Union(Vec<Term>),
    Intersection(Vec<Term>),
    Exclusion(Box<Term>, Box<Term>),
}

const OBJECTS: [&str; 3] = ["1", "2", "3"];
const RELATIONS: [&str; 3] = ["raa", "rbb", "rcc"];
/// Each may name those before it, so no schema has a circle; the data have enough of them.
const PERMISSIONS: [&str; 3] = ["paa", "pbb", "pcc"];

impl Term {
    fn text(&self) -> String {
        let list =
            |terms: &[Term], sign: &str| format!("({})", terms.iter().map(Term::text).collect::<Vec<_>>().join(sign));
        match self {
            Term::Nil => "nil".to_owned(),
            Term::Itself => "self".to_owned(),
            Term::Member(name) => (*name).to_owned(),
            Term::Arrow(over, to) => format!("{over}->{to}"),
            Term::Every(over, to) => format!("{over}.all({to})"),
            Term::Union(terms) => list(terms, " + "),
            Term::Intersection(terms) => list(terms, " & "),
            Term::Exclusion(first, without) => format!("({} - {})", first.text(), without.text()),
        }
    }
}

fn schema(terms: &[Term]) -> String {
    let mut text = "use expiration\nuse self\ndefinition user {}\ndefinition doc {\n".to_owned();
    for relation in RELATIONS {
        // `rcc` allows everyone, so no arrow walks it and no relation includes it.
        let everyone = if relation == "rcc" { " | user:*" } else { " | doc" };
        text.push_str(&format!(
            "relation {relation}: user | user with expiration | doc#raa | doc#rbb | doc#pbb | doc#pcc{everyone}\n"
        ));
    }
    for (name, term) in PERMISSIONS.iter().zip(terms) {
        text.push_str(&format!("permission {name} = {}\n", term.text()));
    }
    text + "}\n"
}

fn term(known: &'static [&'static str]) -> impl Strategy<Value = Term> {
    let walked = proptest::sample::select(&["raa", "rbb"][..]);
    let to = proptest::sample::select(&["raa", "rbb", "rcc", "paa", "pbb", "pcc", "nowhere"][..]);
    let leaf = prop_oneof![
        1 => Just(Term::Nil),
        1 => Just(Term::Itself),
        6 => proptest::sample::select(known).prop_map(Term::Member),
        4 => (walked.clone(), to.clone()).prop_map(|(over, to)| Term::Arrow(over, to)),
        2 => (walked, to).prop_map(|(over, to)| Term::Every(over, to)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..3).prop_map(Term::Union),
            proptest::collection::vec(inner.clone(), 1..3).prop_map(Term::Intersection),
            (inner.clone(), inner).prop_map(|(a, b)| Term::Exclusion(Box::new(a), Box::new(b))),
        ]
    })
}

fn terms() -> impl Strategy<Value = Vec<Term>> {
    (term(&["raa", "rbb", "rcc"]), term(&["raa", "rbb", "rcc", "paa"]), term(&["raa", "rbb", "rcc", "paa", "pbb"]))
        .prop_map(|(a, b, c)| vec![a, b, c])
}

fn row() -> impl Strategy<Value = String> {
    let id = || proptest::sample::select(&OBJECTS[..]);
    prop_oneof![
        (id(), proptest::sample::select(&RELATIONS[..]), proptest::sample::select(&["tom", "ann"][..]), 0i64..4)
            .prop_map(|(doc, relation, user, until)| match until {
                0 => format!("doc:{doc}#{relation}@user:{user}"),
                n => format!("doc:{doc}#{relation}@user:{user} until {}", n * 1000),
            }),
        (id(), proptest::sample::select(&["raa", "rbb"][..]), id())
            .prop_map(|(a, relation, b)| format!("doc:{a}#{relation}@doc:{b}")),
        (
            id(),
            proptest::sample::select(&RELATIONS[..]),
            id(),
            proptest::sample::select(&["raa", "rbb", "pbb", "pcc"][..])
        )
            .prop_map(|(a, relation, b, of)| format!("doc:{a}#{relation}@doc:{b}#{of}")),
        id().prop_map(|doc| format!("doc:{doc}#rcc@user:*")),
    ]
}

/// `None`: not known within the rounds so far.
type Truth = Option<bool>;
type Table = HashMap<(String, String), Truth>;

fn any(answers: impl Iterator<Item = Truth>) -> Truth {
    let answers: Vec<Truth> = answers.collect();
    if answers.contains(&Some(true)) {
        Some(true)
    } else if answers.contains(&None) {
        None
    } else {
        Some(false)
    }
}

fn not(answer: Truth) -> Truth {
    answer.map(|answer| !answer)
}

fn every(answers: impl Iterator<Item = Truth>) -> Truth {
    not(any(answers.map(not)))
}

struct World<'a> {
    rows: &'a [Tuple],
    terms: &'a [Term],
    /// `user:tom`, or `doc:1#raa`.
    subject: &'a str,
    now: Timestamp,
}

impl World<'_> {
    fn rows<'b>(&'b self, doc: &'b str, relation: &'b str) -> impl Iterator<Item = &'b Tuple> {
        self.rows.iter().filter(move |row| {
            row.resource.id == doc && row.relation == relation && row.until.is_none_or(|until| until > self.now)
        })
    }

    fn step(&self, last: &Table, doc: &str, member: &str) -> Truth {
        if self.subject == format!("doc:{doc}#{member}") {
            return Some(true);
        }
        if let Some(at) = PERMISSIONS.iter().position(|name| *name == member) {
            return self.term(last, doc, &self.terms[at]);
        }
        any(self.rows(doc, member).map(|row| {
            let subject = row.subject.to_string();
            let kind = self.subject.split(':').next();
            if subject == self.subject || (row.subject.object.id == "*" && kind == Some(&row.subject.object.kind)) {
                return Some(true);
            }
            match &row.subject.relation {
                Some(relation) => last[&(row.subject.object.id.clone(), relation.clone())],
                None => Some(false),
            }
        }))
    }

    fn term(&self, last: &Table, doc: &str, term: &Term) -> Truth {
        let walk = |over: &str, to: &str| -> Vec<Truth> {
            let to_one = |row: &Tuple| {
                let known = row.subject.object.kind == "doc" && to != "nowhere";
                if known { last[&(row.subject.object.id.clone(), to.to_owned())] } else { Some(false) }
            };
            self.rows(doc, over).map(to_one).collect()
        };
        match term {
            Term::Nil => Some(false),
            Term::Itself => Some(self.subject == format!("doc:{doc}")),
            Term::Member(name) => last[&(doc.to_owned(), (*name).to_owned())],
            Term::Arrow(over, to) => any(walk(over, to).into_iter()),
            Term::Every(over, to) => {
                let answers = walk(over, to);
                if answers.is_empty() { Some(false) } else { every(answers.into_iter()) }
            }
            Term::Union(terms) => any(terms.iter().map(|term| self.term(last, doc, term))),
            Term::Intersection(terms) => every(terms.iter().map(|term| self.term(last, doc, term))),
            Term::Exclusion(first, without) => {
                every([self.term(last, doc, first), not(self.term(last, doc, without))].into_iter())
            }
        }
    }

    fn solve(&self) -> Table {
        let nodes = || {
            OBJECTS.iter().flat_map(|doc| {
                RELATIONS.iter().chain(&PERMISSIONS).map(|member| ((*doc).to_owned(), (*member).to_owned()))
            })
        };
        let mut table: Table = nodes().map(|node| (node, None)).collect();
        for _ in 0..MAX_DEPTH {
            table = nodes()
                .map(|(doc, member)| {
                    let truth = self.step(&table, &doc, &member);
                    ((doc, member), truth)
                })
                .collect();
        }
        table
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_evaluator_agrees_with_fifty_rounds(
        terms in terms(),
        lines in proptest::collection::vec(row(), 0..14),
        now in 0i64..4,
        subject in proptest::sample::select(&["user:tom", "user:new", "doc:2", "doc:1#raa", "doc:3#pbb"][..]),
    ) {
        let text = schema(&terms);
        let schema = Arc::new(Schema::parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?);
        let mut rows: Vec<Tuple> = Vec::new();
        let mut tuples = Tuples::new(Arc::clone(&schema));
        let mut backwards = Tuples::new(schema);
        for line in &lines {
            let row = tuple(line);
            tuples.put(&row).unwrap();
            rows.retain(|other| other.to_string() != row.to_string());
            rows.push(row);
        }
        rows.iter().rev().for_each(|row| { backwards.put(row).unwrap(); });
        let now = Timestamp(now * 1000);
        let table = World { rows: &rows, terms: &terms, subject, now }.solve();
        for ((doc, member), truth) in &table {
            let check = ask(&format!("doc:{doc}#{member}@{subject}"));
            let answer = tuples.check(&check, now);
            prop_assert_eq!(&answer, &backwards.check(&check, now));
            prop_assert_eq!(answer.as_ref().ok().map(|decision| decision.allowed()), *truth, "{} in {}", &check.resource, text);
            let Ok(decision) = &answer else { continue };
            // Until it says that it lapses, the answer stays.
            for later in [1000, 2000, 3000, 4000].map(|t| Timestamp(t - 1)).into_iter().filter(|&t| t > now) {
                if decision.valid_until.is_none_or(|until| later < until) {
                    let then = tuples.check(&check, later).map(|decision| decision.allowed());
                    prop_assert_eq!(then, Ok(decision.allowed()), "at {:?} in {}", later, text);
                }
            }
            let (explained, path) = tuples.explain(&check, now).unwrap();
            prop_assert_eq!(&explained, decision);
            prop_assert!(decision.allowed() || path.is_empty());
        }
    }
}
