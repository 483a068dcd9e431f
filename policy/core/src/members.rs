//! Who is in a relation or permission, as the relationships spell it out: every subject that they name, objects and
//! sets alike, and where. Caveats are not evaluated: whoever stands under one is conditional.
//!
//! This is what validation files expect, and a second way to the answers of a check.

mod set;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::schema::{Body, DefinitionId, MemberId, Rule};
use crate::{CheckError, Filter, MAX_DEPTH, Object, Subject, Timestamp, Tuple, Tuples};
use set::Set;

/// A relation or permission of an object.
pub type ObjectMember = (Object, String);

/// One subject that is spelled out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Perhaps everyone of a type.
    pub subject: Subject,
    /// Whether a caveat decides.
    pub conditional: bool,
    /// Who is excluded from everyone, and whether a caveat decides about that; sorted.
    pub excluded: Vec<(Subject, bool)>,
    /// The relations whose relationships name the subject and count.
    pub through: BTreeSet<ObjectMember>,
}

impl Tuples {
    /// Everybody in a relation or permission of an object, sorted by subject.
    ///
    /// # Errors
    /// If the schema does not have it, or if the relationships lead further than [`MAX_DEPTH`] steps.
    pub fn memberships(&self, resource: &Object, member: &str, now: Timestamp) -> Result<Vec<Membership>, CheckError> {
        let schema = self.schema();
        let definition = schema
            .definition(&resource.kind)
            .ok_or_else(|| CheckError::UnknownDefinition { definition: resource.kind.clone() })?;
        let found = schema.member_of(definition, member).ok_or_else(|| CheckError::UnknownMember {
            definition: resource.kind.clone(),
            member: member.to_owned(),
        })?;
        let mut walk = Walk { tuples: self, now, done: HashMap::new() };
        let set = walk.member(found, &resource.id, MAX_DEPTH)?;
        Ok(set.memberships())
    }
}

struct Walk<'a> {
    tuples: &'a Tuples,
    now: Timestamp,
    done: HashMap<(MemberId, String), Arc<Set>>,
}

impl<'a> Walk<'a> {
    fn member(&mut self, member: MemberId, id: &str, depth: u8) -> Result<Arc<Set>, CheckError> {
        if let Some(done) = self.done.get(&(member, id.to_owned())) {
            return Ok(Arc::clone(done));
        }
        // A circle ends here too: nothing on the way to itself is done.
        let depth = depth.checked_sub(1).ok_or(CheckError::Depth)?;
        let tuples = self.tuples;
        let set = match &tuples.schema().member(member).body {
            Body::Relation(_) => self.relation(member, id, depth)?,
            Body::Permission(rule) => self.rule(rule, member, id, depth)?,
        };
        let set = Arc::new(set);
        self.done.insert((member, id.to_owned()), Arc::clone(&set));
        Ok(set)
    }

    fn rows(&self, relation: MemberId, id: &str) -> Vec<Tuple> {
        let schema = self.tuples.schema();
        let member = schema.member(relation);
        let filter = Filter {
            resource_kind: Some(schema.definition_name(member.definition).to_owned()),
            resource_id: Some(id.to_owned()),
            relation: Some(member.name.clone()),
            ..Filter::default()
        };
        self.tuples.select(&filter, self.now).collect()
    }

    fn relation(&mut self, relation: MemberId, id: &str, depth: u8) -> Result<Set, CheckError> {
        let mut all = Set::default();
        for row in self.rows(relation, id) {
            if let Some(of) = &row.subject.relation {
                let target = self.target(&row.subject.object.kind, of);
                if let Some(target) = target {
                    let members = self.member(target, &row.subject.object.id, depth)?;
                    all.union(&under(members, row.caveat.is_some()));
                }
            }
            all.name(&row.subject, row.caveat.is_some(), (row.resource, row.relation));
        }
        Ok(all)
    }

    fn target(&self, kind: &str, member: &str) -> Option<MemberId> {
        let schema = self.tuples.schema();
        schema.member_of(schema.definition(kind)?, member)
    }

    fn rule(&mut self, rule: &'a Rule, own: MemberId, id: &str, depth: u8) -> Result<Set, CheckError> {
        match rule {
            Rule::Nil => Ok(Set::default()),
            Rule::Itself => {
                let schema = self.tuples.schema();
                let member = schema.member(own);
                let object = Object::new(schema.definition_name(member.definition), id);
                let mut set = Set::default();
                let itself = Subject { object: object.clone(), relation: None };
                set.name(&itself, false, (object, member.name.clone()));
                Ok(set)
            }
            Rule::Member(member) => Ok(Set::clone(&*self.member(*member, id, depth)?)),
            Rule::Arrow { over, to, all } => self.arrow(*over, to, *all, id, depth),
            Rule::Union(rules) => {
                let mut set = Set::default();
                for rule in rules {
                    set.union(&self.rule(rule, own, id, depth)?);
                }
                Ok(set)
            }
            Rule::Intersection(rules) => {
                let mut sets = Vec::with_capacity(rules.len());
                for rule in rules {
                    sets.push(self.rule(rule, own, id, depth)?);
                }
                Ok(intersection(sets))
            }
            Rule::Exclusion(first, without) => {
                let mut set = self.rule(first, own, id, depth)?;
                for rule in without {
                    set.subtract(&self.rule(rule, own, id, depth)?);
                }
                Ok(set)
            }
        }
    }

    fn arrow(
        &mut self,
        over: MemberId,
        to: &'a [(DefinitionId, MemberId)],
        all: bool,
        id: &str,
        depth: u8,
    ) -> Result<Set, CheckError> {
        let mut sets = Vec::new();
        for row in self.rows(over, id) {
            let definition = self.tuples.schema().definition(&row.subject.object.kind);
            let target = to.iter().find(|(of, _)| Some(*of) == definition);
            sets.push(match target {
                Some((_, member)) => under(self.member(*member, &row.subject.object.id, depth)?, row.caveat.is_some()),
                None => Set::default(),
            });
        }
        if all {
            return Ok(intersection(sets));
        }
        let mut set = Set::default();
        sets.iter().for_each(|one| set.union(one));
        Ok(set)
    }
}

fn under(set: Arc<Set>, caveat: bool) -> Set {
    let mut set = Set::clone(&set);
    if caveat {
        set.make_conditional();
    }
    set
}

/// Of no sets: nobody.
fn intersection(sets: Vec<Set>) -> Set {
    let mut sets = sets.into_iter();
    let mut common = sets.next().unwrap_or_default();
    sets.for_each(|set| common = common.intersection(&set));
    common
}
