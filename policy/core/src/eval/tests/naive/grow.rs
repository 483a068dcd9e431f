//! Random schemas and rows, as the test knows them and as text.

use proptest::prelude::*;

use crate::{CaveatUse, Timestamp, Tuple};

use super::{object, subject};

/// A caveat that says what its one parameter says.
pub struct Leaf {
    pub name: &'static str,
    pub parameter: &'static str,
}

pub const CAVEATS: [Leaf; 3] = [
    Leaf { name: "if_one", parameter: "one" },
    Leaf { name: "if_two", parameter: "two" },
    Leaf { name: "if_three", parameter: "three" },
];

/// A definition: relations, of which the last may hold everyone, and permissions, which may name those before them.
pub struct Kind {
    pub name: &'static str,
    pub relations: &'static [&'static str],
    pub permissions: &'static [&'static str],
}

pub const KINDS: [Kind; 2] = [
    Kind { name: "grp", relations: &["raa", "rbb"], permissions: &["paa", "pbb"] },
    Kind { name: "doc", relations: &["raa", "rbb", "rcc"], permissions: &["paa", "pbb", "pcc"] },
];

pub fn ids(kind: &str) -> &'static [&'static str] {
    match kind {
        "user" => &["ann", "tom"],
        "grp" => &["1", "2"],
        _ => &["1", "2", "3"],
    }
}

/// Every relation and permission, with its kind.
pub fn members() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = |kind: &'static Kind| kind.relations.iter().chain(kind.permissions).map(|member| (kind.name, *member));
    KINDS.iter().flat_map(of).chain([("user", "own")])
}

/// What subjects can be looked up as.
pub fn subject_kinds() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    [("user", None), ("grp", None), ("doc", None), ("grp", Some("raa")), ("doc", Some("pbb"))].into_iter()
}

/// The subjects that a form may name; the last one only where everyone is allowed.
const SHAPES: [&str; 10] =
    ["user", "grp", "doc", "grp#raa", "grp#paa", "grp#pbb", "doc#raa", "doc#pbb", "doc#pcc", "user:*"];

#[derive(Debug, Clone)]
pub enum Term {
    Nil,
    Itself,
    Member(&'static str),
    Arrow(&'static str, &'static str),
    Every(&'static str, &'static str),
    Union(Vec<Term>),
    Intersection(Vec<Term>),
    Exclusion(Box<Term>, Box<Term>),
}

impl Term {
    /// With the fewest parentheses: `+` binds tightest, then `&`, then `-`, each from the left.
    fn text(&self, room: u8) -> String {
        let list = |terms: &[Term], sign: &str, of: u8| terms.iter().map(|t| t.text(of)).collect::<Vec<_>>().join(sign);
        let (text, own) = match self {
            Term::Nil => ("nil".to_owned(), 3),
            Term::Itself => ("self".to_owned(), 3),
            Term::Member(name) => ((*name).to_owned(), 3),
            Term::Arrow(over, to) => (format!("{over}->{to}"), 3),
            Term::Every(over, to) => (format!("{over}.all({to})"), 3),
            Term::Union(terms) => (list(terms, " + ", 2), 2),
            Term::Intersection(terms) => (list(terms, " & ", 1), 1),
            Term::Exclusion(first, without) => (format!("{} - {}", first.text(0), without.text(1)), 0),
        };
        if own < room { format!("({text})") } else { text }
    }
}

#[derive(Debug, Clone)]
pub struct Row {
    pub resource: String,
    pub relation: &'static str,
    pub subject: String,
    pub until: Option<i64>,
    /// A caveat, by its place, and what the row itself says of its parameter.
    pub caveat: Option<(usize, Option<bool>)>,
}

impl Row {
    pub fn identity(&self) -> (&str, &str, &str) {
        (&self.resource, self.relation, &self.subject)
    }
    pub fn tuple(&self) -> Tuple {
        let mut tuple = Tuple::new(object(&self.resource), self.relation, subject(&self.subject));
        tuple.until = self.until.map(Timestamp);
        tuple.caveat = self.caveat.map(|(at, state)| CaveatUse {
            name: CAVEATS[at].name.to_owned(),
            context: state.map(|state| (CAVEATS[at].parameter.to_owned(), state.into())).into_iter().collect(),
        });
        tuple
    }
}

/// The forms of one relation: which subjects, and whether plain, with an end, with caveats, with both.
#[derive(Debug, Clone)]
pub struct Forms {
    shapes: Vec<bool>,
    marks: [bool; 4],
}

impl Forms {
    fn text(&self, public: bool) -> String {
        let mut forms = Vec::new();
        for (shape, _) in
            SHAPES.iter().zip(&self.shapes).filter(|(shape, there)| **there && (public || **shape != "user:*"))
        {
            let with: [(bool, Vec<String>); 4] = [
                (self.marks[0], vec![String::new()]),
                (self.marks[1], vec![" with expiration".to_owned()]),
                (self.marks[2], CAVEATS.iter().map(|leaf| format!(" with {}", leaf.name)).collect()),
                (self.marks[3], CAVEATS.iter().map(|leaf| format!(" with {} and expiration", leaf.name)).collect()),
            ];
            forms.extend(
                with.into_iter()
                    .filter(|(there, _)| *there)
                    .flat_map(|(_, with)| with)
                    .map(|with| format!("{shape}{with}")),
            );
        }
        if forms.is_empty() { "user".to_owned() } else { forms.join(" | ") }
    }
}

#[derive(Debug, Clone)]
pub struct Plan {
    /// By kind and relation.
    forms: Vec<Vec<Forms>>,
    /// By kind and permission.
    pub terms: Vec<Vec<Term>>,
    pub rows: Vec<Row>,
}

impl Plan {
    pub fn text(&self) -> String {
        let mut text = "use expiration\nuse self\n".to_owned();
        for leaf in CAVEATS {
            text.push_str(&format!(
                "caveat {}({parameter} bool) {{ {parameter} }}\n",
                leaf.name,
                parameter = leaf.parameter
            ));
        }
        text.push_str("definition user {\npermission own = self\n}\n");
        for ((kind, forms), terms) in KINDS.iter().zip(&self.forms).zip(&self.terms) {
            text.push_str(&format!("definition {} {{\n", kind.name));
            for (relation, forms) in kind.relations.iter().zip(forms) {
                let public = kind.relations.last() == Some(relation);
                text.push_str(&format!("relation {relation}: {}\n", forms.text(public)));
            }
            for (permission, term) in kind.permissions.iter().zip(terms) {
                text.push_str(&format!("permission {permission} = {}\n", term.text(0)));
            }
            text.push_str("}\n");
        }
        text
    }
}

fn term(kind: &'static Kind, earlier: usize) -> impl Strategy<Value = Term> {
    let known: Vec<&'static str> = kind.relations.iter().chain(&kind.permissions[..earlier]).copied().collect();
    let walked: Vec<&'static str> = kind.relations.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default();
    let walked = proptest::sample::select(walked);
    let to = proptest::sample::select(&["raa", "rbb", "rcc", "paa", "pbb", "pcc", "own", "nowhere"][..]);
    let leaf = prop_oneof![
        1 => Just(Term::Nil),
        1 => Just(Term::Itself),
        6 => proptest::sample::select(known).prop_map(Term::Member),
        4 => (walked.clone(), to.clone()).prop_map(|(over, to)| Term::Arrow(over, to)),
        3 => (walked, to).prop_map(|(over, to)| Term::Every(over, to)),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Term::Union),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Term::Intersection),
            (inner.clone(), inner).prop_map(|(a, b)| Term::Exclusion(Box::new(a), Box::new(b))),
        ]
    })
}

fn terms(kind: &'static Kind) -> impl Strategy<Value = Vec<Term>> {
    (0..kind.permissions.len()).map(|at| term(kind, at).boxed()).collect::<Vec<_>>()
}

fn forms() -> impl Strategy<Value = Forms> {
    let marks = proptest::array::uniform4(proptest::bool::weighted(0.7));
    (proptest::collection::vec(proptest::bool::weighted(0.6), SHAPES.len()), marks)
        .prop_map(|(shapes, marks)| Forms { shapes, marks })
}

fn row() -> impl Strategy<Value = Row> {
    let place = proptest::sample::select(
        KINDS
            .iter()
            .flat_map(|kind| {
                ids(kind.name)
                    .iter()
                    .flat_map(move |id| kind.relations.iter().map(move |r| (format!("{}:{id}", kind.name), *r)))
            })
            .collect::<Vec<_>>(),
    );
    let who = proptest::sample::select(
        SHAPES
            .iter()
            .flat_map(|shape| {
                let (kind, rest) = shape.split_at(shape.find(['#', ':']).unwrap_or(shape.len()));
                match rest {
                    ":*" => vec!["user:*".to_owned(); 2],
                    _ => ids(kind).iter().map(|id| format!("{kind}:{id}{rest}")).collect(),
                }
            })
            .collect::<Vec<_>>(),
    );
    let user = proptest::sample::select(vec!["user:tom".to_owned(), "user:ann".to_owned()]);
    let caveat = proptest::option::weighted(0.4, (0..CAVEATS.len(), proptest::option::of(any::<bool>())));
    (place, prop_oneof![2 => who, 1 => user], proptest::option::weighted(0.3, 1i64..4), caveat).prop_map(
        |((resource, relation), subject, until, caveat)| Row {
            resource,
            relation,
            subject,
            until: until.map(|n| n * 1_000),
            caveat,
        },
    )
}

pub fn plan() -> impl Strategy<Value = Plan> {
    let forms = KINDS.iter().map(|kind| proptest::collection::vec(forms(), kind.relations.len())).collect::<Vec<_>>();
    let terms = KINDS.iter().map(|kind| terms(kind).boxed()).collect::<Vec<_>>();
    (forms, terms, proptest::collection::vec(row(), 0..18)).prop_map(|(forms, terms, rows)| Plan { forms, terms, rows })
}
