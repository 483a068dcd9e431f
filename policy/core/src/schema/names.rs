//! What names may look like, and how SpiceDB says that one does not.

use super::tree::{Expression, Form, Member, SubjectType, Walk};

const RELATION: &str = "^[a-z][a-z0-9_]{1,62}[a-z0-9]$";
const DEFINITION: &str = "^([a-z][a-z0-9_]{1,62}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$";
/// A definition where a relation names it: what comes before a `/` is one letter shorter than in its own place.
const REFERENCE: &str = "^([a-z][a-z0-9_]{1,61}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$";
const SUBJECT_RELATION: &str = r"^(\.\.\.|[a-z][a-z0-9_]{1,62}[a-z0-9])$";
const MAX_RELATION: usize = 64;
const MAX_DEFINITION: usize = 128;
/// How many broken rules one message tells, and how many steps of a path.
const MAX_TOLD: usize = 100;

/// 3 to `most` lower-case letters, digits and `_`: a letter first, no `_` last.
fn is_name(name: &str, most: usize) -> bool {
    let bytes = name.as_bytes();
    (3..=most).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes[bytes.len() - 1] != b'_'
        && bytes.iter().all(|&b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_path(path: &str, most: usize) -> bool {
    let mut parts = path.rsplit('/');
    parts.next().is_some_and(|last| is_name(last, 64)) && parts.all(|part| is_name(part, most))
}

/// The rules that names break, each with the path of the name.
#[derive(Default)]
struct Broken(Vec<String>);

impl Broken {
    fn rule(&mut self, path: impl std::fmt::Display, name: &str, most: usize, pattern: &str, fits: bool) {
        if self.0.len() >= MAX_TOLD {
            return;
        }
        if name.len() > most {
            self.0.push(format!("{path}: must be at most {most} bytes"));
        }
        if !fits {
            self.0.push(format!("{path}: does not match regex pattern `{pattern}`"));
        }
    }
    fn relation(&mut self, path: impl std::fmt::Display, name: &str) {
        self.rule(path, name, MAX_RELATION, RELATION, is_name(name, 64));
    }
    fn message(self) -> Option<String> {
        match &*self.0 {
            [] => None,
            [one] => Some(format!("validation error: {one}")),
            all => Some(format!("validation errors:\n - {}", all.join("\n - "))),
        }
    }
}

/// What is wrong with the name of a definition.
pub(super) fn of_definition(name: &str) -> Option<String> {
    let mut broken = Broken::default();
    broken.rule("name", name, MAX_DEFINITION, DEFINITION, is_path(name, 64));
    broken.message()
}

/// What is wrong with the names in a subject type.
pub(super) fn of_subject_type(subject: &SubjectType) -> Option<String> {
    let mut broken = Broken::default();
    let definition = &subject.definition;
    broken.rule("namespace", definition, MAX_DEFINITION, REFERENCE, is_path(definition, 63));
    if let Form::Members(relation) = &subject.form {
        broken.rule("relation", relation, MAX_RELATION, SUBJECT_RELATION, is_name(relation, 64));
    }
    broken.message()
}

/// What is wrong with the name of a relation.
pub(super) fn of_relation(relation: &Member) -> Option<String> {
    let mut broken = Broken::default();
    broken.relation("name", &relation.name);
    broken.message()
}

/// What is wrong with the name of a permission and those in its expression.
pub(super) fn of_permission(permission: &Member, expression: &Expression) -> Option<String> {
    let mut broken = Broken::default();
    broken.relation("name", &permission.name);
    if is_broken(expression) {
        operation(expression, "userset_rewrite", &mut broken);
    }
    broken.message()
}

/// An expression that stands for an operation of its own; a leaf is a union of itself.
fn operation(expression: &Expression, path: &str, broken: &mut Broken) {
    let of_many = |kind: &str, all: &[Expression], broken: &mut Broken| {
        for (i, each) in all.iter().enumerate().filter(|(_, each)| is_broken(each)) {
            child(each, &format!("{path}.{kind}.child[{i}]"), broken);
        }
    };
    match expression {
        Expression::Union(all) => of_many("union", all, broken),
        Expression::Intersection(all) => of_many("intersection", all, broken),
        // SpiceDB's exclusions have two operands: the first nests.
        Expression::Exclusion(first, without) => {
            let nested = |times: usize| ".exclusion.child[0].userset_rewrite".repeat(times.min(MAX_TOLD));
            if is_broken(first) {
                child(first, &format!("{path}{}.exclusion.child[0]", nested(without.len() - 1)), broken);
            }
            for (i, each) in without.iter().enumerate().filter(|(_, each)| is_broken(each)) {
                child(each, &format!("{path}{}.exclusion.child[1]", nested(without.len() - 1 - i)), broken);
            }
        }
        leaf => child(leaf, &format!("{path}.union.child[0]"), broken),
    }
}

fn child(expression: &Expression, path: &str, broken: &mut Broken) {
    match expression {
        Expression::Nil | Expression::Itself => {}
        Expression::Member { name, .. } => broken.relation(format_args!("{path}.computed_userset.relation"), name),
        Expression::Arrow { over, to, walk, .. } => {
            let walk = if *walk == Walk::Arrow { "tuple_to_userset" } else { "functioned_tuple_to_userset" };
            broken.relation(format_args!("{path}.{walk}.tupleset.relation"), over);
            broken.relation(format_args!("{path}.{walk}.computed_userset.relation"), to);
        }
        joined => operation(joined, &format!("{path}.userset_rewrite"), broken),
    }
}

fn is_broken(expression: &Expression) -> bool {
    let fits = |leaf: &Expression| match leaf {
        Expression::Member { name, .. } => is_name(name, 64),
        Expression::Arrow { over, to, .. } => is_name(over, 64) && is_name(to, 64),
        _ => true,
    };
    expression.leaves(&mut |leaf| if fits(leaf) { Ok(()) } else { Err(()) }).is_err()
}
