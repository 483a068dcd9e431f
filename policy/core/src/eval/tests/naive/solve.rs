//! Fifty rounds over every member of every object.

use std::collections::{BTreeMap, BTreeSet};

use crate::eval::MAX_DEPTH;
use crate::{Context, Permissionship};

use super::grow::{CAVEATS, KINDS, Plan, Row, Term, ids};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Truth {
    No,
    /// It depends on these parameters.
    Maybe(BTreeSet<String>),
    Yes,
    /// Not known within the rounds so far.
    Deep,
}

impl Truth {
    pub fn permissionship(&self) -> Permissionship {
        match self {
            Truth::Yes => Permissionship::Yes,
            Truth::Maybe(_) => Permissionship::Conditional,
            Truth::No | Truth::Deep => Permissionship::No,
        }
    }
}

/// By object and member.
pub type Table = BTreeMap<(String, String), Truth>;

fn any(answers: impl IntoIterator<Item = Truth>) -> Truth {
    let answers: Vec<Truth> = answers.into_iter().collect();
    if answers.contains(&Truth::Yes) {
        return Truth::Yes;
    }
    if answers.contains(&Truth::Deep) {
        return Truth::Deep;
    }
    let names: BTreeSet<String> = answers
        .into_iter()
        .flat_map(|answer| match answer {
            Truth::Maybe(names) => names,
            _ => BTreeSet::new(),
        })
        .collect();
    if names.is_empty() { Truth::No } else { Truth::Maybe(names) }
}

fn not(answer: Truth) -> Truth {
    match answer {
        Truth::Yes => Truth::No,
        Truth::No => Truth::Yes,
        other => other,
    }
}

fn every(answers: impl IntoIterator<Item = Truth>) -> Truth {
    not(any(answers.into_iter().map(not)))
}

pub struct World<'a> {
    pub rows: &'a [Row],
    pub plan: &'a Plan,
    /// `user:tom`, or `doc:1#raa`.
    pub subject: String,
    pub context: &'a Context,
    pub now: i64,
}

impl World<'_> {
    /// The rows of a relation that have not lapsed.
    fn rows<'b>(&'b self, of: &'b str, relation: &'b str) -> impl Iterator<Item = &'b Row> {
        let alive = |row: &&Row| row.until.is_none_or(|until| until > self.now);
        self.rows.iter().filter(move |row| row.resource == of && row.relation == relation).filter(alive)
    }

    /// What a row's caveat says: by the row's own value, else by that of the request.
    fn caveat(&self, row: &Row) -> Truth {
        let Some((at, stored)) = row.caveat else { return Truth::Yes };
        let parameter = CAVEATS[at].parameter;
        match stored.or_else(|| self.context.get(parameter)?.as_bool()) {
            Some(true) => Truth::Yes,
            Some(false) => Truth::No,
            None => Truth::Maybe([parameter.to_owned()].into()),
        }
    }

    fn step(&self, last: &Table, of: &str, member: &str) -> Truth {
        if self.subject == format!("{of}#{member}") {
            return Truth::Yes;
        }
        let (name, _) = of.split_once(':').unwrap_or_default();
        let Some(at) = KINDS.iter().position(|kind| kind.name == name) else {
            return if self.subject == of { Truth::Yes } else { Truth::No };
        };
        if let Some(permission) = KINDS[at].permissions.iter().position(|permission| *permission == member) {
            return self.term(last, of, &self.plan.terms[at][permission]);
        }
        any(self.rows(of, member).map(|row| {
            let kind = self.subject.split(':').next();
            let everyone = row.subject.strip_suffix(":*");
            let inside = if row.subject == self.subject || (everyone.is_some() && everyone == kind) {
                Truth::Yes
            } else {
                match row.subject.split_once('#') {
                    Some((object, relation)) => last[&(object.to_owned(), relation.to_owned())].clone(),
                    None => Truth::No,
                }
            };
            every([self.caveat(row), inside])
        }))
    }

    fn term(&self, last: &Table, of: &str, term: &Term) -> Truth {
        let walk = |over: &str, to: &str| -> Vec<Truth> {
            let to_one = |row: &Row| {
                let object = row.subject.split('#').next().unwrap_or_default().to_owned();
                let there = last.get(&(object, to.to_owned())).cloned().unwrap_or(Truth::No);
                every([self.caveat(row), there])
            };
            self.rows(of, over).map(to_one).collect()
        };
        match term {
            Term::Nil => Truth::No,
            Term::Itself => {
                if self.subject == of {
                    Truth::Yes
                } else {
                    Truth::No
                }
            }
            Term::Member(name) => last[&(of.to_owned(), (*name).to_owned())].clone(),
            Term::Arrow(over, to) => any(walk(over, to)),
            Term::Every(over, to) => {
                let answers = walk(over, to);
                if answers.is_empty() { Truth::No } else { every(answers) }
            }
            Term::Union(terms) => any(terms.iter().map(|term| self.term(last, of, term))),
            Term::Intersection(terms) => every(terms.iter().map(|term| self.term(last, of, term))),
            Term::Exclusion(first, without) => every([self.term(last, of, first), not(self.term(last, of, without))]),
        }
    }

    pub fn solve(&self) -> Table {
        let nodes = || {
            let of = |kind: &'static str, members: Vec<&'static str>| {
                let ids = ids(kind).iter().copied().chain(["new", "other"]);
                ids.flat_map(move |id| {
                    members.clone().into_iter().map(move |member| (format!("{kind}:{id}"), member.to_owned()))
                })
            };
            let kinds = KINDS.iter().flat_map(move |kind| of(kind.name, [kind.relations, kind.permissions].concat()));
            kinds.chain(of("user", vec!["own"]))
        };
        let mut table: Table = nodes().map(|node| (node, Truth::Deep)).collect();
        for _ in 0..MAX_DEPTH {
            let next: Table = nodes()
                .map(|(of, member)| {
                    let truth = self.step(&table, &of, &member);
                    ((of, member), truth)
                })
                .collect();
            if next == table {
                break;
            }
            table = next;
        }
        table
    }
}
