//! What contains what: groups in groups, folders in folders. The engine answers whatever is stored; Allod's own writes
//! keep circles and deep nesting out before they are.

use std::collections::{HashMap, HashSet};

use super::{ObjectIndex, Tuples};
use crate::Tuple;
use crate::schema::MemberId;

/// What a relationship would do to the nesting of things of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    /// Something would come to contain itself.
    Circle,
    /// The longest chain that it would be part of, in relationships.
    Levels(usize),
}

/// A relation of an object: that which contains, and is contained.
type ObjectMember = (MemberId, ObjectIndex);

/// Chains are not followed further than this.
const FARTHEST: usize = 64;

impl Tuples {
    /// What the relationship would do, once put: by whatever way, ends and permissions left out of account. `None` if
    /// it nests nothing.
    pub fn nesting(&self, tuple: &Tuple) -> Option<Nesting> {
        let definition = self.schema.definition(&tuple.resource.kind)?;
        let relation = self.schema.member_of(definition, &tuple.relation)?;
        let kind = self.schema.definition(&tuple.subject.object.kind)?;
        let within: Vec<MemberId> = match &tuple.subject.relation {
            Some(name) => self.schema.relations_under(self.schema.member_of(kind, name)?),
            None if kind == definition => vec![relation],
            None => return None,
        };
        if (&tuple.resource.kind, &tuple.resource.id) == (&tuple.subject.object.kind, &tuple.subject.object.id)
            && within.contains(&relation)
        {
            return Some(Nesting::Circle);
        }
        let (resource, subject) = {
            let names = self.names.read();
            (names.find(definition, &tuple.resource.id), names.find(kind, &tuple.subject.object.id))
        };
        let top = resource.map(|resource| (relation, resource));
        let mut below = 0;
        let mut heights = HashMap::new();
        for member in within {
            let Some(subject) = subject else { continue };
            if let Some(top) = top
                && self.contains((member, subject), top)
            {
                return Some(Nesting::Circle);
            }
            below = below.max(self.height((member, subject), FARTHEST, &mut heights, &Tuples::inside));
        }
        let above = top.map_or(0, |top| self.height(top, FARTHEST, &mut HashMap::new(), &Tuples::outside));
        Some(Nesting::Levels(above + 1 + below))
    }

    /// Whether `place` is or contains `sought`.
    fn contains(&self, place: ObjectMember, sought: ObjectMember) -> bool {
        let (mut open, mut seen) = (vec![place], HashSet::new());
        while let Some(next) = open.pop() {
            if next == sought {
                return true;
            }
            if seen.insert(next) {
                open.extend(self.inside(next));
            }
        }
        false
    }

    /// What a place contains.
    fn inside(&self, (relation, node): ObjectMember) -> Vec<ObjectMember> {
        let own = self.objects_of(self.schema.member(relation).definition);
        let mut found = Vec::new();
        for (edge, _) in self.rows(relation, node) {
            match self.member_in(edge.of) {
                Some(member) => {
                    found.extend(self.schema.relations_under(member).into_iter().map(|of| (of, edge.subject)));
                }
                None if edge.of == own => found.push((relation, edge.subject)),
                None => {}
            }
        }
        found
    }

    /// What contains a place.
    fn outside(&self, (relation, node): ObjectMember) -> Vec<ObjectMember> {
        let own = self.schema.member(relation).definition;
        let members = (0u32..).map(MemberId).take(self.schema.member_count());
        let through = members.filter(|&member| {
            self.schema.member(member).definition == own && self.schema.relations_under(member).contains(&relation)
        });
        let sets = through.flat_map(|member| self.of_subject(self.members_of(member), node));
        let objects = self.of_subject_in(self.objects_of(own), node, relation);
        sets.chain(objects).map(|(edge, _)| (edge.relation, edge.resource)).collect()
    }

    /// The longest chain from a place, at most `farthest`.
    fn height(
        &self,
        place: ObjectMember,
        farthest: usize,
        known: &mut HashMap<ObjectMember, usize>,
        next: &dyn Fn(&Tuples, ObjectMember) -> Vec<ObjectMember>,
    ) -> usize {
        if farthest == 0 {
            return 0;
        }
        if let Some(&height) = known.get(&place) {
            return height;
        }
        let below = next(self, place).into_iter().map(|place| 1 + self.height(place, farthest - 1, known, next)).max();
        let height = below.unwrap_or(0);
        known.insert(place, height);
        height
    }
}
