//! Which relations and permissions lead to which.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::reflect::ReflectError;
use super::{Body, DefinitionId, Form, MemberId, Rule, Schema};

/// A relation or permission by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MemberReference {
    /// Where it is defined.
    pub definition: String,
    /// As it is called there.
    pub name: String,
    /// Whether it is computed.
    pub is_permission: bool,
}

/// What a relation or permission takes its subjects from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    Object(DefinitionId),
    Everyone(DefinitionId),
    Member(MemberId),
}

impl Schema {
    /// Every relation and permission that a subject may come to have because it is an object of
    /// `definition`, or has `relation` of one: sorted, without that relation itself. Only those of
    /// definitions whose name begins with `filter`.
    ///
    /// # Errors
    /// If the schema has no such definition or relation.
    pub fn computable_permissions(
        &self,
        definition: &str,
        relation: Option<&str>,
        filter: &str,
    ) -> Result<Vec<MemberReference>, ReflectError> {
        let id = self.known(definition)?;
        let start = match relation {
            None => Origin::Object(id),
            Some(name) => Origin::Member(self.known_member(id, name)?),
        };
        let mut uses: HashMap<Origin, Vec<MemberId>> = HashMap::new();
        for member in self.member_ids() {
            self.origins(member, &mut |origin, _| uses.entry(origin).or_default().push(member));
        }
        let mut found = HashSet::new();
        let mut open = vec![(start, Origin::Everyone(id))];
        while let Some((origin, everyone)) = open.pop() {
            for &member in [origin, everyone].iter().filter_map(|origin| uses.get(origin)).flatten() {
                if found.insert(member) {
                    open.push((Origin::Member(member), Origin::Everyone(self.member(member).definition)));
                }
            }
        }
        found.retain(|&member| Origin::Member(member) != start);
        let mut named = self.references(found);
        named.retain(|member| member.definition.starts_with(filter));
        Ok(named)
    }

    /// Every relation and permission that a permission follows from, sorted, without itself.
    ///
    /// # Errors
    /// If the schema has no such permission.
    pub fn dependent_relations(
        &self,
        definition: &str,
        permission: &str,
    ) -> Result<Vec<MemberReference>, ReflectError> {
        let start = self.known_member(self.known(definition)?, permission)?;
        if let Body::Relation(_) = self.member(start).body {
            return Err(ReflectError::NotAPermission(permission.to_owned()));
        }
        let (mut followed, mut walked) = (HashSet::from([start]), HashSet::new());
        let mut open = vec![start];
        while let Some(member) = open.pop() {
            self.origins(member, &mut |origin, over| {
                walked.extend(over);
                if let Origin::Member(next) = origin
                    && followed.insert(next)
                {
                    open.push(next);
                }
            });
        }
        followed.extend(walked);
        followed.remove(&start);
        Ok(self.references(followed))
    }

    fn known(&self, definition: &str) -> Result<DefinitionId, ReflectError> {
        self.definition(definition).ok_or_else(|| ReflectError::UnknownDefinition(definition.to_owned()))
    }

    fn known_member(&self, definition: DefinitionId, name: &str) -> Result<MemberId, ReflectError> {
        self.member_of(definition, name).ok_or_else(|| ReflectError::UnknownMember {
            definition: self.definition_name(definition).to_owned(),
            name: name.to_owned(),
        })
    }

    fn references(&self, members: impl IntoIterator<Item = MemberId>) -> Vec<MemberReference> {
        let named = members.into_iter().map(|id| {
            let member = self.member(id);
            MemberReference {
                definition: self.definition_name(member.definition).to_owned(),
                name: member.name.clone(),
                is_permission: matches!(member.body, Body::Permission(_)),
            }
        });
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Calls `visit` with everything that a member takes its subjects from, and the relation of the arrow
    /// that leads there, if one does.
    fn origins(&self, id: MemberId, visit: &mut impl FnMut(Origin, Option<MemberId>)) {
        let member = self.member(id);
        match &member.body {
            Body::Permission(rule) => rule.origins(member.definition, visit),
            Body::Relation(types) => {
                for allowed in types {
                    let origin = match allowed.form {
                        Form::Object => Origin::Object(allowed.definition),
                        Form::Everyone => Origin::Everyone(allowed.definition),
                        Form::Members(of) => Origin::Member(of),
                    };
                    visit(origin, None);
                }
            }
        }
    }
}

impl Rule {
    fn origins(&self, own: DefinitionId, visit: &mut impl FnMut(Origin, Option<MemberId>)) {
        match self {
            Rule::Nil => {}
            Rule::Itself => visit(Origin::Object(own), None),
            Rule::Member(member) => visit(Origin::Member(*member), None),
            Rule::Arrow { over, to, .. } => {
                to.iter().for_each(|&(_, member)| visit(Origin::Member(member), Some(*over)));
            }
            Rule::Union(rules) | Rule::Intersection(rules) => rules.iter().for_each(|rule| rule.origins(own, visit)),
            Rule::Exclusion(first, without) => {
                first.origins(own, visit);
                without.iter().for_each(|rule| rule.origins(own, visit));
            }
        }
    }
}
