//! What differs between two schemas.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use super::reflect::{
    ReflectedCaveat, ReflectedDefinition, ReflectedParameter, ReflectedPermission, ReflectedRelation,
    ReflectedSubjectType, Selection, reflect_caveat, reflect_permission, reflect_relation, reflect_subject_type,
};
use super::tree::{Body, Permission, SubjectType};
use super::{Declared, Definition, Member, Schema, source};

/// One difference. What was removed is told as it was, everything else as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Difference {
    /// It was not there before.
    DefinitionAdded(ReflectedDefinition),
    /// It is there no more.
    DefinitionRemoved(ReflectedDefinition),
    /// It says something else of itself.
    DefinitionCommentChanged(ReflectedDefinition),
    /// It was not there before.
    RelationAdded(ReflectedRelation),
    /// It is there no more.
    RelationRemoved(ReflectedRelation),
    /// It says something else of itself.
    RelationCommentChanged(ReflectedRelation),
    /// A relation takes subjects that it did not take.
    SubjectTypeAdded {
        /// The relation, as it is now.
        relation: ReflectedRelation,
        /// What it takes.
        subject_type: ReflectedSubjectType,
    },
    /// A relation takes subjects no more that it took.
    SubjectTypeRemoved {
        /// The relation, as it is now.
        relation: ReflectedRelation,
        /// What it took.
        subject_type: ReflectedSubjectType,
    },
    /// It was not there before.
    PermissionAdded(ReflectedPermission),
    /// It is there no more.
    PermissionRemoved(ReflectedPermission),
    /// It says something else of itself.
    PermissionCommentChanged(ReflectedPermission),
    /// It is made of something else.
    PermissionExpressionChanged(ReflectedPermission),
    /// It was not there before.
    CaveatAdded(ReflectedCaveat),
    /// It is there no more.
    CaveatRemoved(ReflectedCaveat),
    /// It says something else of itself.
    CaveatCommentChanged(ReflectedCaveat),
    /// It is another expression.
    CaveatExpressionChanged(ReflectedCaveat),
    /// It was not there before.
    ParameterAdded(ReflectedParameter),
    /// It is there no more.
    ParameterRemoved(ReflectedParameter),
    /// A parameter of a caveat has another type.
    ParameterTypeChanged {
        /// The parameter, as it is now.
        parameter: ReflectedParameter,
        /// The type that it had.
        before: String,
    },
}

impl fmt::Display for ReflectedSubjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::reflect::ReflectedForm;
        f.write_str(&self.definition)?;
        match &self.form {
            ReflectedForm::Object => {}
            ReflectedForm::Everyone => f.write_str(":*")?,
            ReflectedForm::Members(name) => write!(f, "#{name}")?,
        }
        match (&self.caveat, self.expires) {
            (None, false) => Ok(()),
            (None, true) => f.write_str(" with expiration"),
            (Some(caveat), false) => write!(f, " with {caveat}"),
            (Some(caveat), true) => write!(f, " with {caveat} and expiration"),
        }
    }
}

/// One line for people.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Difference as D;
        match self {
            D::DefinitionAdded(it) => write!(f, "definition `{}` was added", it.name),
            D::DefinitionRemoved(it) => write!(f, "definition `{}` was removed", it.name),
            D::DefinitionCommentChanged(it) => write!(f, "the comment of definition `{}` changed", it.name),
            D::RelationAdded(it) => write!(f, "relation `{}#{}` was added", it.definition, it.name),
            D::RelationRemoved(it) => write!(f, "relation `{}#{}` was removed", it.definition, it.name),
            D::RelationCommentChanged(it) => {
                write!(f, "the comment of relation `{}#{}` changed", it.definition, it.name)
            }
            D::SubjectTypeAdded { relation: it, subject_type } => {
                write!(f, "relation `{}#{}` now allows `{subject_type}`", it.definition, it.name)
            }
            D::SubjectTypeRemoved { relation: it, subject_type } => {
                write!(f, "relation `{}#{}` no longer allows `{subject_type}`", it.definition, it.name)
            }
            D::PermissionAdded(it) => write!(f, "permission `{}#{}` was added", it.definition, it.name),
            D::PermissionRemoved(it) => write!(f, "permission `{}#{}` was removed", it.definition, it.name),
            D::PermissionCommentChanged(it) => {
                write!(f, "the comment of permission `{}#{}` changed", it.definition, it.name)
            }
            D::PermissionExpressionChanged(it) => {
                write!(f, "permission `{}#{}` follows otherwise", it.definition, it.name)
            }
            D::CaveatAdded(it) => write!(f, "caveat `{}` was added", it.name),
            D::CaveatRemoved(it) => write!(f, "caveat `{}` was removed", it.name),
            D::CaveatCommentChanged(it) => write!(f, "the comment of caveat `{}` changed", it.name),
            D::CaveatExpressionChanged(it) => write!(f, "the expression of caveat `{}` changed", it.name),
            D::ParameterAdded(it) => write!(f, "parameter `{}` of caveat `{}` was added", it.name, it.caveat),
            D::ParameterRemoved(it) => write!(f, "parameter `{}` of caveat `{}` was removed", it.name, it.caveat),
            D::ParameterTypeChanged { parameter: it, before } => {
                let ReflectedParameter { caveat, name, kind } = it;
                write!(f, "parameter `{name}` of caveat `{caveat}` was of type `{before}` and is of type `{kind}`")
            }
        }
    }
}

impl Schema {
    /// What has to change in this schema for it to become the other. Order is by kind, then by name; where
    /// things stand in the text makes no difference.
    pub fn diff(&self, other: &Schema) -> Vec<Difference> {
        let mut found = Vec::new();
        let all = Selection(&[]);
        for added in missing(&other.definitions_by_name(), &self.definitions_by_name(), |it| &it.name) {
            found.push(Difference::DefinitionAdded(other.reflect_definition(added, all)));
        }
        for removed in missing(&self.definitions_by_name(), &other.definitions_by_name(), |it| &it.name) {
            found.push(Difference::DefinitionRemoved(self.reflect_definition(removed, all)));
        }
        for added in missing(&other.caveats_by_name(), &self.caveats_by_name(), |it| it.caveat.name()) {
            found.push(Difference::CaveatAdded(reflect_caveat(added)));
        }
        for removed in missing(&self.caveats_by_name(), &other.caveats_by_name(), |it| it.caveat.name()) {
            found.push(Difference::CaveatRemoved(reflect_caveat(removed)));
        }
        for (before, after) in common(&self.definitions_by_name(), &other.definitions_by_name(), |it| &it.name) {
            Changes { name: &after.name, found: &mut found }.definition((self, before), (other, after));
        }
        for (before, after) in common(&self.caveats_by_name(), &other.caveats_by_name(), |it| it.caveat.name()) {
            caveat(before, after, &mut found);
        }
        found
    }
}

/// What the first has and the second has not, by name.
fn missing<'a, T>(of: &[&'a T], other: &[&'a T], name: fn(&T) -> &str) -> Vec<&'a T> {
    let others: HashSet<&str> = other.iter().map(|it| name(it)).collect();
    of.iter().copied().filter(|it| !others.contains(name(it))).collect()
}

/// What both have, by name.
fn common<'a, T>(before: &[&'a T], after: &[&'a T], name: fn(&T) -> &str) -> Vec<(&'a T, &'a T)> {
    let named: HashMap<&str, &T> = before.iter().map(|it| (name(it), *it)).collect();
    after.iter().filter_map(|it| Some((*named.get(name(it))?, *it))).collect()
}

struct Changes<'a> {
    /// Of the definition.
    name: &'a str,
    found: &'a mut Vec<Difference>,
}

type Relation<'a> = (&'a Member, &'a [SubjectType]);

impl Changes<'_> {
    fn definition(&mut self, (from, before): (&Schema, &Definition), (to, after): (&Schema, &Definition)) {
        if before.comments != after.comments {
            let definition = to.reflect_definition(after, Selection(&[]));
            self.found.push(Difference::DefinitionCommentChanged(definition));
        }
        let (old, new) = (relations(from, before), relations(to, after));
        let (old, new): (Vec<&Relation<'_>>, Vec<&Relation<'_>>) = (old.iter().collect(), new.iter().collect());
        for (member, types) in missing(&old, &new, |it| &it.0.name) {
            self.found.push(Difference::RelationRemoved(reflect_relation(self.name, member, types)));
        }
        for (member, types) in missing(&new, &old, |it| &it.0.name) {
            self.found.push(Difference::RelationAdded(reflect_relation(self.name, member, types)));
        }
        let (olds, news) = (permissions(from, before), permissions(to, after));
        let (olds, news): (Vec<_>, Vec<_>) = (olds.iter().collect(), news.iter().collect());
        for (member, _) in missing(&olds, &news, |it| &it.0.name) {
            self.found.push(Difference::PermissionRemoved(reflect_permission(self.name, member)));
        }
        for (member, _) in missing(&news, &olds, |it| &it.0.name) {
            self.found.push(Difference::PermissionAdded(reflect_permission(self.name, member)));
        }
        for (before, after) in common(&olds, &news, |it| &it.0.name) {
            let permission = || reflect_permission(self.name, after.0);
            if before.1.expression != after.1.expression {
                self.found.push(Difference::PermissionExpressionChanged(permission()));
            }
            if before.0.source.comments != after.0.source.comments {
                self.found.push(Difference::PermissionCommentChanged(permission()));
            }
        }
        common(&old, &new, |it| &it.0.name).into_iter().for_each(|(before, after)| self.relation(*before, *after));
    }

    fn relation(&mut self, (before, old): Relation<'_>, (after, new): Relation<'_>) {
        let relation = || reflect_relation(self.name, after, new);
        if before.source.comments != after.source.comments {
            self.found.push(Difference::RelationCommentChanged(relation()));
        }
        let [was, is] = [old, new].map(|types| types.iter().map(source::subject_type).collect::<HashSet<_>>());
        for removed in old.iter().filter(|it| !is.contains(&source::subject_type(it))) {
            let subject_type = reflect_subject_type(removed);
            self.found.push(Difference::SubjectTypeRemoved { relation: relation(), subject_type });
        }
        for added in new.iter().filter(|it| !was.contains(&source::subject_type(it))) {
            let subject_type = reflect_subject_type(added);
            self.found.push(Difference::SubjectTypeAdded { relation: relation(), subject_type });
        }
    }
}

fn relations<'a>(schema: &'a Schema, definition: &'a Definition) -> Vec<Relation<'a>> {
    let own = schema.own_members(definition);
    own.filter_map(|member| match &member.source.body {
        Body::Relation(types) => Some((member, types.as_slice())),
        Body::Permission(_) => None,
    })
    .collect()
}

fn permissions<'a>(schema: &'a Schema, definition: &'a Definition) -> Vec<(&'a Member, &'a Permission)> {
    let own = schema.own_members(definition);
    own.filter_map(|member| match &member.source.body {
        Body::Permission(permission) => Some((member, permission)),
        Body::Relation(_) => None,
    })
    .collect()
}

fn caveat(before: &Declared, after: &Declared, found: &mut Vec<Difference>) {
    if before.comments != after.comments {
        found.push(Difference::CaveatCommentChanged(reflect_caveat(after)));
    }
    let (old, new) = (reflect_caveat(before).parameters, reflect_caveat(after).parameters);
    let (old, new): (Vec<_>, Vec<_>) = (old.iter().collect(), new.iter().collect());
    for removed in missing(&old, &new, |it| &it.name) {
        found.push(Difference::ParameterRemoved(removed.clone()));
    }
    for added in missing(&new, &old, |it| &it.name) {
        found.push(Difference::ParameterAdded(added.clone()));
    }
    let mut other_types = false;
    for (old, new) in common(&old, &new, |it| &it.name) {
        if old.kind != new.kind {
            let (parameter, before) = (new.clone(), old.kind.clone());
            found.push(Difference::ParameterTypeChanged { parameter, before });
        }
        // Expressions know no `uint`.
        other_types |= old.kind.replace("uint", "int") != new.kind.replace("uint", "int");
    }
    // An expression is the same while it stands written the same and is compiled the same.
    if other_types || before.written != after.written {
        found.push(Difference::CaveatExpressionChanged(reflect_caveat(after)));
    }
}
