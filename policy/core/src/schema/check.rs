//! Whether names and types fit together.

use std::collections::{HashMap, HashSet};

use super::annotate::Annotations;
use super::compile::{Compiled, Definition};
use super::error::Text;
use super::tree::{Body, Expression, Form, Member, Permission, SubjectType};
use super::{SchemaError, source};

/// How many steps the check of all type annotations may take together: each walks everything that its
/// permission leads to.
const MAX_ANNOTATION_STEPS: usize = 10_000_000;

/// Checks every definition, in the order of the text.
pub(super) fn check(text: Text<'_>, compiled: &Compiled) -> Result<(), SchemaError> {
    check_within(text, compiled, MAX_ANNOTATION_STEPS)
}

/// Checks every definition, its annotations in at most so many steps.
pub(super) fn check_within(text: Text<'_>, compiled: &Compiled, steps: usize) -> Result<(), SchemaError> {
    let by_name = (0..).zip(&compiled.definitions).map(|(id, definition)| (definition.name.as_str(), id)).collect();
    let caveats = compiled.caveats.iter().map(|declared| declared.caveat.name()).collect();
    let definitions = compiled.definitions.iter().map(Names::of).collect();
    let mut checker = Checker { text, by_name, caveats, definitions, no_wildcard: HashSet::new() };
    let mut annotations = Annotations::new(steps);
    for definition in &compiled.definitions {
        let id = checker.definition(&definition.name, definition.span.start)?;
        for member in &definition.members {
            match &member.body {
                Body::Permission(permission) => {
                    if compiled.typechecking && !permission.types.is_empty() {
                        annotations.check(&checker, (id, member), permission)?;
                    }
                    checker.permission(id, member, permission)?;
                }
                Body::Relation(types) => checker.relation(id, member, types)?,
            }
        }
    }
    Ok(())
}

/// A definition and what it holds by name.
pub(super) struct Names<'a> {
    definition: &'a Definition,
    pub(super) members: HashMap<&'a str, &'a Member>,
    /// The first member that bears the name of one before it.
    duplicate: Option<&'a Member>,
}

impl<'a> Names<'a> {
    fn of(definition: &'a Definition) -> Self {
        let mut members = HashMap::with_capacity(definition.members.len());
        let mut duplicate = None;
        for member in &definition.members {
            if members.insert(member.name.as_str(), &**member).is_some() && duplicate.is_none() {
                duplicate = Some(&**member);
            }
        }
        Names { definition, members, duplicate }
    }
}

/// A definition by its place, and one of its relations by name.
pub(super) type NamedSpan<'a> = (usize, &'a str);

pub(super) struct Checker<'a> {
    pub(super) text: Text<'a>,
    by_name: HashMap<&'a str, usize>,
    caveats: HashSet<&'a str>,
    pub(super) definitions: Vec<Names<'a>>,
    /// The names of relations that were found to allow no wildcard, wherever they lead. By name alone, as
    /// in SpiceDB: after one `member` was found so, a `member` of another definition passes unseen.
    no_wildcard: HashSet<&'a str>,
}

impl<'a> Checker<'a> {
    pub(super) fn definition(&self, name: &str, at: u32) -> Result<usize, SchemaError> {
        let Some(&id) = self.by_name.get(name) else {
            let error = self.text.types(at, name, format!("object definition `{name}` not found"));
            return Err(error.about("definition_name", name));
        };
        let Some(Member { name: duplicate, span, .. }) = self.definitions[id].duplicate else { return Ok(id) };
        let message = format!("found duplicate relation/permission name `{duplicate}` under definition `{name}`");
        let error = self.text.types(span.start, duplicate, message);
        Err(error.about("definition_name", name).about("relation_or_permission_name", duplicate))
    }

    pub(super) fn name(&self, id: usize) -> &'a str {
        &self.definitions[id].definition.name
    }

    fn member(&self, id: usize, name: &str, at: u32) -> Result<&'a Member, SchemaError> {
        self.definitions[id].members.get(name).copied().ok_or_else(|| {
            let definition = self.name(id);
            let message = format!("relation/permission `{name}` not found under definition `{definition}`");
            let error = self.text.types(at, name, message);
            error.about("definition_name", definition).about("relation_or_permission_name", name)
        })
    }

    fn permission(&mut self, id: usize, member: &'a Member, permission: &'a Permission) -> Result<(), SchemaError> {
        permission.expression.leaves(&mut |leaf| match leaf {
            Expression::Member { name, at } => self.member(id, name, *at).map(|_| ()),
            Expression::Arrow { over, at, .. } => {
                let walked = self.member(id, over, *at)?;
                let definition = self.name(id);
                if matches!(walked.body, Body::Permission(_)) {
                    let message = format!(
                        "under permission `{}` under definition `{definition}`: permissions cannot be used on the left hand side of an arrow (found `{over}`)",
                        member.name
                    );
                    let error = self.text.types(*at, over, message).about("definition_name", definition);
                    return Err(error.about("permission_name", &member.name).about("used_permission_name", over));
                }
                let Some(wildcard) = self.wildcard((id, &walked.name), *at)? else { return Ok(()) };
                let message = format!(
                    "for arrow under permission `{}`: relation `{definition}#{over}` includes {wildcard}: wildcard relations cannot be used on the left side of arrows",
                    member.name
                );
                let error = self.text.types(*at, over, message).about("definition_name", definition);
                Err(error.about("permission_name", &member.name).about("accessed_relation_name", over))
            }
            _ => Ok(()),
        })
    }

    fn relation(&mut self, id: usize, member: &'a Member, types: &'a [SubjectType]) -> Result<(), SchemaError> {
        let (relation, definition) = (&member.name, self.name(id));
        let mut encountered = HashSet::with_capacity(types.len());
        for subject in types {
            let (at, source) = (subject.span.start, source::subject_type(subject));
            if encountered.contains(&source) {
                let message = format!(
                    "found duplicate allowed subject type `{source}` on relation `{relation}` under definition `{definition}`"
                );
                let error = self.text.types(at, &source, message).about("definition_name", definition);
                return Err(error.about("relation_name", relation).about("allowed_relation", &source));
            }
            let name = &subject.definition;
            let of = if name == definition {
                id
            } else {
                self.definition(name, at).map_err(|error| {
                    let message = format!("could not lookup definition `{name}` for relation `{relation}`");
                    let message = format!("{message}: {}", error.message);
                    SchemaError { about: error.about, ..self.text.types(at, name, message) }
                })?
            };
            if let Form::Members(members) = &subject.form {
                let included = self.member(of, members, at)?;
                // Within one definition SpiceDB lets a relation include one that allows a wildcard.
                if of != id
                    && let Some(wildcard) = self.wildcard((of, &included.name), at)?
                {
                    let message = format!(
                        "for relation `{relation}`: relation/permission `{name}#{members}` includes {wildcard}: wildcard relations cannot be transitively included"
                    );
                    let error = self.text.types(at, &format!("{name}#{members}"), message);
                    return Err(error.about("definition_name", definition).about("relation_name", relation));
                }
            }
            if let Some(caveat) = subject.caveat.as_deref().filter(|caveat| !self.caveats.contains(caveat)) {
                let message = format!(
                    "could not lookup caveat `{caveat}` for relation `{relation}`: caveat with name `{caveat}` not found"
                );
                return Err(self.text.types(at, &source, message).about("caveat_name", caveat));
            }
            encountered.insert(source);
        }
        Ok(())
    }

    /// The first wildcard that a relation allows, itself or by way of relations that it includes, in words.
    fn wildcard(&mut self, from: NamedSpan<'a>, at: u32) -> Result<Option<String>, SchemaError> {
        if self.no_wildcard.contains(from.1) {
            return Ok(None);
        }
        let mut encountered = HashSet::from([from]);
        // Each with the subject types that are still to be looked at.
        let mut open = vec![(from, self.types(from, at)?.iter())];
        while let Some(((id, name), types)) = open.last_mut() {
            let Some(subject) = types.next() else {
                self.no_wildcard.insert(name);
                open.pop();
                continue;
            };
            let Form::Members(members) = &subject.form else {
                if subject.form == Form::Everyone {
                    let relation = format!("{}#{name}", self.name(*id));
                    return Ok(Some(format!("wildcard type `{}` via relation `{relation}`", subject.definition)));
                }
                continue;
            };
            let of = if subject.definition == self.name(*id) { *id } else { self.definition(&subject.definition, at)? };
            if self.no_wildcard.contains(members.as_str()) {
                continue;
            }
            let next = (of, members.as_str());
            if encountered.insert(next) {
                open.push((next, self.types(next, at)?.iter()));
            } else {
                self.no_wildcard.insert(members);
            }
        }
        Ok(None)
    }

    /// The subject types of a relation; a permission has none of its own.
    pub(super) fn types(&self, (id, name): NamedSpan<'_>, at: u32) -> Result<&'a [SubjectType], SchemaError> {
        Ok(match &self.member(id, name, at)?.body {
            Body::Relation(types) => types,
            Body::Permission(_) => &[],
        })
    }
}
