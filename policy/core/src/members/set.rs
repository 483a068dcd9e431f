//! Sets of subjects with everyone in them: how they unite, meet and take away, as SpiceDB's development tools count.
//!
//! Everyone of a type and single subjects of it stand beside each other. Who is excluded from everyone is kept with it.
//! Of conditions only their being there is kept: "under a caveat" and "not under a caveat" are both conditional.

use std::collections::{BTreeMap, BTreeSet};

use super::{Membership, ObjectMember};
use crate::relationship::EVERYONE;
use crate::{Object, Subject};

/// Subjects by their type.
#[derive(Debug, Clone, Default)]
pub(super) struct Set {
    types: BTreeMap<(String, Option<String>), Subjects>,
}

/// The subjects of one type.
#[derive(Debug, Clone, Default)]
struct Subjects {
    everyone: Option<Everyone>,
    single: BTreeMap<String, One>,
}

/// A subject that is in, or one that is excluded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct One {
    conditional: bool,
    through: BTreeSet<ObjectMember>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Everyone {
    one: One,
    without: BTreeMap<String, One>,
}

impl One {
    /// In by the one or by the other: conditional only if both are.
    fn or(&self, other: &One) -> One {
        One { conditional: self.conditional && other.conditional, through: both(&self.through, &other.through) }
    }
    /// In by both: conditional if either is.
    fn and(&self, other: &One) -> One {
        One { conditional: self.conditional || other.conditional, through: both(&self.through, &other.through) }
    }
}

fn both(a: &BTreeSet<ObjectMember>, b: &BTreeSet<ObjectMember>) -> BTreeSet<ObjectMember> {
    a.union(b).cloned().collect()
}

impl Set {
    /// Adds a subject that a relationship of `through` names.
    pub(super) fn name(&mut self, subject: &Subject, conditional: bool, through: ObjectMember) {
        let one = One { conditional, through: BTreeSet::from([through]) };
        let subjects = self.types.entry((subject.object.kind.clone(), subject.relation.clone())).or_default();
        if subject.object.id == EVERYONE {
            subjects.add_everyone(&Everyone { one, without: BTreeMap::new() });
        } else {
            subjects.add(&subject.object.id, &one);
        }
    }

    pub(super) fn union(&mut self, other: &Set) {
        for (of, theirs) in &other.types {
            let ours = self.types.entry(of.clone()).or_default();
            theirs.single.iter().for_each(|(id, one)| ours.add(id, one));
            theirs.everyone.iter().for_each(|everyone| ours.add_everyone(everyone));
        }
    }

    pub(super) fn intersection(&self, other: &Set) -> Set {
        let common = self.types.iter().filter_map(|(of, ours)| {
            let theirs = other.types.get(of)?;
            Some((of.clone(), ours.intersection(theirs)))
        });
        Set { types: common.collect() }
    }

    pub(super) fn subtract(&mut self, other: &Set) {
        for (of, theirs) in &other.types {
            let Some(ours) = self.types.get_mut(of) else { continue };
            theirs.single.iter().for_each(|(id, one)| ours.remove(id, one));
            theirs.everyone.iter().for_each(|everyone| ours.remove_everyone(everyone));
        }
    }

    /// Puts everybody in it under a caveat.
    pub(super) fn make_conditional(&mut self) {
        for subjects in self.types.values_mut() {
            let everyone = subjects.everyone.iter_mut().map(|everyone| &mut everyone.one);
            subjects.single.values_mut().chain(everyone).for_each(|one| one.conditional = true);
        }
    }

    pub(super) fn memberships(&self) -> Vec<Membership> {
        let mut all = Vec::new();
        for ((kind, relation), subjects) in &self.types {
            let subject = |id: &str| Subject { object: Object::new(kind, id), relation: relation.clone() };
            let membership = |id: &str, one: &One, excluded| Membership {
                subject: subject(id),
                conditional: one.conditional,
                excluded,
                through: one.through.clone(),
            };
            all.extend(subjects.single.iter().map(|(id, one)| membership(id, one, Vec::new())));
            all.extend(subjects.everyone.iter().map(|everyone| {
                let excluded = everyone.without.iter().map(|(id, one)| (subject(id), one.conditional)).collect();
                membership(EVERYONE, &everyone.one, excluded)
            }));
        }
        all.sort_by(|a, b| a.subject.cmp(&b.subject));
        all
    }
}

impl Subjects {
    fn add(&mut self, id: &str, one: &One) {
        let now = self.single.get(id).map_or_else(|| one.clone(), |there| there.or(one));
        self.single.insert(id.to_owned(), now);
        if let Some(everyone) = &mut self.everyone {
            everyone.let_in(id, one);
        }
    }

    fn add_everyone(&mut self, adding: &Everyone) {
        let mut now = match &self.everyone {
            None => adding.clone(),
            // Excluded from the union is who is excluded from both.
            Some(there) => {
                Everyone { one: there.one.or(&adding.one), without: in_both(&there.without, &adding.without) }
            }
        };
        self.single.iter().for_each(|(id, one)| now.let_in(id, one));
        self.everyone = Some(now);
    }

    fn intersection(&self, other: &Subjects) -> Subjects {
        let everyone = match (&self.everyone, &other.everyone) {
            (Some(ours), Some(theirs)) => {
                let mut without = ours.without.clone();
                for (id, one) in &theirs.without {
                    let now = without.get(id).map_or_else(|| one.clone(), |there| there.or(one));
                    without.insert(id.clone(), now);
                }
                Some(Everyone { one: ours.one.and(&theirs.one), without })
            }
            _ => None,
        };
        let mut single = BTreeMap::new();
        for (id, one) in &self.single {
            let by_name = other.single.get(id).map(|theirs| one.and(theirs));
            let by_everyone = other.everyone.as_ref().and_then(|everyone| everyone.meet(id, one));
            if let Some(one) = either(by_name, by_everyone) {
                single.insert(id.clone(), one);
            }
        }
        if let Some(everyone) = &self.everyone {
            for (id, one) in &other.single {
                let met = everyone.meet(id, one);
                if let Some(one) = either(single.get(id).cloned(), met) {
                    single.insert(id.clone(), one);
                }
            }
        }
        Subjects { everyone, single }
    }

    fn remove(&mut self, id: &str, removed: &One) {
        if let Some(one) = self.single.remove(id)
            && removed.conditional
        {
            self.single.insert(id.to_owned(), one.and(removed));
        }
        if let Some(everyone) = &mut self.everyone {
            let now = everyone.without.get(id).map_or_else(|| removed.clone(), |there| there.or(removed));
            everyone.without.insert(id.to_owned(), now);
        }
    }

    fn remove_everyone(&mut self, removed: &Everyone) {
        let conditional = removed.one.conditional;
        let single = std::mem::take(&mut self.single).into_iter().filter_map(|(id, mut one)| {
            match removed.without.get(&id) {
                // Not among those who are removed.
                Some(kept) if !kept.conditional => {}
                None if !conditional => return None,
                _ => one.conditional = true,
            }
            Some((id, one))
        });
        self.single = single.collect();
        let Some(ours) = self.everyone.take() else { return };
        if !conditional && removed.without.is_empty() {
            return;
        }
        // Who is excluded from what is removed stays, by name, unless already excluded here.
        for (id, kept) in &removed.without {
            let excluded = ours.without.get(id);
            if excluded.is_some_and(|excluded| !excluded.conditional) {
                continue;
            }
            let conditional = ours.one.conditional || conditional || kept.conditional || excluded.is_some();
            self.single.insert(id.clone(), One { conditional, through: kept.through.clone() });
        }
        // Everyone goes if both are certain. (An uncertain everyone stays, as SpiceDB has it, even if what is removed
        // is certain.)
        if conditional || ours.one.conditional {
            let through = both(&ours.one.through, &removed.one.through);
            self.everyone = Some(Everyone { one: One { conditional: true, through }, without: ours.without });
        }
    }
}

impl Everyone {
    /// Somebody is in by name: then an exclusion does not hold, or holds only as far as a caveat decides.
    fn let_in(&mut self, id: &str, one: &One) {
        if let Some(excluded) = self.without.remove(id)
            && one.conditional
        {
            self.without.insert(id.to_owned(), excluded.and(one));
        }
    }

    /// Somebody who is in by name elsewhere, if also among everyone.
    fn meet(&self, id: &str, one: &One) -> Option<One> {
        match self.without.get(id) {
            None if !self.one.conditional => Some(one.clone()),
            None => Some(one.and(&self.one)),
            Some(excluded) if !excluded.conditional => None,
            Some(excluded) => {
                let mut met = one.and(&self.one).and(excluded);
                met.conditional = true;
                Some(met)
            }
        }
    }
}

/// Of exclusions, those that are in both.
fn in_both(a: &BTreeMap<String, One>, b: &BTreeMap<String, One>) -> BTreeMap<String, One> {
    a.iter().filter_map(|(id, one)| Some((id.clone(), one.and(b.get(id)?)))).collect()
}

fn either(a: Option<One>, b: Option<One>) -> Option<One> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.or(&b)),
        (a, b) => a.or(b),
    }
}
